"""The values that s-ops hold: any hashable Python value; ``None`` is the absence of one."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np

from tracrlab.rasp.abridged import abridged

Value = Hashable
Number = int | float


class Ratio(float):
    """A float that remembers which rational number it is nearest to.

    Means of several values are ratios. Sums, differences, products and quotients of ratios with finite numbers are
    computed exactly and rounded once, so that 3/3 - 2/3 and 2/3 - 1/3 are the same float (an ordinary float operand
    counts as the simplest rational that rounds to it). In every other respect a ratio is an ordinary float.
    """

    __slots__ = ("exact",)
    exact: Fraction

    def __new__(cls, exact: Fraction) -> Ratio:
        self = super().__new__(cls, exact)
        self.exact = exact
        return self

    def __reduce__(self) -> tuple[type[Ratio], tuple[Fraction]]:
        return Ratio, (self.exact,)

    def __add__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__add__(self, other) if exact is None else _rounded(self.exact + exact)

    def __sub__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__sub__(self, other) if exact is None else _rounded(self.exact - exact)

    def __rsub__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__rsub__(self, other) if exact is None else _rounded(exact - self.exact)

    def __mul__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__mul__(self, other) if exact is None else _rounded(self.exact * exact)

    def __truediv__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__truediv__(self, other) if not exact else _rounded(self.exact / exact)

    def __rtruediv__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__rtruediv__(self, other) if exact is None or not self.exact else _rounded(exact / self.exact)

    def __neg__(self) -> Ratio:
        return Ratio(-self.exact)

    def __pos__(self) -> Ratio:
        return self

    def __abs__(self) -> Ratio:
        return Ratio(abs(self.exact))

    __radd__ = __add__
    __rmul__ = __mul__


def _rounded(exact: Fraction) -> float:
    """The nearest float, as a ratio; an infinity beyond the range of floats."""
    try:
        return Ratio(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def exact_number(value: object) -> Fraction | None:
    """The rational number that a finite int, float or ratio stands for; ``None`` for anything else.

    A float stands for the simplest rational that rounds to it, so that ``0.1 + 0.2`` and ``0.3`` have the same mean.
    """
    if isinstance(value, Ratio):
        return value.exact
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float) and math.isfinite(value):
        return simplest_rational(value)
    return None


@lru_cache(maxsize=2**14)
def simplest_rational(number: float) -> Fraction:
    """The rational of least denominator that is nearer to this float than to any other: 1/10 for ``0.1``.

    Found in the Stern-Brocot tree, as the simplest continued fraction between the midpoints to the neighbouring floats.
    """
    exact = Fraction(number)
    if abs(number) == sys.float_info.max:
        return exact
    low = (exact + Fraction(math.nextafter(number, -math.inf))) / 2
    high = (exact + Fraction(math.nextafter(number, math.inf))) / 2
    candidate = _simplest_between(low, high)
    return candidate if float(candidate) == number else exact


def _simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """The rational of least denominator in the closed interval."""
    if low > high:
        raise ValueError("an empty interval")
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -_simplest_between(-high, -low)
    whole = math.floor(low)
    if whole == low:
        return Fraction(whole)
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest_between(1 / (high - whole), 1 / (low - whole))


def is_number(value: object) -> TypeGuard[Number]:
    """Whether the value is an int, float or bool (bools count as 0 and 1, as in Python)."""
    return isinstance(value, int | float)


def is_finite_number(value: object) -> TypeGuard[Number]:
    """Whether the value is a number within the range of floats."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) <= sys.float_info.max


def plain_value(value: object) -> object:
    """The Python value behind a NumPy scalar; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def value_key(value: Value) -> Hashable:
    """A key equal for two values only when functions cannot tell them apart.

    ``1``, ``1.0`` and ``True`` are equal in Python but print differently, so each has a key of its own; ``nan`` has
    one, although it is not equal to itself. Values of types unknown to this package have the same key when they are of
    one type, equal, and print alike.
    """
    if type(value) is str:
        return value
    if isinstance(value, bool | int):
        return type(value), value
    if isinstance(value, Ratio):
        return Ratio, value.exact.numerator, value.exact.denominator
    if isinstance(value, float):
        return type(value), value.hex()
    if isinstance(value, tuple):
        return type(value), tuple(map(value_key, value))
    if isinstance(value, frozenset):
        return type(value), frozenset(map(value_key, value))
    return type(value), value, repr(value)


def mean_value(values: Sequence[Value]) -> Value:
    """The value an aggregate gives to a row that selects ``values`` (at least one).

    Indistinguishable values give that value; different numbers give their mean.

    Raises:
        TypeError: two different values, of which one is not a number.
        OverflowError: the mean is beyond the range of floats.
    """
    first = values[0]
    if len({value_key(value) for value in values}) == 1:
        return first
    if not all(map(is_number, values)):
        other = next(value for value in values if value_key(value) != value_key(first))
        raise TypeError(f"cannot average {abridged(first)} and {abridged(other)}")
    return mean_of_numbers([value for value in values if is_number(value)])


def mean_of_numbers(numbers: Sequence[Number]) -> float:
    """The mean of numbers (at least one): computed exactly and rounded once, if all are finite.

    Raises:
        OverflowError: the mean is beyond the range of floats.
    """
    total = Fraction(0)
    for number in numbers:
        exact = exact_number(number)
        if exact is None:  # an infinity or nan: float arithmetic says what the mean is
            return sum(map(float, numbers)) / len(numbers)
        total += exact
    return Ratio(total / len(numbers))
