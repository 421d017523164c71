"""Messages show values as Python writes them, and are short whatever the value is."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab import compile as compile_program
from tracrlab import rasp
from tracrlab.errors import TracrLabError
from tracrlab.rasp.abridged import LONGEST, abridged
from tracrlab.rasp.textual.session import Session

LONG = "a" * 3_000_000
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
nested = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(scalars, inner)
)


@given(st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=60) | st.tuples(scalars))
def test_a_short_value_is_shown_as_python_writes_it(value: object) -> None:
    if len(repr(value)) < LONGEST // 2:
        assert abridged(value) == repr(value)


@given(nested)
def test_no_value_is_shown_at_length(value: object) -> None:
    assert len(abridged(value)) <= LONGEST


def nested_list(depth: int, copies: int = 1) -> Any:
    value: Any = [1]
    for _ in range(depth):
        value = [value] * copies
    return value


VALUES = [LONG, [LONG] * 50, nested_list(5000), nested_list(60, 2), 10**5000, (LONG,), b"a" * 10**6]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_long_deep_and_shared_values_are_shown_briefly(value: object) -> None:
    assert len(abridged(value)) <= LONGEST


def test_an_operation_that_fails_on_a_long_text_says_so_briefly() -> None:
    tracemalloc.start()
    with pytest.raises(TracrLabError, match="fails on 'aaa") as caught:
        Session().run_text('x = ("a" * 3000000) ^ 2;')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(caught.value)) < 2 * LONGEST
    assert peak < 2 * len(LONG) + 2**20  # the text itself, and nothing like it for the message


def test_errors_about_long_tokens_are_brief() -> None:
    with pytest.raises(TracrLabError) as caught:
        compile_program(rasp.tokens + 1, [LONG, "b"], 2)
    assert len(str(caught.value)) < 4 * LONGEST
    with pytest.raises(TracrLabError) as caught:
        compile_program(rasp.tokens, ["a", "b"], 2)([LONG])
    assert len(str(caught.value)) < 4 * LONGEST
