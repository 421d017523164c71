"""Merged subjects: two programs in one model, side by side on the same tokens, of which one never reaches the answer.

Everything that the other one computes can be decoded from the residual stream and is used, by its own heads and
neurons, but not for the answer. It has heads of its own, and neurons in the same MLPs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tracrlab.facade import CompiledModel
from tracrlab.lab.inputs import Inputs
from tracrlab.lab.subjects.plain import Mode, plain, roomy_model
from tracrlab.lab.subjects.subject import Subject
from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.weights import Weights
from tracrlab.rasp.library import PROGRAMS

_Label = TypeVar("_Label", HeadLabel, NeuronLabel)

PREFIX = "distractor."  # of the names of what belongs to the other program


def merged(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The model with a distractor beside it: a histogram, or the reversal of the input where it is itself one."""
    config = model.config
    name = "reverse" if model.output_name.startswith("hist") else "hist"
    mode: Mode = "faithful" if config.mode == "faithful" else "compact"
    other = roomy_model(PROGRAMS[name].build(), config.vocab, config.max_seq_len, mode, causal=config.causal)
    d_head = max(config.d_head, other.config.d_head)
    both = side_by_side(with_larger_heads(model, d_head), with_larger_heads(other, d_head))
    structural = {edge: edge.is_constant for edge in model.circuit().edges}
    return replace(plain(both, inputs, seed), structural=structural, note=f"compiled, beside {name}")


def with_larger_heads(model: Artefact, d_head: int) -> Artefact:
    """The model with heads of this size; queries are scaled, since scores are divided by its root."""
    extra = d_head - model.config.d_head
    if not extra:
        return model
    w, scale = model.weights, math.sqrt(d_head / model.config.d_head)
    wider = {name: np.pad(getattr(w, name), ((0, 0), (0, 0), (0, 0), (0, extra))) for name in ("W_Q", "W_K", "W_V")}
    wider["W_Q"] = wider["W_Q"] * scale
    weights = replace(w, **wider, W_O=np.pad(w.W_O, ((0, 0), (0, 0), (0, extra), (0, 0))))
    return replace(model, weights=weights, config=replace(model.config, d_head=d_head))


def side_by_side(model: Artefact, other: Artefact) -> CompiledModel:
    """The model with another one beside it, of the same vocabulary, length and size of heads.

    Heads and neurons of the second come after those of the first in each layer, its dimensions after all of them.
    """
    one, two = model.config, other.config
    if (one.vocab, one.max_seq_len, one.causal, one.d_head) != (two.vocab, two.max_seq_len, two.causal, two.d_head):
        raise ValueError("models that are merged have one vocabulary, length and size of heads")
    n_layers = max(one.n_layers, two.n_layers)
    labels = _labels(model.labels, other.labels, n_layers, one.d_model)
    neurons = [_count(groups) for groups in labels.neurons]
    config = one.with_shape(
        d_model=one.d_model + two.d_model,
        n_layers=n_layers,
        n_heads=max(one.n_heads, *map(len, labels.heads)),
        d_head=one.d_head,
        d_mlp=max(1, *neurons),
        d_vocab_out=one.d_vocab_out,
    )
    weights = _weights(model, other, config.n_layers, config.n_heads, config.d_mlp)
    program = (*((PREFIX + name, text, place) for name, text, place in other.program), *model.program)
    return CompiledModel.of(
        Artefact(config=config, weights=weights, labels=labels, output=model.output, program=program)
    )


def _labels(labels: Labels, other: Labels, n_layers: int, start: int) -> Labels:
    variables = (*labels.variables, *(_moved(each, start) for each in other.variables))
    layers = range(n_layers)
    heads = tuple((*_of(labels.heads, layer), *map(_renamed, _of(other.heads, layer))) for layer in layers)
    neurons = tuple((*_of(labels.neurons, layer), *map(_renamed, _of(other.neurons, layer))) for layer in layers)
    return Labels(variables, heads, neurons)


def _of(layers: tuple[tuple[_Label, ...], ...], layer: int) -> tuple[_Label, ...]:
    return layers[layer] if layer < len(layers) else ()


def _renamed(label: _Label) -> _Label:
    return replace(label, writes=PREFIX + label.writes, expression=PREFIX + label.expression)


def _moved(each: ModelVariable, start: int) -> ModelVariable:
    variable = replace(each.variable, name=PREFIX + each.variable.name)
    return replace(each, variable=variable, start=start + each.start, expression=PREFIX + each.expression)


def _weights(model: Artefact, other: Artefact, n_layers: int, n_heads: int, d_mlp: int) -> Weights:
    one, two = model.weights, other.weights
    d, e = model.config.d_model, model.config.d_head
    total, dtype = d + other.config.d_model, one.W_E.dtype
    arrays = {
        "W_E": np.concatenate([one.W_E, two.W_E], axis=1),
        "W_pos": np.concatenate([one.W_pos, two.W_pos], axis=1),
        "W_U": np.concatenate([one.W_U, np.zeros((other.config.d_model, one.W_U.shape[1]), dtype)]),
        **{name: np.zeros((n_layers, n_heads, total, e), dtype) for name in ("W_Q", "W_K", "W_V")},
        "W_O": np.zeros((n_layers, n_heads, e, total), dtype),
        "W_in": np.zeros((n_layers, total, d_mlp), dtype),
        "W_out": np.zeros((n_layers, d_mlp, total), dtype),
    }
    for artefact, own, before in ((model, slice(0, d), None), (other, slice(d, total), model.labels)):
        for layer in range(artefact.config.n_layers):
            labels, w = artefact.labels, artefact.weights
            first, n = (0 if before is None else len(_of(before.heads, layer))), len(labels.heads[layer])
            heads = slice(first, first + n)
            for name in ("W_Q", "W_K", "W_V"):
                arrays[name][layer, heads, own] = getattr(w, name)[layer, :n]
            arrays["W_O"][layer, heads, :, own] = w.W_O[layer, :n]
            first, n = (0 if before is None else _count(_of(before.neurons, layer))), _count(labels.neurons[layer])
            arrays["W_in"][layer, own, first : first + n] = w.W_in[layer][:, :n]
            arrays["W_out"][layer, first : first + n, own] = w.W_out[layer][:n]
    return Weights(**arrays)


def _count(groups: tuple[NeuronLabel, ...]) -> int:
    return sum(group.count for group in groups)
