"""The weights of a transformer without biases or layer norm; shapes and axis order as in TransformerLens."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from tracrlab.model.config import ModelConfig
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class Weights:
    """All weights of a model, one array a kind, layers along the first axis.

    Constants that other models keep in biases are read from the dimension ``one`` of the residual stream.
    """

    W_E: Float[np.ndarray, "d_vocab d_model"]
    W_pos: Float[np.ndarray, "n_ctx d_model"]
    W_Q: Float[np.ndarray, "layer head d_model d_head"]
    W_K: Float[np.ndarray, "layer head d_model d_head"]
    W_V: Float[np.ndarray, "layer head d_model d_head"]
    W_O: Float[np.ndarray, "layer head d_head d_model"]
    W_in: Float[np.ndarray, "layer d_model d_mlp"]
    W_out: Float[np.ndarray, "layer d_mlp d_model"]
    W_U: Float[np.ndarray, "d_model d_vocab_out"]

    def as_dict(self) -> dict[str, Float[np.ndarray, "..."]]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def n_nonzero(self) -> int:
        """The number of weights that are not zero."""
        return sum(int(np.count_nonzero(array)) for array in self.as_dict().values())


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a model's weights."""
    c = config
    projection = (c.n_layers, c.n_heads, c.d_model, c.d_head)
    return {
        "W_E": (c.d_vocab, c.d_model),
        "W_pos": (c.n_ctx, c.d_model),
        "W_Q": projection,
        "W_K": projection,
        "W_V": projection,
        "W_O": (c.n_layers, c.n_heads, c.d_head, c.d_model),
        "W_in": (c.n_layers, c.d_model, c.d_mlp),
        "W_out": (c.n_layers, c.d_mlp, c.d_model),
        "W_U": (c.d_model, c.d_vocab_out),
    }


def zero_weights(config: ModelConfig) -> Weights:
    """Weights of the configuration's shapes, all zero, in arrays of the format it adds up in."""
    return Weights(
        **{name: np.zeros(shape, config.number_format.accumulator) for name, shape in weight_shapes(config).items()}
    )


def state_dict(
    weights: Weights, W_U: Float[np.ndarray, "d_model class"], b_U: Float[np.ndarray, " class"]
) -> dict[str, Float[np.ndarray, "..."]]:
    """The arrays with this unembedding, layer by layer, under the names of TransformerLens."""
    arrays = {"embed.W_E": weights.W_E, "pos_embed.W_pos": weights.W_pos}
    for layer in range(len(weights.W_Q)):
        for sublayer, names in (("attn", ("W_Q", "W_K", "W_V", "W_O")), ("mlp", ("W_in", "W_out"))):
            arrays |= {f"blocks.{layer}.{sublayer}.{name}": getattr(weights, name)[layer] for name in names}
    return arrays | {"unembed.W_U": W_U, "unembed.b_U": b_U}
