"""A transformer whose residual stream is compressed by a linear map (section 5 of the Tracr paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracrlab.compat.tracr.transformer.attention import required_params
from tracrlab.compat.tracr.transformer.made import MadeParams
from tracrlab.compat.tracr.transformer.model import (
    ResidualStream,
    TransformerConfig,
    TransformerLayers,
    TransformerOutput,
    new_params,
)


class CompressedTransformer:
    """A transformer with parameters ``{name}/layer_0/attn/query`` and so on, and ``{name}``, ``{w_emb}``.

    They are given, or haiku makes new ones if this is built inside ``hk.transform``.

    ``w_emb [embedding_size, direction]`` maps a vector x of the residual stream to x @ w_emb.T, and back by @ w_emb.
    The name is ``compressed_transformer`` unless given.
    """

    def __init__(
        self,
        config: TransformerConfig,
        name: str | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.config = config
        self.name = name or "compressed_transformer"
        self.params = required_params(params, "CompressedTransformer", new_params(self.name, config))

    def __call__(
        self,
        embeddings: Any,
        mask: Any,
        *,
        use_dropout: bool = True,
        embedding_size: int | None = None,
        unembed_at_every_layer: bool = False,
    ) -> TransformerOutput:
        """Run on ``embeddings [batch, position, direction]``; tokens are where ``mask [batch, position]`` is true.

        Arguments:
            embedding_size: the size of the compressed residual stream; it is not compressed unless given.
            unembed_at_every_layer: layers read and write through ``w_emb``, so that they are those of the transformer
                that is compressed; else they have the size of the compressed residual stream.

        Raises:
            ValueError: ``w_emb`` is of another size.
        """
        layers = TransformerLayers(self.config, self.name, self.params)
        if embedding_size is None:
            return layers.run(embeddings, mask, ResidualStream())
        if isinstance(self.params, MadeParams):
            w_emb = self.params.matrix("w_emb", (embedding_size, embeddings.shape[-1]))
        else:
            w_emb = self.params[self.name]["w_emb"]
        if w_emb.shape != (embedding_size, embeddings.shape[-1]):
            raise ValueError(f"w_emb is {w_emb.shape}, not {(embedding_size, embeddings.shape[-1])}")
        stream = ResidualStream(lambda x: x @ w_emb, lambda x: x @ w_emb.T, every_layer=unembed_at_every_layer)
        return layers.run(embeddings, mask, stream)
