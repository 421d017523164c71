"""Aggregates of values without a mean: right where the program selects one of them, None where it does not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tracr.compiler import compiling, lib
from tracr.rasp import rasp

from tracrlab.compat import compilation
from tracrlab.errors import DomainTooLargeError

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


def marked_position() -> Any:
    """Where the mark is, as programs find it that count on there being one."""
    marked = rasp.Select(rasp.tokens, rasp.Map(lambda _: "#", rasp.tokens), rasp.Comparison.EQ)
    return rasp.Aggregate(marked, rasp.indices).named("place")


def distance_to_mark() -> Any:
    return rasp.SequenceMap(lambda place, index: index - place, marked_position(), rasp.indices)


@pytest.mark.parametrize(
    ("text", "expected"), [("a#b", [-1, 0, 1]), ("#", [0]), ("ab", [None] * 2), ("#a#", [None] * 3), ("##", [None] * 2)]
)
def test_means_too_many_to_compile_are_none_with_a_warning(
    text: str, expected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "_FEW_COMBINATIONS", 20)
    with pytest.warns(UserWarning, match=r"^place_\d+: different numbers that are selected together have too many"):
        model = compiling.compile_rasp_to_model(distance_to_mark(), vocab={"a", "b", "#"}, max_seq_len=5)
    assert model.apply(["compiler_bos", *text]).decoded[1:] == expected


@pytest.mark.filterwarnings("error")
def test_means_that_can_be_compiled_are_exact() -> None:
    model = compiling.compile_rasp_to_model(distance_to_mark(), vocab={"a", "b", "#"}, max_seq_len=5)
    assert model.apply(["compiler_bos", *"#a#b"]).decoded[1:] == [-1.0, 0.0, 1.0, 2.0]


@pytest.mark.filterwarnings("error")
def test_numerical_aggregates_keep_their_means_or_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mean = rasp.numerical(marked_position())
    program = rasp.SequenceMap(lambda place, index: index - place, mean, rasp.indices)
    monkeypatch.setattr(compilation, "_FEW_COMBINATIONS", 20)
    model = compiling.compile_rasp_to_model(program, vocab={"a", "b", "#"}, max_seq_len=5)
    assert model.apply(["compiler_bos", *"#a#b"]).decoded[1:] == [-1.0, 0.0, 1.0, 2.0]
    monkeypatch.setattr(compilation, "MAX_TABLE_ENTRIES", 20)
    with pytest.raises(DomainTooLargeError, match="more than 20"):
        compiling.compile_rasp_to_model(program, vocab={"a", "b", "#"}, max_seq_len=5)
