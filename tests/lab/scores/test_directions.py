"""Directions are scored without what the values of a variable have in common, and beside chance."""

from __future__ import annotations

import numpy as np
import pytest

from tracrlab.lab.scores.directions import direction_score

TRUE, VARIABLES = np.eye(6)[:5], ["a", "a", "a", "b", "b"]  # two one-hot variables of six dimensions


def rotation(seed: int) -> np.ndarray:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0])


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_recovers_itself_whatever_the_basis_and_scale(seed: int) -> None:
    turn = rotation(seed)
    score = direction_score(7.0 * TRUE[::-1] @ turn, TRUE @ turn, VARIABLES, np.random.default_rng(seed))
    assert score.mmcs == pytest.approx(1)
    assert score.recovered == 1
    assert score.random < 0.95


def test_what_all_values_share_may_be_added_and_is_no_finding_of_its_own() -> None:
    constant = TRUE[:3].sum(axis=0)
    rng = np.random.default_rng(0)
    shifted = TRUE + np.outer([5, 5, 5, 0, 0], constant)
    assert direction_score(shifted, TRUE, VARIABLES, rng).recovered == 1
    assert direction_score(constant[None], TRUE, VARIABLES, rng).mmcs == 0


def test_an_atom_serves_one_direction_only() -> None:
    score = direction_score(
        TRUE[:1], np.eye(6)[[0, 0]] + [[0] * 6, [0] * 5 + [0.1]], ["a", "b"], np.random.default_rng(0)
    )
    assert score.mmcs > 0.99
    assert score.recovered == 0.5


def test_the_two_values_of_a_flag_are_opposite_directions() -> None:
    """Centred, they lie on one line; one atom points along one of them."""
    score = direction_score(np.eye(6)[3:4], TRUE[3:], ["b", "b"], np.random.default_rng(0))
    assert score.mmcs == pytest.approx(0.5)


def test_coordinates_that_are_shuffled_keep_their_size_and_lose_their_place() -> None:
    score = direction_score(TRUE, TRUE, VARIABLES, np.random.default_rng(0))
    assert 0.3 < score.permuted < 0.95 < score.mmcs
