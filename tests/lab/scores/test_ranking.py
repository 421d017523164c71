"""Rankings agree with their definitions, counted pair by pair, and with scikit-learn where nothing is tied."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.lab.scores.ranking import FLOOR, floored, ranking

ITEMS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=8)


def arrays(items: list[tuple[int, bool]]) -> tuple[Any, Any]:
    return np.array([score for score, _ in items], float), np.array([true for _, true in items])


def in_every_order(items: list[tuple[int, bool]]) -> list[list[bool]]:
    """What is true, from the highest score to the lowest, in every order that ties allow."""
    levels = [
        [true for s, true in items if abs(s) == size] for size in sorted({abs(s) for s, _ in items}, reverse=True)
    ]
    return [
        list(itertools.chain(*each)) for each in itertools.product(*(itertools.permutations(own) for own in levels))
    ]


@given(ITEMS)
def test_auroc_and_f1_are_means_over_the_orders_that_ties_allow(items: list[tuple[int, bool]]) -> None:
    scores, true = arrays(items)
    found = ranking(scores, true)
    n_true = int(true.sum())
    if n_true in (0, len(items)):
        assert np.isnan([found.auroc, found.average_precision, found.f1]).all()
        return
    aurocs, f1s = [], []
    for order in in_every_order(items):
        right = sum(not later for n, first in enumerate(order) if first for later in order[n + 1 :])
        aurocs.append(right / (n_true * (len(order) - n_true)))
        f1s.append(sum(order[:n_true]) / n_true)
    assert found.auroc == pytest.approx(np.mean(aurocs))
    assert found.f1 == pytest.approx(np.mean(f1s))


@given(ITEMS)
def test_average_precision_is_that_of_scikit_learn(items: list[tuple[int, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, true = arrays(items)
    if 0 < true.sum() < len(true):
        found = ranking(scores, true)
        assert found.average_precision == pytest.approx(metrics.average_precision_score(true, abs(scores)))
        assert found.auroc == pytest.approx(metrics.roc_auc_score(true, abs(scores)))


@given(ITEMS, st.floats(1e-8, 1e8), st.randoms(use_true_random=False))
def test_scale_and_rounding_change_nothing(items: list[tuple[int, bool]], scale: float, random: Any) -> None:
    scores, true = arrays(items)
    largest = abs(scores).max()
    noise = np.array([random.uniform(-0.1, 0.1) for _ in scores]) * FLOOR * largest
    before, after = ranking(scores, true), ranking((scores + noise) * scale, true)
    assert (after.auroc, after.f1) == pytest.approx((before.auroc, before.f1), nan_ok=True)


def test_what_is_smaller_than_rounding_is_no_finding() -> None:
    assert floored(np.array([1.0, -1e-7, 0.0, 1e-3])).astype(bool).tolist() == [True, False, False, True]
    assert ranking(np.array([1.0, 1e-7, 0.0]), np.array([True, True, False])).auroc == 0.75
