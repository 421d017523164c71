"""A value is known by its place: whatever tokens a vocabulary has, in whatever order, a model keeps them apart."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import CompiledModel, rasp
from tracrlab.craft.formats import Dtype
from tracrlab.errors import CompileError, PrecisionError, UnprovenError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, select, selector_width, tokens, where
from tracrlab.rasp.values import Value, value_key

Mode = Literal["faithful", "compact"]
MODES: tuple[Mode, ...] = ("faithful", "compact")

NUMBERS = st.sampled_from(
    [0, 1, -1, 0.0, -0.0, 1.0, True, False, 2, 10, 9, 0.001, 1000, 1e-30, 1e30, math.inf, -math.inf]
)
WORDS = st.sampled_from(["a", "b", "1", "1.0", "True", "None", "bos", "pad", "10", "9", "", " ", "nan", "(1, 2)"])
PAIRS = st.tuples(st.sampled_from([1, 2, 9, 10, 11, 100]), st.sampled_from([1, True, "a", "10", 9]))
SETS = st.frozensets(st.sampled_from([1, 2, 10, "a"]), max_size=2)
OTHERS = st.sampled_from([b"a", 1j, complex(1, 0), Fraction(1), Fraction(1, 2), Decimal("1.0"), date(2020, 1, 1)])
TOKENS = st.one_of(NUMBERS, WORDS, PAIRS, SETS, OTHERS, st.just(()), st.just(((1,), 2)), st.just((None,)))
VOCABULARIES = st.lists(TOKENS, min_size=1, max_size=5, unique_by=value_key)

PREVIOUS = select(indices, indices - 1, Comparison.EQ)
SAME = select(tokens, tokens, Comparison.EQ)


def kept_apart(values: list[Value]) -> list[object]:
    return [value_key(value) for value in values]


def assert_equal_to_the_interpreter(program: SOp, vocabulary: list[Value], mode: Mode, longest: int = 2) -> None:
    model = tracrlab.compile(program, vocabulary, longest, mode=mode, bos="<s>", pad="<p>")
    for length in range(longest + 1):
        for values in itertools.product(vocabulary, repeat=length):
            answer, expected = model(values), program(values)
            assert kept_apart(answer) == kept_apart(expected), (values, answer, expected)


@pytest.mark.parametrize("mode", MODES)
@given(vocabulary=VOCABULARIES)
@settings(max_examples=30, deadline=None)
def test_tokens_of_every_kind_are_copied_as_they_are(mode: Mode, vocabulary: list[Value]) -> None:
    assert_equal_to_the_interpreter(tokens, vocabulary, mode)
    assert_equal_to_the_interpreter(aggregate(PREVIOUS, tokens, "none"), vocabulary, mode)


@pytest.mark.parametrize("mode", MODES)
@given(vocabulary=VOCABULARIES)
@settings(max_examples=20, deadline=None)
def test_functions_see_which_token_it_is(mode: Mode, vocabulary: list[Value]) -> None:
    assert_equal_to_the_interpreter(rasp.Map(repr, tokens), vocabulary, mode)
    assert_equal_to_the_interpreter(
        rasp.SequenceMap(lambda token, count: (repr(token), count), tokens, selector_width(SAME)), vocabulary, mode
    )


@pytest.mark.parametrize("mode", MODES)
@given(vocabulary=st.lists(NUMBERS, min_size=1, max_size=4, unique_by=value_key))
@settings(max_examples=30, deadline=None)
def test_arithmetic_on_numbers_that_are_nearly_or_quite_the_same(mode: Mode, vocabulary: list[Value]) -> None:
    third = where(tokens == vocabulary[0], 1 / 3, rasp.aggregate(select(indices, 0, Comparison.GEQ), indices == 1))
    for program in (1 - third, (1 - third) == 2 / 3, tokens == 1, tokens * 1 == 1.0, where(indices == 0, 0, tokens)):
        try:
            assert_equal_to_the_interpreter(program, vocabulary, mode)
        except CompileError:
            continue


@pytest.mark.parametrize("mode", MODES)
def test_tuples_that_print_in_another_order_than_they_have(mode: Mode) -> None:
    model = tracrlab.compile(tokens, [(9, 1), (10, 1)], 3, mode=mode)
    assert model([(9, 1)]) == [(9, 1)]
    assert model([(10, 1), (9, 1)]) == [(10, 1), (9, 1)]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_number_of_three_types_stays_three_values(mode: Mode) -> None:
    answer = tracrlab.compile(tokens, [0, False, 0.0], 3, mode=mode)([0, False, 0.0])
    assert list(map(type, answer)) == [int, bool, float]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("default", ["i", 0, None])
def test_means_that_are_the_same_number_by_two_ways_are_one(mode: Mode, causal: bool, default: Value) -> None:
    """1/3 + 1 and 4/3 differ as floats that functions have computed, but not the means of some of them."""
    marked = select(True, tokens == "b", Comparison.EQ)
    numbers = rasp.SequenceMap(lambda i, w: (-3 * i + i / 3 + w) % 3, indices, selector_width(marked))
    program = aggregate(marked, numbers, default)
    model = tracrlab.compile(program, "ab", 2, causal=causal, mode=mode)
    assert model("b") == [1.0]
    for length in (1, 2):
        for values in itertools.product("ab", repeat=length):
            assert model(values) == program(values, causal=causal)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_a_ratio_and_a_float_of_the_same_number_compute_differently(mode: Mode, dtype: str) -> None:
    third = where(tokens == "a", aggregate(select(indices, indices, Comparison.TRUE), tokens == "b"), 1 / 3)
    program = (1 - third) == 2 / 3
    model = tracrlab.compile(program, "ab", 3, mode=mode, dtype=dtype)  # type: ignore[arg-type]
    assert model("aab") == [True, True, False]
    for length in range(4):
        for values in itertools.product("ab", repeat=length):
            assert model(values) == program(values)


@pytest.mark.parametrize("mode", MODES)
def test_tuples_are_sorted_by_their_own_order(mode: Mode) -> None:
    """Ranks in the order of the tokens tell positions apart, so what is sorted by them can be copied."""
    vocabulary = [(10, "b"), (9, "c"), (9, "a"), (100, "a")]
    smaller = select(tokens, tokens, Comparison.LT)
    tied = select(tokens, tokens, Comparison.EQ) & select(indices, indices, Comparison.LT)
    sort = aggregate(select(selector_width(smaller | tied), indices, Comparison.EQ), tokens)
    model = tracrlab.compile(sort, vocabulary, 3, mode=mode)
    for values in itertools.product(vocabulary, repeat=3):
        assert model(values) == sorted(values)


def test_the_order_of_sets_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import tracrlab; from tracrlab import rasp; sets = list(map(frozenset, ('abc', 'ab', 'bc', 'c', '')));"
        "vocab = [*sets, *((1, each) for each in sets)]; model = tracrlab.compile(rasp.tokens, vocab, 2);"
        "print([vocab.index(token) for token in model.config.vocab])"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(texts) == 1


# Numbers that Python rounds ------------------------------------------------------------------------------------------

FORMATS: tuple[Dtype, ...] = ("float32", "float64")
FRACTIONS = st.sampled_from([0.1, 0.15, 0.2, 0.3, 1 / 3, 2 / 3, 0.7, 1.1, 3, 5, -0.35])
LARGE = st.sampled_from([0.1, 3, 100.1, 1e4, 1.5e7, 2.4e7, 1e9, 1e12])


def compiled_or_refused(
    program: SOp, vocabulary: Sequence[Value], mode: Mode, dtype: Dtype = "float32"
) -> CompiledModel | None:
    try:
        return tracrlab.compile(program, vocabulary, 2, mode=mode, dtype=dtype, prove=True)
    except (PrecisionError, UnprovenError):
        return None


def assert_equal_if_compiled(program: SOp, vocabulary: Sequence[Value], mode: Mode, dtype: Dtype = "float32") -> None:
    """Equal as Python has it: a mean is a number, of whatever type."""
    model = compiled_or_refused(program, vocabulary, mode, dtype)
    for values in itertools.product(vocabulary, repeat=2) if model else ():
        assert model is not None
        assert model(values) == program(values), values


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("large", [1.5e7, 2e7, 3e7])
def test_what_cancels_in_exact_arithmetic_does_not_in_floats(mode: Mode, dtype: Dtype, large: float) -> None:
    vocabulary, back = (0.1, 0.2, 0.3), (tokens + large) - large
    for program in (back, back * 3, back + indices, rasp.LinearSequenceMap(tokens, indices, large, 1) - large * tokens):
        model = tracrlab.compile(program, vocabulary, 3, mode=mode, dtype=dtype)
        for values in itertools.product(vocabulary, repeat=3):
            assert model(values) == program(values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", FORMATS)
@given(vocabulary=st.lists(FRACTIONS, min_size=1, max_size=3, unique=True), first=LARGE, second=LARGE, data=st.data())
@settings(max_examples=20, deadline=None)
def test_sums_and_products_of_any_sizes_in_any_order(
    mode: Mode, dtype: Dtype, vocabulary: list[Value], first: float, second: float, data: st.DataObject
) -> None:
    mean = aggregate(select(indices, indices, Comparison.LEQ), tokens)
    x = data.draw(st.sampled_from([tokens, mean, tokens * indices]))
    there = data.draw(st.sampled_from([x + first, x * first, x - first, x / 3, 1 - x]))
    back = data.draw(st.sampled_from([there - first, there / first, there + second, there * 3, there - tokens]))
    for program in (back, back == x, aggregate(PREVIOUS, back, 0) - x):
        assert_equal_if_compiled(program, vocabulary, mode, dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("large", [2**53, 2**60])
def test_whole_numbers_that_are_one_float_are_kept_apart_or_refused(mode: Mode, large: int) -> None:
    mean = aggregate(select(indices, indices, Comparison.LEQ), tokens)
    for program in (mean, mean + 1, 1 - 2 * mean, rasp.numerical(tokens)):
        assert compiled_or_refused(program, (large, large + 1), mode) is None or program is not mean
        assert_equal_if_compiled(program, (large, large + 1), mode)
    assert_equal_to_the_interpreter(tokens, [large, large + 1], mode)


@pytest.mark.parametrize("mode", MODES)
def test_means_beyond_the_range_of_floats_are_infinite_or_refused(mode: Mode) -> None:
    mean = aggregate(select(indices, indices, Comparison.LEQ), tokens)
    for program in (1 - 2 * mean, 2 * mean > 0, 10 * mean - mean):
        assert_equal_if_compiled(program, (1e308, -1e308), mode, "float64")
