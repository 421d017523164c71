"""Whatever a program calls its s-ops, no two variables of its model have one name."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import rasp
from tracrlab.rasp import Comparison, SOp, aggregate, indices, select, selector_width, tokens, where

Mode = Literal["faithful", "compact"]
TAKEN = ["one", "tokens:bos", "tokens:pad", "tokens", "indices", "unused", "bos", "pad", "n"]
DERIVED = [f"n{suffix}" for suffix in ("", ".attn", ".attn2", ".onehot", ".exact", ".sum", ".width1", ".total", "#2")]
NAMES = st.sampled_from(TAKEN + DERIVED)


def program(flag: str, count: str) -> SOp:
    is_a = (tokens == "a").named(flag)
    same_or_first = select(tokens, tokens, Comparison.EQ) | select(indices, 0, Comparison.EQ)
    counted = rasp.numerical(selector_width(same_or_first)).named(count)
    return aggregate(select(indices, indices, Comparison.EQ), where(is_a, counted, 0.5), 5)


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@given(flag=NAMES, count=NAMES)
@settings(max_examples=12, deadline=None)
def test_names_that_the_compiler_uses_itself(mode: Mode, dtype: str, flag: str, count: str) -> None:
    own = program(flag, count)
    model = tracrlab.compile(own, "ab", 3, mode=mode, dtype=dtype)  # type: ignore[arg-type]
    names = [variable.name for variable in model.labels.variables]
    assert len(set(names)) == len(names)
    assert model.verify()
    for values in ("a", "ba", "aab", "bbb"):
        assert model(values) == own(values)


def test_a_count_that_is_converted_twice_has_two_copies_of_their_own() -> None:
    """In a half format a disjunction's width is discretised on the way, and again where it is looked up."""
    positive = select(3, indices, lambda k, q: k * q > 0)
    either = select(indices, indices, lambda k, q: k < q or k == 1) | positive
    own = rasp.numerical(selector_width(either)) * where(selector_width(positive), tokens, indices)
    model = tracrlab.compile(own, ["x", "y", "z"], 4, dtype="bfloat16")
    assert model.verify().holds
    assert model(["x", "y", "z", "x"]) == own(["x", "y", "z", "x"])
