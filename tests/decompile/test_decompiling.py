"""What the decompiler returns is equal to the model on all inputs, by the interpreter, or it is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.decompile import bases
from tests.library_models import LENGTH, MODELS, library_model
from tests.oracles import ORACLES, SMALL_VOCABS, agree, every_input
from tracrlab import CompiledModel, rasp
from tracrlab.decompile import Decompilation, decompile
from tracrlab.decompile.certificate import lower_bound
from tracrlab.decompile.unary import unary
from tracrlab.errors import CompileError, DecompileError
from tracrlab.model.labels import Labels
from tracrlab.rasp.interpreter import evaluate_batch
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.values import value_key


def assert_equal(model: CompiledModel, result: Decompilation) -> None:
    """The program has the model's answers on every input, types and all."""
    config = model.config
    inputs = [each for n in range(1, config.max_seq_len + 1) for each in product(config.vocab, repeat=n)]
    assert result.program is not None
    found = evaluate_batch(result.program, inputs, causal=config.causal)
    expected = model.run_batch(inputs)
    assert [list(map(value_key, row)) for row in found] == [list(map(value_key, row)) for row in expected]


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library(name: str, mode: str, causal: bool) -> None:
    result = decompile(library_model(name, mode, causal))
    assert result.certificate.holds and not result.unexplained
    for tokens in every_input(SMALL_VOCABS[name], 3):
        if tokens:
            assert result.program is not None
            assert agree(ORACLES[name](tokens), result.program(tokens, causal=causal)), tokens
    Session().run_text(result.rasp_text())


def test_nothing_but_the_weights_is_looked_at() -> None:
    model = library_model("sort_unique", "faithful", False)
    labels = Labels((), tuple(() for _ in model.labels.heads), tuple(() for _ in model.labels.neurons))
    blind = replace(model, labels=labels, claims=None, program=(), recipe=None)
    assert decompile(blind).text == decompile(model).text


@pytest.mark.parametrize("change", [bases.permuted, bases.rotated, bases.transformed, bases.projected])
@pytest.mark.parametrize("name", ["hist", "reverse", "frac_prevs", "sort_unique", "palindrome"])
def test_other_bases(name: str, change: Callable[[CompiledModel, np.random.Generator], CompiledModel]) -> None:
    model = change(library_model(name, "faithful", False), np.random.default_rng(7))
    result = decompile(model)
    assert result.certificate.holds
    assert_equal(model, result)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["faithful", "compact"]))
def test_random_programs_are_equal_or_refused(seed: int, mode: str) -> None:
    drawn = random_program(seed)
    length = min(drawn.max_length, 3 if len(drawn.vocabulary) < 5 else 2)
    try:
        model = tracrlab.compile(
            drawn.program, drawn.vocabulary, length, causal=drawn.causal, mode=mode, prove=False, **drawn.special_tokens
        )
    except CompileError:
        return
    result = decompile(model)
    assert (result.program is None) == bool(result.unexplained)
    if result.program is not None:
        assert_equal(model, result)


def test_the_program_compiles_again() -> None:
    model = library_model("hist", "compact", False)
    again = decompile(model).compiled_again()
    assert again.config.n_params <= model.config.n_params
    assert again("abca"[:3]) == model("abca"[:3])


def test_where_variables_are() -> None:
    result = decompile(library_model("hist", "faithful", False))
    assert [(each.name, each.places[0]) for each in result.variables] == [("width", "a0.h0")]
    assert result.text == "width = selector_width(select(tokens_asis, tokens_asis, ==));\nwidth;\n"


def test_more_inputs_than_can_be_run_are_sampled() -> None:
    model = tracrlab.compile(PROGRAMS["hist"].build(), "abcd", 6)
    result = decompile(model, most_inputs=1000)
    assert not result.certificate.holds and "unproved" in result.certificate.summary()
    assert result.certificate.n_equal == result.certificate.n_inputs
    assert_equal(model, result)


def test_a_model_of_no_program_gives_none() -> None:
    model = library_model("sort_unique", "faithful", False)
    arrays = bases.exact_arrays(model)
    rng = np.random.default_rng(0)
    noisy = {name: array + 0.3 * rng.standard_normal(array.shape) for name, array in arrays.items()}
    result = decompile(replace(model, weights=type(model.weights)(**noisy)))
    assert result.program is None and result.unexplained and not result.certificate.holds
    with pytest.raises(DecompileError, match="no program was found"):
        _ = result.text


def test_weights_that_are_not_finite() -> None:
    model = library_model("hist", "faithful", False)
    arrays = bases.exact_arrays(model)
    arrays["W_in"][0, 0, 0] = np.nan
    with pytest.raises(DecompileError, match="W_in has weights that are not finite"):
        decompile(replace(model, weights=type(model.weights)(**arrays)))


def test_weights_of_other_shapes() -> None:
    model = library_model("hist", "faithful", False)
    wrong = replace(model, config=replace(model.config, d_mlp=model.config.d_mlp + 1))
    with pytest.raises(DecompileError, match="W_in has shape"):
        decompile(wrong)


def test_tokens_of_several_types() -> None:
    program = rasp.where(
        rasp.tokens == "a", rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)), None
    )
    model = tracrlab.compile(program, ("a", 1, 2.5), 3)
    result = decompile(model)
    assert result.certificate.holds
    assert_equal(model, result)


def test_blocks_with_one_label_are_a_constant() -> None:
    assert isinstance(unary(rasp.tokens, (0, 1, 2), (0, 1, 0), (False, False)), rasp.Full)


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    assert lower_bound(100, 100) == pytest.approx(0.05 ** (1 / 100), abs=1e-4)
    assert lower_bound(9, 10) == pytest.approx(0.6058, abs=1e-3)


def test_certificates_are_json(tmp_path: Path) -> None:
    record = json.loads(decompile(library_model("hist", "faithful", False)).certificate.to_json())
    assert record["holds"] and record["domain"] == f"all inputs of 1 to {LENGTH} tokens over 3 tokens"
