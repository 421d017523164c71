"""What norms that should do nothing do to the residual stream.

**Layer norm** takes the mean m off every dimension, and off one that nothing writes, *zero*, where -m is left. Readers
add minus the sum of their weights times *zero*, so that m cancels but for rounding, which grows with m. A dimension of
*balance* is written with minus the sum of all that is written, so m is only as large as what both are off by, over the
size of the stream. The variance is lost in ε.

**RMS norm** divides by a root to which pinned dimensions alone contribute, as long as the rest is small enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.formats import NumberFormat, is_power_of_two
from tracrlab.shapes import Bool, Float
from tracrlab.verify.residual import Deviation, Held, Stream, Violated

LOST = 2.0**-25  # what is less than this share of a power of two vanishes when float32 adds it to that


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """Layer norms whose scale is exactly 1.

    Attributes: ``width`` of the residual stream; ``epsilon``; ``post``: the stream itself is normed, after the
    embedding and after each sublayer, and not only what sublayers read; ``balance``: what of W_E, W_pos, W_O and W_out
    writes to the balance; ``zero``: what of W_V reads *zero*.
    """

    width: int
    epsilon: float
    post: bool
    balance: Mapping[str, Float[np.ndarray, "..."]]
    zero: Float[np.ndarray, "layer head d_head"]


@dataclass(frozen=True)
class RMSNorm:
    """RMS norms before each sublayer whose scale is exactly 1; ``pinned`` is the square of each pinned dimension.

    They compute with ``precision`` bits, whatever the format.
    """

    pinned: float
    precision: int = 24


Norm = LayerNorm | RMSNorm


@dataclass(frozen=True)
class Blur:
    """What an operation adds to the error of everything it is applied to: a share of its size, and a constant."""

    relative: float
    absolute: float

    def of(self, stream: Stream) -> dict[str, Held]:
        """The stream with these errors added."""
        return {name: self._held(held) for name, held in stream.items()}

    def largest(self, stream: Stream) -> float:
        """The largest error that is added to any dimension."""
        return self.absolute + self.relative * max((_size(held) for held in stream.values()), default=0.0)

    def _held(self, held: Held) -> Held:
        bos_error = self._more(held.bos_error, held.at_bos)
        return replace(held, deviation=self._deviation(held.deviation), bos_error=bos_error)

    def _deviation(self, deviation: Deviation) -> Deviation:
        if deviation.rows is None or deviation.errors is None:
            relative = deviation.relative * (1 + self.relative) + self.relative
            return Deviation(self._more(deviation.base, np.zeros_like(deviation.base)), relative)
        errors = self._more(deviation.errors, deviation.rows)
        return replace(deviation, base=errors.max(axis=0, initial=0.0), errors=errors)

    def _more(self, errors: Float[np.ndarray, "..."], contents: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        more: np.ndarray = errors + self.relative * (np.abs(contents) + errors) + self.absolute
        return more


def mean_bound(norm: LayerNorm, embedded: float, stream: Stream, drift: float, fmt: NumberFormat) -> float:
    """How large the mean that a layer norm takes off can be, where ``drift`` has been taken off before.

    ``embedded`` is the imbalance of the embedding.

    Raises:
        Violated: the variance is not lost in ε.
    """
    imbalance = embedded + sum(held.imbalance for held in stream.values())
    total = sum(2 * _size(held) + held.imbalance for held in stream.values()) + norm.width * drift
    if not total**2 < norm.epsilon * LOST:
        raise Violated("the variance is not lost in epsilon")
    # adding up a row, and adding each variable's share to the balance
    roundings = 2 * (norm.width + len(stream)) + 8
    return float(imbalance + roundings * fmt.roundoff * total) / norm.width


def embedding_imbalance(norm: LayerNorm, weights: Mapping[str, Float[np.ndarray, "..."]]) -> float:
    """How far the sum of all that the embedding writes, the balance included, can be from zero."""
    off = [np.abs(weights[name].sum(axis=1) + norm.balance[name]).max(initial=0) for name in ("W_E", "W_pos")]
    return float(sum(off))


def balanced(rows: Float[np.ndarray, "... width"]) -> Float[np.ndarray, "... more"]:
    """What is written to a variable and, last, to the balance."""
    return np.concatenate([rows, -rows.sum(axis=-1, keepdims=True)], axis=-1)


def stored_blur(mean: float, drift: float, fmt: NumberFormat) -> Blur:
    """What a layer norm of the stream itself adds: a write to the stream rounds, and so does taking off the mean."""
    return Blur(2 * fmt.roundoff, 4 * fmt.roundoff * (mean + drift))


def read_blur(mean: float, d_model: int, fmt: NumberFormat) -> Blur:
    """What reading a stream adds from which a mean is taken off, where the weight on *zero* makes up for it.

    The weight is off by 4 roundings of the sizes of the others at most; there is one term more to be added up.
    """
    return Blur(5 * fmt.roundoff, (2 * d_model + 12) * fmt.roundoff * mean)


def silent_at_bos(
    stream: Stream, matrix: Float[np.ndarray, "d_model feature"], zero: Float[np.ndarray, " feature"]
) -> Bool[np.ndarray, " feature"]:
    """Which columns read exactly nothing at BOS, whatever the layer norm takes off.

    A norm treats all dimensions alike. So where just two are read that hold the same, *zero* among them, and their
    weights are a power of two and its negative, the difference is exactly zero, in any order and with fused operations.
    """
    held_there = np.full(len(matrix) + 1, np.nan)  # nan: not known exactly, or not from the embedding on
    held_there[-1] = 0
    for held in stream.values():
        if held.exact_at_bos is not None:
            same = held.exact_at_bos & ((held.at_bos == 0) | (held.entry.sublayer < 0))
            held_there[held.entry.dimensions] = np.where(same, held.at_bos, np.nan)
    weights = np.concatenate([matrix, zero[None, :]])
    silent = np.zeros(weights.shape[1], bool)
    for column in range(weights.shape[1]):
        own = np.flatnonzero(weights[:, column])
        pair = weights[own, column]
        if len(own) == 2:
            silent[column] = (
                held_there[own[0]] == held_there[own[1]] and pair[0] == -pair[1] and is_power_of_two(pair).all()
            )
    return silent | ~weights.any(axis=0)


def root_blur(norm: RMSNorm, stream: Stream, fmt: NumberFormat) -> Blur:
    """What an RMS norm adds: nothing, unless the format is finer than that of the norm.

    Raises:
        Violated: what is pinned does not outweigh the rest.
    """
    squares = sum(_square(held) for held in stream.values())
    if not squares < norm.pinned * LOST:
        raise Violated("the pinned dimensions do not outweigh the others")
    return Blur(2.0**-norm.precision if fmt.precision > norm.precision else 0.0, 0.0)


def _rows(held: Held) -> tuple[Float[np.ndarray, "row width"], Float[np.ndarray, "row width"]]:
    """Everything that a variable can hold, BOS included, and its errors."""
    table = held.entry.variable.table
    rows = np.concatenate([table, held.at_bos[None, :]])
    return rows, np.concatenate([held.deviation.at(table), held.bos_error[None, :]])


def _size(held: Held) -> float:
    """The largest sum of sizes of what stands in the dimensions of a variable."""
    rows, errors = _rows(held)
    return float((np.abs(rows) + errors).sum(axis=1).max(initial=0))


def _square(held: Held) -> float:
    """The largest sum of squares of what stands in the dimensions of a variable."""
    rows, errors = _rows(held)
    return float(((np.abs(rows) + errors) ** 2).sum(axis=1).max(initial=0))
