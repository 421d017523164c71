"""Absolute positions for an architecture without position embeddings: a first layer computes them from BOS.

Position p sees p + 1 positions under a causal mask, so a head that attends all of them alike puts 1 / (p + 1) on BOS.
Neurons take the steps between these numbers (:func:`tracrlab.craft.neurons.step_neurons`) and write what the position
embedding would have held. What an embedding holds at all positions alike goes to the tokens instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.claims import Claims, EmbeddingClaim, HeadClaim, NumberClaim, View
from tracrlab.craft.neurons import Neurons, Number, step_neurons
from tracrlab.craft.precision import NotSeparable, unit_roundoff
from tracrlab.craft.spaces import Read, scalar_variable
from tracrlab.errors import ExportError, PrecisionError
from tracrlab.export.constants import constant_variable
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.weights import Weights, zero_weights
from tracrlab.shapes import Float

_SHARE_ROUNDINGS = 16  # of an exponential, a sum and a quotient


def with_computed_positions(model: CompiledModel) -> CompiledModel:
    """The causal model without position embeddings: it has one more layer if it reads positions, else none.

    Dimensions keep their numbers; one is added for 1 / (p + 1). Components of layer l are in layer l + 1. A variable of
    positions that nothing reads stays zero.

    Raises:
        ExportError: a variable holds the sum of something of the token and something of the position.
        PrecisionError: the number format cannot tell the positions apart.
    """
    model = replace(model, weights=_alike_moved(model), claims=_claims_moved(model))
    varying = tuple(
        entry
        for entry in model.labels.variables
        if model.weights.W_pos[1:, entry.dimensions].any() or model.weights.W_pos[0, entry.dimensions].any()
    )
    return _with_layer(model, varying) if varying else model


# What is the same at all positions, or read by nobody ----------------------------------------------------------------


def _alike_moved(model: CompiledModel) -> Weights:
    """The weights with what does not vary with positions in the embedding of tokens, and what nobody reads nowhere."""
    weights, bos = model.weights, model.config.bos_id
    W_E, W_pos = weights.W_E.copy(), weights.W_pos.copy()
    read = _read_dimensions(weights)
    for entry in model.labels.variables:
        own = entry.dimensions
        if (W_pos[1:, own] == W_pos[1, own]).all():
            W_E[:, own] += W_pos[1, own]
            W_E[bos, own] += W_pos[0, own] - W_pos[1, own]
            W_pos[:, own] = 0
        elif not read[own].any():
            W_pos[:, own] = 0
    return replace(weights, W_E=W_E, W_pos=W_pos)


def _claims_moved(model: CompiledModel) -> Claims | None:
    """The claims about these weights."""
    if model.claims is None:
        return None
    read = _read_dimensions(model.weights)
    bos, d_vocab = model.config.bos_id, model.config.d_vocab
    embeddings = []
    for claim in model.claims.embeddings:
        by_token, by_position = claim.by_token, claim.by_position
        own = model.labels.variable(claim.writes).dimensions
        if by_position is not None and (by_position[1:] == by_position[1]).all():
            by_token = np.zeros((d_vocab, by_position.shape[1])) if by_token is None else by_token.astype(float)
            by_token = by_token + by_position[1]
            by_token[bos] += by_position[0] - by_position[1]
            by_position = None
        elif not read[own].any():
            by_position = None
        embeddings.append(EmbeddingClaim(claim.writes, by_token, by_position))
    return replace(model.claims, embeddings=tuple(embeddings))


def _read_dimensions(weights: Weights) -> np.ndarray:
    """Which dimensions of the residual stream anything reads."""
    per_head = [matrix.any(axis=(0, 1, 3)) for matrix in (weights.W_Q, weights.W_K, weights.W_V)]
    read: np.ndarray = np.any([*per_head, weights.W_in.any(axis=(0, 2)), weights.W_U.any(axis=1)], axis=0)
    return read


# The layer -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Layer:
    """The head and the neurons of the added layer: ``share`` is where 1 / (p + 1) is, ``groups`` what is made of it."""

    bos: ModelVariable
    share: ModelVariable
    groups: tuple[tuple[ModelVariable, Neurons], ...]

    @property
    def n_neurons(self) -> int:
        """The number of neurons."""
        return sum(len(neurons.output) for _, neurons in self.groups)


def _with_layer(model: CompiledModel, varying: tuple[ModelVariable, ...]) -> CompiledModel:
    """The model with a first layer that writes the variables that vary with positions."""
    words = model.weights.W_E[: len(model.config.vocab)]
    for entry in varying:
        if (words[:, entry.dimensions] != words[:1, entry.dimensions]).any():
            raise ExportError(f"{entry.name} holds both tokens and positions, and the architecture has no embedding")
    layer = _positions_layer(model, varying)
    config = _deeper(model.config, layer.n_neurons)
    labels = _deeper_labels(model.labels, layer)
    claims = None if model.claims is None else _layer_claims(model, layer)
    weights = _deeper_weights(model, config, layer)
    return replace(model, config=config, weights=weights, labels=labels, claims=claims)


def _positions_layer(model: CompiledModel, varying: tuple[ModelVariable, ...]) -> _Layer:
    one, bos = constant_variable(model, 1.0), constant_variable(model, 0.0)
    names = {entry.name for entry in model.labels.variables}
    name = "positions"
    while name in names:
        name += "'"
    dtype = np.dtype(model.config.dtype)
    shares = 1 / np.arange(model.config.n_ctx, 0, -1)
    variable = scalar_variable(name, [float(share) for share in shares], nullable=False, at_bos=1.0)
    share = ModelVariable(variable, model.config.d_model, 0, varying[0].expression, False)
    number = Number(
        (Read(variable, np.ones((1, 1))),),
        ((one.variable, np.ones(1)),),
        shares,
        _SHARE_ROUNDINGS * unit_roundoff(dtype) * shares,
    )
    groups = []
    for entry in varying:
        rows = _held_rows(model, entry)[::-1]
        try:
            groups.append((entry, step_neurons(number, rows, dtype)))
        except NotSeparable as error:
            raise PrecisionError(
                entry.name, None, f"{dtype} cannot tell {model.config.n_ctx} positions apart", "Use a smaller length"
            ) from error
    return _Layer(bos, share, tuple(groups))


def _held_rows(model: CompiledModel, entry: ModelVariable) -> Float[np.ndarray, "position width"]:
    """What a variable that varies with positions alone holds at each, BOS first."""
    tokens, own = model.weights.W_E.astype(float), entry.dimensions
    rows: np.ndarray = model.weights.W_pos[:, own].astype(float) + tokens[0, own]
    rows[0] += tokens[model.config.bos_id, own] - tokens[0, own]
    return rows


def _deeper(config: ModelConfig, n_neurons: int) -> ModelConfig:
    return config.with_shape(
        d_model=config.d_model + 1,
        n_layers=config.n_layers + 1,
        n_heads=max(config.n_heads, 1),
        d_head=max(config.d_head, 1),
        d_mlp=max(config.d_mlp, n_neurons),
        d_vocab_out=config.d_vocab_out,
    )


def _deeper_labels(labels: Labels, layer: _Layer) -> Labels:
    written = {entry.name for entry, _ in layer.groups}
    variables = [
        replace(entry, sublayer=1 if entry.name in written else entry.sublayer + 2 * (entry.sublayer >= 0))
        for entry in labels.variables
    ]
    head = HeadLabel(layer.share.name, layer.share.expression)
    neurons = tuple(NeuronLabel(entry.name, entry.expression, len(neurons.output)) for entry, neurons in layer.groups)
    return Labels((*variables, layer.share), ((head,), *labels.heads), (neurons, *labels.neurons))


def _layer_claims(model: CompiledModel, layer: _Layer) -> Claims:
    """The claims of the model and of its new layer, whose variables are embedded no more."""
    claims = model.claims or Claims()
    written = {entry.name for entry, _ in layer.groups}
    numbers = 1 / np.arange(2.0, model.config.n_ctx + 1)
    nowhere = View((), np.zeros((), int))
    head = HeadClaim(
        layer.share.name, "share", (), (), (), (), nowhere, np.zeros((1, 1)), np.ones(1), True, model.config.max_seq_len
    )
    steps = [
        NumberClaim(entry.name, ((layer.share.name, 1.0),), numbers, _held_rows(model, entry)[1:])
        for entry, _ in layer.groups
    ]
    embeddings = tuple(claim for claim in claims.embeddings if claim.writes not in written)
    return Claims(embeddings, (head, *steps, *claims.components), claims.readout)


def _deeper_weights(model: CompiledModel, config: ModelConfig, layer: _Layer) -> Weights:
    weights = zero_weights(config).as_dict()
    for name, array in model.weights.as_dict().items():
        inner = tuple(slice(0, size) for size in array.shape)
        deeper = array.ndim > 2  # it has an axis of layers
        weights[name][(slice(1, None), *inner[1:]) if deeper else inner] = array
    weights["W_pos"][:] = 0
    for entry, _ in layer.groups:
        weights["W_E"][:, entry.dimensions] = 0
    weights["W_V"][0, 0, layer.bos.start, 0] = weights["W_O"][0, 0, 0, layer.share.start] = 1
    start, places = 0, {entry.name: entry.dimensions for entry in (*model.labels.variables, layer.share)}
    for entry, neurons in layer.groups:
        own = slice(start, start + len(neurons.output))
        for read in neurons.reads:
            weights["W_in"][0, places[read.variable.name], own] += read.matrix
        weights["W_out"][0, own, entry.dimensions] = neurons.output
        start = own.stop
    return Weights(**weights)
