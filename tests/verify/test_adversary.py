"""Certified models give the same answers in arithmetic that nobody would choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracrlab
from benchmarks.adversary import ORDERS, Arithmetic, attack, logits
from tracrlab.model.forward import forward
from tracrlab.rasp.library import PROGRAMS


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", ["hist2", "sort_freq", "frac_prevs", "majority"])
def test_no_answer_of_a_certified_model_changes(name: str, mode: Literal["faithful", "compact"]) -> None:
    model = tracrlab.compile(PROGRAMS[name].build(), PROGRAMS[name].example_vocab, 10, mode=mode, prove=False)
    assert model.verify().holds
    outcome = attack(name, model, 2, rounds=3)
    assert outcome.runs == 9 * outcome.inputs
    assert not outcome.wrong


def test_a_model_whose_counts_are_off_is_caught() -> None:
    """Half of what is written to a count is lost."""
    model = tracrlab.compile(PROGRAMS["hist"].build(), "ab", 6, mode="compact", prove=False)
    broken = replace(model, weights=replace(model.weights, W_O=model.weights.W_O / 2))
    assert attack("hist", broken, 3, rounds=0).wrong


@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_every_order_adds_up_all_terms(count: int, seed: int) -> None:
    terms = np.random.default_rng(seed).integers(-100, 100, (3, count)).astype(np.float32)
    for add in ORDERS.values():
        assert np.array_equal(add(terms), terms.sum(axis=-1))


@given(st.sampled_from([*ORDERS]), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_arithmetic_multiplies_matrices(order: str, fused: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = (rng.integers(-9, 9, shape).astype(np.float32) for shape in ((3, 8), (8, 2)))
    assert np.array_equal(Arithmetic(order, fused).product(left, right), left @ right)


def test_in_double_precision_it_is_the_forward_pass() -> None:
    model = tracrlab.compile(PROGRAMS["sort"].build(), "abc", 5, mode="compact", dtype="float64", prove=False)
    own = logits(model, "cab", Arithmetic("forwards", fused=False), "float64")
    assert np.allclose(own, forward(model.config, model.weights, model.encode(["cab"]))[0, 1:])
