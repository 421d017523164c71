"""Absolute positions for an architecture without position embeddings: two layers compute them from BOS.

Position p sees p + 1 positions under a causal mask, so a head that attends all of them alike puts 1 / (p + 1) on BOS.
Neurons take the steps between these numbers (:func:`tracrlab.craft.neurons.step_neurons`) and write the position,
one-hot. Steps round; the neurons of a second layer, which look it up (:func:`tracrlab.craft.neurons.lookup_neurons`),
stop that, and write what the position embedding would have held. What an embedding holds at all positions alike goes to
the tokens instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.claims import Claims, EmbeddingClaim, HeadClaim, MLPClaim, NumberClaim, Quantity, View
from tracrlab.craft.neurons import Box, Neurons, Number, lookup_neurons, step_neurons
from tracrlab.craft.precision import NotSeparable, unit_roundoff
from tracrlab.craft.spaces import Read, one_hot_variable, scalar_variable
from tracrlab.errors import ExportError, PrecisionError
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.sublayers import EMBEDDING, Sublayer
from tracrlab.model.surgery.bos import constant_variable
from tracrlab.model.surgery.own_dimensions import with_own_dimensions
from tracrlab.model.weights import Weights, zero_weights
from tracrlab.shapes import Float

N_LAYERS = 2  # that are added
_SHARE_ROUNDINGS = 16  # of an exponential, a sum and a quotient


def with_computed_positions(model: Artefact) -> Artefact:
    """The causal model without position embeddings: with two more layers if it reads positions, else as it is.

    Dimensions keep their numbers; one is added for 1 / (p + 1), and one for each position. What was in layer l is in
    layer l + 2. A variable of positions that nothing reads stays zero. What is cleared for something else in a compact
    model gets dimensions of its own first (:func:`tracrlab.model.surgery.own_dimensions.with_own_dimensions`).

    Raises:
        ExportError: a variable of positions varies with tokens, too, or is not zero at BOS.
        PrecisionError: the number format cannot tell the positions apart.
    """
    model = with_own_dimensions(model)
    model = replace(model, weights=_alike_moved(model), claims=_claims_moved(model))
    varying = tuple(
        entry
        for entry in model.labels.variables
        if model.weights.W_pos[1:, entry.dimensions].any() or model.weights.W_pos[0, entry.dimensions].any()
    )
    return _with_layers(model, varying) if varying else model


# What is the same at all positions, or read by nobody ----------------------------------------------------------------


def _alike_moved(model: Artefact) -> Weights:
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


def _claims_moved(model: Artefact) -> Claims | None:
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


# The layers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Positions:
    """The added layers: ``share`` is where 1 / (p + 1) is, ``at`` the position, written by the neurons of ``steps``.

    ``groups`` are the variables of positions with the neurons that write them. ``bos`` marks BOS.
    """

    bos: ModelVariable
    share: ModelVariable
    at: ModelVariable
    steps: Neurons
    groups: tuple[tuple[ModelVariable, Neurons], ...]


def _with_layers(model: Artefact, varying: tuple[ModelVariable, ...]) -> Artefact:
    """The model with layers in front that write the variables that vary with positions."""
    words = model.weights.W_E[: len(model.config.vocab)]
    for entry in varying:
        if (words[:, entry.dimensions] != words[:1, entry.dimensions]).any():
            raise ExportError(f"{entry.name} holds both tokens and positions, and the architecture has no embedding")
    positions = _positions(model, varying)
    config = _deeper(model.config, positions)
    labels = _deeper_labels(model.labels, positions)
    claims = None if model.claims is None else _deeper_claims(model, positions)
    return replace(
        model, config=config, weights=_deeper_weights(model, config, positions), labels=labels, claims=claims
    )


def _positions(model: Artefact, varying: tuple[ModelVariable, ...]) -> _Positions:
    one, bos = constant_variable(model, 1.0), constant_variable(model, 0.0)
    size, n_ctx, dtype = model.config.d_model, model.config.n_ctx, model.config.number_format
    expression, taken = varying[0].expression, {entry.name for entry in model.labels.variables}
    shares = 1 / np.arange(n_ctx, 0, -1)
    share = scalar_variable(_unused("positions.share", taken), shares.tolist(), nullable=False, at_bos=1.0)
    number = Number(
        (Read(share, np.ones((1, 1))),),
        ((one.variable, np.ones(1)),),
        shares,
        _SHARE_ROUNDINGS * unit_roundoff(dtype) * shares,
    )
    try:
        steps = step_neurons(number, np.eye(n_ctx)[::-1, 1:], dtype)
    except NotSeparable as error:
        raise PrecisionError(
            expression, None, f"{dtype} cannot tell {n_ctx} positions apart", "Use a smaller length"
        ) from error
    at = one_hot_variable(_unused("positions", taken), range(n_ctx - 1), nullable=False, noise=steps.noise)
    at = replace(at, at_bos=np.zeros(n_ctx - 1))
    boxes = [Box((row,), place) for place, row in enumerate(np.eye(n_ctx - 1, dtype=bool))]
    groups = [
        (entry, lookup_neurons([at], boxes, _held_rows(model, entry)[1:], [(one.variable, 1.0)], dtype))
        for entry in varying
    ]
    return _Positions(
        bos,
        ModelVariable(share, size, Sublayer.attention(0), expression, False),
        ModelVariable(at, size + 1, Sublayer.mlp(0), expression, False),
        steps,
        tuple(groups),
    )


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _held_rows(model: Artefact, entry: ModelVariable) -> Float[np.ndarray, "position width"]:
    """What a variable that varies with positions alone holds at each, BOS first.

    Raises:
        ExportError: it holds something at BOS.
    """
    tokens, own = model.weights.W_E.astype(float), entry.dimensions
    rows: np.ndarray = model.weights.W_pos[:, own].astype(float) + tokens[0, own]
    rows[0] += tokens[model.config.bos_id, own] - tokens[0, own]
    if rows[0].any():
        raise ExportError(f"{entry.name} is not zero at BOS, and the architecture has no embedding of positions")
    return rows


def _deeper(config: ModelConfig, positions: _Positions) -> ModelConfig:
    n_neurons = sum(len(neurons.output) for _, neurons in positions.groups)
    return config.with_shape(
        d_model=config.d_model + 1 + positions.at.variable.width,
        n_layers=config.n_layers + N_LAYERS,
        n_heads=max(config.n_heads, 1),
        d_head=max(config.d_head, 1),
        d_mlp=max(config.d_mlp, len(positions.steps.output), n_neurons),
        d_vocab_out=config.d_vocab_out,
    )


def _deeper_labels(labels: Labels, positions: _Positions) -> Labels:
    last, written = Sublayer.mlp(N_LAYERS - 1), {entry.name for entry, _ in positions.groups}

    def later(entry: ModelVariable) -> Sublayer:
        if entry.name in written:
            return last
        return entry.sublayer if entry.sublayer == EMBEDDING else Sublayer(last.after + entry.sublayer)

    variables = [replace(entry, sublayer=later(entry)) for entry in labels.variables]
    share, at = positions.share, positions.at
    head = HeadLabel(share.name, share.expression)
    steps = NeuronLabel(at.name, at.expression, len(positions.steps.output))
    lookups = tuple(
        NeuronLabel(entry.name, entry.expression, len(neurons.output)) for entry, neurons in positions.groups
    )
    return Labels((*variables, share, at), ((head,), (), *labels.heads), ((steps,), lookups, *labels.neurons))


def _deeper_claims(model: Artefact, positions: _Positions) -> Claims:
    """The claims of the model and of its new layers, whose variables are embedded no more."""
    claims, length = model.claims or Claims(), model.config.max_seq_len
    written = {entry.name for entry, _ in positions.groups}
    share, at = positions.share.name, positions.at.name
    nowhere, each = View((), np.zeros((), int)), np.eye(length)
    head = HeadClaim(share, "share", (), (), (), (), nowhere, np.zeros((1, 1)), np.ones(1), True, length)
    steps = NumberClaim(at, ((share, np.ones(1)),), 1 / np.arange(2.0, length + 2), each)
    lookups = [
        MLPClaim(
            entry.name, (Quantity(length, {at: each}),), View((0,), np.arange(length)), _held_rows(model, entry)[1:]
        )
        for entry, _ in positions.groups
    ]
    embeddings = tuple(claim for claim in claims.embeddings if claim.writes not in written)
    return replace(claims, embeddings=embeddings, components=(head, steps, *lookups, *claims.components))


def _deeper_weights(model: Artefact, config: ModelConfig, positions: _Positions) -> Weights:
    weights = zero_weights(config).as_dict()
    for name, array in model.weights.as_dict().items():
        by_layer = array.ndim > 2
        first = slice(N_LAYERS, None) if by_layer else slice(0, len(array))
        weights[name][(first, *(slice(0, size) for size in array.shape[1:]))] = array
    weights["W_pos"][:] = 0
    for entry, _ in positions.groups:
        weights["W_E"][:, entry.dimensions] = 0
    weights["W_V"][0, 0, positions.bos.start, 0] = weights["W_O"][0, 0, 0, positions.share.start] = 1
    places = {entry.name: entry.dimensions for entry in (*model.labels.variables, positions.share, positions.at)}
    for layer, groups in enumerate(([(positions.at, positions.steps)], positions.groups)):
        start = 0
        for entry, neurons in groups:
            own = slice(start, start + len(neurons.output))
            for read in neurons.reads:
                weights["W_in"][layer, places[read.variable.name], own] += read.matrix
            weights["W_out"][layer, own, entry.dimensions] = neurons.output
            start = own.stop
    return Weights(**weights)
