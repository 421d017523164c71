"""Long inputs in compact mode: digits with carries, and models of some hundred positions."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracrlab
from tests.oracles import ORACLES, random_input
from tracrlab.compiler.ir.rewrites.carries import NamedPosition, digit_tables
from tracrlab.craft.claims import HeadClaim
from tracrlab.model.claims_json import claims_from_json, claims_to_json
from tracrlab.rasp import Comparison, SOp, aggregate, indices, length, select, tokens
from tracrlab.rasp.library import PROGRAMS, reverse

LONGEST = 140


@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(-20, 20), st.integers(2, 60))
def test_digits_with_a_carry_are_those_of_the_sum(of_last: int, of_position: int, offset: int, longest: int) -> None:
    tables = digit_tables(NamedPosition(of_last, of_position, offset), longest)
    base = tables.base
    for last in range(longest):
        for own in range(last + 1):
            low = tables.low[last % base, own % base]
            carry = tables.carry[last % base, own % base]
            high = of_last * (last // base) + of_position * (own // base) + tables.high_offset + carry
            total = of_last * last + of_position * own + offset
            assert (high, low) == divmod(total, base)
            assert high < tables.n_high or not 0 <= total < longest


def named(by_length: int, by_index: int, offset: int) -> SOp:
    return aggregate(select(indices, by_length * length + by_index * indices + offset, Comparison.EQ), tokens, "none")


@pytest.mark.parametrize(
    ("by_length", "by_index", "offset", "exists"),
    [(1, -1, -1, True), (1, 0, -1, True), (1, -1, 0, False), (1, -2, -1, False), (0, 1, -3, False), (1, -1, -4, False)],
)
def test_positions_named_by_any_sum_are_found(by_length: int, by_index: int, offset: int, exists: bool) -> None:
    vocab = [f"w{number}" for number in range(9)]
    model = tracrlab.compile(named(by_length, by_index, offset), vocab, 210, mode="compact", prove=False)
    rng = random.Random(by_length * 100 + by_index * 10 + offset)
    for size in (1, 2, 15, 16, 103, 209, 210):
        words = rng.choices(vocab, k=size)
        places = [by_length * size + by_index * i + offset for i in range(size)]
        assert model(words) == [words[place] if 0 <= place < size else "none" for place in places]
    assert model.verify().holds
    assert exists == any(isinstance(each, HeadClaim) and each.latest for each in components(model))


def components(model: tracrlab.CompiledModel) -> tuple[Any, ...]:
    assert model.claims is not None
    return model.claims.components


@pytest.mark.parametrize("name", ["reverse", "hist", "induction", "sort"])
def test_long_programs_are_right_and_certified(name: str) -> None:
    vocab = PROGRAMS[name].vocabulary(300)
    model = tracrlab.compile(PROGRAMS[name].build(), vocab, 150, mode="compact", prove=False)
    rng = random.Random(name)
    for size in (1, 99, 150, 150):
        words = random_input(name, vocab[: rng.choice((3, 300))], size, rng)
        assert model(words) == ORACLES[name](words)
    assert model.verify().holds


@pytest.mark.parametrize(("name", "longest"), [("sort", 256), ("induction", 324)])
def test_squares_of_whole_numbers_are_no_harder_lengths(name: str, longest: int) -> None:
    model = tracrlab.compile(
        PROGRAMS[name].build(), PROGRAMS[name].vocabulary(700), longest, mode="compact", prove=False
    )
    certificate = model.verify()
    assert certificate.holds
    copied = [proof for proof in certificate.components if proof.writes == "previous"]
    assert all(proof.error < 1e-4 for proof in copied)


def test_without_carries_the_function_is_the_same() -> None:
    words = random.Random(0).choices("abc", k=LONGEST)
    model = tracrlab.compile(reverse(), "abc", LONGEST, mode="compact", passes=["-carries"], prove=False)
    assert model(words) == words[::-1]


# Claims about the last position ---------------------------------------------------------------------------------------


@cache
def reversing() -> tracrlab.CompiledModel:
    return tracrlab.compile(reverse(), "abc", LONGEST, mode="compact", prove=False)


def test_a_sequence_of_numbers_grows_no_model_but_its_embeddings() -> None:
    longer = tracrlab.compile(reverse(), "abc", 4 * LONGEST, mode="compact", prove=False)
    assert longer.config.n_layers == 2
    assert longer.config.n_parameters < 8 * reversing().config.n_parameters


def test_claims_about_the_last_position_survive_a_file() -> None:
    model = reversing()
    assert model.claims is not None
    data, arrays = claims_to_json(model.claims)
    again = replace(model, claims=claims_from_json(data, arrays, model.labels))
    assert sum(isinstance(each, HeadClaim) and each.latest for each in components(again)) == 2
    assert again.verify().holds


@pytest.mark.parametrize("part", ["W_Q", "W_K", "W_pos"])
def test_scores_that_do_not_ascend_are_noticed(part: str) -> None:
    model = reversing()
    weights = {name: np.array(array) for name, array in model.weights.as_dict().items()}
    column = model.labels.variable("indices").start
    if part == "W_pos":
        weights[part][70, column] += 3
    else:
        weights[part][0, 0] *= -1
    broken = replace(model, weights=type(model.weights)(**weights))
    words = random.Random(0).choices("abc", k=LONGEST)
    assert any(broken(words[:size]) != words[:size][::-1] for size in (LONGEST, 71, 70, 69))
    assert not broken.verify().holds


def test_a_head_that_attends_the_last_position_must_copy_one_thing() -> None:
    model = reversing()
    assert model.claims is not None
    latest = next(each for each in components(model) if isinstance(each, HeadClaim) and each.latest)
    for wrong in (replace(latest, kind="mean", never_empty=False), replace(latest, keys=())):
        others = tuple(wrong if each is latest else each for each in components(model))
        assert not replace(model, claims=replace(model.claims, components=others)).verify().holds
