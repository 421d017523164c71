"""Programs of the original language: where its interpreter fails on some input, there is no model; else they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import CompiledModel
from tracrlab.errors import CompileError, EvaluationError, MixedAggregateError, TokenConversionError
from tracrlab.rasp import SOp
from tracrlab.rasp.textual.session import Session


@cache
def session() -> Session:
    """A session whose running example is one token that every conversion can read: no program fails on it."""
    return Session(example=["1"])


def program_of(text: str) -> SOp:
    """The s-op that a text defines as ``p``."""
    session().run_text(text, "mine.rasp")
    program: SOp = session().value("p")
    return program


def inputs_over(vocabulary: Sequence[Any], longest: int) -> Iterator[list[Any]]:
    for length in range(1, longest + 1):
        yield from map(list, product(vocabulary, repeat=length))


def failing_input(program: SOp, vocabulary: Sequence[Any], longest: int) -> list[Any] | None:
    """The first input on which the interpreter fails, if there is one."""
    for tokens in inputs_over(vocabulary, longest):
        try:
            program(tokens)
        except EvaluationError:
            return tokens
    return None


def assert_agrees(model: CompiledModel, program: SOp, vocabulary: Sequence[Any], longest: int) -> None:
    inputs = list(inputs_over(vocabulary, longest))
    for tokens, answer in zip(inputs, model.run_batch(inputs), strict=True):
        assert list(map(comparable, answer)) == list(map(comparable, program(tokens))), tokens


def comparable(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


# Conversions of tokens -----------------------------------------------------------------------------------------------

WORDS = ("0", "1", "-12", " 7", "1_0", "1.5", "1e400", "inf", "nan", "x", "", "+", "True", "٣")
mixed_vocabularies = st.lists(
    st.sampled_from((*WORDS, 0, 2, 0.5, float("inf"), 10**400, True)), min_size=1, max_size=3, unique_by=repr
)
CONVERSIONS: dict[str, type] = {"tokens_int": int, "tokens_float": float}
conversions = st.sampled_from([*CONVERSIONS, *CONVERSIONS, "tokens_str", "tokens_bool", "tokens_asis"])


def converts(token: Any, kind: type) -> bool:
    try:
        kind(token)
    except (ValueError, OverflowError):
        return False
    return True


atoms = st.sampled_from(['"1"', '"x"', "0", "1", "True"])


def larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Operations that no operand makes fail, so that only conversions can."""
    values = smaller | atoms
    conditions = st.builds("({} == {})".format, smaller, values)
    return st.one_of(
        conditions,
        st.builds("({} and not {})".format, conditions, conditions),
        st.builds('({} in ["1", 2, "x"])'.format, smaller),
        st.builds("({} if {} else {})".format, values, conditions, values),
        st.builds("({} if {} else {})".format, smaller, st.sampled_from(["True", "0", '"a" == "b"']), smaller),
        st.builds("aggregate(select(indices, {}, ==), {}, {})".format, st.sampled_from("01"), smaller, atoms),
        st.builds("selector_width(select({}, {}, ==))".format, smaller, values),
        st.builds("[{}, {}][{}]".format, smaller, smaller, st.sampled_from("01")),
    )


@settings(max_examples=150)
@given(st.recursive(conversions | st.just("indices"), larger, max_leaves=4), mixed_vocabularies)
@example('(tokens_int if tokens_str == "1" else 0)', ["1", "x"])
@example("(tokens_int if False else indices)", ["1", "x"])
@example("tokens_int", [float("inf")])
@example("tokens_float", [10**400])
def test_a_program_that_converts_is_refused_where_a_token_makes_the_interpreter_fail(
    expression: str, vocabulary: list[Any]
) -> None:
    program = program_of(f"p = {expression};")
    failing = failing_input(program, vocabulary, 2)
    try:
        model = tracrlab.compile(program, vocabulary, 2)
    except TokenConversionError as error:
        event("refused")
        assert failing is not None, error
        kind = CONVERSIONS[error.expression]
        strange = [token for token in vocabulary if not converts(token, kind)]
        assert sorted(map(repr, error.tokens)) == sorted(map(repr, strange))
        assert all(repr(token)[:40] in error.reason for token in error.tokens)  # long ones are abridged
    else:
        event("compiled")
        assert failing is None, failing
        assert_agrees(model, program, vocabulary, 2)


