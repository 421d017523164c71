"""Dictionaries find the directions that sums of few of them are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracrlab.learn.dictionary import Dictionary, DictionarySettings, recovered, sparse_dictionary

pytestmark = pytest.mark.frameworks


def test_sparse_sums_of_known_directions_are_taken_apart() -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4] * 3
    used = rng.random(size=(400, 4)) < 0.25
    activations = torch.as_tensor(used * rng.uniform(1, 2, size=(400, 4)) @ directions, dtype=torch.float32)
    found = sparse_dictionary(activations, 4, DictionarySettings(steps=600, learning_rate=1e-2))
    score = recovered(found, directions, "abcd")
    assert score.recovered == 1
    assert score.mean > 0.95 > score.chance
    assert found.active == pytest.approx(used.sum(axis=1).mean(), abs=0.5)


def test_a_score_is_that_of_the_best_assignment_one_to_one() -> None:
    directions = np.array([[2.0, 0, 0], [0, 1, 0], [1, 1, 0]])
    atoms = np.array([[0.0, 1, 0], [1, 0, 0]])
    score = recovered(Dictionary(atoms, 0, 0), directions, ["x", "y", "both"])
    assert score.cosines == {"x": 1, "y": 1, "both": 0}
    assert score.recovered == pytest.approx(2 / 3)
