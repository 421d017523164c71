"""The forward pass in NumPy, read top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.model.config import ModelConfig
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


def forward(
    config: ModelConfig, weights: Weights, ids: Int[np.ndarray, "batch position"]
) -> Float[np.ndarray, "batch position d_vocab_out"]:
    """The unembedded output for a batch of token ids."""
    residual, mask = _embed(weights, ids), _visible(config, ids)
    for layer in range(config.n_layers):
        residual = residual + _attend(weights, layer, residual, _pattern(config, weights, layer, residual, mask))
        residual = residual + _mlp(weights, layer, residual)
    logits: np.ndarray = residual @ weights.W_U
    return logits


def forward_with_activations(
    config: ModelConfig, weights: Weights, ids: Int[np.ndarray, "batch position"]
) -> Activations:
    """The same forward pass, keeping every intermediate result."""
    residuals, patterns = [_embed(weights, ids)], []
    mask = _visible(config, ids)
    for layer in range(config.n_layers):
        patterns.append(_pattern(config, weights, layer, residuals[-1], mask))
        residuals.append(residuals[-1] + _attend(weights, layer, residuals[-1], patterns[-1]))
        residuals.append(residuals[-1] + _mlp(weights, layer, residuals[-1]))
    return Activations(tuple(residuals), tuple(patterns), residuals[-1] @ weights.W_U)


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
    queries = residual[:, None] @ weights.W_Q[layer]
    keys = residual[:, None] @ weights.W_K[layer]
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(config.d_head).astype(residual.dtype)
    scores = np.where(mask, scores, -np.inf)
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    pattern: np.ndarray = weight / weight.sum(axis=-1, keepdims=True)
    return pattern


def _attend(
    weights: Weights,
    layer: int,
    residual: Float[np.ndarray, "batch position d_model"],
    pattern: Float[np.ndarray, "batch head query key"],
) -> Float[np.ndarray, "batch position d_model"]:
    values = residual[:, None] @ weights.W_V[layer]
    written: np.ndarray = (pattern @ values @ weights.W_O[layer]).sum(axis=1)
    return written


def _mlp(
    weights: Weights, layer: int, residual: Float[np.ndarray, "batch position d_model"]
) -> Float[np.ndarray, "batch position d_model"]:
    written: np.ndarray = np.maximum(residual @ weights.W_in[layer], 0) @ weights.W_out[layer]
    return written
