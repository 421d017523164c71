"""Where the ramp of each step of a number stands between two of its values, and how steep it is.

A step is ``relu(z + 1/2) - relu(z - 1/2)`` of ``z = L (x - t)``: it rises while ``|z| < 1/2``, and is flat elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import unit_roundoff
from tracrlab.shapes import Float, Int

_NARROWER = (2.0, 4.0, 8.0, 16.0)  # than a gap: how many times a ramp is, the first that leaves enough room beside it
_ROOM = 9 / 8  # times the error of a value is left beside ramps, for those who bound it a little less sharply
_FAR = 200  # beyond it, powers of two are those of what is 0, or could overflow
_STEEPER = (1.0, 1.25, 1.5, 2.0, 4.0)  # than the widest ramp that fits, until rounded thresholds fit as well

Ramps = tuple[Float[np.ndarray, " step"], Float[np.ndarray, " step"]]


@dataclass(frozen=True)
class Grid:
    """A number is a sum of multiples of 2 to the ``exponent``, if that is known; ``reach`` bounds partial sums."""

    exponent: int | None
    reach: float


def ramps(
    low: Float[np.ndarray, " step"],
    high: Float[np.ndarray, " step"],
    error: Float[np.ndarray, " step"],
    constant_error: float,
    grid: Grid,
    dtype: NumberFormat,
) -> Ramps:
    """Slopes and middles of ramps in the middle of the gaps between ``low`` and ``high``.

    Slopes L are powers of two, thresholds ``L t`` such that the format holds ``L t + 1/2`` and ``L t - 1/2``, so that
    on a grid no neuron rounds. A ramp is a quarter to a half as wide as the gap, or less where that is too wide: for
    values that are off by ``error``, for the constant that carries the threshold, off by ``constant_error``, or for
    what rounds in ``z``. Not a number where no ramp fits.
    """
    slopes, middles = np.full(len(low), np.nan), (low + high) / 2
    least = 0.0
    if grid.exponent is not None and len(low):
        # what neurons write adds up exactly where their slopes are alike, or no finer than the halves beside them
        steepest = np.ldexp(1.0, ceil_log2(_NARROWER[0] / (high - low))).max()
        least = min(math.ldexp(1.0, min(-1 - grid.exponent, _FAR)), float(steepest))
    for factor in _NARROWER:
        steep = np.maximum(np.ldexp(1.0, ceil_log2(factor / (high - low))), least)
        spacing = np.ldexp(1.0, ceil_log2(steep * np.abs(low + high) / 2 + 1) - dtype.precision)
        offsets = np.round(steep * (low + high) / 2 / spacing) * spacing
        rounding = 8 * unit_roundoff(dtype) * (np.abs(offsets) + 1)
        if grid.exponent is not None:
            finest = np.minimum(np.ldexp(steep, min(grid.exponent, _FAR)), spacing)
            exact = np.maximum(steep * grid.reach, np.abs(offsets) + 1 / 2) <= np.ldexp(finest, dtype.precision)
            rounding = np.where(exact, 0.0, rounding)
        needed = 1 / 2 + _ROOM * steep * error + np.abs(offsets) * constant_error + rounding
        fits = (offsets - steep * low >= needed) & (steep * high - offsets >= needed) & (spacing <= 1 / 2)
        placed = fits & np.isnan(slopes)
        slopes, middles = np.where(placed, steep, slopes), np.where(placed, offsets / steep, middles)
    return slopes, middles


def ceil_log2(numbers: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The least e for which ``2**e`` is at least each number; exact, unlike a logarithm, which may be off."""
    mantissas, exponents = np.frexp(numbers)
    return np.asarray(exponents.astype(np.int64) - (mantissas == 0.5))


def exponent_above(number: float) -> int:
    """The least e for which ``2**e`` is at least a number."""
    mantissa, exponent = math.frexp(number)
    return exponent - (mantissa == 0.5)


def power_above(number: float) -> float:
    """The least power of two that is at least a number."""
    return math.ldexp(1.0, exponent_above(number))


def anchored_ramps(
    low: Float[np.ndarray, " step"], high: Float[np.ndarray, " step"], largest: float, dtype: NumberFormat
) -> Ramps:
    """Ramps between the same bounds as for :func:`narrow_ramps`, whose neurons do not round at all.

    They are for a number that is stored in the format. Steps are turned away from zero, so that a neuron is on only
    where the number is larger than its threshold. With slopes ``L`` that are powers of two and thresholds on the grid
    of ``largest``, the largest number, ``z`` is then a multiple of ``L`` times the spacing of the format's numbers at
    ``x``, and no larger than ``L x``: it has no more bits than ``x``. Not a number where no such ramp fits.
    """
    slopes, middles = np.full(len(low), np.nan), (low + high) / 2
    spacing = math.ldexp(1.0, math.frexp(largest or 1.0)[1] - dtype.precision)
    for factor in (1.0, 2.0, 4.0):
        room = np.where(high > low, high - low, np.nan)
        steep = np.where(high > low, np.ldexp(1.0, ceil_log2(factor / room)), np.nan)
        grid = steep * spacing
        offsets = np.round(steep * (low + high) / 2 / grid) * grid
        fits = (offsets - steep * low >= 1 / 2) & (steep * high - offsets >= 1 / 2)
        fits &= (grid <= 1 / 2) & (np.abs(offsets) >= 1 / 2)
        placed = fits & np.isnan(slopes)
        slopes, middles = np.where(placed, steep, slopes), np.where(placed, offsets / steep, middles)
    return slopes, middles


def narrow_ramps(
    low: Float[np.ndarray, " step"],
    high: Float[np.ndarray, " step"],
    constant_error: float,
    largest: float,
    dtype: NumberFormat,
    *,
    bits: int,
) -> Ramps:
    """The same for a half format, between bounds that leave the values' errors aside already.

    Its neurons round in proportion to ``z``, so a ramp is as wide as can be: slopes have a few ``bits``, as many as
    products with them can bear. Thresholds have few bits too: ``L t + 1/2`` and ``L t - 1/2`` must both be numbers of
    the format, so ``L t`` is a multiple of the spacing of its numbers at their size. ``largest`` bounds the values.
    """
    free = high - low
    slopes, middles = np.full(len(low), np.nan), (low + high) / 2
    for factor in _STEEPER:
        least = factor / np.where(free > 0, free, np.nan)
        unit = np.ldexp(1.0, ceil_log2(least) - bits + 1)
        steeper = np.ceil(least / unit) * unit
        size = steeper * np.abs(low + high) / 2 + 1
        spacing = np.ldexp(1.0, ceil_log2(size) - dtype.precision)
        offsets = np.round(steeper * (low + high) / 2 / spacing) * spacing
        needed = 1 / 2 + np.abs(offsets) * constant_error
        needed = needed + 8 * unit_roundoff(dtype.wide) * (size + steeper * largest)
        fits = (offsets - steeper * low >= needed) & (steeper * high - offsets >= needed) & (spacing <= 1 / 2)
        placed = fits & np.isnan(slopes)
        slopes, middles = np.where(placed, steeper, slopes), np.where(placed, offsets / steeper, middles)
    return slopes, middles