def test_tokens_that_do_not_convert_are_named_with_the_line_that_reads_them() -> None:
    with pytest.raises(TokenConversionError) as caught:
        tracrlab.compile(program_of("n = tokens_int;\n\np = n + 1;"), ["1", "a", "2", "+"], 3)
    error = caught.value
    assert (error.expression, error.location, set(error.tokens)) == ("tokens_int", "mine.rasp:3", {"a", "+"})
    assert "'+', 'a'" in error.reason
    assert "dictionary" in error.remedy


def test_what_the_error_advises_compiles() -> None:
    program = program_of('p = {"1": 1, "2": 2, "a": 0, "+": 0}[tokens_str] + 1;')
    assert tracrlab.compile(program, ["1", "a", "2", "+"], 3)(["1", "a", "2"]) == [2, 1, 3]
    assert tracrlab.compile(program_of("p = tokens_int + 1;"), ["1", "2"], 3)(["1", "2"]) == [2, 3]


def test_a_large_vocabulary_that_does_not_convert_is_abridged_in_the_message() -> None:
    letters = [f"word{number}" for number in range(100)]
    with pytest.raises(TokenConversionError) as caught:
        tracrlab.compile(program_of("p = tokens_float;"), letters, 3)
    assert set(caught.value.tokens) == set(letters)
    assert "… (100)" in caught.value.reason
    assert len(str(caught.value)) < 500


# Aggregates of several values ----------------------------------------------------------------------------------------

numbers = st.recursive(
    st.sampled_from(["indices", "length", "0", "1", "2.5"]),
    lambda smaller: st.one_of(
        st.builds("({} {} {})".format, smaller, st.sampled_from("+-"), smaller),
        st.builds("indicator({} == indices)".format, smaller),
        st.builds("selector_width(select({}, {}, {}))".format, smaller, smaller, st.sampled_from(["==", "<", ">="])),
    ),
    max_leaves=3,
)
words = st.sampled_from(["tokens", '"a"', '("x" + tokens)', '("p" if indices == 0 else "q")'])
bools = st.builds("({} == {})".format, numbers | words, st.sampled_from(['"a"', "indices", "0", "tokens"]))
keys = numbers | words | bools


