"""Weights of one size: what a head or neuron reads is made larger and what it writes smaller, or the other way round.

A neuron computes the same if its input weights are multiplied by a positive number and its output weights divided by
it, and so do a head's queries and keys, values and output, dimension by dimension. With powers of two nothing rounds:
every answer is the same, bit for bit, as long as nothing leaves the range of the format.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.model.weights import Weights
from tracrlab.shapes import Float


def balanced(weights: Weights) -> Weights:
    """The same function with the largest weights on both sides of each head dimension and neuron about as large."""
    queries, keys = _alike(weights.W_Q, -2, weights.W_K, -2)
    values, output = _alike(weights.W_V, -2, weights.W_O, -1)
    W_in, W_out = _alike(weights.W_in, -2, weights.W_out, -1)
    return replace(weights, W_Q=queries, W_K=keys, W_V=values, W_O=output, W_in=W_in, W_out=W_out)


def largest_weight(weights: Weights) -> float:
    """The size of the largest weight."""
    return max(float(np.abs(array).max(initial=0.0)) for array in weights.as_dict().values())


def _alike(
    before: Float[np.ndarray, "..."], own: int, after: Float[np.ndarray, "..."], other: int
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Two arrays with powers of two moved from one to the other; ``own`` and ``other`` are the axes of the stream."""
    sizes, others = np.abs(before).max(axis=own), np.abs(after).max(axis=other)
    both = (sizes > 0) & (others > 0)
    exponents = (np.frexp(np.where(both, others, 1.0))[1] - np.frexp(np.where(both, sizes, 1.0))[1]) // 2
    factors = np.ldexp(np.ones_like(sizes), exponents)
    return before * np.expand_dims(factors, own), after / np.expand_dims(factors, other)
