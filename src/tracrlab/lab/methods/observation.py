"""What is seen by looking alone, with nothing changed: direct contributions to the logits, and attention patterns.

Both are evidence about parts. An edge gets the product of that of its ends, where there is any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import own_activations, sources
from tracrlab.model.circuit import Edge, Node

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case


@method("edges")
def logit_lens(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """What each part writes for the right answer against the corrupt one, read through the unembedding.

    nostalgebraist 2020, Interpreting GPT: the logit lens; of single parts it is direct logit attribution. The final
    layer norm, where there is one, is taken to be the identity.
    """
    pairs, nodes = case.pairs("train"), sources(case.edges)
    own = own_activations(case, pairs, nodes)
    directions = case.module.unembed.W_U.detach().T  # [class, d]
    towards = directions[pairs.answers] - directions[pairs.corrupt_answers]  # [b, p, d]
    counted = pairs.scored & (pairs.answers != pairs.corrupt_answers)

    def contribution(node: Node) -> float:
        return float(((own[node] * towards).sum(dim=-1) * counted).abs().sum() / counted.sum().clamp(min=1))

    return products(case, {node: contribution(node) for node in nodes})


@method("edges")
def attention_patterns(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """How far the attention of each head is from looking everywhere alike; MLPs and embeddings count as 1."""
    pairs = case.pairs("train")
    heads = [node for node in dict.fromkeys(edge.target for edge in case.edges) if node.kind == "attn"]
    layers = sorted({node.layer for node in heads if node.layer is not None})
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in layers]
    with torch.no_grad():
        _, cache = case.module.run_with_cache(pairs.ids, names)
    seen = dict[Node, float]()
    for node in heads:
        pattern = cache[f"blocks.{node.layer}.attn.hook_pattern"][:, node.head]  # [b, q, k]
        seen[node] = float(_distance_from_uniform(pattern, case.module._visible(pairs.ids)[:, 0])[pairs.scored].mean())
    return products(case, seen)


def _distance_from_uniform(pattern: Tensor, visible: Tensor) -> Tensor:
    """The total variation distance [b, q] of patterns from uniform ones over what is visible."""
    uniform = visible / visible.sum(dim=-1, keepdim=True)
    return (pattern - uniform).abs().sum(dim=-1) / 2


def products(case: Case, seen: Mapping[Node, float]) -> dict[Edge, float]:
    """An edge gets the product of what is seen at its ends, where anything can be."""
    return {edge: seen.get(edge.source, 1.0) * seen.get(edge.target, 1.0) for edge in case.edges}
