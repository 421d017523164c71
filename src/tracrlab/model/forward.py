"""The forward pass in NumPy, read top to bottom.

``bfloat16`` and ``float16`` are computed as on other hardware: every product is accumulated in ``float32`` and stored
in the format, softmax is taken in ``float32``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.model.config import ModelConfig
from tracrlab.model.sublayers import EMBEDDING, Sublayer
from tracrlab.model.weights import Weights
from tracrlab.shapes import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Activations:
    """What happened in a forward pass.

    ``residuals`` holds the residual stream after the embedding and after every sublayer (attention, MLP, attention,
    …); ``patterns`` the attention patterns by layer.
    """

    residuals: tuple[Float[np.ndarray, "batch position d_model"], ...]
    patterns: tuple[Float[np.ndarray, "batch head query key"], ...]
    logits: Float[np.ndarray, "batch position d_vocab_out"]


Edit = Callable[[Sublayer, Float[np.ndarray, "batch position d_model"]], Float[np.ndarray, "batch position d_model"]]
"""What becomes of the residual stream after a sublayer."""


def forward(
    config: ModelConfig, weights: Weights, ids: Int[np.ndarray, "batch position"]
) -> Float[np.ndarray, "batch position d_vocab_out"]:
    """The unembedded output for a batch of token ids."""
    for residual, _ in _sublayers(config, weights, ids, _unchanged):
        last = residual
    return _project(last, weights.W_U, config.number_format)


def forward_with_activations(
    config: ModelConfig, weights: Weights, ids: Int[np.ndarray, "batch position"], *, edit: Edit | None = None
) -> Activations:
    """The same forward pass, keeping every intermediate result; ``edit`` may change the residual stream on its way."""
    residuals, patterns = zip(*_sublayers(config, weights, ids, edit or _unchanged), strict=True)
    attended = tuple(pattern for pattern in patterns if pattern is not None)
    return Activations(residuals, attended, _project(residuals[-1], weights.W_U, config.number_format))


def _sublayers(
    config: ModelConfig, weights: Weights, ids: Int[np.ndarray, "batch position"], edit: Edit
) -> Iterator[tuple[Float[np.ndarray, "batch position d_model"], Float[np.ndarray, "batch head query key"] | None]]:
    """The residual stream after the embedding and after every sublayer, with the attention pattern that made it."""
    fmt = config.number_format
    residual, mask = edit(EMBEDDING, fmt.stored(_embed(weights, ids))), _visible(config, ids)
    yield residual, None
    for layer in range(config.n_layers):
        pattern = _pattern(config, weights, layer, residual, mask)
        residual = edit(
            Sublayer.attention(layer), fmt.stored(residual + _attend(weights, layer, residual, pattern, fmt))
        )
        yield residual, pattern
        residual = edit(Sublayer.mlp(layer), fmt.stored(residual + _mlp(weights, layer, residual, fmt)))
        yield residual, None


def _unchanged(
    sublayer: Sublayer, residual: Float[np.ndarray, "batch position d_model"]
) -> Float[np.ndarray, "batch position d_model"]:
    return residual


def _embed(weights: Weights, ids: Int[np.ndarray, "batch position"]) -> Float[np.ndarray, "batch position d_model"]:
    residual: np.ndarray = weights.W_E[ids] + weights.W_pos[: ids.shape[1]]
    return residual


def _visible(config: ModelConfig, ids: Int[np.ndarray, "batch position"]) -> Bool[np.ndarray, "batch 1 query key"]:
    """Which keys each query may attend to: no padding, and under a causal mask nothing later."""
    length = ids.shape[1]
    allowed = np.tril(np.ones((length, length), bool)) if config.causal else np.ones((length, length), bool)
    mask: np.ndarray = (ids != config.pad_id)[:, None, None, :] & allowed
    return mask


def _pattern(
    config: ModelConfig,
    weights: Weights,
    layer: int,
    residual: Float[np.ndarray, "batch position d_model"],
    mask: Bool[np.ndarray, "batch 1 query key"],
) -> Float[np.ndarray, "batch head query key"]:
    fmt = config.number_format
    queries = _project_heads(residual, weights.W_Q[layer], fmt)
    keys = _project_heads(residual, weights.W_K[layer], fmt)
    scores = fmt.stored(queries @ keys.swapaxes(-1, -2))
    scores = fmt.stored(scores / np.sqrt(config.d_head).astype(residual.dtype))
    scores = np.where(mask, scores, -np.inf)
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return fmt.stored(weight / weight.sum(axis=-1, keepdims=True))


def _attend(
    weights: Weights,
    layer: int,
    residual: Float[np.ndarray, "batch position d_model"],
    pattern: Float[np.ndarray, "batch head query key"],
    fmt: NumberFormat,
) -> Float[np.ndarray, "batch position d_model"]:
    mixed = fmt.stored(pattern @ _project_heads(residual, weights.W_V[layer], fmt))
    outputs = [_project(mixed[:, head], matrix, fmt) for head, matrix in enumerate(weights.W_O[layer])]
    written: np.ndarray = np.sum(outputs, axis=0)
    return written


def _mlp(
    weights: Weights, layer: int, residual: Float[np.ndarray, "batch position d_model"], fmt: NumberFormat
) -> Float[np.ndarray, "batch position d_model"]:
    return _project(np.maximum(_project(residual, weights.W_in[layer], fmt), 0), weights.W_out[layer], fmt)


def _project(
    vectors: Float[np.ndarray, "batch position d_in"], matrix: Float[np.ndarray, "d_in d_out"], fmt: NumberFormat
) -> Float[np.ndarray, "batch position d_out"]:
    """One large product instead of one for each sequence, which is many times faster."""
    flat = np.ascontiguousarray(vectors).reshape(-1, vectors.shape[-1])
    return fmt.stored((flat @ matrix).reshape(*vectors.shape[:-1], matrix.shape[1]))


def _project_heads(
    vectors: Float[np.ndarray, "batch position d_in"], matrices: Float[np.ndarray, "head d_in d_out"], fmt: NumberFormat
) -> Float[np.ndarray, "batch head position d_out"]:
    return np.stack([_project(vectors, matrix, fmt) for matrix in matrices], axis=1)
