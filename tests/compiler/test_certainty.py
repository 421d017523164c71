"""Means over selectors that are sure to select the first position, which count in programs of the RASP paper."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.compiler.test_textual_programs import assert_agrees, program_of
from tracrlab.compiler.certainty import Where, means_with, surely_selects
from tracrlab.compiler.domains import infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.errors import UndefinedValueError
from tracrlab.rasp import (
    Comparison,
    Full,
    Selector,
    SOp,
    aggregate,
    elementwise_map,
    indices,
    select,
    selector_width,
    tokens,
)
from tracrlab.rasp.interpreter import evaluate

COUNTING = {
    "hist_bos": "same = select(tokens, tokens, ==);"
    "p = round(1 / aggregate(same or select(indices, 0, ==), indicator(indices == 0))) - 1;",
    "hist2_bos": "first = select(indices, 0, ==); mark = indicator(indices == 0);"
    "same = select(tokens, tokens, ==);"
    "counts = round(1 / aggregate(same or first, mark)) - 1;"
    "earlier = same and select(indices, indices, <);"
    "again = round(1 / aggregate(earlier or first, mark)) > 1;"
    "alike = select(counts, counts, ==) and select(again, False, ==);"
    "p = round(1 / aggregate(alike or first, mark)) - 1;",
    "length": "p = round(1 / aggregate(select(1, 1, ==), indicator(indices == 0)));",
    "the rest of a half": "p = 1 / aggregate(select(indices, indices, <=), 1 / 2 * indicator(indices == 0));",
}


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", COUNTING)
def test_programs_that_count_by_the_inverse_of_a_mean(name: str, mode: Any) -> None:
    program = program_of(COUNTING[name])
    model = tracrlab.compile(program, vocab="§ab", max_seq_len=4, mode=mode, prove=True)
    assert_agrees(model, program, "§ab", 4)


FIRST = select(indices, Full(0), Comparison.EQ)
COMPARISONS = [Comparison.EQ, Comparison.NEQ, Comparison.LT, Comparison.LEQ, Comparison.GT]
SOPS = [tokens, indices, elementwise_map(lambda i: i % 2, indices), Full(1)]


@st.composite
def selectors(draw: st.DrawFn) -> Selector:
    """Combinations of a few comparisons, the first position among them."""
    parts: list[Selector] = [FIRST]
    for _ in range(draw(st.integers(1, 2))):
        keys, queries = draw(st.sampled_from(SOPS)), draw(st.sampled_from(SOPS))
        parts.append(select(keys, queries, draw(st.sampled_from(COMPARISONS))))
        one, other = draw(st.sampled_from(parts)), draw(st.sampled_from(parts))
        parts.append(draw(st.sampled_from([one | other, one & other, ~one])))
    return parts[-1]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(selector=selectors(), causal=st.booleans())
def test_what_is_sure_to_be_selected_is(selector: Selector, causal: bool) -> None:
    graph = trace_graph(selector_width(selector))
    analysis = infer_domains(graph, (0, 1, 2), 3, causal=causal)
    sure = {where for where in Where if surely_selects(graph, analysis.domains, graph.output.inputs[0], where)}
    for word in itertools.chain.from_iterable(itertools.product((0, 1, 2), repeat=n) for n in (1, 2, 3)):
        for place, row in enumerate(evaluate(selector, word, causal=causal)):
            assert Where.FIRST not in sure or row[0]
            assert Where.ITSELF not in sure or row[place]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(selector=selectors(), causal=st.booleans(), mode=st.sampled_from(["faithful", "compact"]))
def test_inverses_of_means_are_compiled_where_they_are_defined(selector: Selector, causal: bool, mode: Any) -> None:
    """Whatever is selected beside the first position and equal tokens, which may be several."""
    several = FIRST | select(tokens, tokens, Comparison.EQ)
    counted: SOp = 1 / aggregate(selector | several, elementwise_map(int, indices == 0))
    model = tracrlab.compile(counted, vocab=[0, 1, 2], max_seq_len=3, causal=causal, mode=mode)
    for word in itertools.chain.from_iterable(itertools.product((0, 1, 2), repeat=n) for n in (1, 2, 3)):
        assert model(word) == counted(word, causal=causal)


def test_what_is_not_sure_is_refused_as_before() -> None:
    with pytest.raises(UndefinedValueError, match="fails on 0"):
        tracrlab.compile(
            1 / aggregate(select(tokens, tokens, Comparison.EQ), elementwise_map(int, indices == 0)), "ab", 3
        )


@given(
    first=st.integers(-3, 3),
    others=st.sets(st.integers(-3, 3), min_size=1, max_size=3),
    lowest=st.integers(1, 3),
    more=st.integers(0, 2),
)
def test_means_beside_a_sure_number_are_all_there_are(first: int, others: set[int], lowest: int, more: int) -> None:
    widths = range(lowest, lowest + more + 1)
    found = means_with(Fraction(first), sorted(map(Fraction, others)), widths)
    expected = {
        Fraction(first + sum(rest), width)
        for width in widths
        for rest in itertools.combinations_with_replacement(others, width - 1)
    }
    assert found == sorted(expected)
