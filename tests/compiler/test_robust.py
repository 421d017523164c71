"""Robust models: no weight is large, and a random change of basis of the residual stream changes no answer."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.library_models import LENGTH, library_inputs
from tests.oracles import SMALL_VOCABS, random_input
from tracrlab import CompiledModel, load, rasp
from tracrlab.compiler.robust import MOST_WEIGHT
from tracrlab.errors import CompileError, PrecisionError
from tracrlab.model.forward import forward
from tracrlab.model.surgery.balance import balanced, largest_weight
from tracrlab.model.surgery.rotation import rotated
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program

SEEDS = range(2)


def robust(name: str, vocab: object, length: int) -> CompiledModel:
    return tracrlab.compile(PROGRAMS[name].build(), vocab, length, mode="compact", robust=True)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_library_programs_bear_any_rotation(name: str) -> None:
    model, inputs = robust(name, SMALL_VOCABS[name], LENGTH), library_inputs(name)
    assert largest_weight(model.weights) < MOST_WEIGHT == 4096
    assert model.verify().holds
    expected = rasp.evaluate_batch(PROGRAMS[name].build(), inputs)
    assert model.run_batch(inputs) == expected
    for seed in SEEDS:
        assert rotated(model, seed).run_batch(inputs) == expected


@pytest.mark.parametrize("name", ["hist", "reverse", "majority"])
def test_longer_inputs_too_at_most_three_times_as_large(name: str) -> None:
    vocab, rng = PROGRAMS[name].vocabulary(20), random.Random(0)
    model = robust(name, vocab, 20)
    plain = tracrlab.compile(PROGRAMS[name].build(), vocab, 20, mode="compact")
    assert model.config.n_params <= 3 * plain.config.n_params
    assert largest_weight(model.weights) < MOST_WEIGHT <= largest_weight(plain.weights)
    inputs = [random_input(name, list(vocab), length, rng) for length in (1, 2, 10, 19, 20) for _ in range(5)]
    expected = rasp.evaluate_batch(PROGRAMS[name].build(), inputs)
    assert all(rotated(model, seed).run_batch(inputs) == expected for seed in SEEDS)
    assert any(rotated(plain, seed).run_batch(inputs) != expected for seed in SEEDS)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_random_programs_are_robust_or_refused(seed: int) -> None:
    case, rng = random_program(seed), random.Random(seed)
    try:
        model = tracrlab.compile(
            case.program,
            case.vocabulary,
            LENGTH,
            causal=case.causal,
            mode="compact",
            robust=True,
            **case.special_tokens,
        )
    except CompileError:
        return
    assert largest_weight(model.weights) < MOST_WEIGHT
    inputs = [rng.choices(case.vocabulary, k=rng.randint(0, LENGTH)) for _ in range(20)]
    expected = rasp.evaluate_batch(case.program, inputs, causal=case.causal)
    assert model.run_batch(inputs) == expected
    assert rotated(model, seed).run_batch(inputs) == expected


def test_faithful_models_can_be_robust_as_well() -> None:
    vocab = PROGRAMS["hist"].vocabulary(20)
    plain = tracrlab.compile(PROGRAMS["hist"].build(), vocab, 20)
    model = tracrlab.compile(PROGRAMS["hist"].build(), vocab, 20, robust=True)
    assert model.config == plain.config
    assert largest_weight(model.weights) < MOST_WEIGHT < largest_weight(plain.weights)


def test_what_cannot_be_robust_is_refused() -> None:
    with pytest.raises(PrecisionError, match=r"weights are all below 4,096.*or compile it without robust"):
        tracrlab.compile(rasp.numerical(rasp.indices * 2**30), "ab", 5, mode="compact", robust=True)
    with pytest.raises(ValueError, match="robust models compute in float32 or float64, not bfloat16"):
        tracrlab.compile(rasp.tokens, "ab", 5, robust=True, dtype="bfloat16")


def test_files_remember_it_and_the_program_compiles_to_the_same_again(tmp_path: Path) -> None:
    compiled = robust("sort", "abc", 4)
    proof = compiled.verify(PROGRAMS["sort"].build()).program
    assert proof is not None
    assert proof.source == "compiled again"
    compiled.save_pretrained(tmp_path)
    model = load(tmp_path)
    assert isinstance(model, CompiledModel)
    assert model.recipe == compiled.recipe
    assert model.recipe is not None
    assert model.recipe.robust


def test_balancing_moves_powers_of_two_only() -> None:
    plain = tracrlab.compile(PROGRAMS["hist"].build(), "abc", 5, mode="compact")
    even = balanced(plain.weights)
    assert largest_weight(even) < largest_weight(plain.weights)
    for one, other in ((plain.weights.W_Q, even.W_Q), (plain.weights.W_in, even.W_in), (plain.weights.W_V, even.W_V)):
        assert (np.abs(np.frexp(other[one != 0] / one[one != 0])[0]) == 0.5).all()
    inputs = library_inputs("hist")
    config, ids = plain.config, plain.encode([each for each in inputs if set(each) <= set("abc")])
    np.testing.assert_array_equal(forward(config, plain.weights, ids), forward(config, even, ids))
