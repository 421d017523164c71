"""A trained subject computes its program part for part, and nothing outside the circuit has an effect."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tracrlab
from tests.learn.plain_transformer import Plain
from tracrlab import CompiledModel
from tracrlab.lab.subjects.trained import Evidence, Recipe, TrainedModule, measured_evidence, trained_module, untrained
from tracrlab.rasp.library import PROGRAMS

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

VOCABULARY, LENGTH = "xy", 2


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def contains() -> tuple[CompiledModel, torch.Tensor]:
    """Whether an x is anywhere, and every input."""
    model = tracrlab.compile(PROGRAMS["contains"].build(), VOCABULARY, LENGTH, mode="compact")
    words = [word for n in range(1, LENGTH + 1) for word in itertools.product(VOCABULARY, repeat=n)]
    return model, model.to_torch().encode(words)


def short(steps: int) -> Recipe:
    recipe = Recipe(batch=24, spare_layers=0)
    how = replace(recipe.circuit, steps=steps, n_measurements=max(1, steps // 50))
    return replace(recipe, circuit=how, strict=how)


def classes_by_definition(
    trained: TrainedModule, ids: torch.Tensor, edges: dict[str, str], other: torch.Tensor
) -> list:
    """The answers of the trained module in NumPy where edges carry what their source writes on other inputs."""
    module = trained.module
    plain = Plain({name: each.detach().numpy() for name, each in module.named_parameters()}, module.config, module.form)
    answers = []
    for row, source in zip(ids.tolist(), other.tolist(), strict=True):
        written = plain.run(source)[1]
        logits, _ = plain.run(row, {edge: written[part] for edge, part in edges.items()})
        there = [place for place, token in enumerate(row) if place > 0 and token != module.config.pad_id]
        answers.append([int(logits[place].argmax()) for place in there])
    return answers


def test_every_part_does_what_it_stands_for_and_the_rest_nothing() -> None:
    model, ids = contains()
    trained = trained_module(model, ids, short(600))
    assert trained.evidence.holds, trained.evidence
    assert trained.module.form.activation == "gelu"
    assert trained.steps < 1200  # it ends when it is good enough
    classes = trained.module.readout.classes  # type: ignore[union-attr]
    outside = {str(edge): str(edge.source) for edge in trained.alignment.outside_edges}
    same_length = torch.cat([ids[:2].flip(0), ids[2:].roll(1, 0)])
    answers = classes_by_definition(trained, ids, outside, same_length)
    wanted = [model(word) for n in range(1, LENGTH + 1) for word in itertools.product(VOCABULARY, repeat=n)]
    assert [[classes[number] for number in row] for row in answers] == wanted


def test_a_module_that_has_learned_nothing_has_no_evidence() -> None:
    model, ids = contains()
    module, alignment = untrained(model, Recipe(), seed=0)
    evidence = measured_evidence(module, alignment, ids, ids.roll(1, 0))
    assert not evidence.holds
    assert min(evidence.accuracy, evidence.joint) < 0.9


@pytest.mark.parametrize("worst", ["accuracy", "interchange", "unchanged", "joint"])
def test_evidence_holds_only_if_every_share_is_high_and_no_edge_outside_matters(worst: str) -> None:
    good = Evidence(1.0, 0.99, 1.0, 1.0, 0.01, 100)
    assert good.holds
    assert not replace(good, **{worst: 0.98}).holds
    assert not replace(good, largest_effect=0.02).holds


def test_a_finished_training_is_read_from_its_folder(tmp_path: Path) -> None:
    model, ids = contains()
    first = trained_module(model, ids, short(4), folder=tmp_path / "subject")
    again = trained_module(model, ids, short(4), folder=tmp_path / "subject")
    assert first.rows == again.rows
    assert first.evidence == again.evidence
    for one, other in zip(first.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(one, other)
