"""An aggregate that is ``None`` where its selected values have no mean, built from those that the compiler knows.

Tracr compiles an aggregate of strings and leaves it to the program to select one position. Where the compiler cannot
see that it does, this says what the model answers if it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tracrlab.compiler.value_sets import Domain
from tracrlab.rasp import expressions as native
from tracrlab.rasp.functions import indices, numerical
from tracrlab.rasp.values import Value, is_finite_number, value_key


def single_valued_aggregate(aggregate: native.Aggregate, values: Domain, name: str) -> native.SOp:
    """What ``aggregate`` gives, and ``None`` where its selected values have no mean.

    ``values`` are those of the aggregated s-op, ``name`` is for the intermediate s-ops.
    """
    if all(map(is_finite_number, values.values)):
        return _mean_if_complete(aggregate, values, name)
    return common_value_aggregate(aggregate, values, name)


def common_value_aggregate(aggregate: native.Aggregate, values: Domain, name: str) -> native.SOp:
    """The value that all selected positions hold, ``None`` where they differ.

    The values are numbered. Positions hold the same number if every binary digit has the mean 0 or 1 among them.
    """
    value_of = {0: None, **dict(enumerate(values.values, start=1))}
    bits = []
    for place, digit in enumerate(_digits(aggregate.sop, values, name)):
        mean = numerical(native.Aggregate(aggregate.selector, numerical(digit), _NOTHING)).named(f"{name}.mean{place}")
        bits.append(native.Map(_if_unanimous, mean).named(f"{name}.bit{place}"))

    def common(*bits: int) -> Value:
        return aggregate.default if _NOTHING in bits else value_of.get(_binary(*bits))

    return native.Map(common, bits[0]) if len(bits) == 1 else native.SequenceMap(common, *bits)


_NOTHING = -1  # a digit where nothing is selected


def _if_unanimous(mean: float) -> Value:
    return int(mean) if mean in (_NOTHING, 0, 1) else None


def _digits(sop: native.SOp, values: Domain, name: str) -> list[native.SOp]:
    """The binary digits, lowest first, of the number of the value at each position; ``None`` is number 0.

    A function never sees ``None``, but a width counts it out: a digit is how many positions a query selects that is to
    select itself if its value's number has the digit.
    """
    number = {value_key(value): place for place, value in enumerate(values.values, start=1)}
    itself = native.Select(indices, indices, native.Comparison.EQ)
    digits: list[native.SOp] = []
    for place in range(max(1, len(values.values).bit_length())):
        has_digit = _has_digit(number, place)
        if values.nullable:
            digit: native.SOp = native.SelectorWidth(itself & native.Select(sop, indices, has_digit))
        else:
            digit = native.Map(partial(_digit, has_digit), sop)
        digits.append(digit.named(f"{name}.digit{place}"))
    return digits


def _has_digit(number: dict[Any, int], place: int) -> Callable[[Any, Any], bool]:
    return lambda key, query: bool(number[value_key(key)] >> place & 1)


def _digit(has_digit: Callable[[Any, Any], bool], value: Any) -> int:
    return int(has_digit(value, None))


def _binary(*digits: int) -> int:
    return sum(digit << place for place, digit in enumerate(digits))


def _mean_if_complete(aggregate: native.Aggregate, values: Domain, name: str) -> native.SOp:
    """The mean of numbers, ``None`` where a ``None`` is among them."""
    digits = _digits(aggregate.sop, values, name)
    code = digits[0] if len(digits) == 1 else native.SequenceMap(_binary, *digits).named(f"{name}.code")
    number_of = {0: 0, **dict(enumerate(values.values, start=1))}
    number = native.Map(lambda place: number_of.get(place, 0), code).named(f"{name}.number")
    mean = native.Aggregate(aggregate.selector, number, aggregate.default).named(f"{name}.mean")
    absent = native.Select(code, indices, lambda key, query: key == 0)
    missing = native.SelectorWidth(aggregate.selector & absent).named(f"{name}.missing")
    return native.SequenceMap(lambda value, count: None if count else value, mean, missing)
