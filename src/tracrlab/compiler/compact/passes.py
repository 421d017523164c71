"""The passes of compact mode, each of which can be switched off: the function stays the same, the model grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import unit_roundoff


def _on(family: str, description: str) -> Any:
    return field(default=True, metadata={"family": family, "description": description})


@dataclass(frozen=True)
class Passes:
    """Which passes are on; several may belong to one family of ideas."""

    cse: bool = _on("common subexpressions", "nodes with the same meaning are one")
    fold: bool = _on(
        "view folding", "functions are read off what they depend on, or computed at once with what reads them"
    )
    cases: bool = _on(
        "view folding", "counts by functions of several things are sums over the cases that depend on one each"
    )
    lengths: bool = _on("tighter domains", "positions beyond the length, which do not occur, may get any value")
    totals: bool = _on("tighter domains", "sums take the place of means whose sign alone matters")
    neurons: bool = _on("neuron minimisation", "functions of one number are steps, where that is cheaper than a lookup")
    ridges: bool = _on("neuron minimisation", "products become functions of sums and differences")
    bends: bool = _on("neuron minimisation", "polygons take the place of steps, where rounding allows it")
    factor: bool = _on("rank factoring", "variables store as few features as are read, not one-hots")
    digits: bool = _on("scalar codes", "order comparisons of many values compare digits")
    carries: bool = _on("scalar codes", "positions named by a sum are found digit by digit, with a carry")
    codes: bool = _on("scalar codes", "equality is compared by integer codes, not by a feature for each class")
    bold: bool = _on("scalar codes", "codes with rounding errors are compared even where positions must weigh the same")
    grounds: bool = _on(
        "scalar codes", "what attention leaves is stored beside a constant so large that its errors are rounded away"
    )
    clean: bool = _on("scalar codes", "codes too noisy for heads that count are made exact by one more MLP")
    schedule: bool = _on(
        "scheduling", "components run side by side in the fewest layers, and in those where the model is smallest"
    )
    reuse: bool = _on(
        "dimension reuse",
        "dimensions of what is no longer read hold something else, where that costs less",
    )

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """What each pass does, by name, in the order in which they build on each other."""
        return {each.name: each.metadata["description"] for each in fields(cls)}

    @classmethod
    def families(cls) -> dict[str, str]:
        """The family that each pass belongs to."""
        return {each.name: each.metadata["family"] for each in fields(cls)}

    @classmethod
    def named(cls, names: Iterable[str]) -> Passes:
        """These passes; names that all begin with ``-`` switch passes off instead.

        Raises:
            ValueError: there is no such pass, or some names begin with ``-`` and some do not.
        """
        names = [str(name) for name in names]
        off = [name.removeprefix("-") for name in names if name.startswith("-")]
        known = cls.descriptions()
        unknown = [name for name in (off or names) if name not in known]
        if off and len(off) < len(names):
            raise ValueError("either name the passes that are on, or, each with a - in front, those that are off")
        if unknown:
            raise ValueError(f"there is no pass {unknown[0]!r}; the passes are {', '.join(known)}")
        if off:
            return replace(cls(), **dict.fromkeys(off, False))
        return cls(**{name: name in names for name in known})


@dataclass(frozen=True)
class Attempt:
    """How to build a program.

    Attributes: ``passes`` that are on; ``margin`` of the usual precision that is asked of numbers;
    ``count_by_classes``: heads that count compare no codes with rounding errors; ``grounded``: what attention leaves is
    stored beside a ground; ``exact_logits``: heads that count are as wide as it takes for logits not to round;
    ``gentle``: nothing is magnified, so that the residual stream bears errors as large as a change of its basis makes.
    """

    passes: Passes
    margin: float = 1.0
    count_by_classes: bool = False
    grounded: bool = False
    exact_logits: bool = False
    gentle: bool = False

    def precision(self, dtype: NumberFormat) -> float:
        """How many values a rounded quantity may tell apart."""
        return self.margin / (512 * unit_roundoff(dtype))
