"""Selectors in normal form select what the program's selectors do; predicates are what Python says of each pair."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from tracrlab import rasp
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.selections import MAX_CONJUNCTIONS, Conjunction, predicate_matrix
from tracrlab.compiler.value_sets import Domain, TooManyValues
from tracrlab.errors import DomainTooLargeError
from tracrlab.rasp import Comparison, Selector, SOp, elementwise_map, indices, length, select, selector_width, tokens
from tracrlab.rasp.semantics import FunctionFailure, apply_predicate
from tracrlab.rasp.values import Value

VOCABULARY, LENGTH = (-1, 0, 2), 3
SOURCES: tuple[SOp, ...] = (
    tokens,
    indices,
    length,
    elementwise_map(lambda t: None if t == 0 else t, tokens),
    indices - tokens,
)


def analysis_of(selector: Selector) -> Analysis:
    return infer_domains(trace_graph(selector_width(selector)), VOCABULARY, LENGTH, causal=False)


def random_selector(rng: random.Random, depth: int) -> Selector:
    if depth == 0 or rng.random() < 0.2:
        limit = rng.randint(-1, 3)
        predicates = [*Comparison, lambda key, query: key + query > limit, lambda key, query: key == limit]
        return select(rng.choice(SOURCES), rng.choice(SOURCES), rng.choice(predicates))
    first, second = random_selector(rng, depth - 1), random_selector(rng, depth - 1)
    return rng.choice([~first, first & second, first | second])


def n_selecting(
    analysis: Analysis, conjunctions: list[tuple[int, Conjunction]], values: dict[int, list[Value]]
) -> np.ndarray:
    """How many of the conjunctions, with their factors, hold for each query (row) and key (column) of an input."""
    size = len(values[0])
    total = np.zeros((size, size), int)
    for factor, conjunction in conjunctions:
        for query, key in product(range(size), repeat=2):
            pairs = conjunction.predicates.items()
            total[query, key] += factor * all(
                values[keys][key] is not None
                and values[queries][query] is not None
                and matrix[
                    analysis.domains[queries].values.index(values[queries][query]),
                    analysis.domains[keys].values.index(values[keys][key]),
                ]
                for (keys, queries), matrix in pairs
            )
    return total


@pytest.mark.parametrize("seed", range(80))
def test_normal_forms_select_what_the_selector_does(seed: int) -> None:
    rng = random.Random(seed)
    selector = random_selector(rng, 3)
    analysis = analysis_of(selector)
    selection = analysis.selection(analysis.graph.output)
    sops = {node.place: node.expression for node in analysis.graph.sops() if node is not analysis.graph.output}
    seen = False
    for size in range(1, LENGTH + 1):
        for word in product(VOCABULARY, repeat=size):
            values = {place: rasp.evaluate(sop, word) for place, sop in sops.items() if isinstance(sop, SOp)}
            selected = np.array(rasp.evaluate(selector, word), int)
            assert (n_selecting(analysis, list(selection.terms), values) == selected).all()
            if not selection.is_empty:
                assert (n_selecting(analysis, [(1, selection.implied)], values) >= selected).all()
            seen = seen or bool(selected.any())
    assert seen <= (not selection.is_empty)


def test_alternatives_that_differ_in_one_predicate_are_one_conjunction() -> None:
    before = select(indices, indices, Comparison.LT)
    same, less = select(tokens, tokens, Comparison.EQ), select(tokens, tokens, Comparison.LT)
    merged = analysis_of((before & same) | (before & less))
    selection = merged.selection(merged.graph.output)
    assert selection.conjunction is not None
    assert len(selection.pairs()) == 2
    apart = analysis_of((before & same) | (~before & less))
    selection = apart.selection(apart.graph.output)
    assert selection.conjunction is None
    assert [factor for factor, _ in selection.terms] == [1, 1]  # both together are impossible


def test_what_is_always_or_never_selected_reads_nothing() -> None:
    for selector, terms in (
        (select(indices, tokens, Comparison.TRUE), 1),
        (select(indices, tokens, Comparison.FALSE), 0),
        (select(indices, indices, Comparison.LT) & select(indices, indices, Comparison.GT), 0),
    ):
        analysis = analysis_of(selector)
        selection = analysis.selection(analysis.graph.output)
        assert (len(selection.terms), selection.pairs(), selection.is_empty) == (terms, [], terms == 0)
    nullable = analysis_of(select(SOURCES[3], tokens, Comparison.TRUE))
    assert nullable.selection(nullable.graph.output).pairs()  # a None key is not selected


VALUES: dict[str, tuple[Value, ...]] = {
    "whole numbers": (-3, 0, 5, 2**61),
    "numbers beyond 64 bits": (-(2**70), 0, 2**70, 2**70 + 1),
    "numbers of several types": (True, 2, 2.5, float("inf")),
    "strings": ("", "a", "b", "ab"),
    "tuples": ((0, 1), (1, 0), (1, 2), (2,)),
}


@pytest.mark.parametrize("what", VALUES)
@pytest.mark.parametrize("predicate", [*Comparison, lambda key, query: key > query])
def test_predicates_are_what_python_says_of_each_pair(what: str, predicate: Comparison) -> None:
    keys, queries = Domain(VALUES[what]), Domain(VALUES[what][1:])
    matrix = predicate_matrix(predicate, keys, queries)
    expected = [[bool(apply_predicate(predicate, key, query)) for key in keys.values] for query in queries.values]
    assert matrix.dtype == bool
    assert matrix.tolist() == expected


def test_a_predicate_that_fails_on_a_pair_is_refused() -> None:
    with pytest.raises(FunctionFailure, match="key 'a' and query 0"):
        predicate_matrix(Comparison.LT, Domain(("a",)), Domain((0,)))


def test_too_many_pairs_and_too_many_conjunctions_are_refused() -> None:
    many = Domain(tuple(range(2**14)))
    with pytest.raises(TooManyValues, match="16384 x 16384 pairs"):
        predicate_matrix(Comparison.LT, many, many)
    letters = [elementwise_map(lambda t, place=place: t >> place & 1, tokens) for place in range(8)]
    selector: Selector = select(letters[0], indices, lambda key, query: key == query)
    for letter in letters[1:]:
        selector = selector | select(letter, indices, lambda key, query: key == query)
    with pytest.raises(DomainTooLargeError, match=f"more than {MAX_CONJUNCTIONS} attention heads"):
        analysis_of(selector)
