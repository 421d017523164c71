"""Edges that carry a mix are what a plain transformer makes of the mixed values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learn.plain_transformer import FORMS, every_edge, plain_pair, some_ids
from tests.learn.test_patching import assert_same
from tracrlab.errors import InterventionError
from tracrlab.learn.mixing import run_mixed, written
from tracrlab.learn.transformer import Form
from tracrlab.model.circuit import Edge, Node

pytestmark = pytest.mark.frameworks

EDGES = every_edge(plain_pair(Form())[0].config)


def mix(share: float, other: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda value: value + share * (other - value)


@settings(max_examples=40)
@given(
    form=FORMS,
    causal=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    edges=st.lists(st.sampled_from(EDGES), unique=True, min_size=1, max_size=12),
    each_row=st.booleans(),
    whole=st.booleans(),
)
def test_mixed_edges_are_those_of_a_plain_transformer(
    form: Form, causal: bool, seed: int, edges: list[str], each_row: bool, whole: bool
) -> None:
    module, plain = plain_pair(form, causal=causal, seed=seed)
    ids, rng = some_ids(module.config), np.random.default_rng(seed)
    parts = sorted({edge.partition("->")[0] for edge in edges})
    other = {part: rng.normal(size=(5, module.config.d_model)) for part in parts}
    shares = rng.uniform(size=(len(ids), len(edges)) if each_row else len(edges))
    if whole:
        shares = np.rint(shares)
    tensors = {Node.parse(part): torch.as_tensor(value) for part, value in other.items()}
    logits = run_mixed(module, ids, tensors, [Edge.parse(edge) for edge in edges], torch.as_tensor(shares))
    rows = np.broadcast_to(shares, (len(ids), len(edges)))
    wanted = []
    for row, own in zip(ids.tolist(), rows, strict=True):
        mixes = {edge: mix(share, other[edge.partition("->")[0]]) for edge, share in zip(edges, own, strict=True)}
        wanted.append(plain.run(row, mixes)[0])
    assert_same(module, ids, logits, wanted)


def test_gradients_pass_through_shares() -> None:
    module, _ = plain_pair(Form())
    ids, edges = some_ids(module.config), [Edge.parse("tokens->a0.h0<q>"), Edge.parse("m0->logits")]
    other = {node: value.detach() for node, value in written(module, ids.flip(0), edges).items()}

    def loss(shares: torch.Tensor) -> torch.Tensor:
        return run_mixed(module, ids, other, edges, shares).square().sum()

    assert torch.autograd.gradcheck(loss, torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True))


def test_shares_of_another_shape_and_edges_that_lead_backwards_are_refused() -> None:
    module, _ = plain_pair(Form())
    ids, edges = some_ids(module.config), [Edge.parse("tokens->m0")]
    with pytest.raises(InterventionError, match=r"shares of 1 edges for 3 rows have shape \(2,\)"):
        run_mixed(module, ids, written(module, ids, edges), edges, torch.ones(2))
    with pytest.raises(InterventionError, match=r"a0\.h0 does not come after m1"):
        run_mixed(module, ids, {}, [Edge.parse("m1->a0.h0<v>")], torch.ones(1))
