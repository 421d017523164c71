"""Where the ramp of each step of a number stands between two of its values, and how steep it is.

A step is ``relu(z + 1/2) - relu(z - 1/2)`` of ``z = L (x - t)``: it rises while ``|z| < 1/2``, and is flat elsewhere.
"""

from __future__ import annotations

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import unit_roundoff
from tracrlab.shapes import Float

_NOISY = 1 / 20  # of a gap
_WHOLE = 3 / 16
_LARGEST_WHOLE = 2.0**16
_STEEPER = (1.0, 1.25, 1.5, 2.0, 4.0)  # than the widest ramp that fits, until rounded thresholds fit as well

Ramps = tuple[Float[np.ndarray, " step"], Float[np.ndarray, " step"]]


def ramps(
    low: Float[np.ndarray, " step"],
    high: Float[np.ndarray, " step"],
    error: Float[np.ndarray, " step"],
    constant_error: float,
    dtype: NumberFormat,
) -> Ramps:
    """Slopes and middles of ramps in the middle of the gaps between ``low`` and ``high``, a quarter to a half as wide.

    Slopes are powers of two, or not a number where a gap is too narrow: for values that are off by ``error``, for the
    constant that carries the threshold, off by ``constant_error``, or for the rounding of what cancels in ``z``. Where
    errors are large, ramps are half as wide, so that there is room for coarser bounds on them, and errors twice as
    large as beside wide ramps are harmless.
    """
    gaps, middles = high - low, (low + high) / 2
    slopes = 2.0 ** np.ceil(np.log2(2 / gaps)) if len(gaps) else gaps
    offsets = slopes * np.abs(middles)
    noisy = error > _NOISY * gaps
    moved = slopes * error + offsets * constant_error
    clear = (moved <= np.where(noisy, 1 / 2, 1 / 4)) & ((offsets + 2) * unit_roundoff(dtype) * 8 <= 1 / 8)
    slopes = np.where(noisy, 2 * slopes, slopes)
    return np.where(clear, slopes, np.nan), middles


def whole_ramps(
    low: Float[np.ndarray, " step"], high: Float[np.ndarray, " step"], error: Float[np.ndarray, " step"]
) -> Ramps:
    """Ramps between whole numbers whose two neurons round alike, so that a step is 1 without any error.

    With a slope of 2 and a half as the middle, whatever sum of terms near whole numbers stands in one neuron is near an
    odd number plus 1/2, and in the other 1 less: no power of two but 1 lies between, both are rounded to multiples of
    the same unit, of which 1 is a multiple, and so they stay 1 apart, in whatever order the terms are added up. Around
    1 nothing rounds, unless some term is near 0 but not 0, and so finer than what it is added to: then they may be a
    unit in the last place off, as in other steps. Not a number where an error is too large for so wide a ramp.
    """
    fits = (error <= _WHOLE) & (np.maximum(np.abs(low), np.abs(high)) < _LARGEST_WHOLE)
    return np.where(fits, 2.0, np.nan), np.floor((low + high) / 2) + 1 / 2


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
    spacing = 2.0 ** (np.floor(np.log2(largest or 1.0)) + 1 - dtype.precision)
    for factor in (1.0, 2.0, 4.0):
        with np.errstate(divide="ignore", invalid="ignore"):
            steep = 2.0 ** np.ceil(np.log2(np.where(high > low, factor / (high - low), np.nan)))
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
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.where(free > 0, factor / free, np.nan)
            unit = 2.0 ** (np.ceil(np.log2(least)) - bits + 1)
        steeper = np.ceil(least / unit) * unit
        size = steeper * np.abs(low + high) / 2 + 1
        spacing = 2.0 ** (np.ceil(np.log2(size)) - dtype.precision)
        offsets = np.round(steeper * (low + high) / 2 / spacing) * spacing
        needed = 1 / 2 + np.abs(offsets) * constant_error
        needed = needed + 8 * unit_roundoff(dtype.wide) * (size + steeper * largest)
        fits = (offsets - steeper * low >= needed) & (steeper * high - offsets >= needed) & (spacing <= 1 / 2)
        placed = fits & np.isnan(slopes)
        slopes, middles = np.where(placed, steeper, slopes), np.where(placed, offsets / steeper, middles)
    return slopes, middles
