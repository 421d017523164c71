"""Methods that ablate find the circuit of a model whose every edge is known, and all methods answer for all edges."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from tests.lab.methods.some_case import random_case
from tracrlab import lab, learn
from tracrlab.lab.cases import Case
from tracrlab.lab.methods import METHODS, by_name
from tracrlab.lab.methods.acdc import THRESHOLDS, pruned

pytestmark = pytest.mark.frameworks
EDGES = [name for name in METHODS if by_name(name).kind == "edges"]


@cache
def small_case() -> Case:
    return lab.case("hist", "ab", 4)


def answer(name: str, case: Case) -> dict[learn.Edge, float]:
    found: dict[learn.Edge, float] = by_name(name)(case, np.random.default_rng(0))
    return found


@pytest.mark.parametrize("name", EDGES)
def test_every_method_gives_each_edge_a_number_and_the_same_one_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "integrated_gradients":
        pytest.importorskip("captum")
    for module in ("attribution", "parts", "edge_pruning"):
        monkeypatch.setattr(f"tracrlab.lab.methods.{module}.STEPS", 3)  # enough for this
    case = random_case()
    scores = answer(name, case)
    assert set(scores) == set(case.edges)
    assert all(math.isfinite(score) for score in scores.values())
    assert answer(name, case) == scores


@pytest.mark.parametrize("name", ["oracle", "exact_patching", "path_patching", "acdc"])
def test_ablation_finds_the_circuit(name: str) -> None:
    row = lab.score(name, small_case())
    assert (row.values["auroc"], row.values["f1"]) == (1, 1)


def test_exact_patching_is_what_ablating_an_edge_does() -> None:
    case = random_case()
    pairs, scores = case.pairs("train"), answer("exact_patching", case)
    with torch.no_grad():
        clean = case.metric(case.module(pairs.ids), pairs)
        for edge in case.edges[::5]:
            logits = learn.run(case.module, pairs.ids, {edge: learn.Resample(pairs.corrupt_ids)})
            assert scores[edge] == pytest.approx(float((case.metric(logits, pairs) - clean).abs().mean()))


def test_a_path_is_an_edge_where_it_ends_at_the_logits() -> None:
    case = random_case()
    paths, edges = answer("path_patching", case), answer("exact_patching", case)
    last = [edge for edge in case.edges if edge.target.kind == "logits"]
    assert [paths[edge] for edge in last] == pytest.approx([edges[edge] for edge in last])


def test_a_larger_threshold_leaves_less() -> None:
    case, left = small_case(), set(small_case().edges)
    for threshold in THRESHOLDS:
        fewer = pruned(case, left, threshold)
        assert fewer <= left
        left = fewer
