"""ACDC: edges are removed one after the other, from the logits backwards, where that hardly matters.

Conmy et al. 2023, Towards Automated Circuit Discovery for Mechanistic Interpretability. An edge is removed if the
divergence from the clean answer grows by less than a threshold; parts that nothing reads any more lose all that they
read. The paper sweeps the threshold. So is it here, from the smallest on, each going on from what the one before has
left; an edge's score is the largest at which it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tracrlab import learn
from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import ablated_activations, chosen_pairs, divergence, sources
from tracrlab.model.circuit import Edge, Node

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

THRESHOLDS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # in nats; from an answer that hardly moves to one that flips
N_PAIRS = 32  # of those there are: an edge costs a run for each threshold at which it is still there


@method("edges")
def acdc(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Automated circuit discovery: the largest threshold at which each edge is kept."""
    scores, kept = dict.fromkeys(case.edges, 0.0), set(case.edges)
    for threshold in THRESHOLDS:
        kept = pruned(case, kept, threshold)
        scores |= dict.fromkeys(kept, threshold)
    return scores


def pruned(case: Case, kept: set[Edge], threshold: float) -> set[Edge]:
    """What is left of a circuit at a threshold, in nats."""
    pairs = chosen_pairs(case.pairs("train"), slice(N_PAIRS))
    other = ablated_activations(case, pairs, sources(case.edges))
    removed = torch.tensor([float(edge not in kept) for edge in case.edges])
    with torch.no_grad():
        clean = case.module(pairs.ids)

    def lost() -> float:
        with torch.no_grad():
            logits = learn.run_mixed(case.module, pairs.ids, other, case.edges, removed)
        return float(divergence(logits, clean, pairs).mean())

    left, read, before = set[Edge](), {Node("logits")}, lost()
    for number, edge in reversed(list(enumerate(case.edges))):
        if edge not in kept or edge.target not in read:
            continue
        removed[number] = 1
        after = lost()
        if after - before < threshold:
            before = after
        else:
            removed[number] = 0
            left.add(edge)
            read.add(edge.source)
    return left
