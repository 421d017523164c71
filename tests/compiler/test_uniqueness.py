"""What is known to determine what: facts hold on all inputs, and are found where they are needed."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tracrlab import rasp
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.uniqueness import _is_total_order
from tracrlab.errors import CompileError, MixedAggregateError
from tracrlab.rasp import (
    Comparison,
    SOp,
    aggregate,
    elementwise_map,
    indices,
    length,
    select,
    selector_width,
    tokens,
)
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import Value, value_key

prevs = select(indices, indices, Comparison.LEQ)
halves = elementwise_map(lambda i: i // 2, indices)
everywhere = select(indices, indices, Comparison.TRUE)
here = select(indices, indices, Comparison.EQ)


def analysis_of(program: SOp, vocabulary: Any = "abc", max_length: int = 4, *, causal: bool = False) -> Analysis:
    return infer_domains(trace_graph(program), tuple(vocabulary), max_length, causal=causal)


def told_apart(first: Value, second: Value) -> bool:
    return value_key(first) != value_key(second)


def contradiction(analysis: Analysis) -> str | None:
    """Two positions of an input that agree on what is said to determine something, and differ in it."""
    sops = list(analysis.graph.sops())
    premises = [(), *((node.place,) for node in sops)]
    claimed = [(places, analysis.uniqueness.determined(places)) for places in premises]
    for size in range(1, analysis.max_length + 1):
        for word in product(analysis.vocabulary, repeat=size):
            values = {
                node.place: rasp.evaluate(node.expression, word, causal=analysis.causal)
                for node in sops
                if isinstance(node.expression, SOp)
            }
            for places, conclusions in claimed:
                for first, second in product(range(size), repeat=2):
                    if any(
                        values[place][first] is None or told_apart(values[place][first], values[place][second])
                        for place in places
                    ):
                        continue
                    for place in conclusions & values.keys():
                        if told_apart(values[place][first], values[place][second]):
                            return f"{places} do not determine {analysis.graph.nodes[place].text} on {word}"
    return None


@pytest.mark.parametrize("seed", range(60))
def test_what_is_said_to_be_determined_is(seed: int) -> None:
    case = random_program(seed)
    try:
        analysis = analysis_of(case.program, case.vocabulary[:3], min(case.max_length, 4), causal=case.causal)
    except CompileError:
        return
    assert contradiction(analysis) is None


RANK_BY_TOKEN = selector_width(select(tokens, tokens, Comparison.LT) | (select(tokens, tokens, Comparison.EQ) & prevs))
PROGRAMS: dict[str, tuple[SOp, bool]] = {
    "an injective function": (elementwise_map({"a": 1, "b": 2, "c": 3}.get, tokens), True),
    "a function that is not injective": (elementwise_map({"a": 1, "b": 2, "c": 1}.get, tokens), False),
    "a function that is None": (elementwise_map({"a": 1, "b": 2}.get, tokens), True),  # facts speak of values only
    "a number of the previous ones": (selector_width(prevs), True),
    "a rank": (RANK_BY_TOKEN, True),
    "a rank with ties": (selector_width(select(tokens, tokens, Comparison.LT)), False),
    "a sum": (indices + length, True),
    "a function of token and position": (rasp.SequenceMap(lambda t, i: (t, i), tokens, indices), True),
    "a position in pairs": (halves, False),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_facts_hold_and_are_found(what: str) -> None:
    program, determines = PROGRAMS[what]
    analysis = analysis_of(program)
    assert contradiction(analysis) is None
    graph = analysis.graph
    read = graph.tokens if what.startswith(("an injective", "a function that")) else graph.indices
    assert (read in analysis.uniqueness.determined([graph.output.place])) == determines


def test_a_rank_within_a_group_tells_positions_apart_with_the_group_only() -> None:
    program = selector_width(select(tokens, tokens, Comparison.EQ) & prevs)
    analysis = analysis_of(program)
    assert contradiction(analysis) is None
    graph, uniqueness = analysis.graph, analysis.uniqueness
    assert graph.indices not in uniqueness.determined([graph.output.place])
    assert graph.indices in uniqueness.determined([graph.output.place, graph.tokens])


def test_a_rank_that_is_no_order_determines_nothing() -> None:
    beats = {("r", "s"), ("s", "p"), ("p", "r")}  # one way between any two, but not transitive
    program = selector_width(select(tokens, tokens, lambda key, query: (key, query) in beats))
    analysis = analysis_of(program, "rsp")
    assert contradiction(analysis) is None


REFUSED: dict[str, SOp] = {
    "one value, or None": aggregate(prevs, rasp.where(tokens == "a", None, 5)),
    "two values": aggregate(everywhere, rasp.where(tokens == "a", "x", "y")),
    "one of two keys": aggregate(select(indices, indices, lambda key, query: key in (query, query + 1)), tokens),
    "two keys in one case": aggregate(
        select(indices, indices, lambda key, query: key == query or key + query == 3), tokens
    ),
    "keys in pairs": aggregate(
        select(elementwise_map(lambda i: i // 2, indices), elementwise_map(lambda i: i // 2, indices), Comparison.EQ),
        tokens,
    ),
    "the values of two keys": aggregate(select(tokens, tokens, Comparison.NEQ), tokens),
    "what a function of a mean selects": aggregate(
        select(2 * aggregate(prevs, rasp.numerical(tokens == "a")), indices, Comparison.LEQ), tokens
    ),
    "what the query alone has once": aggregate(everywhere, rasp.where(indices == 0, "x", "y")),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("what", REFUSED)
def test_what_may_differ_is_refused(what: str, causal: bool) -> None:
    with pytest.raises(MixedAggregateError):
        analysis_of(REFUSED[what], causal=causal)


@pytest.mark.parametrize(
    "program",
    [
        aggregate(here, rasp.where(tokens == "a", None, 5)),
        aggregate(select(tokens, tokens, Comparison.EQ), tokens),
        aggregate(select(indices, length - 1 - indices, Comparison.EQ), tokens),
        aggregate(select(tokens, tokens, Comparison.EQ), elementwise_map({"a": "x", "b": "y"}.get, tokens)),
        aggregate(select(elementwise_map(lambda i: i == 2, indices), indices, lambda key, query: key), tokens),
        aggregate(everywhere, rasp.where(length == 2, "even", None)),
        aggregate(select(RANK_BY_TOKEN, indices, Comparison.EQ), tokens),
        aggregate(select(elementwise_map(lambda i: 7 - i, indices), indices + 4, Comparison.EQ), tokens),
    ],
)
def test_what_cannot_differ_is_copied(program: SOp) -> None:
    analysis = analysis_of(program)
    assert not analysis.means
    assert contradiction(analysis) is None


def test_functions_of_what_is_known_are_known_and_so_is_what_all_positions_share() -> None:
    coarse = elementwise_map({"a": "x", "b": "x", "c": "y"}.get, tokens)
    analysis = analysis_of(rasp.SequenceMap(lambda kind, size: (kind, size), coarse, length))
    graph, uniqueness = analysis.graph, analysis.uniqueness
    assert contradiction(analysis) is None
    known = {graph.nodes[place].text for place in uniqueness.determined([graph.tokens])}
    assert known >= {graph.nodes[graph.tokens].text, "length", graph.output.text}
    assert [graph.nodes[place].text for place in uniqueness.determined([])] == ["length"]


def test_a_comparison_of_sums_does_not_determine_the_addends() -> None:
    analysis = analysis_of(tokens > indices, range(200), 100)  # too many for a table
    graph, uniqueness = analysis.graph, analysis.uniqueness
    assert graph.output.place in analysis.sums
    assert uniqueness.determined([graph.output.place]) == {graph.output.place}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_lexicographic_orders_are_orders(size: int) -> None:
    assert _is_total_order(lambda signs: next((sign > 0 for sign in signs if sign), False), size)


def test_relations_with_ties_or_circles_are_no_orders() -> None:
    def majority(signs: tuple[int, ...]) -> bool:
        """More greater than smaller, else the first that differs: one way between any two, but of three in a circle."""
        return sum(signs) > 0 or (sum(signs) == 0 and next((sign > 0 for sign in signs if sign), False))

    assert _is_total_order(majority, 1)
    assert not _is_total_order(majority, 3)
    assert not _is_total_order(lambda signs: signs[0] > 0, 2)  # ties
    assert not _is_total_order(lambda signs: signs != (0, 0), 2)  # both ways
