"""Edge attribution patching: the effect of ablating each edge, estimated by gradients.

To the first order, giving the reader of an edge ``other`` instead of what the edge ``carries`` changes the metric by
``(other − carries) · ∂metric/∂read``. One backward pass gives that of all edges: EAP (Syed et al. 2023, Attribution
Patching Outperforms Automated Circuit Discovery). Where the metric is flat at the clean input, as under saturated
attention, the gradient says nothing; EAP-IG (Hanna et al. 2024, Have Faith in Faithfulness) averages it on the way
from the ablated input to the clean one, or from the ablated activations of a sublayer to the clean ones.

Scores are the estimated change of the metric, mean over pairs, with its sign, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from tracrlab import learn
from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import ablated_activations, divergence, own_activations, sources
from tracrlab.model.circuit import Edge, Node

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case
    from tracrlab.lab.pairs import Pairs

STEPS = 20  # of the integral over inputs; more change the scores of hard attention, but seldom their order
STAGE_STEPS = 5  # of that over each sublayer's activations, of which there are many; the paper's number
ROUNDINGS = 4  # of the largest logit: what sums of some terms err by
EMBEDDINGS = ("hook_embed", "hook_pos_embed")

Key = TypeVar("Key", bound=Node | str)
NO_WAY: tuple[dict[str, learn.Value], ...] = ({},)  # the clean run alone


@method("edges")
def eap(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Edge attribution patching, with the metric of the case."""
    pairs = case.pairs("train")
    return attributed(case, pairs, lambda logits: case.metric(logits, pairs), NO_WAY)


@method("edges")
def eap_kl(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Edge attribution patching with KL divergence, whose gradient is 0 at the clean input."""
    pairs = case.pairs("train")
    with torch.no_grad():
        clean = case.module(pairs.ids)
    return attributed(case, pairs, lambda logits: divergence(logits, clean, pairs), NO_WAY)


@method("edges")
def eap_ig(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """EAP with integrated gradients over the embeddings of the inputs."""
    pairs = case.pairs("train")
    own, other = own_activations(case, pairs, EMBEDDINGS), ablated_activations(case, pairs, EMBEDDINGS)
    ways = [_between(other, own, EMBEDDINGS, step / STEPS) for step in range(STEPS)]
    return attributed(case, pairs, lambda logits: case.metric(logits, pairs), ways)


@method("edges")
def eap_ig_activations(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """EAP with integrated gradients over what the parts of each sublayer write, a sublayer at a time."""
    pairs, nodes = case.pairs("train"), sources(case.edges)
    own, other = own_activations(case, pairs, nodes), ablated_activations(case, pairs, nodes)
    stages: dict[object, list[Node]] = {}
    for node in nodes:
        stages.setdefault(None if node.layer is None else (node.layer, node.kind), []).append(node)
    shares = [step / STAGE_STEPS for step in range(1, STAGE_STEPS + 1)]
    ways = [_between(other, own, stage, share) for stage in stages.values() for share in shares]
    return attributed(case, pairs, lambda logits: case.metric(logits, pairs), ways)


def attributed(
    case: Case,
    pairs: Pairs,
    metric: Callable[[Tensor], Tensor],
    ways: Sequence[Mapping[Key, learn.Value]],
) -> dict[Edge, float]:
    """The estimated change of a metric by ablating each edge, with gradients averaged over runs that have these edits.

    ``metric`` makes a number for each row of logits [b, p, class].
    """
    nodes, readers = sources(case.edges), list(dict.fromkeys(edge.reader for edge in case.edges))
    own, other = own_activations(case, pairs, nodes), ablated_activations(case, pairs, nodes)
    slopes = {reader: torch.zeros(()) for reader in readers}
    for way in ways:
        for reader, slope in learn.gradients(case.module, pairs.ids, metric, readers, way).items():
            slopes[reader] = slopes[reader] + slope / len(ways)
    change = torch.stack([(other[node] - own[node]).flatten() for node in nodes])  # [source, b · p · d]
    effects = change @ torch.stack([slopes[reader].flatten() for reader in readers]).T / len(pairs.ids)
    with torch.no_grad():  # a change that rounding makes of the logits themselves is none
        logits = case.module(pairs.ids)
        effects *= effects.abs() > ROUNDINGS * torch.finfo(logits.dtype).eps * logits.abs().max()
    row, column = {node: n for n, node in enumerate(nodes)}, {reader: n for n, reader in enumerate(readers)}
    return {edge: float(effects[row[edge.source], column[edge.reader]]) for edge in case.edges}


def _between(
    other: Mapping[Key, Tensor], own: Mapping[Key, Tensor], at: Iterable[Key], share: float
) -> dict[Key, learn.Value]:
    return {key: learn.Value(other[key] + share * (own[key] - other[key])) for key in at}
