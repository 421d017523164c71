"""Aggregates of values without a mean: right where the program selects one of them, None where it does not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tracr.compiler import compiling, lib
from tracr.rasp import rasp

LT, LEQ = rasp.Comparison.LT, rasp.Comparison.LEQ


def selected_earlier(sop: Any, default: Any = None) -> Any:
    """The mean of what stands before, at positions whose token is greater."""
    return rasp.Aggregate(rasp.Select(rasp.tokens, rasp.tokens, LT), sop, default=default)


def expected(tokens: tuple[int, ...], values: list[Any], default: Any) -> list[Any]:
    """In plain Python: one value passes, equal ones too, numbers have a mean, anything else None."""
    answers = []
    for query in tokens:
        selected = [value for key, value in zip(tokens, values, strict=True) if key < query]
        if not selected:
            answers.append(default)
        elif all(isinstance(value, int) for value in selected):
            answers.append(sum(selected) / len(selected))
        else:
            answers.append(selected[0] if len(set(selected)) == 1 else None)
    return answers


NAMES = {0: "zero", 1: "one", 2: "two"}


@pytest.mark.parametrize("default", [None, "none", 7])
@pytest.mark.parametrize(
    ("sop", "oracle"),
    [
        (rasp.Map(NAMES.get, rasp.indices, simplify=False), lambda tokens: [NAMES[i] for i in range(len(tokens))]),
        (lib.shift_by(1, rasp.Map(NAMES.get, rasp.tokens)), lambda tokens: [None, *(NAMES[t] for t in tokens[:-1])]),
        (lib.shift_by(1, rasp.tokens), lambda tokens: [None, *tokens[:-1]]),
        (
            rasp.Map(lambda t: (t, str(t)) if t else None, rasp.tokens),
            lambda tokens: [(t, str(t)) if t else None for t in tokens],
        ),
    ],
    ids=["strings", "strings and None", "numbers and None", "tuples and None"],
)
def test_every_input(sop: Any, oracle: Any, default: Any) -> None:
    program = selected_earlier(sop, default)
    model = compiling.compile_rasp_to_model(program, vocab={0, 1, 2}, max_seq_len=3)
    for tokens in itertools.chain.from_iterable(itertools.product((0, 1, 2), repeat=n) for n in (1, 2, 3)):
        answer = model.apply(["compiler_bos", *tokens]).decoded[1:]
        assert answer == expected(tokens, oracle(tokens), default), tokens
        try:
            interpreted = program(list(tokens))
        except ValueError:
            assert None in answer
        else:
            assert answer == interpreted


def test_the_variable_keeps_the_label_and_helpers_are_named_after_it() -> None:
    program = selected_earlier(rasp.Map(NAMES.get, rasp.indices)).named("mine")
    model = compiling.compile_rasp_to_model(program, vocab={0, 1, 2}, max_seq_len=3)
    names = {label.partition(":")[0] for label in model.residual_labels}
    assert program.label in names
    assert names - {program.label} >= {f"{program.label}.mean0", f"{program.label}.mean1"}
    assert program.label in model.graph


def test_several_such_aggregates_in_one_program() -> None:
    first = selected_earlier(rasp.Map(NAMES.get, rasp.indices))
    second = rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, LEQ), first)
    model = compiling.compile_rasp_to_model(second, vocab={0, 1, 2}, max_seq_len=2)
    assert model.apply(["compiler_bos", 1, 2]).decoded[1:] == [None, None]
    assert model.apply(["compiler_bos", 1, 1]).decoded[1:] == [None, None]


@pytest.mark.parametrize(
    ("program", "oracle"),
    [
        (6 / rasp.tokens, lambda t: 6 / t if t else None),
        (rasp.tokens / 0, lambda t: None),
        (rasp.Map(lambda t: 1 // t, rasp.tokens), lambda t: 1 // t if t else None),
        (rasp.SequenceMap(lambda t, s: t / s, rasp.tokens, rasp.tokens), lambda t: 1.0 if t else None),
        (rasp.Map(lambda t: 10.0 ** (400 * t), rasp.tokens), lambda t: None if t else 1.0),
    ],
)
def test_what_divides_by_zero_or_overflows_is_none(program: Any, oracle: Any) -> None:
    model = compiling.compile_rasp_to_model(program, vocab={0, 1, 2}, max_seq_len=3)
    assert model.apply(["compiler_bos", 0, 1, 2]).decoded[1:] == [oracle(t) for t in (0, 1, 2)]
