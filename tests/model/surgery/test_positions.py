"""Positions computed from BOS are those that an embedding would have held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.library_models import library_inputs, library_model
from tracrlab import rasp
from tracrlab.errors import CompileError, ExportError
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.surgery.positions import N_LAYERS, with_computed_positions
from tracrlab.rasp.random_programs import random_program


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from(["faithful", "compact"]))
def test_nothing_changes_but_where_positions_come_from(seed: int, mode: str) -> None:
    case = random_program(seed)
    options = {"mode": mode, "causal": True}
    try:
        model = tracrlab.compile(case.program, case.vocabulary, case.max_length, **case.special_tokens, **options)  # type: ignore[arg-type]
    except CompileError:
        return
    computed = with_computed_positions(model)
    rng = np.random.default_rng(seed)
    inputs = [rng.choice(len(model.config.vocab), rng.integers(case.max_length + 1)) for _ in range(20)]
    texts = [[model.config.vocab[place] for place in each] for each in inputs]
    assert computed.run_batch(texts) == model.run_batch(texts)
    assert not computed.weights.W_pos.any()
    assert not model.verify().holds or computed.verify().holds


@pytest.mark.parametrize("length", [2, 20, 200])
@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_features_of_positions_are_those_of_the_embedding(length: int, mode: str) -> None:
    first = rasp.aggregate(rasp.select(rasp.indices, 0, rasp.Comparison.EQ), rasp.tokens)
    mirrored = rasp.aggregate(rasp.select(rasp.indices, rasp.indices // 2, rasp.Comparison.EQ), rasp.tokens)
    program = rasp.elementwise_map(lambda one, other: one + other, first, mirrored)
    model = tracrlab.compile(program, "ab", length, causal=True, mode=mode)  # type: ignore[call-overload]
    computed = with_computed_positions(model)
    assert computed.config.n_layers == model.config.n_layers + N_LAYERS
    ids = model.encode(["ab" * (length // 2) + "a" * (length % 2)])
    own = forward_with_activations(model.config, model.weights, ids).residuals[0]
    found = forward_with_activations(computed.config, computed.weights, ids).residuals[2 * N_LAYERS]
    size = np.abs(own).max(axis=(0, 1))
    assert (np.abs(found[..., : model.config.d_model] - own) <= 3e-7 * size).all()


def test_a_model_that_reads_no_positions_gets_no_layer() -> None:
    causal_count = rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))
    model = tracrlab.compile(causal_count, "ab", 4, causal=True)
    computed = with_computed_positions(model)
    assert computed.config == model.config
    assert computed.run_batch(["abab", "b"]) == model.run_batch(["abab", "b"])
    assert computed.verify().holds


def test_names_in_the_program_are_not_taken() -> None:
    program = (rasp.indices + 1).named("positions")
    computed = with_computed_positions(tracrlab.compile(program, "ab", 3, causal=True))
    assert computed("abb") == [1, 2, 3]
    assert computed.verify().holds


def test_a_model_that_marks_no_bos_is_refused() -> None:
    model = library_model("shift_by", "compact", True)
    weights = replace(model.weights, W_E=0 * model.weights.W_E)
    with pytest.raises(ExportError, match="no dimension that is 1 at BOS"):
        with_computed_positions(replace(model, weights=weights))


def test_a_variable_of_tokens_and_positions_is_refused() -> None:
    model = library_model("shift_by", "faithful", True)
    W_E = model.weights.W_E.copy()
    W_E[0, model.labels.variable("indices").start] = 1
    with pytest.raises(ExportError, match="indices holds both tokens and positions"):
        with_computed_positions(replace(model, weights=replace(model.weights, W_E=W_E)))


def test_claims_are_not_needed_to_run() -> None:
    model = library_model("induction", "compact", True)
    computed, inputs = with_computed_positions(replace(model, claims=None)), library_inputs("induction")
    assert computed.claims is None
    assert computed.run_batch(inputs) == model.run_batch(inputs)
