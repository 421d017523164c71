"""Edge pruning: a gate on every edge, learned by gradient descent to keep the answer with as few open as can be.

Bhaskar et al. 2024, Finding Transformer Circuits with Edge Pruning. An edge carries ``z · own + (1 − z) · ablated``,
and the gates z are hard-concrete (Louizos et al. 2018, Learning Sparse Neural Networks through L0 Regularization):
sigmoids of a parameter and noise, stretched beyond 0 and 1 and clipped, so that they can be exactly either. The loss is
the divergence from the clean answer, and a weight times the expected share of edges that are open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tracrlab import learn
from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import ablated_activations, chosen_pairs, divergence, sources
from tracrlab.model.circuit import Edge

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

STEPS = 120
LEARNING_RATE = 0.3  # of Adam; a gate goes from open to closed in about fifteen steps
SPARSITY = 3.0  # nats that closing all edges is worth: less than a wrong answer costs, more than a right one
N_PAIRS = 16  # a step; each step draws others
TEMPERATURE, LEAST, MOST = 2 / 3, -0.1, 1.1  # of the hard-concrete distribution, as in the paper
OPEN = 2.0  # the parameters at first: nine of ten gates are above a half


@method("edges")
def edge_pruning(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Learned gates on edges: the parameter of each, relative to the least."""
    pairs, generator = case.pairs("train"), torch.Generator().manual_seed(int(rng.integers(2**31)))
    other = ablated_activations(case, pairs, sources(case.edges))
    with torch.no_grad():
        clean = case.module(pairs.ids)
    gates = torch.full((len(case.edges),), OPEN, requires_grad=True)
    optimizer = torch.optim.Adam([gates], lr=LEARNING_RATE)
    for _ in range(STEPS):
        rows = torch.randperm(len(pairs.ids), generator=generator)[:N_PAIRS]
        own, elsewhere = chosen_pairs(pairs, rows), {node: each[rows] for node, each in other.items()}
        logits = learn.run_mixed(case.module, own.ids, elsewhere, case.edges, 1 - _drawn(gates, generator))
        is_open = torch.sigmoid(gates - TEMPERATURE * math.log(-LEAST / MOST))
        loss = divergence(logits, clean[rows], own).mean() + SPARSITY * is_open.mean()
        (gates.grad,) = torch.autograd.grad(loss, [gates])
        optimizer.step()
    values = gates.detach()
    return dict(zip(case.edges, (values - values.min()).tolist(), strict=True))


def _drawn(gates: Tensor, generator: torch.Generator) -> Tensor:
    """Gates drawn from the hard-concrete distribution."""
    uniform = torch.rand(gates.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    soft = torch.sigmoid((uniform.logit() + gates) / TEMPERATURE)
    return (soft * (MOST - LEAST) + LEAST).clamp(0, 1)
