"""What a compiled program becomes in a host: heads and neurons that read and write a *lane* of the residual stream.

The lane holds what the model's own stream held, times 2^-26, so that host layers, whose norms see the whole stream, do
not notice. The parts are those of the exports: dimensions of their own, positions computed from BOS, neurons that are
silent at BOS, SiLU neurons that are sharp enough to be ReLU (:mod:`tracrlab.export.activations`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.errors import InjectionError
from tracrlab.export.activations import SILU, sharpened
from tracrlab.model.artefact import Artefact
from tracrlab.model.surgery.bos import constant_variable, quiet_at_bos
from tracrlab.model.surgery.positions import with_computed_positions
from tracrlab.shapes import Float

SCALE = 2.0**-26  # of what a lane holds: its square is lost in that of any host's stream
SATURATED = 64.0  # silu(64) is 64 in float32: a neuron of this gate multiplies


@dataclass(frozen=True, eq=False)
class Head:
    """A head that reads and writes dimensions of the lane."""

    queries: Float[np.ndarray, "width d_key"]
    keys: Float[np.ndarray, "width d_key"]
    values: Float[np.ndarray, "width d_value"]
    output: Float[np.ndarray, "d_value width"]


@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons down(silu(gate x)·up x) of the lane."""

    gate: Float[np.ndarray, "width neuron"]
    up: Float[np.ndarray, "width neuron"]
    down: Float[np.ndarray, "neuron width"]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.down)

    def __getitem__(self, some: slice) -> Neurons:
        return Neurons(self.gate[:, some], self.up[:, some], self.down[some])


@dataclass(frozen=True, eq=False)
class Stage:
    """Heads that run side by side, and the neurons after them."""

    heads: tuple[Head, ...]
    neurons: Neurons


def ready(model: Artefact) -> Artefact:
    """The model as it goes into a host: without position embeddings, no dimension used twice.

    Raises:
        InjectionError: it is not causal, or not in float32.
        ExportError, PrecisionError: as for :func:`tracrlab.model.surgery.positions.with_computed_positions`.
    """
    if not model.config.causal:
        raise InjectionError("the host is causal, and this model is not; compile it with causal=True")
    if model.config.dtype != "float32":
        raise InjectionError(
            f"a graft computes in float32, and this model in {model.config.dtype}; compile it for float32"
        )
    return with_computed_positions(model)


def joined(groups: list[Neurons], width: int) -> Neurons:
    """The neurons of all groups, one after the other."""
    if not groups:
        return Neurons(np.zeros((width, 0)), np.zeros((width, 0)), np.zeros((0, width)))
    return Neurons(
        np.concatenate([each.gate for each in groups], axis=1),
        np.concatenate([each.up for each in groups], axis=1),
        np.concatenate([each.down for each in groups]),
    )


def program_stages(model: Artefact, start: int, width: int) -> list[Stage]:
    """The layers of a model that is :func:`ready`, in a lane of ``width`` dimensions; its own begin at ``start``.

    Heads and neurons keep their order; those that do nothing are left out.
    """
    w, size = model.weights, model.config.d_model
    one = start + constant_variable(model, 1.0).start
    W_in, W_out = sharpened(quiet_at_bos(model), SILU, model.config.dtype)

    def spread(matrix: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
        ends = [(0, 0)] * matrix.ndim
        ends[axis] = (start, width - start - size)
        return np.pad(matrix.astype(float), ends)

    stages = []
    for layer in range(model.config.n_layers):
        heads = []
        for head in active_heads(model, layer):
            queries, keys, values, output = (each[layer][head] for each in (w.W_Q, w.W_K, w.W_V, w.W_O))
            scored = queries.any(axis=0) & keys.any(axis=0)
            passed = values.any(axis=0) & output.any(axis=1)
            scale = np.sqrt(model.config.d_head)  # scores are divided by the root of the head's size in the model
            heads.append(
                Head(
                    spread(queries[:, scored] / scale, 0),
                    spread(keys[:, scored], 0),
                    spread(values[:, passed], 0),
                    spread(output[passed], 1),
                )
            )
        used = active_neurons(model, layer)
        up = np.zeros((width, len(used)))
        up[one] = 1
        stages.append(Stage(tuple(heads), Neurons(spread(W_in[layer][:, used], 0), up, spread(W_out[layer][used], 1))))
    return stages


def active_heads(model: Artefact, layer: int) -> list[int]:
    """The heads of a layer that write something."""
    return [head for head in range(model.config.n_heads) if model.weights.W_O[layer][head].any()]


def active_neurons(model: Artefact, layer: int) -> list[int]:
    """The neurons of a layer that write something."""
    return np.flatnonzero(model.weights.W_out[layer].any(axis=1)).tolist()
