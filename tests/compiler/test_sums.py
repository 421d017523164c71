"""Sums of whole numbers are analysed without tables, and as tables would be."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import rasp
from tracrlab.compiler import domains, driver, sums
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.errors import DomainTooLargeError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, length, numerical, select, tokens
from tracrlab.rasp.operations import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL
from tracrlab.rasp.values import value_key

whole = st.integers(-9, 9)
FACTORS = st.integers(-4, 4)


def analysed(program: SOp, vocabulary: list[int], longest: int) -> Analysis:
    return infer_domains(trace_graph(program), vocabulary, longest, causal=False)


@given(st.lists(st.sets(whole, min_size=1, max_size=6), min_size=1, max_size=3), whole)
def test_sums_of_sets_are_those_of_their_combinations(addends: list[set[int]], offset: int) -> None:
    found = sums.sums_of([np.array(sorted(each)) for each in addends], offset)
    assert found is not None
    assert found.tolist() == sorted({sum(combination) + offset for combination in product(*addends)})


def test_sums_that_spread_too_far_are_left_to_tables() -> None:
    assert sums.sums_of([np.array([0, 2**40]), np.array([0, 1])], 0) is None
    assert analysed(tokens + indices, [0, 2**40], 3).sums == {}


@settings(max_examples=60)
@given(st.sets(whole, min_size=1, max_size=5), FACTORS, FACTORS, FACTORS, whole, st.integers(1, 5))
def test_an_analysed_sum_has_the_values_and_inverses_of_a_tabulated_one(
    vocabulary: set[int], by_token: int, by_index: int, by_length: int, offset: int, longest: int
) -> None:
    inner = rasp.LinearSequenceMap(tokens, indices, by_token, by_index)
    program = rasp.LinearSequenceMap(inner, length, 1, by_length) + offset - indices
    analysis = analysed(program, sorted(vocabulary), longest)
    for node in analysis.graph.sops():
        found = analysis.sums.get(node.place)
        if found is None:
            continue
        table = analysis.table(node)
        assert list(map(value_key, analysis.domains[node.place].values)) == list(map(value_key, table.domain.values))
        assert found.is_injective == (len(np.unique(table.places)) == table.places.size)
        inputs = [analysis.domains[place].values for place in found.inputs]
        for combination in product(*inputs):
            total = found.offset + sum(f * int(x) for f, x in zip(found.factors, combination, strict=True))  # type: ignore[call-overload]
            assert total in analysis.domains[node.place].values


@pytest.mark.parametrize("operation", [EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL])
@pytest.mark.parametrize("shift", [0, 1, 150, -150])
def test_comparisons_of_many_numbers_have_the_values_that_occur(operation: object, shift: int) -> None:
    program = rasp.SequenceMap(operation, indices, length + shift)  # type: ignore[arg-type]
    analysis = analysed(program, [0], 140)
    (node,) = (each for each in analysis.graph.nodes if each.expression is program)
    assert node.place in analysis.sums
    compare = operation.function  # type: ignore[attr-defined]
    wanted = {compare(i, n + shift) for i in range(140) for n in range(1, 141)}
    assert set(analysis.domains[node.place].values) == wanted


def test_numbers_that_floats_or_none_take_part_in_are_tabulated() -> None:
    assert analysed(tokens + indices, [1, 2], 3).sums
    assert not analysed(rasp.LinearSequenceMap(tokens, indices, 1.0, 1), [1, 2], 3).sums
    assert not infer_domains(trace_graph(tokens + indices), [1, 2.5], 3, causal=False).sums
    assert not infer_domains(trace_graph(tokens + indices), [True, 2], 3, causal=False).sums
    previous = aggregate(select(indices, indices - 1, Comparison.EQ), indices)
    assert not analysed(previous + tokens, [1, 2], 3).sums


def balance() -> SOp:
    before = select(indices, indices, Comparison.LEQ)
    opened, closed = (aggregate(before, numerical(tokens == bracket), 0) for bracket in (1, 2))
    return numerical(opened - closed)


@pytest.mark.parametrize(
    ("program", "n_signed"),
    [
        (balance() < 0, 3),
        (balance() < 0.25, 2),
        (balance() == indices, 2),
        (aggregate(select(indices, indices, Comparison.LT), tokens, 7) > 0, 0),
    ],
)
def test_means_are_listed_where_more_than_their_signs_is_read(
    monkeypatch: pytest.MonkeyPatch, program: SOp, n_signed: int
) -> None:
    found = []

    def spy(*arguments: Any, **options: Any) -> Analysis:
        found.append(infer_domains(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(driver, "_MOST_SIGNED", 5)
    monkeypatch.setattr(driver, "infer_domains", spy)
    model = tracrlab.compile(program, [1, 2, 3], 5, mode="compact", prove=False)
    assert len(found[-1].signs) == n_signed  # among them means that are only parts of others
    for own in product([1, 2, 3], repeat=5):
        assert model(own) == program(own)
    assert model.verify().holds


def test_means_with_too_many_values_may_have_their_sign_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MAX_NUMBERS", 5)
    program = (balance() < 0) | (balance() == 0)
    model = tracrlab.compile(program, [1, 2, 3], 6, mode="compact", prove=False)
    inputs = [list(each) for each in product([1, 2, 3], repeat=6)]
    prefixes = [[each[: place + 1] for place in range(6)] for each in inputs]
    assert model.run_batch(inputs) == [[own.count(1) <= own.count(2) for own in each] for each in prefixes]
    assert model.verify().holds


def test_nothing_but_the_sign_of_such_means_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MAX_NUMBERS", 5)
    programs = (
        balance(),
        balance() < 0.25,
        balance() == indices,
        aggregate(select(indices, indices, Comparison.LT), balance(), 0) < 0,
        rasp.selector_width(select(balance(), 0, Comparison.LT)),
    )
    for program in programs:
        with pytest.raises(DomainTooLargeError, match="possible means"):
            tracrlab.compile(program, [1, 2, 3], 6, mode="compact", prove=False)
    with pytest.raises(DomainTooLargeError, match="possible means"):
        tracrlab.compile(balance() < 0, [1, 2, 3], 6, prove=False)
    with pytest.raises(DomainTooLargeError, match="possible means"):
        tracrlab.compile(balance() < 0, [1, 2, 3], 6, mode="compact", passes=["-totals"], prove=False)
