"""The passes of compact mode, each of which can be switched off."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Passes:
    """Which passes are on.

    Attributes: ``totals`` sums instead of means whose sign alone matters; ``ridges`` products as functions of sums and
    differences; ``digits`` order comparisons between many values by their digits; ``codes`` integer codes compared by
    parabolas, instead of a feature a class; ``factor`` variables store the fewest features that are read, instead of
    one-hots; ``neurons`` functions of one number instead of lookups where that takes fewer neurons; ``bends`` polygons
    instead of steps where rounding allows; ``bold`` codes with rounding errors are compared by parabolas even where
    positions must be weighed equally; ``reuse`` dimensions of variables that nothing reads any more are used again.
    """

    totals: bool = True
    ridges: bool = True
    digits: bool = True
    codes: bool = True
    factor: bool = True
    neurons: bool = True
    bends: bool = True
    bold: bool = True
    reuse: bool = True

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all passes."""
        return tuple(field.name for field in fields(cls))
