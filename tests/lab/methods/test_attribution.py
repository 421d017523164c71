"""Attributions are the derivatives that they estimate, by differences that are taken edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.lab.methods.some_case import random_case
from tracrlab import learn
from tracrlab.lab.methods import by_name
from tracrlab.lab.methods.ablating import ablated_activations, sources

pytestmark = pytest.mark.frameworks
RNG = np.random.default_rng(0)
EMBEDDED = ("tokens", "positions", "constant")


@pytest.mark.parametrize("ablation", ["resample", "zero", "mean"])
def test_eap_is_the_slope_of_the_metric_along_each_edge(ablation: str) -> None:
    case = random_case(ablation=ablation)
    pairs, step = case.pairs("train"), 1e-6
    other, scores = ablated_activations(case, pairs, sources(case.edges)), by_name("eap")(case, RNG)
    with torch.no_grad():
        clean = case.metric(case.module(pairs.ids), pairs).mean()
        for edge in case.edges[::7]:
            shares = torch.tensor([step * (each == edge) for each in case.edges], dtype=torch.float64)
            moved = case.metric(learn.run_mixed(case.module, pairs.ids, other, case.edges, shares), pairs).mean()
            assert scores[edge] == pytest.approx(float(moved - clean) / step, rel=1e-3, abs=1e-6), edge


def test_the_gradient_of_divergence_is_nothing_at_the_clean_input() -> None:
    assert set(by_name("eap_kl")(random_case(), RNG).values()) == {0.0}


@pytest.mark.parametrize("name", ["eap_ig", "eap_ig_activations"])
def test_integrated_gradients_are_means_of_gradients_on_the_way(name: str) -> None:
    """Where the way is a point, they are the gradient there: no pair differs, so nothing has an effect."""
    case = random_case()
    pairs = case.pairs("train")
    case.pairs = lambda split: type(pairs)(**{**vars(pairs), "corrupt_ids": pairs.ids})
    assert max(map(abs, by_name(name)(case, RNG).values())) < 1e-12


def test_along_embeddings_they_sum_to_the_change_of_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completeness (Sundararajan et al. 2017), for all that is read of the embeddings, but for the finite steps."""
    case = random_case()
    pairs = case.pairs("train")
    with torch.no_grad():
        swapped = {name: learn.Resample(pairs.corrupt_ids) for name in ("hook_embed", "hook_pos_embed")}
        clean, corrupt = case.module(pairs.ids), learn.run(case.module, pairs.ids, swapped)
        change = float((case.metric(corrupt, pairs) - case.metric(clean, pairs)).mean())
    errors = []
    for steps in (100, 400):
        monkeypatch.setattr("tracrlab.lab.methods.attribution.STEPS", steps)
        scores = by_name("eap_ig")(case, RNG)
        errors.append(abs(change - sum(each for edge, each in scores.items() if edge.source.kind in EMBEDDED)))
    assert errors[1] < 0.3 * errors[0]  # the error of a sum of n steps is of the order of 1/n
