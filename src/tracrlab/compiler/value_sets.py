"""Values an s-op can take, as finite ordered sets, and tables of functions over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from tracrlab.rasp.semantics import apply_function
from tracrlab.rasp.values import Ratio, Value, is_finite_number, is_number, value_key
from tracrlab.shapes import Int

MAX_TABLE_ENTRIES = 2**21
MAX_NUMBERS = 2**19
MAX_SPARSE_SUMS = 2**16  # of whole numbers beyond int64, which Python adds up
MAX_MARKS = 2**24  # numbers between the smallest sum and the largest that are marked one by one
MAX_SUM_WORK = 4e9  # nanoseconds, about, that means may take to be found
_PAIR, _TRANSFORMED, _SHIFTED = 80.0, 150.0, 0.1  # nanoseconds: to sort a pair in; for each mark; for each and a number
_PAIRS_AT_ONCE = 2**21


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

    Sums of w out of n numbers are w (n - 1) + 1 at least, each of them a mean of its own, so many numbers are refused
    before anything is added up.

    Raises:
        TooManyValues: there are more than ``limit`` means, or finding them takes too much.
    """
    longest = max(widths, default=0)
    denominator = math.lcm(*(number.denominator for number in numbers))
    lowest = int(min(numbers) * denominator)
    distances = sorted({int(number * denominator) - lowest for number in numbers})
    if longest * (len(distances) - 1) + 1 > limit:
        raise TooManyValues(f"it has more than {limit} possible means, of {len(distances)} numbers")
    unit = math.gcd(*distances) or 1
    steps = [distance // unit for distance in distances]
    quotients = _quotients_of_numbers if longest * (longest + 1) * steps[-1] < 2**62 else _quotients_of_sets
    return [
        Fraction(total * unit + lowest * width, width * denominator) for total, width in quotients(steps, widths, limit)
    ]


def _quotients_of_numbers(steps: Sequence[int], widths: range, limit: int) -> Iterator[tuple[int, int]]:
    """Sums of steps, which ascend from 0, over how many they are, in lowest terms.

    Sums are added to steps pair by pair, or, where pairs are more than the numbers in between, as marks on them.
    """
    numbers, sums = np.array(steps, np.int64), np.zeros(1, np.int64)
    base, work = widths[-1] + 1, 0.0
    codes, waiting, size = np.zeros(0, np.int64), list[np.ndarray](), 0
    for width in range(1, base):
        span, pairs = width * steps[-1] + 1, len(sums) * len(steps)
        by_pairs, by_marks = _PAIR * pairs, span * min(_TRANSFORMED, 1 + _SHIFTED * len(steps))
        as_marks = by_marks < by_pairs and span <= MAX_MARKS
        work += (by_marks if as_marks else by_pairs) + 2 * _PAIR * len(sums)
        if work > MAX_SUM_WORK:
            raise TooManyValues(f"it averages {len(steps)} numbers, which have too many sums")
        sums = _added_as_marks(sums, numbers, span) if as_marks else _added_as_pairs(sums, numbers)
        if width in widths:
            divisors = np.gcd(sums, width)
            waiting.append(sums // divisors * base + width // divisors)
            size += len(sums)
        if width == base - 1 or size > len(codes) + _PAIRS_AT_ONCE // 8:  # few are sorted many times
            codes, waiting, size = np.unique(np.concatenate([codes, *waiting])), [], 0
        if max(len(sums), len(codes)) > limit:
            raise TooManyValues(f"it has more than {limit} possible means")
    yield from (divmod(code, base) for code in codes.tolist())


def _added_as_pairs(sums: Int[np.ndarray, " sum"], numbers: Int[np.ndarray, " number"]) -> Int[np.ndarray, " _"]:
    """All sums of one of each, ascending, some million pairs at once."""
    rows = max(1, _PAIRS_AT_ONCE // len(sums))
    added = np.zeros(0, np.int64)
    for start in range(0, len(numbers), rows):
        added = np.union1d(added, np.add.outer(numbers[start : start + rows], sums))
    return added


def _added_as_marks(
    sums: Int[np.ndarray, " sum"], numbers: Int[np.ndarray, " number"], span: int
) -> Int[np.ndarray, " _"]:
    """All sums of one of each, ascending and less than ``span``, by shifts or as a product of polynomials.

    A coefficient of the product is how many pairs add up to its exponent, a whole number of at most 2**24, which a
    transform in float64 gives to within a millionth.
    """
    marks = np.zeros(span, bool)
    marks[sums] = True
    if 1 + _SHIFTED * len(numbers) < _TRANSFORMED:
        added = np.zeros(span, bool)
        for number in numbers.tolist():
            added[number:] |= marks[: span - number]
        return np.flatnonzero(added)
    size = 2 ** (span - 1).bit_length()  # no exponent of the product is larger, so that nothing wraps around
    others = np.zeros(span)
    others[numbers] = 1
    product = np.fft.irfft(np.fft.rfft(marks.astype(float), size) * np.fft.rfft(others, size), size)
    return np.flatnonzero(product[:span] > 1 / 2)


def _quotients_of_sets(steps: Sequence[int], widths: range, limit: int) -> set[tuple[int, int]]:
    """The same for steps too large for NumPy."""
    sums, quotients, work = {0}, set[tuple[int, int]](), 0.0
    for width in range(1, widths[-1] + 1):
        work += _PAIR * len(sums) * len(steps)
        if work > MAX_SUM_WORK or len(sums) > MAX_SPARSE_SUMS:
            raise TooManyValues(f"it averages {len(steps)} numbers, which have too many sums")
        sums = {total + step for total in sums for step in steps}
        if width in widths:
            quotients |= {
                (total // divisor, width // divisor) for total in sums for divisor in [math.gcd(total, width)]
            }
        if len(quotients) > limit:
            raise TooManyValues(f"it has more than {limit} possible means")
    return quotients


def mean_domain(
    numbers: Sequence[Fraction], native: Iterable[Value], widths: range, limit: int = MAX_NUMBERS
) -> Domain:
    """The values of a mean: the exact means as ratios, and the ``native`` values it passes on unchanged."""
    means = [Ratio(mean) for mean in mean_numbers(numbers, widths, limit)] if max(widths, default=0) else []
    return domain_of([*native, *means])
