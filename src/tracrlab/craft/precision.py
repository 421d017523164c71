"""Rounding: one theory of it, for those who build and for those who prove.

Errors are bounded, never measured, and for any order in which sums are computed, with and without fused multiply-add:

- Sums of multiples of one power of two, no partial one of which exceeds ``2**precision`` of it, are exact (see
  :func:`tracrlab.craft.formats.grain`).
- Other sums of n terms that are not zero are off by at most ``n - 1`` roundings of the total size of the terms, and by
  one more where the terms are products that round: a fused multiply-add rounds less often, never more.
- In sums of terms of one sign and about one size, partial sums grow, and so do their errors: :func:`summing_alike`.

The noise of a variable is a set of bounds, dimension by dimension, of which one holds for whatever is stored. A linear
read of it then errs by at most the bounds times the sizes of its weights. Averages of positions are convex
combinations, so bounds survive attention. Bounds are the same on every machine: :func:`bounded_product`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.shapes import Float

_BITS = 20  # of the bounds and sizes whose products are added up
_AT_ONCE = 2**12  # products of as many bits, of which float64 holds the sum


class NotSeparable(Exception):
    """The number format cannot tell two values apart; ``args`` are the two values."""


def check_range(numbers: Float[np.ndarray, " number"], dtype: NumberFormat) -> None:
    """Refuse numbers that arithmetic in ``dtype`` could overflow or lose, and values as close together as that.

    Nonzero numbers and the distances between them must stay within the square roots of the format's range or so
    (2**-100 to 2**100 in float32, 2**-12 to 2**12 in float16), so that products with weights neither overflow nor
    become subnormal.

    Raises:
        NotSeparable: the two values, or the value and 0, that the format cannot hold apart.
    """
    exponent = int(np.frexp(dtype.largest)[1]) * 25 // 32
    ascending = np.unique(np.append(numbers, 0.0))
    with np.errstate(over="ignore"):
        distances = np.diff(ascending)
    outside = ~((distances >= 2.0**-exponent) & (distances <= 2.0**exponent))
    if outside.any():
        place = int(outside.argmax())
        raise NotSeparable(float(ascending[place]), float(ascending[place + 1]))


def unit_roundoff(dtype: NumberFormat) -> float:
    """The largest relative error of rounding a number to ``dtype``."""
    return 2.0**-dtype.precision


def roundings(dtype: NumberFormat, count: float, *, half: float = 4) -> float:
    """The relative error of what is computed with ``count`` roundings.

    Half formats round to themselves only what is stored in between, at most ``half`` times; the rest is accumulated in
    a wider format.
    """
    own = count * unit_roundoff(dtype.wide)
    own = own / (1 - own) if own < 1 else math.inf
    return own + min(count, half) * unit_roundoff(dtype) if dtype.is_half else own


def summing_alike(count: int, dtype: NumberFormat) -> float:
    """How far a sum of up to ``count`` terms between 0 and 1 can be off, in any order, apart from the terms' errors.

    A partial sum of k terms is at most k, so rounding it is off by at most half a unit in the last place of k. The sums
    are the inner nodes of a tree with ``count`` leaves, of which no more than ``count - k + 1`` have k leaves or more.
    So no order is worse than one after the other. For terms between 0 and s it is off by s rounded up to a power of
    two, times this: with that many terms as small as a rounding, little else matters.
    """
    total, power = 0, 1
    while 2 * power <= count:
        total, power = total + power * power, 2 * power
    total += (count - power + 1) * power
    return float(total - 1) * unit_roundoff(dtype.wide)


def weight_rounding(numbers: Float[np.ndarray, "..."], dtype: NumberFormat) -> float:
    """How far a sum can be off because the format holds none of these numbers, as weights, exactly."""
    return float(np.abs(dtype.rounded(numbers) - numbers).max(initial=0))


def few_bits(number: float, bits: int = 24) -> float:
    """The nearest number with few bits: what it makes of an exponential is the same in every library.

    Those differ in the last bits of float64, which are so far below those that are kept that they decide nothing.
    """
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)


def bounded_product(
    bounds: Float[np.ndarray, "row inner"], sizes: Float[np.ndarray, "inner column"]
) -> Float[np.ndarray, "row column"]:
    """An upper bound on the product of two arrays without negative numbers: the same in whatever order it is computed.

    Both are rounded up to whole multiples of powers of two, few enough for their sums to be exact.
    """
    if not (np.isfinite(bounds).all() and np.isfinite(sizes).all()):
        return np.full((len(bounds), sizes.shape[1]), np.inf)
    needed = bounds.any(axis=0) & sizes.any(axis=1)
    bounds, sizes = bounds[:, needed], sizes[needed]
    total = np.zeros((len(bounds), sizes.shape[1]))
    for start in range(0, len(sizes), _AT_ONCE):
        own, other = bounds[:, start : start + _AT_ONCE], sizes[start : start + _AT_ONCE]
        rows = np.frexp(own.max(axis=1, initial=0.0))[1][:, None] - _BITS
        columns = np.frexp(other.max(axis=0, initial=0.0))[1] - _BITS
        total += np.ldexp(np.ceil(np.ldexp(own, -rows)) @ np.ceil(np.ldexp(other, -columns)), rows + columns)
    return total


@dataclass(frozen=True, eq=False)
class Noise:
    """A bound on the error of a variable.

    Attributes: ``relative`` error of the entry that should be one, as a fraction of it; ``bounds`` on what the errors
    of all dimensions can be on top of that, one or the other row of them; ``at_numbers`` a tighter bound for each
    number of a scalar, if there is one.
    """

    relative: float = 0.0
    bounds: Float[np.ndarray, "row width"] | None = field(default=None)
    at_numbers: Float[np.ndarray, " value"] | None = field(default=None)

    @property
    def is_exact(self) -> bool:
        """Whether the stored vector is exactly the ideal one."""
        return self.relative == 0 and self.bounds is None

    def of_read(self, matrix: Float[np.ndarray, "width features"]) -> float:
        """The largest absolute error of any feature of ``vector @ matrix``."""
        if self.is_exact or not matrix.size:
            return 0.0
        hot = self.relative * float(np.abs(matrix).max())
        if self.bounds is None:
            return hot
        return hot + float(bounded_product(self.bounds, np.abs(matrix)).max(initial=0))

    def of_read_total(self, matrix: Float[np.ndarray, "width features"]) -> float:
        """The largest sum over the features of the absolute errors of ``vector @ matrix``."""
        if self.is_exact or not matrix.size:
            return 0.0
        sizes = bounded_product(np.ones((1, matrix.shape[1])), np.abs(matrix).T).T
        hot = self.relative * float(sizes.max(initial=0))
        if self.bounds is None:
            return hot
        return hot + float(bounded_product(self.bounds, sizes).max(initial=0))

    def absolute(self, sizes: Float[np.ndarray, " width"]) -> Noise:
        """The same bound without a relative part, for a vector whose entries are at most ``sizes``."""
        if self.relative == 0:
            return self
        own = self.relative * sizes[None, :]
        return Noise(0.0, own if self.bounds is None else self.bounds + own)

    def through(self, matrix: Float[np.ndarray, "width features"], extra: float = 0.0) -> Noise:
        """The noise of the variable ``vector @ matrix``, with ``extra`` relative error on top."""
        bounds = None if self.bounds is None else bounded_product(self.bounds, np.abs(matrix))
        return Noise(self.relative + extra, bounds)


def noise_of(bounds: Float[np.ndarray, "row width"], relative: float = 0.0) -> Noise:
    """The noise with these bounds, those among them that are not zero."""
    used = bounds[bounds.any(axis=1)]
    return Noise(relative, used if len(used) else None)


def number_noise(error: float, present_error: float | None = None) -> Noise:
    """The noise of a scalar variable of this absolute error, and of its presence dimension if it has one."""
    return noise_of(np.array([[error] if present_error is None else [error, present_error]]))
