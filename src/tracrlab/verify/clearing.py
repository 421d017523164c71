"""Proofs that neurons clear dimensions, so that what is written there later stands alone.

A dimension that holds x is zero afterwards if a neuron that reads nothing but x with weight a > 0 writes nothing but x
with weight -1/a, both powers of two, and another does the same for a < 0: then exactly one of them fires, writes -x
without rounding, and x - x is 0. The second is not needed where x cannot be less than zero.
"""

from __future__ import annotations

import numpy as np

from tracrlab.craft.formats import is_power_of_two
from tracrlab.shapes import Bool
from tracrlab.verify.mlps import NeuronWeights
from tracrlab.verify.residual import Held, Unproven, Violated


def prove_clearing(held: Held, weights: NeuronWeights) -> Bool[np.ndarray, " width"]:
    """The dimensions of a variable that neurons set to zero at every position, counted within the variable.

    ``weights`` are over all dimensions of the residual stream.

    Raises:
        Violated: the neurons do something else, too, or leave something.
        Unproven: whether they leave something is not known.
    """
    own = held.entry.dimensions
    columns, rows = weights.W_in.T, weights.W_out
    counted = [(side != 0).sum(axis=1) for side in (columns, rows, columns[:, own], rows[:, own])]
    if not all((counts == 1).all() for counts in counted):
        raise Violated("a neuron that clears does not read and write a single dimension of the variable")
    dimensions, written = columns[:, own].nonzero()[1], rows[:, own].nonzero()[1]
    inputs, outputs = columns[:, own].sum(axis=1), rows[:, own].sum(axis=1)
    if not ((dimensions == written) & (inputs * outputs == -1) & is_power_of_two(inputs)).all():
        raise Violated("a neuron that clears does not take off what its dimension holds")
    n_positive, n_negative = (
        np.bincount(dimensions[sign], minlength=held.entry.variable.width) for sign in (inputs > 0, inputs < 0)
    )
    cleared = n_positive + n_negative > 0
    if (n_positive != cleared).any() or (n_negative > 1).any():
        raise Violated("a dimension is not cleared by one neuron for what is positive and at most one for the rest")
    if (cleared & (n_negative == 0) & ~_never_negative(held)).any():
        raise Unproven("a dimension that may hold less than zero is cleared only of what is more")
    return cleared


def _never_negative(held: Held) -> Bool[np.ndarray, " width"]:
    """The dimensions that are known to hold no negative number at any position."""
    deviation = held.deviation
    at_bos: np.ndarray = held.at_bos - held.bos_error >= 0
    if not held.proven or deviation.rows is None or deviation.errors is None:
        return np.zeros_like(at_bos)
    everywhere: np.ndarray = at_bos & (deviation.rows - deviation.errors >= 0).all(axis=0)
    return everywhere
