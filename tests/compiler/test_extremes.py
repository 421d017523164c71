"""Large, tiny and far-apart numbers: what cannot be told apart is refused, nothing grows with the size of a number."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import rasp
from tracrlab.errors import CompileError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, select, selector_width, tokens
from tracrlab.rasp.values import Value, value_key

Mode = Literal["faithful", "compact"]
MODES: tuple[Mode, ...] = ("faithful", "compact")
BEFORE = select(indices, indices, Comparison.LEQ)
NUMBERS = st.sampled_from([0, 1, -5, 7, 10**5, 10**6, 1e-200, 1e-30, 0.001, 1000, 0.1, 1 / 3, 10**400])
PROGRAMS: tuple[SOp, ...] = (
    aggregate(BEFORE, tokens) > 0,
    aggregate(BEFORE, tokens),
    tokens - indices,
    tokens * indices,
    tokens + rasp.length,
    tokens < indices,
    selector_width(select(tokens, tokens, Comparison.LT)),
    rasp.numerical(tokens),
)
_MOST_BYTES = 2**27


def assert_equal_or_refused(program: SOp, vocabulary: list[Value], mode: Mode, longest: int = 2) -> bool:
    tracemalloc.start()
    try:
        model = tracrlab.compile(program, vocabulary, longest, mode=mode, prove=False)
    except CompileError:
        return False
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < _MOST_BYTES, f"{peak / 2**20:.0f} MiB for {len(vocabulary)} tokens"
    for length in range(longest + 1):
        for values in itertools.product(vocabulary, repeat=length):
            assert model(values) == program(values), values
    return True


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@given(vocabulary=st.lists(NUMBERS, min_size=1, max_size=4, unique_by=value_key), program=st.sampled_from(PROGRAMS))
@settings(max_examples=50, deadline=None)
def test_numbers_of_any_size_are_right_or_refused(mode: Mode, vocabulary: list[Value], program: SOp) -> None:
    assert_equal_or_refused(program, vocabulary, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("large", [10**5, 10**6, 2**53, 10**30])
def test_the_sign_of_a_mean_of_far_apart_numbers(mode: Mode, large: int) -> None:
    compiled = assert_equal_or_refused(aggregate(BEFORE, tokens) > 0, [-5, 0, 7, large], mode, longest=3)
    assert compiled == (large == 10**5)


@pytest.mark.parametrize("mode", MODES)
def test_numbers_whose_difference_is_lost_in_arithmetic_are_kept_apart_all_the_same(mode: Mode) -> None:
    assert assert_equal_or_refused(tokens - indices, [1e200, 1.0], mode)


@pytest.mark.parametrize("mode", MODES)
def test_an_s_op_that_is_always_none_can_be_read(mode: Mode) -> None:
    selected = select(rasp.length, indices, lambda k, q: k < q or k == 1)
    nothing = rasp.numerical(rasp.Map(lambda _: None, selector_width(selected)))
    assert assert_equal_or_refused(aggregate(selected, nothing, "-"), [-1, 1], mode)
