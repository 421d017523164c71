"""The parts of a model that read and write its variables: heads, groups of neurons, and the unembedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.sublayers import Sublayer, head_name, neurons_name
from tracrlab.model.weights import Weights
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class Part:
    """A head, a group of neurons, or the unembedding, which stands at the end.

    Attributes: ``name`` as in ``a0.h1``, ``m0.n0–4``, ``unembed``; ``sublayer`` it is in; ``places`` the number of the
    head, or those of the neurons, in the layer; ``writes`` the variable and ``expression`` that it serves, empty for
    the unembedding; ``reads`` the variables that it reads, by the letter of a head's matrix (``q``, ``k``, ``v``), or
    ``in``; ``clears`` whether it only sets dimensions to zero.
    """

    name: str
    sublayer: Sublayer
    places: range
    writes: str
    expression: str
    reads: Mapping[str, tuple[ModelVariable, ...]]
    clears: bool = False

    @property
    def sources(self) -> tuple[ModelVariable, ...]:
        """All variables that it reads, each once, through one matrix or another."""
        return tuple({each.name: each for own in self.reads.values() for each in own}.values())


def head_parts(weights: Weights, labels: Labels) -> Iterator[Part]:
    """The heads that serve an expression, layer after layer."""
    for layer, heads in enumerate(labels.heads):
        sublayer = Sublayer.attention(layer)
        for number, label in enumerate(heads):
            matrices = {"q": weights.W_Q, "k": weights.W_K, "v": weights.W_V}
            reads = {kind: _read(labels, sublayer, own[layer, number]) for kind, own in matrices.items()}
            place = range(number, number + 1)
            yield Part(head_name(layer, number), sublayer, place, label.writes, label.expression, reads)


def neuron_parts(weights: Weights, labels: Labels) -> Iterator[Part]:
    """The groups of neurons, layer after layer."""
    for layer in range(len(labels.neurons)):
        sublayer = Sublayer.mlp(layer)
        for own, label in labels.neuron_groups(layer):
            reads = {"in": _read(labels, sublayer, weights.W_in[layer][:, own.start : own.stop])}
            name = neurons_name(layer, own)
            yield Part(name, sublayer, own, label.writes, label.expression, reads, label.clears)


def unembedding_part(weights: Weights, labels: Labels) -> Part:
    """What reads the residual stream at the end."""
    sublayer = Sublayer.end(len(labels.heads))
    return Part("unembed", sublayer, range(0), "", "", {"in": _read(labels, sublayer, weights.W_U)})


def _read(
    labels: Labels, sublayer: Sublayer, matrix: Float[np.ndarray, "d_model feature"]
) -> tuple[ModelVariable, ...]:
    """The variables that stand before the sublayer, of which the matrix reads a dimension."""
    standing = (each for each in labels.variables if each.stands_after(sublayer.before))
    return tuple(each for each in standing if matrix[each.dimensions].any())
