"""How far stored vectors can be from their ideal encodings, and what that does to those who read them.

Noise is carried as sampled error vectors: the constructions that are not exact in floating point are run, with their
own weights and number format, on every value that they can meet, and the differences from the ideal are kept. A linear
read of the variable then errs by at most the largest product of a sample with the read's matrix, times a safety factor
for other summation orders. Averages of positions are convex combinations of samples, so the bound survives attention.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.shapes import Float

SAFETY = 4.0


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
    if not dtype.is_half:
        return count * unit_roundoff(dtype)
    return min(count, half) * unit_roundoff(dtype) + count * unit_roundoff(dtype.wide)


def weight_rounding(numbers: Float[np.ndarray, "..."], dtype: NumberFormat) -> float:
    """How far a sum can be off to which one of these numbers, held by a weight, contributes."""
    size = float(np.abs(numbers).max(initial=0))
    if not dtype.is_half:
        return SAFETY * unit_roundoff(dtype) * size
    stored = float(np.abs(dtype.rounded(numbers) - numbers).max(initial=0))
    return stored + SAFETY * unit_roundoff(dtype.wide) * size


@dataclass(frozen=True, eq=False)
class Noise:
    """A bound on the error of a variable.

    Attributes: ``relative`` error of the entry that should be one, as a fraction of it; ``samples`` error vectors that
    can occur on top of that; ``at_numbers`` a tighter bound for each number of a scalar, if there is one.
    """

    relative: float = 0.0
    samples: Float[np.ndarray, "samples width"] | None = field(default=None)
    at_numbers: Float[np.ndarray, " value"] | None = field(default=None)

    @property
    def is_exact(self) -> bool:
        """Whether the stored vector is exactly the ideal one."""
        return self.relative == 0 and self.samples is None

    def of_read(self, matrix: Float[np.ndarray, "width features"]) -> float:
        """The largest absolute error of any feature of ``vector @ matrix``."""
        if self.is_exact or not matrix.size:
            return 0.0
        hot = self.relative * float(np.abs(matrix).max())
        if self.samples is None:
            return hot
        return hot + SAFETY * float(np.abs(self.samples @ matrix).max(initial=0))

    def of_read_total(self, matrix: Float[np.ndarray, "width features"]) -> float:
        """The largest sum over the features of the absolute errors of ``vector @ matrix``."""
        if self.is_exact or not matrix.size:
            return 0.0
        hot = self.relative * float(np.abs(matrix).sum(axis=1).max(initial=0))
        if self.samples is None:
            return hot
        return hot + SAFETY * float(np.abs(self.samples @ matrix).sum(axis=1).max(initial=0))

    def absolute(self, sizes: Float[np.ndarray, " width"]) -> Noise:
        """The same bound without a relative part, for a vector whose entries are at most ``sizes``."""
        if self.relative == 0:
            return self
        rounding = np.diag(self.relative * sizes) / SAFETY
        return Noise(0.0, rounding if self.samples is None else np.concatenate([self.samples, rounding]) * 2)

    def through(self, matrix: Float[np.ndarray, "width features"], extra: float = 0.0) -> Noise:
        """The noise of the variable ``vector @ matrix``, with ``extra`` relative error on top."""
        samples = None if self.samples is None else self.samples @ matrix
        return Noise(self.relative + extra, samples)


def number_noise(error: float, present_error: float | None = None) -> Noise:
    """The noise of a scalar variable of this absolute error, and of its presence dimension if it has one."""
    errors = [error] if present_error is None else [error, present_error]
    return Noise(0.0, np.diag(errors) / SAFETY) if any(errors) else Noise()
