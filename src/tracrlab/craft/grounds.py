"""Grounds: large constants beside which what attention leaves is stored, so that its errors are rounded away.

Between ``2**p`` and ``2**(p + 1)`` the numbers of a format with P bits are ``u = 2**(p + 1 - P)`` apart. If the
embedding puts a ``K`` from there into a dimension, a head that writes x there leaves ``K + x``, rounded to a multiple
of u: that is the one addition to the residual stream. Where x should be a multiple of u, and is less than u / 2 off,
exactly K plus that is stored; whatever rounded in the head is gone. Counts and copied codes become exact so. Where x is
no such multiple, as means are not, it lies on a grid at least, and sums of few such numbers do not round.

This costs a weight for each token, and no dimension, head, neuron or layer.
"""

from __future__ import annotations

import math

import numpy as np

from tracrlab.craft.formats import NumberFormat, grain
from tracrlab.craft.precision import Noise, noise_of
from tracrlab.craft.ramps import exponent_above
from tracrlab.shapes import Float

_CLEAR = 4.0  # times the error is the spacing, where there is room: for those who bound it less sharply
_LEAST_CLEAR = 0.4  # of the spacing, is what an error may be where there is not
_FINER, _LEAST_FINER = 16.0, 4.0  # times finer than the distances of numbers are grids on which they lie only about


def grounds(table: Float[np.ndarray, "value width"], noise: Noise, dtype: NumberFormat) -> Float[np.ndarray, " width"]:
    """What to put into the dimensions of a variable that should hold these rows; 0 where nothing would help."""
    errors = [noise.of_read(np.eye(table.shape[1])[:, [place]]) for place in range(table.shape[1])]
    return np.array([_ground(column, error, dtype) for column, error in zip(table.T, errors, strict=True)])


def _ground(numbers: Float[np.ndarray, " value"], error: float, dtype: NumberFormat) -> float:
    distinct = np.unique(numbers)
    if not error or not len(distinct):
        return 0.0
    # numbers stay within a binade: above its beginning, where all are positive, or on both sides of its middle
    positive = bool(distinct[0] - error >= 0)
    largest = exponent_above(float(np.abs(distinct).max()) + error)
    reach = largest + (1 if positive else 2) - dtype.precision
    spacing = _whole_spacing(distinct, error)
    if spacing is None:
        gap = float(np.diff(distinct).min(initial=1.0))
        spacing, coarsest = (exponent_above(gap / finer) for finer in (_FINER, _LEAST_FINER))
    else:
        coarsest = int(grain(distinct).min())
    spacing = max(spacing, reach)
    where = 1.0 if positive else 1.5
    return 0.0 if spacing > coarsest else where * math.ldexp(1.0, spacing + dtype.precision - 1)


def _whole_spacing(numbers: Float[np.ndarray, " value"], error: float) -> int | None:
    """The exponent of the finest spacing that takes the error away, if the numbers are multiples of it."""
    whole = int(grain(numbers).min())
    wanted = exponent_above(_CLEAR * error)
    if wanted <= whole:
        return wanted
    return whole if error <= _LEAST_CLEAR * math.ldexp(1.0, whole) else None


def spacing_beside(ground: Float[np.ndarray, "..."], dtype: NumberFormat) -> Float[np.ndarray, "..."]:
    """How far apart the numbers are that can be stored beside grounds; 0 where there is none."""
    spacing: np.ndarray = np.where(ground == 0, 0.0, np.ldexp(1.0, np.frexp(ground)[1] - dtype.precision))
    return spacing


def errors_beside(
    ideal: Float[np.ndarray, "row width"],
    errors: Float[np.ndarray, "row width"],
    ground: Float[np.ndarray, " width"],
    dtype: NumberFormat,
) -> Float[np.ndarray, "row width"]:
    """The errors of what is stored, if what is written beside a ground should be ``ideal`` and is off by ``errors``."""
    spacing = spacing_beside(ground, dtype)
    apart = np.where(spacing > 0, spacing, 1.0)
    least = np.where(ground == 0, -np.inf, np.ldexp(0.5, np.frexp(ground)[1]))
    inside = (ground + ideal - errors >= least) & (ground + ideal + errors <= 2 * np.abs(least))
    gone = (ground != 0) & (np.round(ideal / apart) * apart == ideal) & (errors < spacing / 2) & inside
    # out of the binade the spacing is wider, or what is stored is not known to be a multiple
    loose = np.where(inside, spacing / 2, spacing) * (ground != 0)
    return np.where(gone, 0.0, errors + loose)


def noise_beside(
    table: Float[np.ndarray, "value width"], noise: Noise, ground: Float[np.ndarray, " width"], dtype: NumberFormat
) -> Noise:
    """The noise of a variable that should hold these rows beside a ground."""
    own = noise.absolute(np.abs(table).max(axis=0, initial=0.0))
    errors = np.zeros(table.shape[1]) if own.bounds is None else own.bounds.max(axis=0)
    return noise_of(
        errors_beside(table, np.broadcast_to(errors, table.shape), ground, dtype).max(axis=0, initial=0.0)[None]
    )
