"""Smooth activations that compute what ReLU computes.

GELU and SiLU (Hendrycks and Gimpel, arXiv:1606.08415) are φ(x) = x·Φ(x), where Φ rises from 0 to 1. They differ from
ReLU by a constant at most, ``gap``, which they reach near 0; further away they are 0 or x to the last bit. So with S a
power of two, φ(S·x) / S differs by ``gap`` / S at most. The weights before the activation are multiplied by S and those
after it divided, both exactly, and S is so large that what is left is lost in rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracrlab.errors import ExportError, PrecisionError
from tracrlab.model.artefact import Artefact
from tracrlab.shapes import Float

_LARGEST = 2.0**100  # of an activation, in float32


@dataclass(frozen=True)
class Activation:
    """An activation by its ``name`` in Transformers, and how far it is from ReLU at most."""

    name: str
    gap: float


RELU = Activation("relu", 0.0)
GELU = Activation("gelu", 0.17)  # 0.16997 at -0.75
GELU_TANH = Activation("gelu_new", 0.1701)  # its approximation by tanh: 0.17005
SILU = Activation("silu", 0.2785)  # 0.27847 at -1.278, the solution w of w·exp(w + 1) = 1
ACTIVATIONS = {each.name: each for each in (RELU, GELU, GELU_TANH, SILU)}


def chosen(name: str, architecture: str, choices: Mapping[str, Activation]) -> Activation:
    """The activation that an architecture has under this name.

    Raises:
        ExportError: it has none.
    """
    if name not in choices:
        raise ExportError(f"{architecture} has no activation {name!r}; it has {', '.join(choices)}")
    return choices[name]


def sharpened(
    model: Artefact, activation: Activation, dtype: str
) -> tuple[Float[np.ndarray, "layer d_model d_mlp"], Float[np.ndarray, "layer d_mlp d_model"]]:
    """The model's W_in and W_out, as float64, for ``activation`` in place of ReLU, computed in ``dtype``.

    What is left of the difference is 2^-30 (in float32; 2^-59 in float64) of the smallest weight in each dimension.

    Raises:
        PrecisionError: activations would be beyond the range of float32.
    """
    W_in, W_out = model.weights.W_in.astype(float), model.weights.W_out.astype(float)
    if not activation.gap:
        return W_in, W_out
    precision = int(np.finfo(dtype).nmant) + 1
    scales = np.array([_sharpness(outputs, activation, precision) for outputs in W_out])[:, None, None]
    largest = max(float(np.abs(each.variable.table).max(initial=1)) for each in model.labels.variables)
    if (np.abs(W_in * scales).sum(axis=1) * largest).max(initial=0) > _LARGEST:
        raise PrecisionError(
            model.output_name,
            None,
            f"its weights differ too much in size for {activation.name} neurons",
            "Use ReLU, or to_huggingface",
        )
    return W_in * scales, W_out / scales


def _sharpness(outputs: Float[np.ndarray, "d_mlp d_model"], activation: Activation, precision: int) -> float:
    """A power of two S for which ``gap`` / S, added up over all neurons, is below what matters in each dimension."""
    sizes = np.abs(outputs)
    smallest = np.where(sizes > 0, sizes, np.inf).min(axis=0, initial=np.inf)
    worst = float((sizes.sum(axis=0) / smallest).max(initial=0))
    return 2.0 ** math.ceil(math.log2(max(worst, 1.0) * activation.gap) + precision + 6)
