"""Programs written for Tracr give the answers of plain Python, interpreted and compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tracr.compiler import compiling
from tracr.craft import vectorspace_fns
from tracr.craft.bases import BasisDirection, VectorSpaceWithBasis
from tracr.rasp import causal_eval, rasp
from tracr.transformer.encoder import CategoricalEncoder, NumericalEncoder

from tests.tracr_programs import PROGRAMS, TracrProgram


def compiled(program: TracrProgram) -> compiling.TracrOutput:
    return compiling.compile_rasp_to_model(
        program.build(),
        vocab=set(program.vocab),
        max_seq_len=program.max_seq_len,
        causal=program.causal,
        compiler_bos="BOS",
        compiler_pad="PAD",
    )


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_interpreter_gives_the_answers_of_plain_python(program: TracrProgram) -> None:
    evaluate = causal_eval.evaluate if program.causal else rasp.evaluate
    expression = program.build()
    for tokens in program.random_inputs(50):
        assert evaluate(expression, tokens) == program.expected(tokens), tokens


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_model_gives_the_answers_of_plain_python(program: TracrProgram) -> None:
    model = compiled(program)
    for tokens in program.random_inputs(50):
        assert model.apply(["BOS", *tokens]).decoded == ["BOS", *program.expected(tokens)], tokens


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_unembedding_found_from_labels_gives_the_answers(program: TracrProgram) -> None:
    """Users parse the labels to find the unembedding, and take numbers in them for numbers."""
    model = compiled(program)
    assert isinstance(model.output_encoder, CategoricalEncoder | NumericalEncoder)
    residual_space = VectorSpaceWithBasis([parsed(label) for label in model.residual_labels])
    output_space = VectorSpaceWithBasis(model.output_encoder.basis)
    unembedding = vectorspace_fns.project(residual_space, output_space).matrix
    assert unembedding.sum(axis=0).tolist() == [1] * output_space.num_dims
    tokens = program.random_inputs(1)[0]
    output = model.apply(["BOS", *tokens]).transformer_output[0] @ unembedding
    if isinstance(model.output_encoder, CategoricalEncoder):
        assert model.output_encoder.decode(output.argmax(axis=-1)[1:].tolist()) == program.expected(tokens)
    else:
        expected = [0 if value is None else value for value in program.expected(tokens)]
        np.testing.assert_allclose(output[1:, 0], expected, atol=1e-4)


def parsed(label: str) -> BasisDirection:
    name, _, text = label.partition(":")
    return BasisDirection(name, value_of(text) if text else None)


def value_of(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@pytest.mark.parametrize("name", ["lib_shift_by", "trend", "relative_frequency"])
def test_padding_at_the_end_changes_nothing(name: str) -> None:
    """Users pad batches with PAD, which Tracr's heads attend."""
    program = PROGRAMS[name]
    model = compiled(program)
    for tokens in program.random_inputs(20):
        padding: Sequence[str] = ["PAD"] * (program.max_seq_len - len(tokens))
        decoded = model.apply(["BOS", *tokens, *padding]).decoded
        assert decoded[1 : len(tokens) + 1] == program.expected(tokens)


def test_there_are_programs_of_every_kind() -> None:
    """A collection that shrinks unnoticed would prove nothing."""
    assert len(PROGRAMS) >= 60
    assert {program.causal for program in PROGRAMS.values()} == {False, True}
