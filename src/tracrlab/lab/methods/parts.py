"""Attributions of parts by Captum: integrated gradients over what each part writes.

Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks, from the clean input to the corrupt one; what the
part ``tokens`` gets is what is called token attribution. An edge gets the product of those of its ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from tracrlab.extras import require
from tracrlab.lab.methods import method
from tracrlab.lab.methods.ablating import chosen_pairs
from tracrlab.lab.methods.observation import products
from tracrlab.model.circuit import Edge, Node

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

STEPS = 20  # as for EAP-IG
N_PAIRS = 64  # each part costs as many runs as there are steps


@method("edges")
def integrated_gradients(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Captum's layer integrated gradients of the parts, from the corrupt input to the clean one."""
    attr = require("captum.attr", extra="lab", purpose="the method integrated_gradients")
    pairs, module = chosen_pairs(case.pairs("train"), slice(N_PAIRS)), case.module
    seen = dict[Node, float]()

    def attributed(layer: nn.Module) -> Tensor:
        found: Tensor = attr.LayerIntegratedGradients(lambda ids: case.metric(module(ids), pairs), layer).attribute(
            pairs.ids, baselines=pairs.corrupt_ids, n_steps=STEPS, internal_batch_size=len(pairs.ids)
        )
        return found.detach()

    def size(attributions: Tensor) -> float:
        return float(attributions.flatten(1).sum(dim=1).abs().mean())

    seen[Node("tokens")] = size(attributed(module.hook_embed))
    seen[Node("positions")] = size(attributed(module.hook_pos_embed))
    seen[Node("constant")] = 0.0
    for layer in range(module.config.n_layers):
        heads = attributed(module.get_submodule(f"blocks.{layer}.attn.hook_result"))  # [b, p, head, d]
        seen |= {Node("attn", layer, head): size(heads[:, :, head]) for head in range(heads.shape[2])}
        seen[Node("mlp", layer)] = size(attributed(module.get_submodule(f"blocks.{layer}.hook_mlp_out")))
    return products(case, seen)
