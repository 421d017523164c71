"""An ordinary transformer learns a program part for part, and the verdict tells it from one that only answers right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch

import tracrlab
from tracrlab.learn.losses.cross_entropy import cross_entropy
from tracrlab.learn.losses.interchange import (
    Alignment,
    circuit_alignment,
    exchanges,
    interchange_loss,
    same_length_sources,
)
from tracrlab.learn.optimisation import Optimisation
from tracrlab.learn.trainer import train
from tracrlab.learn.transformer import Form, Transformer, random_transformer
from tracrlab.learn.verdict import module_verdict, strictness
from tracrlab.rasp.library import PROGRAMS

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

HOW = Optimisation(steps=1500, learning_rate=7e-3, betas=(0.9, 0.99), warmup_share=0.02, n_measurements=15)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def subject() -> tuple[Alignment, torch.Tensor, Transformer]:
    """``hist`` over three tokens, its inputs, and a transformer to be trained, with GELU, biases and parts to spare."""
    model = tracrlab.compile(PROGRAMS["hist"].build(), "abc", 4)
    reference = model.to_torch()
    config = replace(model.config, n_layers=1, n_heads=2, d_model=16, d_head=8, d_mlp=32, mode="trained")
    module = random_transformer(config, reference.readout.classes, Form("gelu", biases=True, fused=False), seed=0)  # type: ignore[union-attr]
    ids = reference.encode([each for n in range(1, 5) for each in itertools.product("abc", repeat=n)])
    return circuit_alignment(model.circuit(), reference, 1, 2), ids, module


def pairs(ids: torch.Tensor, pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and sources that no training has drawn."""
    bases = ids.repeat(4, 1)
    return bases, bases[same_length_sources((bases != pad_id).sum(dim=1), torch.Generator().manual_seed(99))]


def test_by_interchange_a_transformer_learns_the_program_part_for_part() -> None:
    alignment, ids, module = subject()
    bases, sources = pairs(ids, module.config.pad_id)

    def measure(parameters: dict[str, torch.Tensor], step: int) -> list[dict[str, float]]:
        found = strictness(module, alignment, bases, sources)
        return [{"joint": found.joint, "largest": max(found.edges.values())}]

    trained = train(
        dict(module.named_parameters()),
        lambda parameters, batch, step: interchange_loss(module, alignment, batch),
        lambda step, generator: exchanges(alignment, ids, 48, generator),
        HOW,
        measure=measure,
        stop=lambda rows: bool(rows) and rows[-1]["joint"] > 0.995 and rows[-1]["largest"] < 0.005,
    )
    assert trained.steps < HOW.steps  # on another processor it may take a few more
    verdict = module_verdict(module, alignment, bases, sources)
    assert verdict.faithful, verdict
    assert [(each.variable, each.sublayer) for each in verdict.variables] == [("a0.h0", "a0.h0"), ("m0", "m0")]
    assert all(each.n_changed > 100 for each in verdict.variables)
    found = strictness(module, alignment, bases, sources)
    assert found.joint >= 0.99
    assert max(found.edges.values()) <= 0.01
    assert max(found.places.values()) <= 0.01
    assert str(verdict).startswith("faithful to the program (threshold 0.99)\naccuracy 1.0000\nvariable")


def test_by_its_answers_alone_it_learns_something_else() -> None:
    alignment, ids, _ = subject()
    config, classes = replace(subject()[2].config), subject()[2].readout.classes  # type: ignore[union-attr]
    module = random_transformer(config, classes, Form("gelu", biases=True), seed=1)
    train(
        dict(module.named_parameters()),
        lambda parameters, batch, step: cross_entropy(module(batch.ids), batch.answers, batch.answered),
        lambda step, generator: exchanges(alignment, ids, 48, generator),
        replace(HOW, steps=200),
    )
    bases, sources = pairs(ids, module.config.pad_id)
    verdict = module_verdict(module, alignment, bases, sources)
    assert verdict.accuracy >= 0.99
    assert not verdict.faithful
    assert min(each.own for each in verdict.variables) < 0.9
    assert strictness(module, alignment, bases, sources).joint < 0.9