def combined(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.builds("({} {} {})".format, smaller, st.sampled_from(["and", "or"]), smaller)
    return joined | st.builds("(not {})".format, smaller)


selectors = st.recursive(
    st.builds("select({}, {}, {})".format, numbers, numbers, st.sampled_from(["==", "==", "<", "<="]))
    | st.builds("select({}, {}, ==)".format, keys, keys)
    | st.sampled_from(
        [
            "select(indices, indices - 1, ==)",
            "select(indices, 0, ==)",
            "select_next_identical(tokens)",
            'select_from_last(tokens, "a")',
        ]
    ),
    combined,
    max_leaves=2,
)
aggregates = st.builds("aggregate({}, {}, {})".format, selectors, keys, st.sampled_from(["0", '"-"', "True"]))


@settings(max_examples=200)
@given(aggregates, aggregates, st.sampled_from(["{}", "({} == {})", "({} if {} == indices else 0)"]), st.booleans())
@example("aggregate(full_s, tokens)", "", "{}", False)
@example('aggregate(select(tokens, tokens, ==), tokens, "-")', "", "{}", False)
@example("aggregate(full_s, True)", "", "{}", True)
@example('aggregate(select(indices, 5, <), (indices if tokens == "a" else "-"))', "", "{}", False)
def test_an_aggregate_is_refused_where_the_interpreter_fails_on_several_selected_values(
    first: str, second: str, around: str, single_token: bool
) -> None:
    program, vocabulary = program_of(f"p = {around.format(first, second)};"), "a" if single_token else "ab"
    failing = failing_input(program, vocabulary, 4)
    try:
        model = tracrlab.compile(program, vocabulary, 4)
    except CompileError as error:
        event(f"refused {'rightly' if failing else 'without need'}: {type(error).__name__}")
    else:
        event("compiled")
        assert failing is None, failing
        assert_agrees(model, program, vocabulary, 4)


AVERAGED = {
    "strings": ("aggregate(full_s, tokens)", "'a'"),
    "strings that are sure to be equal": ("aggregate(select(tokens, tokens, ==), tokens)", "'a'"),
    "a constant string": ('aggregate(full_s, "word")', "'word'"),
    "bools": ('aggregate(full_s, tokens == "a")', "False"),
    "a constant bool": ("aggregate(full_s, True)", "True"),
    "strings by a key that repeats": ("aggregate(select(indices % 2, 0, ==), tokens)", "'a'"),
    "a computed key that leaves several": ("aggregate(select(indices == 0, False, ==), tokens)", "'a'"),
    "one position or others": ("aggregate(select(indices, 0, ==) or select(tokens, tokens, ==), tokens)", "'a'"),
    "earlier or later positions": (
        "aggregate((select(indices, indices, <) and select(tokens, tokens, ==)) or "
        "(select(indices, indices, >) and select(tokens, tokens, <)), tokens)",
        "'a'",
    ),
    "all but one position": ("aggregate(not select(indices, indices, ==), tokens)", "'a'"),
    "bools and ints": ('aggregate(full_s, indices if tokens == "a" else True)', "True"),
    "an infinity": ('aggregate(full_s, 10.0^308 * 10 if tokens == "a" else 1)', "inf"),
}


@pytest.mark.parametrize(("expression", "value"), AVERAGED.values(), ids=AVERAGED)
def test_several_values_without_a_mean_are_refused(expression: str, value: str) -> None:
    with pytest.raises(MixedAggregateError) as caught:
        tracrlab.compile(program_of(f"\np = {expression};"), "ab", 3)
    assert value in caught.value.reason
    assert caught.value.location == "mine.rasp:2"
    assert ("indicator" in caught.value.remedy) == (value in ("True", "False"))


COPIED = {
    "by an index": "aggregate(select(indices, length - 1 - indices, ==), tokens)",
    "at an index": "tokens[-1]",
    "by a rank": "sort(tokens, tokens)",
    "the last of a kind": 'aggregate(select_from_last(tokens, "a"), tokens == "a", False)',
    "the next of a kind": 'aggregate(select_next_identical(tokens), tokens, "-")',
    "by a computed key that leaves one": "aggregate(select(indices == 0, True, ==), tokens)",
    "by a key computed twice": "aggregate(select((indices / 2) == 1, True, ==), tokens, 5)",
    "some of one position": 'aggregate(select(indices, 0, ==) and not select(tokens, "a", ==), tokens, "-")',
    "one position if either": "aggregate(select(indices, 0, ==) and (full_s or select(tokens, tokens, ==)), tokens)",
    "all numbers": 'aggregate(full_s, indicator(tokens == "a"))',
    "nothing": 'aggregate(select(1, 2, ==), tokens, "-")',
    "a default that is never taken": 'aggregate(full_s, indices, "-") + 1',
    "a default that is no number": 'aggregate(select(indices, indices, <), indices, "-")',
}


@pytest.mark.parametrize("expression", COPIED.values(), ids=COPIED)
def test_what_selects_one_position_or_numbers_compiles(expression: str) -> None:
    program = program_of(f"p = {expression};")
    assert_agrees(tracrlab.compile(program, "ab", 4), program, "ab", 4)


def test_any_values_can_be_aggregated_where_inputs_have_one_token() -> None:
    program = program_of("p = aggregate(full_s, tokens);")
    assert_agrees(tracrlab.compile(program, "ab", 1), program, "ab", 1)
