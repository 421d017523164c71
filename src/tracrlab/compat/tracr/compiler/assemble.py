"""The assembled model: parameters, labels, encoders, and running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tracrlab.compat.arrays import array_namespace, relu, rows_of
from tracrlab.compat.handmade import embedding_params, handmade_params
from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.records import Record
from tracrlab.compat.tracr.craft import bases, transformers, vectorspace_fns
from tracrlab.compat.tracr.transformer import encoder, model
from tracrlab.compat.translation import plain_number
from tracrlab.facade import CompiledModel

Params = Mapping[str, Mapping[str, Any]]


@dataclass(eq=False)
class AssembledTransformerModelOutput(Record):
    """The answer and everything on the way to it, for one input, whose axis of the batch has length 1.

    ``decoded`` begins with BOS; ``unembedded [1, position]`` are ids of values or numbers; the others are as in
    ``TransformerOutput``.
    """

    decoded: list[Any]
    unembedded: Any
    layer_outputs: list[Any]
    residuals: list[Any]
    attn_logits: list[Any]
    transformer_output: Any
    input_embeddings: Any


class ModelForward(Protocol):
    """The forward pass as a function of parameters."""

    def __call__(self, params: Params, emb: Any) -> model.CompiledTransformerModelOutput:
        """Run on ids ``[batch, position]``."""


@dataclass(eq=False)
class AssembledTransformerModel:
    """A compiled model in Tracr's form.

    ``forward(params, ids)`` is the forward pass, on NumPy's arrays or JAX's; ``params`` are NumPy arrays;
    ``get_compiled_model()`` is the same with these parameters filled in; ``residual_labels`` name the directions of the
    residual stream. ``compiled`` is the model as Tracr Lab has it.
    """

    forward: ModelForward
    get_compiled_model: Callable[[], model.CompiledTransformerModel]
    params: Params
    model_config: model.TransformerConfig
    residual_labels: list[str]
    input_encoder: encoder.Encoder | None = None
    output_encoder: encoder.Encoder | None = None
    compiled: CompiledModel | None = field(default=None, repr=False)

    def apply(self, tokens: Sequence[Any]) -> AssembledTransformerModelOutput:
        """Run on an input that begins with BOS.

        Raises:
            ValueError: it does not begin with BOS, holds an unknown token or is too long.
        """
        ids = tokens if self.input_encoder is None else self.input_encoder.encode(list(tokens))
        output = self.forward(self.params, np.array([ids]))
        ran, answer = output.transformer_output, output.unembedded_output
        decoded = answer[0].tolist()
        if self.output_encoder is not None:  # what stands at BOS means nothing
            decoded = [*tokens[:1], *self.output_encoder.decode(decoded[1:])]
        return AssembledTransformerModelOutput(
            decoded, answer, ran.layer_outputs, ran.residuals, ran.attn_logits, ran.output, ran.input_embeddings
        )


@dataclass(eq=False)
class EmbeddingModules:
    """The maps between ids and the residual stream."""

    token_embed: Callable[..., Any]
    pos_embed: Callable[..., Any]
    unembed: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class _Architecture:
    """What a model is besides its parameters.

    ``presence`` is the place of the direction that is 1 where a numerical answer is not ``None``, if it can be.
    """

    config: model.TransformerConfig
    residual_space: bases.VectorSpaceWithBasis
    output_space: bases.VectorSpaceWithBasis
    categorical: bool
    presence: int | None = None

    def with_params(self, params: Params) -> model.CompiledTransformerModel:
        """The model with these parameters."""
        modules = _embedding_modules(params, self.residual_space, self.output_space, self.presence)
        return model.CompiledTransformerModel(
            model.Transformer(self.config, params=params),
            modules.token_embed,
            modules.pos_embed,
            modules.unembed,
            self.categorical,
        )

    def forward(self, params: Params, emb: Any) -> model.CompiledTransformerModelOutput:
        """Run on ids ``[batch, position]``."""
        return self.with_params(params)(emb, use_dropout=False)

    def assembled(self, params: Params) -> AssembledTransformerModel:
        """The assembled model with these parameters, in the order of their names as in Tracr, without encoders."""
        params = {name: dict(sorted(params[name].items())) for name in sorted(params)}
        return AssembledTransformerModel(
            forward=self.forward,
            get_compiled_model=lambda: self.with_params(params),
            params=params,
            model_config=self.config,
            residual_labels=[str(direction) for direction in self.residual_space.basis],
        )


def _embedding_modules(
    params: Params,
    residual_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    presence: int | None,
) -> EmbeddingModules:
    tokens, positions = params["token_embed"]["embeddings"], params["pos_embed"]["embeddings"]
    unembedding = vectorspace_fns.project(residual_space, output_space).matrix

    def unembed(x: Any, use_unembed_argmax: bool) -> Any:
        xp = array_namespace(x)
        output = x @ unembedding.astype(x.dtype)
        if use_unembed_argmax:
            return xp.argmax(output, axis=-1).astype(xp.int32)
        number = output[..., 0]
        return number if presence is None else xp.where(x[..., presence] > 0.5, number, xp.nan)

    return EmbeddingModules(lambda ids: rows_of(tokens, ids), lambda ids: rows_of(positions, ids), unembed)


def _make_embedding_modules(
    residual_space: bases.VectorSpaceWithBasis,
    tokens_space: bases.VectorSpaceWithBasis,
    indices_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
) -> EmbeddingModules:
    """The maps between ids and a residual space that holds tokens, positions and the answer."""
    params = embedding_params(tokens_space, indices_space, residual_space)
    return _embedding_modules(params, residual_space, output_space, presence=None)


def assembled_model(compiled: CompiledModel) -> AssembledTransformerModel:
    """A compiled model in Tracr's form."""
    layout = TracrLayout(compiled)
    config = compiled.config
    inputs = encoder.CategoricalEncoder(layout.token_space.basis, True, config.bos, config.pad, config.n_ctx)
    architecture = _Architecture(
        config=_transformer_config(config.n_heads, config.n_layers, config.d_head, config.d_mlp, config.causal),
        residual_space=layout.residual_space,
        output_space=layout.output_space,
        categorical=layout.is_categorical,
        presence=layout.presence,
    )
    assembled = architecture.assembled(layout.params)
    assembled.input_encoder = inputs
    assembled.output_encoder = _output_encoder(layout)
    assembled.compiled = compiled
    return assembled


