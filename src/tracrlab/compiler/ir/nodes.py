"""The nodes of a program: values by number, tables over them, and patterns of attention.

Every node has a finite list of values, ``None`` among them where it can occur, and speaks of them by their places in
the list. Names and functions are gone, so two nodes that mean the same are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from tracrlab.rasp.values import Value, is_finite_number
from tracrlab.shapes import Bool, Float, Int

IMPOSSIBLE = -1
SAME = 1e-9  # a sum may miss by this share of itself the number that stands for it: floats add up to 1e-16 of theirs


@dataclass(frozen=True, eq=False)
class IRNode:
    """A value at every position.

    Attributes: ``place`` of the expression it serves in the program's graph; ``name``; ``values`` it can take.
    """

    place: int
    name: str
    values: tuple[Value, ...]

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        """The nodes it is computed from."""
        return ()

    @cached_property
    def numbers(self) -> Float[np.ndarray, " value"] | None:
        """The values as numbers, if all of them are finite numbers."""
        if not all(map(is_finite_number, self.values)):
            return None
        return np.array([float(value) for value in self.values])  # type: ignore[arg-type]

    def raw_table(self) -> Float[np.ndarray, "value width"] | None:
        """What attention leaves for each value, for nodes whose values come out as quantities and not as codes."""
        return None

    @property
    def is_left_as_number(self) -> bool:
        """Whether attention leaves the number that the value is, so that sums of such nodes can be read as they are."""
        return False


@dataclass(frozen=True, eq=False)
class Source(IRNode):
    """The tokens (``by_token``) or the positions, or ``digits`` of them: the place of one for each position."""

    by_token: bool
    digits: Int[np.ndarray, " position"] | None = None


@dataclass(frozen=True, eq=False)
class Elementwise(IRNode):
    """A function of other nodes: ``places[i, j, …]`` is the place of the result, ``IMPOSSIBLE`` if it cannot occur."""

    operands: tuple[IRNode, ...]
    places: Int[np.ndarray, "..."]

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return self.operands


@dataclass(frozen=True, eq=False)
class Affine(IRNode):
    """A sum of numbers with factors, plus an offset: the value that is the sum, or nearest to it.

    Which one it is follows from the number alone, so no two values are nearly the same number.
    """

    operands: tuple[IRNode, ...]
    factors: tuple[Fraction, ...]
    offset: Fraction

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return self.operands


@dataclass(frozen=True, eq=False)
class Match:
    """A predicate between the values of two nodes."""

    queries: IRNode
    keys: IRNode
    matrix: Bool[np.ndarray, "query key"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a head attends: the positions that satisfy all ``matches``, or BOS if none does; to count, both.

    ``never_empty``: every position is sure to select some position. ``longest``: how many it can select at most.
    ``latest``: the positions, of which the last one is attended, and no other; there are no matches then.
    """

    matches: tuple[Match, ...]
    counts: bool
    never_empty: bool
    longest: int
    latest: IRNode | None = None

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        """The nodes that are compared."""
        compared = tuple(node for match in self.matches for node in (match.queries, match.keys))
        return compared if self.latest is None else (self.latest,)


@dataclass(frozen=True, eq=False)
class Copied(IRNode):
    """The one value that is selected.

    ``slots`` are the places of the source's values among this node's; ``default`` is the place of the default, if
    nothing can be selected.
    """

    pattern: Pattern
    source: IRNode
    slots: Int[np.ndarray, " value"]
    default: int | None

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return (*self.pattern.inputs, self.source)


@dataclass(frozen=True, eq=False)
class Mean(IRNode):
    """The mean of the numbers selected.

    ``values`` are numbers in ascending order, and then the default if it is no number (``odd_default``).
    ``signs_only``: they are not all the means there are, but have one of each sign that means can have.
    """

    pattern: Pattern
    source: IRNode
    default: Value
    odd_default: bool
    signs_only: bool = False

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return (*self.pattern.inputs, self.source)

    @property
    def is_left_as_number(self) -> bool:
        return True

    @property
    def n_numbers(self) -> int:
        """The number of values that are numbers."""
        return len(self.values) - self.odd_default

    def raw_table(self) -> Float[np.ndarray, "value width"]:
        """The number, and, beside an odd default, whether there is one."""
        table = np.zeros((len(self.values), 1 + self.odd_default))
        table[: self.n_numbers, 0] = [float(value) for value in self.values[: self.n_numbers]]  # type: ignore[arg-type]
        table[: self.n_numbers, 1:] = 1
        return table


@dataclass(frozen=True, eq=False)
class Total(IRNode):
    """The sum of the whole numbers selected, or, without a ``source``, how many there are; ``values`` ascend."""

    pattern: Pattern
    source: IRNode | None

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return (*self.pattern.inputs, self.source) if self.source else self.pattern.inputs

    @property
    def is_left_as_number(self) -> bool:
        return True

    def raw_table(self) -> Float[np.ndarray, "value width"]:
        """The sum itself, to which what BOS leaves of the attention adds up."""
        return np.array([[float(total)] for total in self.values])  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Share(Total):
    """How many positions are selected, which attention leaves as the share of it that BOS gets."""

    @property
    def is_left_as_number(self) -> bool:
        return False

    def raw_table(self) -> Float[np.ndarray, "value width"]:
        """What BOS and w selected positions that weigh the same leave to BOS: ``1 / (1 + w)``."""
        return np.array([[1 / (1 + float(count))] for count in self.values])  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Rough(Elementwise):
    """A function whose values are small whole numbers, computed as a number with an error that steps make good."""


@dataclass(frozen=True, eq=False)
class Cleaned(IRNode):
    """The values of a rough function, without its error; where ``gate`` is not 0, one of ``instead``, from 1 on."""

    rough: Rough
    gate: IRNode | None = None
    instead: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[IRNode, ...]:
        return (self.rough, self.gate) if self.gate else (self.rough,)


@dataclass(frozen=True, eq=False)
class IR:
    """The nodes of a program, inputs first, and the one that is its value.

    ``longest``: the number of tokens of the longest input; ``causal``: positions see themselves and earlier ones only.
    """

    nodes: tuple[IRNode, ...]
    output: IRNode
    longest: int
    causal: bool


def numbers_tell_apart(values: Sequence[Value]) -> bool:
    """Whether the values are numbers of which the nearest to a sum is known, in spite of rounding.

    ``1`` and ``True`` are the same number; so, nearly, are 2/3 as an exact ratio and ``1 - 1/3`` in floats.
    """
    if not values or not all(map(is_finite_number, values)):
        return False
    numbers = np.sort(np.array([float(value) for value in values]))  # type: ignore[arg-type]
    return bool((np.diff(numbers) > 4 * SAME * np.maximum(1.0, np.abs(numbers[1:]))).all())
