"""The certificate of a graft holds, and no longer when any of its parameters is changed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.inject.tiny_hosts import ANSWERS, tiny_host, tiny_model, tiny_tokenizer
from tracrlab.inject.certificate import certify_graft
from tracrlab.inject.grafted import Grafted
from tracrlab.inject.grafting import Insert, graft, graft_all

pytestmark = pytest.mark.frameworks


def tiny_graft(**options: Any) -> Grafted:
    return graft(tiny_model(), tiny_host(), answers=ANSWERS, filler="_", tokenizer=tiny_tokenizer(), **options)


@pytest.mark.parametrize("at", [0, 2])
def test_it_holds(at: int) -> None:
    certificate = tiny_graft(at=at).certificate
    assert certificate.holds, str(certificate)
    assert "every prompt over the 18 tokens" in str(certificate)
    assert ("assumed" in str(certificate)) == (at > 0)


def test_it_holds_for_several_programs() -> None:
    digits = {count + 1: str(count) for count in range(6)}
    inserts = [Insert(tiny_model(), ANSWERS, "_"), Insert(tiny_model("opened"), digits, "_")]
    certificate = graft_all(inserts, tiny_host(), tokenizer=tiny_tokenizer()).certificate
    assert certificate.holds, str(certificate)
    assert len(certificate.programs) == 2


CHANGES = {
    "a token is another one": ("model.embed_tokens.weight", lambda g: (2, g.lanes.programs[0].dimensions.start + 2)),
    "a pin": ("model.embed_tokens.weight", lambda g: (3, g.lanes.pins.places[0])),
    "a register": ("model.embed_tokens.weight", lambda g: (4, next(iter(g.lanes.programs[0].registers.values())))),
    "the last norm": ("model.norm.weight", lambda g: (g.lanes.pins.places[0],)),
    "a norm": ("model.layers.1.input_layernorm.weight", lambda _: (3,)),
    "a query": ("model.layers.0.self_attn.q_proj.weight", lambda g: (int(g.lanes.heads.still[0]), g.lanes.one)),
    "a gate": ("model.layers.0.mlp.gate_proj.weight", lambda g: (0, g.lanes.one)),
    "what a neuron writes": ("model.layers.1.mlp.down_proj.weight", lambda _: (5, 0)),
    "what a head writes": ("model.layers.0.self_attn.o_proj.weight", lambda _: (1, 1)),
    "what the host reads": ("model.layers.4.self_attn.k_proj.weight", lambda g: (0, g.lanes.one)),
    "what the host writes": ("model.layers.4.mlp.down_proj.weight", lambda g: (g.lanes.one, 0)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_is_noticed(what: str) -> None:
    grafted = tiny_graft()
    name, place = CHANGES[what]
    with torch.no_grad():
        value = grafted.model.get_parameter(name)
        value[place(grafted)] = 2 * value[place(grafted)] + 1
    assert not certify_graft(grafted).holds


def test_a_wrong_program_is_noticed_in_what_is_read_back() -> None:
    """Even where plan and checkpoint agree: the proof is of the numbers, against what the program's claims say."""
    from dataclasses import replace

    grafted = tiny_graft()
    source = grafted.sources[0]
    weights = replace(source.weights, W_U=source.weights.W_U * 1.5)
    wrong = replace(grafted, sources=(replace(source, weights=weights),))
    assert not certify_graft(wrong).holds
