"""The interpreter for many inputs at once means what the interpreter means."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracrlab import rasp
from tracrlab.errors import EvaluationError
from tracrlab.rasp.batches import Batch, coded_inputs, every_input
from tracrlab.rasp.expressions import MeanAggregate
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import value_key


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_a_batch_has_the_values_of_the_interpreter(seed: int) -> None:
    drawn = random_program(seed)
    length = min(drawn.max_length, 3 if len(drawn.vocabulary) < 5 else 2)
    inputs = [list(each) for n in range(1, length + 1) for each in product(drawn.vocabulary, repeat=n)]
    batch = Batch(drawn.vocabulary, coded_inputs(drawn.vocabulary, inputs, length), causal=drawn.causal)
    try:
        expected = [drawn.program(each, causal=drawn.causal) for each in inputs]
    except EvaluationError:
        with pytest.raises(EvaluationError):
            batch.answers(drawn.program)
        return
    answers = batch.answers(drawn.program)
    assert [list(map(value_key, each)) for each in answers] == [list(map(value_key, each)) for each in expected]


def test_means_of_the_original_language() -> None:
    everything = rasp.select(1, 1, rasp.Comparison.EQ)
    mean = MeanAggregate(everything, rasp.tokens, 0)
    inputs = [[1], [1, 1], [1, 2]]
    answers = Batch((1, 2), coded_inputs((1, 2), inputs, 2)).answers(mean)
    assert [list(map(value_key, each)) for each in answers] == [list(map(value_key, mean(each))) for each in inputs]
    with pytest.raises(EvaluationError, match="only numbers have a mean"):
        Batch(("a",), every_input(1, 2)).answers(mean)


def test_every_input_is_there_once() -> None:
    codes = every_input(3, 3)
    assert sorted(tuple(code for code in row if code >= 0) for row in codes.tolist()) == sorted(
        each for n in (1, 2, 3) for each in product(range(3), repeat=n)
    )
