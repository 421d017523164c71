"""Intervals are over programs, and cover the mean as often as they say."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from tracrlab.lab.scores.intervals import bootstrap, mean_ranks


def test_models_of_one_program_are_no_independent_evidence() -> None:
    rng = np.random.default_rng(0)
    few = [(f"p{n}", float(value)) for n, value in enumerate(rng.normal(size=20))]
    many = [pair for pair in few for _ in range(50)]
    assert astuple(bootstrap(many)) == pytest.approx(astuple(bootstrap(few)))


def test_a_missing_value_is_left_out() -> None:
    found = bootstrap([("a", 1.0), ("a", float("nan")), ("b", 0.0), ("c", float("nan"))])
    assert (found.mean, found.n) == (0.5, 2)
    assert np.isnan(bootstrap([]).mean)


def test_the_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        found = bootstrap([(str(n), float(value)) for n, value in enumerate(rng.normal(size=25))], seed=seed)
        covered += found.low <= 0 <= found.high
    assert 85 <= covered <= 99


def test_ranks_share_ties() -> None:
    assert mean_ranks([[0.9, 0.5, 0.5], [0.1, 0.2, 0.3]]) == pytest.approx([2.0, 2.25, 1.75])
