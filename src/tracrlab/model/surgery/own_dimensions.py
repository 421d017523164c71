"""A model in which no dimension is used twice, for architectures whose norms round.

What clears a dimension takes off exactly what stands there. A norm in between, even one that does nothing but round,
would leave something.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.sublayers import Sublayer
from tracrlab.model.weights import Weights
from tracrlab.shapes import Bool, Int


def with_own_dimensions(model: Artefact) -> Artefact:
    """The same model, with dimensions of its own for every variable and no neurons that clear.

    A model in which no dimension is used twice is returned as it is. In others dimensions are numbered anew, in the
    order of the variables; heads and the neurons that write keep their numbers.
    """
    if not any(label.clears for groups in model.labels.neurons for label in groups):
        return model
    labels = _labels(model.labels)
    old = np.concatenate([np.arange(model.config.d_model)[each.dimensions] for each in model.labels.variables])
    neurons = max(1, *(sum(label.count for label in groups) for groups in labels.neurons))
    config = model.config.with_shape(
        d_model=len(old),
        n_layers=model.config.n_layers,
        n_heads=model.config.n_heads,
        d_head=model.config.d_head,
        d_mlp=neurons,
        d_vocab_out=model.config.d_vocab_out,
    )
    return replace(model, config=config, labels=labels, weights=_weights(model, old, neurons))


def _labels(labels: Labels) -> Labels:
    variables, start = [], 0
    for entry in labels.variables:
        variables.append(replace(entry, start=start, cleared=None))
        start += entry.variable.width
    writing = tuple(tuple(label for label in groups if not label.clears) for groups in labels.neurons)
    return Labels(tuple(variables), labels.heads, writing)


def _weights(model: Artefact, old: Int[np.ndarray, " d_model"], neurons: int) -> Weights:
    """The weights over new dimensions, which were ``old`` before; clearing neurons are the last in their layers."""
    w, entries, end = model.weights, model.labels.variables, Sublayer.end(model.config.n_layers)

    def written(sublayer: Sublayer) -> Bool[np.ndarray, " d_model"]:
        return _each(entries, [entry.sublayer == sublayer for entry in entries])

    def held(sublayer: Sublayer) -> Bool[np.ndarray, " d_model"]:
        return _each(entries, [entry.stands_after(sublayer.before) for entry in entries])

    holders, layers = model.labels.holders, range(model.config.n_layers)
    # what the embedding puts there belongs to what a dimension holds first, be it a constant beside which a head writes
    first = np.concatenate(
        [[holders[place][0] is entry for place in range(model.config.d_model)[entry.dimensions]] for entry in entries]
    )
    reads = {
        name: np.stack([array[layer][:, old] * held(Sublayer.attention(layer))[:, None] for layer in layers])
        for name, array in (("W_Q", w.W_Q), ("W_K", w.W_K), ("W_V", w.W_V))
    }
    return Weights(
        W_E=w.W_E[:, old] * first,
        W_pos=w.W_pos[:, old] * first,
        **reads,
        W_O=np.stack([w.W_O[layer][..., old] * written(Sublayer.attention(layer)) for layer in layers]),
        W_in=np.stack([w.W_in[layer][old, :neurons] * held(Sublayer.mlp(layer))[:, None] for layer in layers]),
        W_out=np.stack([w.W_out[layer][:neurons, old] * written(Sublayer.mlp(layer)) for layer in layers]),
        W_U=w.W_U[old] * held(end)[:, None],
    )


def _each(entries: tuple[ModelVariable, ...], marks: list[bool]) -> Bool[np.ndarray, " d_model"]:
    """A mark for each dimension of each variable."""
    return np.repeat(marks, [entry.variable.width for entry in entries])
