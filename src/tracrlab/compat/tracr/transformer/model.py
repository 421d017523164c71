"""The transformer: a function of parameters that are called as haiku calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tracrlab.compat.arrays import array_namespace, gelu
from tracrlab.compat.records import Record
from tracrlab.compat.tracr.transformer import attention
from tracrlab.compat.tracr.transformer.attention import required_params
from tracrlab.compat.tracr.transformer.made import MadeParams


@dataclass(eq=False)
class TransformerOutput(Record):
    """What happened: a list entry a sublayer (attention, MLP, attention, …), arrays ``[batch, position, direction]``.

    ``layer_outputs`` is what each sublayer wrote, ``residuals`` the residual stream after it; ``attn_logits`` has an
    entry a layer, ``[batch, head, query, key]``.
    """

    layer_outputs: list[Any]
    residuals: list[Any]
    attn_logits: list[Any]
    output: Any
    input_embeddings: Any


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer. Compiled ones have relu, no layer norm and no dropout."""

    num_heads: int
    num_layers: int
    key_size: int
    mlp_hidden_size: int
    dropout_rate: float
    activation_function: Callable[[Any], Any] = gelu
    layer_norm: bool = True
    causal: bool = False


def new_params(name: str, config: TransformerConfig) -> MadeParams:
    """Parameters that haiku makes, for a transformer of this shape."""
    joint = config.num_heads * config.key_size
    return MadeParams(name, {"query": joint, "key": joint, "value": joint, "linear_1": config.mlp_hidden_size})


@dataclass(frozen=True)
class ResidualStream:
    """How layers see the residual stream: as it is, unless ``read`` and ``write`` map to another space and back.

    ``every_layer``: layers read and write through these maps; else only what goes in and comes out at the ends does.
    """

    read: Callable[[Any], Any] = lambda x: x
    write: Callable[[Any], Any] = lambda x: x
    every_layer: bool = True


class Transformer:
    """A transformer with parameters ``transformer/layer_0/attn/query`` and so on, each ``{w, b}``.

    They are given, or haiku makes new ones if this is built inside ``hk.transform``.
    """

    def __init__(
        self,
        config: TransformerConfig,
        name: str | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.config = config
        self.name = name or "transformer"
        self.layers = TransformerLayers(
            config, "transformer", required_params(params, "Transformer", new_params("transformer", config))
        )
        self.params = self.layers.params

    def __call__(self, embeddings: Any, mask: Any, *, use_dropout: bool = True) -> TransformerOutput:
        """Run on ``embeddings [batch, position, direction]``; tokens are where ``mask [batch, position]`` is true."""
        return self.layers.run(embeddings, mask, ResidualStream())


class TransformerLayers:
    """The layers of a transformer, whose parameters are called ``prefix/layer_0/attn/query`` and so on."""

    def __init__(self, config: TransformerConfig, prefix: str, params: Mapping[str, Mapping[str, Any]]) -> None:
        if config.layer_norm or config.dropout_rate:
            raise NotImplementedError("compiled transformers have no layer norm and no dropout: ask for none in config")
        self.config = config
        self.prefix = prefix
        self.params = params

    def run(self, embeddings: Any, mask: Any, stream: ResidualStream) -> TransformerOutput:
        """Run all layers on a residual stream."""
        xp = array_namespace(embeddings, mask, *self.params[f"{self.prefix}/layer_0/attn/query"].values())
        length = embeddings.shape[1]
        visible = xp.asarray(mask)[:, None, None, :] != 0
        if self.config.causal:
            visible = visible & (xp.arange(length)[:, None] >= xp.arange(length))
        seen = stream if stream.every_layer else ResidualStream()
        outside = ResidualStream() if stream.every_layer else stream
        residual = stream.write(embeddings)
        layer_outputs, residuals, attn_logits = [], [], []
        for layer in range(self.config.num_layers):
            read = seen.read(residual)
            attended = self._attention(layer)(read, read, read, visible)
            residual = residual + seen.write(attended.out)
            layer_outputs.append(outside.read(attended.out))
            residuals.append(residual)
            attn_logits.append(attended.logits)
            written = self._mlp(layer, seen.read(residual))
            residual = residual + seen.write(written)
            layer_outputs.append(outside.read(written))
            residuals.append(residual)
        return TransformerOutput(layer_outputs, residuals, attn_logits, stream.read(residual), embeddings)

    def _attention(self, layer: int) -> attention.MultiHeadAttention:
        prefix = f"{self.prefix}/layer_{layer}/attn"
        params = {kind: self.params[f"{prefix}/{kind}"] for kind in ("query", "key", "value", "linear")}
        return attention.MultiHeadAttention(self.config.num_heads, self.config.key_size, params=params)

    def _mlp(self, layer: int, residual: Any) -> Any:
        prefix = f"{self.prefix}/layer_{layer}/mlp"
        width = residual.shape[-1]
        hidden = self.config.activation_function(attention.applied(self.params[f"{prefix}/linear_1"], residual, width))
        return attention.applied(self.params[f"{prefix}/linear_2"], hidden, width)


@dataclass(eq=False)
class CompiledTransformerModelOutput(Record):
    """What happened, and the answer: ids ``[batch, position]`` of values, or numbers."""

    transformer_output: TransformerOutput
    unembedded_output: Any


@dataclass(eq=False)
class CompiledTransformerModel:
    """A transformer between embeddings and an unembedding; keys at ``pad_token`` are not attended."""

    transformer: Transformer
    token_embed: Callable[..., Any]
    position_embed: Callable[..., Any]
    unembed: Callable[..., Any]
    use_unembed_argmax: bool
    pad_token: int | None = None

    def embed(self, tokens: Any) -> Any:
        """The embedding ``[batch, position, direction]`` of ids ``[batch, position]``."""
        positions = array_namespace(tokens).arange(tokens.shape[1])
        return self.token_embed(tokens) + self.position_embed(positions)[None]

    def __call__(self, tokens: Any, use_dropout: bool = True) -> CompiledTransformerModelOutput:
        """Run on ids ``[batch, position]``."""
        xp = array_namespace(tokens)
        mask = xp.ones(tokens.shape, bool) if self.pad_token is None else tokens != self.pad_token
        output = self.transformer(self.embed(tokens), mask, use_dropout=use_dropout)
        return CompiledTransformerModelOutput(output, self.unembed(output.output, self.use_unembed_argmax))
