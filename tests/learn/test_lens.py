"""Interventions work in a ``HookedTransformer`` of TransformerLens as here: it has the same hook points."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest
import torch

import tracrlab
from tracrlab.learn.interventions import Mean, Resample, Zero
from tracrlab.learn.patching import edge_gradients, run
from tracrlab.model.circuit import possible_edges
from tracrlab.rasp.library import PROGRAMS

pytest.importorskip("transformer_lens", reason="TransformerLens is not installed: make test-frameworks")
pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # not ours
    pytest.mark.skipif(
        version("transformer-lens").startswith("4"), reason="from version 4 on, native models have no edges"
    ),
]


def test_edges_and_parts_of_a_hooked_transformer_are_replaced_as_here() -> None:
    fit = tracrlab.Architecture(n_heads=2)
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "1234", 4, fit=fit)
    module, hooked = model.to_torch(), model.to_transformer_lens()
    module.embed.constant = module.pos_embed.constant = None  # which nothing in the other module tells apart
    ids, other = module.encode(["3142", "4321"]), module.encode(["1234", "2143"])
    edges = possible_edges(model.config.n_layers, model.config.n_heads, constant=False)
    near = {"rtol": 1e-3, "atol": 1e-2}  # logits are some hundreds
    replaced: list[Any] = [{edge: Resample(other)} for edge in edges] + [{"a0.h0->m0": Zero([2])}]
    replaced += [{name: Mean(other)} for name in ("a0.h0", "m0", "m0.n1", "tokens", "blocks.0.hook_resid_mid")]
    for replace in replaced:
        torch.testing.assert_close(run(hooked, ids, replace), run(module, ids, replace), **near)
    found, wanted = (edge_gradients(each, ids, lambda logits: logits.logsumexp(-1), edges) for each in (hooked, module))
    for edge in edges:
        torch.testing.assert_close(found[edge], wanted[edge], **near)
