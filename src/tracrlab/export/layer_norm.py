"""Weights for an architecture with layer norm, which is made to do nothing.

LayerNorm(x) = g·(x − mean) / √(var + ε) is the identity but for the mean where ε = 2¹⁰⁰ and g = 2⁵⁰: the variance is
lost in ε when the two are added, and dividing and multiplying by a power of two is exact. Two dimensions take care of
the mean:

- *balance* receives minus the sum of whatever is written to the others, so the mean is zero but for rounding;
- *zero* is never written, so after a layer norm it holds minus the mean as it was rounded. What reads the residual
  stream subtracts it: a column w of a reading matrix has −Σw there.

A value matrix may have huge weights (compact models count by dividing by small attention weights), and the subtraction
would round. So each of its columns is divided by its largest weight, and the row of W_O that reads it is multiplied.
Then a column with one weight, the case that occurs, subtracts exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.errors import PrecisionError
from tracrlab.export.activations import Activation, sharpened
from tracrlab.export.checkpoint import padded
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import ClassReadout
from tracrlab.model.surgery.bos import quiet_at_bos
from tracrlab.shapes import Float

EPSILON, GAIN = 2.0**100, 2.0**50
_LARGEST = 2.0**36  # of a residual stream whose variance is below half a unit in the last place of ε, in float32


@dataclass(frozen=True, eq=False)
class NormedWeights:
    """Weights of a transformer with layer norm, float64, shapes as in TransformerLens.

    ``width`` is the size of the residual stream, the first dimensions of which are those of the compiled model; it is
    the number of heads times the size of a head. Heads, neurons and dimensions that were added are zero.
    """

    W_E: Float[np.ndarray, "d_vocab width"]
    W_pos: Float[np.ndarray, "n_ctx width"]
    W_Q: Float[np.ndarray, "layer head width d_head"]
    W_K: Float[np.ndarray, "layer head width d_head"]
    W_V: Float[np.ndarray, "layer head width d_head"]
    W_O: Float[np.ndarray, "layer head d_head width"]
    W_in: Float[np.ndarray, "layer width d_mlp"]
    W_out: Float[np.ndarray, "layer d_mlp width"]
    W_U: Float[np.ndarray, "width class"]
    b_U: Float[np.ndarray, " class"]

    @property
    def width(self) -> int:
        """The size of the residual stream."""
        return int(self.W_E.shape[1])

    @property
    def n_heads(self) -> int:
        """The number of heads in a layer."""
        return int(self.W_Q.shape[1])

    @property
    def d_mlp(self) -> int:
        """The number of neurons in a layer."""
        return int(self.W_in.shape[2])


def normed_weights(model: Artefact, readout: ClassReadout, activation: Activation) -> NormedWeights:
    """The model's weights for an architecture with layer norm, where heads share the residual stream's size evenly.

    Heads keep their size, because scores are divided by its root; so there are as many as the residual stream needs.

    Raises:
        PrecisionError: a variable has values so large that the layer norm would notice, or weights are too different
            in size for the activation.
    """
    for each in model.labels.variables:
        if each.variable.ground is not None and each.variable.ground.any():
            raise PrecisionError(
                each.name,
                None,
                "it is stored beside a constant too large for a layer norm that does nothing",
                "Compile with grounds=False, or use to_huggingface, which has no layer norm",
            )
        if np.abs(each.variable.table).max(initial=0) > _LARGEST:
            raise PrecisionError(
                each.name,
                None,
                "its values are too large for a layer norm that does nothing",
                "Use to_huggingface, which has no layer norm",
            )
    config, w = model.config, model.weights
    W_in, W_out = sharpened(quiet_at_bos(model), activation, readout.dtype)
    n_heads = max(config.n_heads, -(-(config.d_model + 2) // config.d_head))
    width, more_heads = n_heads * config.d_head, n_heads - config.n_heads
    scale = np.abs(w.W_V).max(axis=2, keepdims=True, initial=0).astype(float)
    scale[scale == 0] = 1

    def projection(matrix: Float[np.ndarray, "layer head d_model d_head"]) -> Float[np.ndarray, "..."]:
        return padded(_reading(matrix, width, 2), 1, more_heads)

    return NormedWeights(
        W_E=_writing(w.W_E, width),
        W_pos=_writing(w.W_pos, width),
        W_Q=projection(w.W_Q),
        W_K=projection(w.W_K),
        W_V=projection(w.W_V / scale),
        W_O=padded(_writing(w.W_O * scale.swapaxes(2, 3), width), 1, more_heads),
        W_in=_reading(W_in, width, 1),
        W_out=_writing(W_out, width),
        W_U=_reading(readout.W_U, width, 0),
        b_U=readout.b_U.astype(float),
    )


def _writing(matrix: Float[np.ndarray, "... d_model"], width: int) -> Float[np.ndarray, "... width"]:
    """The matrix with what it writes to the balance."""
    exact = matrix.astype(float)
    balanced = np.concatenate([exact, -exact.sum(axis=-1, keepdims=True)], axis=-1)
    return padded(balanced, -1, width - balanced.shape[-1])


def _reading(matrix: Float[np.ndarray, "..."], width: int, axis: int) -> Float[np.ndarray, "..."]:
    """The matrix, which reads the residual stream along ``axis``, with what it reads of *zero*, after *balance*."""
    exact = matrix.astype(float)
    total = exact.sum(axis=axis, keepdims=True)
    d_model = exact.shape[axis]
    return padded(np.concatenate([exact, np.zeros_like(total), -total], axis=axis), axis, width - d_model - 2)
