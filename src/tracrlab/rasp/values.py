"""The values that s-ops hold: any hashable Python value; ``None`` is the absence of one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any, TypeGuard

import numpy as np

Value = Hashable
Number = int | float


class Ratio(float):
    """A float that remembers which rational number it is nearest to.

    Means of several values are ratios. Sums, differences, products and quotients of ratios with finite numbers are
    computed exactly and rounded once, so that 3/3 - 2/3 and 2/3 - 1/3 are the same float. In every other respect a
    ratio is an ordinary float.
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
        return float.__add__(self, other) if exact is None else Ratio(self.exact + exact)

    def __sub__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__sub__(self, other) if exact is None else Ratio(self.exact - exact)

    def __rsub__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__rsub__(self, other) if exact is None else Ratio(exact - self.exact)

    def __mul__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__mul__(self, other) if exact is None else Ratio(self.exact * exact)

    def __truediv__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__truediv__(self, other) if not exact else Ratio(self.exact / exact)

    def __rtruediv__(self, other: Any) -> Any:
        exact = exact_number(other)
        return float.__rtruediv__(self, other) if exact is None or not self.exact else Ratio(exact / self.exact)

    def __neg__(self) -> Ratio:
        return Ratio(-self.exact)

    def __pos__(self) -> Ratio:
        return self

    def __abs__(self) -> Ratio:
        return Ratio(abs(self.exact))

    __radd__ = __add__
    __rmul__ = __mul__


def exact_number(value: object) -> Fraction | None:
    """The rational number that a finite int, float or ratio stands for; ``None`` for anything else."""
    if isinstance(value, Ratio):
        return value.exact
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(value)
    return None


def is_number(value: object) -> TypeGuard[Number]:
    """Whether the value is an int, float or bool (bools count as 0 and 1, as in Python)."""
    return isinstance(value, int | float)


def is_finite_number(value: object) -> TypeGuard[Number]:
    """Whether the value is a number that a scalar dimension of the residual stream could hold."""
    return isinstance(value, int | float) and math.isfinite(value)


def plain_value(value: object) -> object:
    """The Python value behind a NumPy scalar; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def value_key(value: Value) -> Hashable:
    """A key equal for two values exactly when no function can tell them apart.

    ``1``, ``1.0`` and ``True`` are equal in Python but print differently, so each has a key of its own; ``nan`` has
    one, although it is not equal to itself.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Ratio):
        return Ratio, value.exact
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, tuple):
        return type(value), tuple(map(value_key, value))
    return type(value), value


def mean_value(values: Sequence[Value]) -> Value:
    """The value an aggregate gives to a row that selects ``values`` (at least one).

    Indistinguishable values give that value; different numbers give their mean, an exact ratio rounded once.

    Raises:
        TypeError: two different values, of which one is not a number.
    """
    first = values[0]
    if len({value_key(value) for value in values}) == 1:
        return first
    if not all(map(is_number, values)):
        other = next(value for value in values if value_key(value) != value_key(first))
        raise TypeError(f"cannot average {first!r} and {other!r}")
    exact = [exact_number(value) for value in values]
    total = Fraction(0)
    for term in exact:
        if term is None:  # an infinity or nan: float arithmetic says what the mean is
            return sum(float(value) for value in values if is_number(value)) / len(values)
        total += term
    return Ratio(total / len(values))
