"""Losses are those of their formulas, place by place."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.learn.plain_transformer import FORMS, every_edge, plain_pair
from tests.model.cases import model_of
from tracrlab import CompiledModel
from tracrlab.learn.losses.cross_entropy import cross_entropy
from tracrlab.learn.losses.divergence import divergence
from tracrlab.learn.losses.interchange import (
    Alignment,
    InterchangeWeights,
    circuit_alignment,
    exchanges,
    interchange_loss,
)
from tracrlab.learn.losses.layers import layer_loss
from tracrlab.learn.losses.output import output_loss
from tracrlab.learn.trainer import each_run, stacked
from tracrlab.learn.transformer import Form
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

seeds = st.integers(0, 2**32 - 1)


def log_softmax(row: np.ndarray) -> np.ndarray:
    total = sum(math.exp(each - max(row)) for each in row)
    return np.array([each - max(row) - math.log(total) for each in row])


@given(seed=seeds, n_counted=st.integers(0, 6))
def test_means_over_the_places_that_count(seed: int, n_counted: int) -> None:
    rng = np.random.default_rng(seed)
    logits, wanted = (3 * rng.normal(size=(2, 3, 4)) for _ in range(2))
    counted, labels = np.zeros(6, bool), rng.integers(4, size=(2, 3))
    counted[rng.permutation(6)[:n_counted]] = True
    counted = counted.reshape(2, 3)
    places = [(row, place) for row in range(2) for place in range(3) if counted[row, place]]
    tensors = [torch.as_tensor(each) for each in (logits, wanted, labels, counted)]

    def mean(values: list[float]) -> float:
        return sum(values) / max(1, len(values))

    entropies = [-log_softmax(logits[at])[labels[at]] for at in places]
    assert cross_entropy(tensors[0], tensors[2], tensors[3]).item() == pytest.approx(mean(entropies))
    divergences = [
        sum(math.exp(p) * (p - q) for p, q in zip(log_softmax(wanted[at]), log_softmax(logits[at]), strict=True))
        for at in places
    ]
    assert divergence(tensors[0], tensors[1], tensors[3]).item() == pytest.approx(mean(divergences), abs=1e-12)
    squares = [sum((one - other) ** 2 for one, other in zip(logits[at], wanted[at], strict=True)) for at in places]
    twice = layer_loss([tensors[0], 2 * tensors[0]], [tensors[1], 2 * tensors[1]], tensors[3])
    assert twice.item() == pytest.approx(5 * mean(squares))
    number = output_loss(model_of("fractions").output, tensors[0], tensors[1], tensors[3])
    assert number.item() == pytest.approx(mean(squares))
    one_hot = output_loss(model_of("reverse").output, tensors[0], tensors[1], tensors[3], logit_scale=2)
    best = [-log_softmax(2 * logits[at])[wanted[at].argmax()] for at in places]
    assert one_hot.item() == pytest.approx(mean(best))


@cache
def hist() -> CompiledModel:
    return tracrlab.compile(PROGRAMS["hist"].build(), "ab", 3)


def hist_alignment() -> Alignment:
    """Of modules of two layers with two heads, of which the program needs one head and one MLP."""
    return circuit_alignment(hist().circuit(), hist().to_torch(), 2, 2)


def every_input() -> torch.Tensor:
    return torch.as_tensor(hist().encode([each for n in (1, 2, 3) for each in itertools.product("ab", repeat=n)]))


def counts(row: torch.Tensor) -> list[int]:
    tokens = row[1:].tolist()
    return [tokens.count(token) for token in tokens]


def test_an_alignment_tells_the_circuit_from_the_rest() -> None:
    alignment = hist_alignment()
    assert [str(place) for place, stands_for in alignment.inside if place == stands_for] == ["a0.h0", "m0"]
    assert {str(place) for place in alignment.outside} == {"a0.h1", "a1.h0", "a1.h1", "m1"}
    inside = {"tokens->a0.h0<q>", "tokens->a0.h0<k>", "a0.h0->m0", "m0->logits"}
    assert {str(edge) for edge in alignment.outside_edges} == set(every_edge(plain_pair(Form())[0].config)) - inside
    with pytest.raises(ValueError, match=r"a model of 1 layers with 1 heads has no a0\.h1, a1\.h0, m1, m2"):
        circuit_alignment(model_of("steps").circuit(), hist().to_torch(), 1, 1)


@given(seed=seeds)
@settings(max_examples=20)
def test_after_an_exchange_the_answer_is_the_one_of_the_source(seed: int) -> None:
    """Both parts of the program carry the count; what is outside carries nothing."""
    alignment = hist_alignment()
    batch = exchanges(alignment, every_input(), 24, torch.Generator().manual_seed(seed))
    for row in range(24):
        there = batch.answered[row]
        wanted = batch.sources[row] if batch.place[row] < 2 else batch.ids[row]
        assert (batch.labels[row][there] + 1).tolist() == counts(wanted[: int(there.sum()) + 1])
        assert (batch.answers[row][there] + 1).tolist() == counts(batch.ids[row][: int(there.sum()) + 1])
        assert torch.equal(batch.counted[row], there)
    assert (batch.place < 2).sum() == 12
    shares = batch.edges.float().mean(dim=1)
    assert shares.min() < 0.3
    assert shares.max() > 0.7


def test_between_inputs_of_different_length_only_answers_count() -> None:
    """Where the source has no token, what its head writes is no answer, and may be none that the program knows."""
    alignment, generator = hist_alignment(), torch.Generator().manual_seed(0)
    batch = exchanges(alignment, every_input(), 200, generator, same_length=False)
    lengths = [(each != hist().config.pad_id).sum(dim=1) for each in (batch.ids, batch.sources)]
    assert (lengths[0] != lengths[1]).any()
    for row in range(200):
        if batch.place[row] < 2:
            there = batch.counted[row] & (batch.sources[row] != hist().config.pad_id)
            right = dict(enumerate(counts(batch.sources[row][: int(lengths[1][row])]), 1))
            assert all(int(batch.labels[row, at]) + 1 == right[at] for at in there.nonzero()[:, 0].tolist())


@given(form=FORMS, seed=seeds)
@settings(max_examples=10)
def test_the_interchange_loss_is_that_of_runs_one_by_one(form: Form, seed: int) -> None:
    module, plain = plain_pair(form, seed=seed)
    alignment, weights = hist_alignment(), InterchangeWeights(0.5, 2.0, 3.0)
    batch = exchanges(alignment, every_input(), 6, torch.Generator().manual_seed(seed))
    names, edges = [str(place) for place in alignment.places], [str(edge) for edge in alignment.outside_edges]
    terms = np.zeros(3)
    for row, (ids, sources) in enumerate(zip(batch.ids.tolist(), batch.sources.tolist(), strict=True)):
        other = plain.run(sources)[1]
        name, chosen = names[int(batch.place[row])], [edges[n] for n in batch.edges[row].nonzero()[:, 0].tolist()]
        runs = [
            plain.run(ids)[0],
            plain.run(ids, nodes={name: other[name]})[0],
            plain.run(ids, edges={edge: other[edge.partition("->")[0]] for edge in chosen})[0],
        ]
        for at in batch.answered[row].nonzero()[:, 0].tolist():
            labels = [int(each[row, at]) for each in (batch.answers, batch.labels, batch.answers)]
            terms -= [log_softmax(logits[at])[label] for logits, label in zip(runs, labels, strict=True)]
    wanted = float(terms @ [0.5, 2, 3]) / int(batch.answered.sum())
    assert interchange_loss(module, alignment, batch, weights).item() == pytest.approx(wanted, rel=1e-7)


def test_interchange_losses_of_stacked_runs_are_those_of_each() -> None:
    alignment = hist_alignment()
    batch = exchanges(alignment, every_input(), 8, torch.Generator().manual_seed(0))
    modules = [plain_pair(Form("gelu", fused=False), seed=seed)[0] for seed in range(3)]
    together = each_run(lambda own, batch, step: interchange_loss(modules[0], alignment, batch, parameters=own))
    losses = together(stacked(dict(module.named_parameters()) for module in modules), batch, 0)
    for loss, module in zip(losses, modules, strict=True):
        torch.testing.assert_close(loss, interchange_loss(module, alignment, batch))
