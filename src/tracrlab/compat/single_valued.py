"""An aggregate that is ``None`` where its selected values have no mean, built from those that the compiler knows.

Tracr compiles an aggregate of strings and leaves it to the program to select one position. Where the compiler cannot
see that it does, this says what the model answers if it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tracrlab.compiler.value_sets import Domain
from tracrlab.rasp import expressions as native
from tracrlab.rasp.functions import indices, numerical
from tracrlab.rasp.values import Value, is_finite_number, value_key


def single_valued_aggregate(aggregate: native.Aggregate, values: Domain, name: str) -> native.SOp:
    """What ``aggregate`` gives, and ``None`` where its selected values have no mean.

    ``values`` are those of the aggregated s-op, ``name`` is for the intermediate s-ops. The values are numbered, from 1
    on; ``None`` is 0.
    """
    code = _code(aggregate.sop, values, name)
    if all(map(is_finite_number, values.values)):
        return _mean_if_complete(aggregate, code, values, name)
    return _common_value(aggregate, code, values, name)


def _code(sop: native.SOp, values: Domain, name: str) -> native.SOp:
    """The number of the value at each position.

    A function never sees ``None``, but a width counts it out: each binary digit is how many positions a query selects
    that is to select itself if its value's number has the digit.
    """
    number = {value_key(value): place for place, value in enumerate(values.values, start=1)}
    if not values.nullable:
        return native.Map(lambda value: number[value_key(value)], sop).named(f"{name}.code")
    itself = native.Select(indices, indices, native.Comparison.EQ)
    digits = [
        native.SelectorWidth(itself & native.Select(sop, indices, _has_digit(number, digit))).named(
            f"{name}.digit{digit}"
        )
        for digit in range(len(values).bit_length())
    ]
    if len(digits) == 1:
        return digits[0]
    return native.SequenceMap(_binary, *digits).named(f"{name}.code")


def _has_digit(number: dict[Any, int], digit: int) -> Callable[[Any, Any], bool]:
    return lambda key, query: bool(number[value_key(key)] >> digit & 1)


def _binary(*digits: int) -> int:
    return sum(digit << place for place, digit in enumerate(digits))


def _mean_if_complete(aggregate: native.Aggregate, code: native.SOp, values: Domain, name: str) -> native.SOp:
    """The mean of numbers, ``None`` where a ``None`` is among them."""
    number_of = {0: 0, **dict(enumerate(values.values, start=1))}
    number = native.Map(lambda place: number_of.get(place, 0), code).named(f"{name}.number")
    mean = native.Aggregate(aggregate.selector, number, aggregate.default).named(f"{name}.mean")
    absent = native.Select(code, indices, lambda key, query: key == 0)
    missing = native.SelectorWidth(aggregate.selector & absent).named(f"{name}.missing")
    return native.SequenceMap(lambda value, count: None if count else value, mean, missing)


def _common_value(aggregate: native.Aggregate, code: native.SOp, values: Domain, name: str) -> native.SOp:
    """The value that all selected positions hold, ``None`` where they differ.

    Different points on the parabola (i, i²) have their mean off it, so two averages, of i and of i², tell which value
    it is or that there are several.
    """
    value_of = {-1: aggregate.default, 0: None, **dict(enumerate(values.values, start=1))}
    square = numerical(native.Map(lambda place: place**2, code)).named(f"{name}.square")
    mean = numerical(native.Aggregate(aggregate.selector, numerical(code), -1)).named(f"{name}.mean")
    mean_square = numerical(native.Aggregate(aggregate.selector, square, -1)).named(f"{name}.mean_square")
    first = native.Map(_integer, mean).named(f"{name}.first")
    second = native.Map(_root, mean_square).named(f"{name}.second")
    return native.SequenceMap(lambda x, y: value_of.get(x) if x == y else None, first, second)


def _integer(mean: float) -> Value:
    return int(mean) if mean == int(mean) else None


def _root(mean: float) -> Value:
    if mean < 0:
        return -1
    root = math.isqrt(int(mean))
    return root if mean == root**2 else None
