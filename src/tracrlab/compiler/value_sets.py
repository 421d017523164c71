"""Values an s-op can take, as finite ordered sets, and tables of functions over them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from itertools import product
from typing import Any

import numpy as np

from tracrlab.rasp.semantics import apply_function
from tracrlab.rasp.values import Ratio, Value, is_finite_number, is_number, value_key
from tracrlab.shapes import Int

MAX_TABLE_ENTRIES = 2**21
MAX_NUMBERS = 2**19
MAX_SPARSE_SUMS = 2**16


class TooManyValues(Exception):
    """A domain or table passes the stated limit; the message gives the sizes, ``remedy`` what to do."""

    def __init__(
        self, reason: str, remedy: str = "Use a smaller vocabulary or length, or functions with fewer values"
    ) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, eq=False)
class Domain:
    """The finite set of values an s-op can take, in a fixed order, and whether it can be ``None`` as well."""

    values: tuple[Value, ...]
    nullable: bool = False

    @cached_property
    def places(self) -> dict[Hashable, int]:
        """The place of each value, by :func:`tracrlab.rasp.values.value_key`."""
        return {value_key(value): place for place, value in enumerate(self.values)}

    @cached_property
    def is_numeric(self) -> bool:
        """Whether every value is a finite number."""
        return all(map(is_finite_number, self.values))

    def __len__(self) -> int:
        return len(self.values)


def domain_of(values: Iterable[Value], *, nullable: bool = False) -> Domain:
    """The domain of the distinguishable values among ``values`` (``None`` makes it nullable), sorted where possible."""
    distinct: dict[Hashable, Value] = {}
    for value in values:
        if value is None:
            nullable = True
        else:
            distinct.setdefault(value_key(value), value)
    return Domain(tuple(ordered(list(distinct.values()))), nullable)


def ordered(values: list[Any]) -> list[Any]:
    """The values in ascending order if Python can compare them all, otherwise as they come."""
    if all(map(is_number, values)) or len({type(value) for value in values}) == 1:
        try:
            return sorted(values)
        except TypeError:
            return values
    return values


@dataclass(frozen=True, eq=False)
class Table:
    """A function of several s-ops, tabulated: ``places[i, j, …]`` is the place of its value in ``domain``.

    ``inputs`` are the places of the s-ops in the graph, one an axis; ``-1`` stands for ``None``.
    """

    inputs: tuple[int, ...]
    domain: Domain
    places: Int[np.ndarray, "..."]


def tabulate(
    function: Callable[..., Any],
    operands: Sequence[int],
    domains: Mapping[int, Domain],
    limit: int = MAX_TABLE_ENTRIES,
) -> Table:
    """The table of an elementwise function of the s-ops ``operands``, over all combinations of their values.

    An s-op that is an operand twice has one axis.

    Raises:
        FunctionFailure: the function has no usable value for some combination.
        TooManyValues: there are more than ``limit`` combinations.
    """
    inputs = tuple(dict.fromkeys(operands))
    shape = tuple(len(domains[place]) for place in inputs)
    if math.prod(shape) > limit:
        sizes = " x ".join(map(str, shape))
        raise TooManyValues(f"its inputs have {sizes} combinations of values, more than {limit}")
    axes = [inputs.index(place) for place in operands]
    combinations = product(*(domains[place].values for place in inputs))
    results = [apply_function(function, [values[axis] for axis in axes]) for values in combinations]
    domain = domain_of(results)
    place = domain.places
    places = [-1 if value is None else place[value_key(value)] for value in results]
    return Table(inputs, domain, np.array(places, np.int64).reshape(shape))


def mean_numbers(numbers: Sequence[Fraction], widths: range, limit: int = MAX_NUMBERS) -> list[Fraction]:
    """Every mean of ``w`` of the numbers, repetition allowed, for every ``w`` in ``widths``.

    Raises:
        TooManyValues: there are more than ``limit`` means.
    """
    denominator = math.lcm(*(number.denominator for number in numbers))
    lowest = int(min(numbers) * denominator)
    steps = sorted({int(number * denominator) - lowest for number in numbers})
    longest = max(widths, default=0)
    sums = _sums_as_bits if longest * steps[-1] < 32 * MAX_NUMBERS else _sums_as_sets
    means: set[tuple[int, int]] = set()
    for width, totals in enumerate(sums(steps, longest), start=1):
        if width in widths:
            for total in totals:
                divisor = math.gcd(total, width)
                means.add((total // divisor, width // divisor))
        if len(means) > limit:
            raise TooManyValues(f"it has more than {limit} possible means")
    return [Fraction(total + lowest * width, width * denominator) for total, width in means]


def _sums_as_bits(steps: Sequence[int], longest: int) -> Iterator[list[int]]:
    """The sums of 1, 2, … of the steps (the first of which is 0), found as the set bits of a big integer."""
    bits = 1
    for _ in range(longest):
        shifted = [bits << step for step in steps]
        bits = reduce(operator.or_, shifted)
        data = np.frombuffer(bits.to_bytes(bits.bit_length() // 8 + 1, "little"), np.uint8)
        yield np.flatnonzero(np.unpackbits(data, bitorder="little")).tolist()


def _sums_as_sets(steps: Sequence[int], longest: int) -> Iterator[list[int]]:
    """The same for steps too large and sparse for bits."""
    sums = {0}
    for _ in range(longest):
        sums = {total + step for total in sums for step in steps}
        if len(sums) > MAX_SPARSE_SUMS:
            raise TooManyValues(f"it averages {len(steps)} numbers, which have more than {MAX_SPARSE_SUMS} sums")
        yield list(sums)


def mean_domain(
    numbers: Sequence[Fraction], native: Iterable[Value], widths: range, limit: int = MAX_NUMBERS
) -> Domain:
    """The values of a mean: the exact means as ratios, and the ``native`` values it passes on unchanged."""
    means = [Ratio(mean) for mean in mean_numbers(numbers, widths, limit)] if max(widths, default=0) else []
    return domain_of([*native, *means])