def assemble_craft_model(
    craft_model: transformers.SeriesWithResiduals,
    tokens_space: bases.VectorSpaceWithBasis,
    indices_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    categorical_output: bool,
    causal: bool = False,
) -> AssembledTransformerModel:
    """The transformer of blocks built by hand; it has no encoders, so it runs on ids.

    Ids number the directions of ``tokens_space``. The direction ``one`` holds 1 everywhere.
    """
    handmade = handmade_params(craft_model, tokens_space, indices_space, output_space)
    config = _transformer_config(handmade.n_heads, handmade.n_layers, handmade.key_size, handmade.n_neurons, causal)
    return _Architecture(config, handmade.residual_space, output_space, categorical_output).assembled(handmade.params)


def _transformer_config(
    n_heads: int, n_layers: int, key_size: int, n_neurons: int, causal: bool
) -> model.TransformerConfig:
    return model.TransformerConfig(n_heads, n_layers, key_size, n_neurons, 0.0, relu, layer_norm=False, causal=causal)


def _output_encoder(layout: TracrLayout) -> encoder.Encoder:
    """From the answer to values."""
    if layout.is_categorical:
        return encoder.CategoricalEncoder(layout.output_space.basis)
    values = [plain_number(value) for value in layout.model.output.values]
    return encoder.NumericalEncoder(layout.output_space.basis, values)
