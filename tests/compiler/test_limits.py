"""Compiling takes time and memory by how much there is to tell apart, never by how large a number is."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import rasp
from tracrlab.compiler.ir.widths import possible_sums
from tracrlab.compiler.value_sets import TooManyValues, mean_numbers
from tracrlab.errors import CompileError
from tracrlab.rasp import Comparison, Value

MEBIBYTE = 2**20
FAR_APART = [-5, 0, 7, 10**5, 10**6, 2**53, 2**60, 1e200, 1e-300, 0.001, 1000, 3e38, -(2**31), 0.5]


@contextmanager
def within(mebibytes: int) -> Iterator[None]:
    """Fails if more memory is allocated at once in between."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= mebibytes * MEBIBYTE


@pytest.mark.parametrize("largest", [10**4, 10**5, 10**6, 2**53])
def test_a_sign_over_far_apart_numbers_takes_no_more_than_over_near_ones(largest: int) -> None:
    program = rasp.aggregate(rasp.select(rasp.indices, rasp.indices, Comparison.LEQ), rasp.tokens) > 0
    vocab = [-5, 0, 7, largest]
    for dtype in ("float32", "float64"):
        with within(16):
            try:
                model = tracrlab.compile(program, vocab, 3, mode="compact", dtype=dtype)
            except CompileError:
                assert largest >= 10**6
                continue
            assert model.config.n_parameters < 1000
        inputs = [list(tokens) for n in range(4) for tokens in itertools.product(vocab, repeat=n)]
        assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)


numbers = st.lists(st.integers(-(2**40), 2**40) | st.integers(-3, 3), min_size=1, max_size=5)


@given(numbers, st.integers(0, 5))
def test_possible_sums_are_those_of_up_to_so_many_numbers(numbers: list[int], most: int) -> None:
    sums = {sum(each) for n in range(most + 1) for each in itertools.combinations_with_replacement(numbers, n)}
    assert possible_sums(numbers, most) == tuple(sorted(sums))


def test_more_sums_than_can_be_listed_are_left_alone() -> None:
    assert possible_sums([3**power for power in range(30)], 4) is not None
    assert possible_sums([3**power for power in range(30)], 6) is None
    assert possible_sums([2**53], 1) is None
    assert possible_sums([0, 10**400], 1) is None


programs = st.sampled_from(
    [
        rasp.tokens - rasp.indices,
        rasp.tokens * rasp.tokens,
        rasp.aggregate(rasp.select(rasp.indices, rasp.indices, Comparison.LEQ), rasp.tokens),
        rasp.aggregate(rasp.select(rasp.indices, rasp.indices, Comparison.LEQ), rasp.tokens) > 0,
        rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, Comparison.LT)) * rasp.tokens,
        rasp.selector_width(rasp.select(rasp.tokens + rasp.indices, rasp.tokens, Comparison.EQ)),
        rasp.aggregate(rasp.select(rasp.tokens, rasp.indices, Comparison.EQ), rasp.tokens, 0),
        rasp.tokens + rasp.aggregate(rasp.select(rasp.tokens, rasp.tokens, Comparison.EQ), rasp.indices),
    ]
)


@settings(max_examples=25)
@given(
    programs,
    st.lists(st.sampled_from(FAR_APART), min_size=1, max_size=4, unique=True),
    st.sampled_from(["faithful", "compact"]),
    st.sampled_from(["float32", "float64", "bfloat16", "float16"]),
)
def test_programs_over_far_apart_numbers_are_right_or_refused(
    program: rasp.SOp, vocab: list[Value], mode: str, dtype: str
) -> None:
    with within(64):
        try:
            model = tracrlab.compile(program, vocab, 3, mode=mode, dtype=dtype, prove=True)  # type: ignore[arg-type]
        except CompileError:
            return
        assert model.verify().holds
    inputs = [list(tokens) for n in range(3) for tokens in itertools.product(vocab, repeat=n)]
    assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)


averaged = st.lists(
    st.fractions(-(10**6), 10**6, max_denominator=3) | st.integers(0, 4).map(Fraction), min_size=1, max_size=4
)


@given(averaged, st.integers(0, 4), st.integers(1, 3), st.sampled_from([1, 2**80, Fraction(1, 7)]))
def test_means_are_those_of_so_many_numbers(numbers: list[Fraction], least: int, more: int, scale: Fraction) -> None:
    numbers = [scale * number for number in numbers]
    widths = range(least, least + more + 1)
    means = {
        sum(each, Fraction(0)) / width
        for width in widths[widths[0] == 0 :]
        for each in itertools.combinations_with_replacement(numbers, width)
    }
    assert sorted(mean_numbers(numbers, widths)) == sorted(means)


def test_means_of_many_numbers_in_an_interval_are_found_without_their_pairs() -> None:
    numbers = list(map(Fraction, range(2**15)))
    with within(64):
        assert len(mean_numbers(numbers, range(2, 3))) == 2**16 - 1


@pytest.mark.parametrize("numbers", [[Fraction(n * n) for n in range(2**17)], [Fraction(3**n) for n in range(1000)]])
def test_means_too_many_to_be_followed_are_refused(numbers: list[Fraction]) -> None:
    with within(256), pytest.raises(TooManyValues):
        mean_numbers(numbers, range(1, 6))
