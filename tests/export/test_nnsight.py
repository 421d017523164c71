"""nnsight reads and edits the PyTorch model at its hook points; fused attention gives way to a watched pattern."""

from __future__ import annotations

from typing import Any

import beartype  # noqa: F401  # cannot be imported after nnsight, which changes built-in types
import pytest
import torch

import tracrlab
from tracrlab.rasp.library import PROGRAMS

nnsight: Any = pytest.importorskip("nnsight", reason="nnsight is not installed: make test-frameworks")

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_a_pattern_is_read_and_edited(mode: Any) -> None:
    model = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 4, mode=mode)
    module, (layer, head) = model.to_torch(), model.circuit().expression("reverse").heads[0]
    wrapped, ids = nnsight.NNsight(module), module.encode(["abca"])
    with wrapped.trace(ids):
        pattern = wrapped.blocks[layer].attn.hook_pattern.output.save()
    assert pattern[0, head, 1:, 1:].argmax(dim=-1).tolist() == [3, 2, 1, 0]
    with wrapped.trace(ids):
        wrapped.blocks[layer].attn.hook_pattern.output[:, head] = torch.eye(5)
        logits = wrapped.output.save()
    assert module.decode(logits, ids) == [list("abca")]
    assert module.decode(module(ids), ids) == [list("acba")]


def test_a_variable_is_read_and_edited() -> None:
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "1234", 4)
    module, target = model.to_torch(), model.labels.variable("target_pos")
    wrapped, ids, layer = nnsight.NNsight(module), module.encode(["3142"]), target.sublayer // 2
    with wrapped.trace(ids):
        residual = wrapped.blocks[layer].hook_resid_post.output.save()
    assert target.decode(residual[0, 1:].detach().numpy()) == [2, 0, 3, 1]
    with wrapped.trace(ids):
        residual = wrapped.blocks[layer].hook_resid_post.output
        residual[0, 1:, target.dimensions] = residual[0, 1:, target.dimensions].flip(0)
        logits = wrapped.output.save()
    assert module.decode(logits, ids) == [list("4321")]


def test_what_a_head_writes_is_read_and_edited() -> None:
    model = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 4)
    module, (layer, head) = model.to_torch(), model.circuit().expression("reverse").heads[0]
    wrapped, ids = nnsight.NNsight(module), module.encode(["abc"])
    written = model.labels.variable("reverse")
    with wrapped.trace(ids):
        result = wrapped.blocks[layer].attn.hook_result.output.save()
    assert written.decode(result[0, 1:, head].detach().numpy()) == list("cba")
    with wrapped.trace(ids):
        wrapped.blocks[layer].attn.hook_result.output[:, :, head] = 0
        logits = wrapped.output.save()
    assert module.decode(logits, ids) == [[None] * 3]
