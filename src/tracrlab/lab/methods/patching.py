"""What ablating an edge does, measured, edge by edge: activation patching on edges, and on paths.

With resampling, exact patching does what the truth is defined by, on other inputs. So it is an oracle: what it misses
is what its pairs miss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tracrlab import learn
from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import ablated_activations, chosen_pairs, sources
from tracrlab.model.circuit import Edge, Node

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case
    from tracrlab.lab.pairs import Pairs

N_EXACT = 64  # pairs on which each edge is ablated: one that matters on a tenth of them is then missed once in 800
N_PATHS = 32  # pairs that paths are measured on: a path costs a run for each part on it


@method("edges", role="oracle")
def exact_patching(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """How far the metric moves when an edge is ablated alone, mean over pairs."""
    pairs = chosen_pairs(case.pairs("train"), slice(N_EXACT))
    other = ablated_activations(case, pairs, sources(case.edges))
    with torch.no_grad():
        clean = case.metric(case.module(pairs.ids), pairs)
        found = learn.run_each(case.module, pairs.ids, [{edge: learn.Value(other[edge.source])} for edge in case.edges])
        moved = [float((case.metric(logits, pairs) - clean).abs().mean()) for logits in found]
    return dict(zip(case.edges, moved, strict=True))


@method("edges")
def path_patching(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """How far the metric moves when one path to the logits is ablated, the strongest that an edge is the beginning of.

    From the logits backwards (Wang et al. 2022, Interpretability in the Wild): what a part writes when one edge into it
    is ablated is sent on along the way that has moved the metric most, with everything off the path as it is.
    """
    pairs = chosen_pairs(case.pairs("train"), slice(N_PATHS))
    other = ablated_activations(case, pairs, sources(case.edges))
    scores, onward = dict.fromkeys(case.edges, 0.0), dict[Node, Edge]()  # the way of each part to the logits
    with torch.no_grad():
        clean = case.metric(case.module(pairs.ids), pairs)
        for edge in reversed(case.edges):  # so all edges out of a part come before those into it
            if edge.target.kind != "logits" and edge.target not in onward:
                continue  # nothing on its ways moves the metric
            logits = _along(case, pairs, edge, other[edge.source], onward)
            scores[edge] = float((case.metric(logits, pairs) - clean).abs().mean())
            if scores[edge] > (scores[onward[edge.source]] if edge.source in onward else 0.0):
                onward[edge.source] = edge
    return scores


def _along(case: Case, pairs: Pairs, edge: Edge, value: Tensor, onward: dict[Node, Edge]) -> Tensor:
    """The logits where an edge carries a value, and only the parts on the way from it notice."""
    while edge.target.kind != "logits":
        value = learn.activations(case.module, pairs.ids, [edge.target], {edge: learn.Value(value)})[edge.target]
        edge = onward[edge.target]
    logits: Tensor = learn.run(case.module, pairs.ids, {edge: learn.Value(value)})
    return logits
