"""Counts whose codes one more MLP makes clean: the same comparisons, and models that are right."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.oracles import ORACLES, agree, every_input, random_input
from tracrlab.compiler import compact
from tracrlab.compiler.compact.attempt import TooNoisy, lowered
from tracrlab.compiler.ir.nodes import IR, Cleaned, IRNode, Match, Pattern, Source, Total
from tracrlab.compiler.ir.rewrites.cleaning import with_clean_counts
from tracrlab.compiler.lower import Lowered
from tracrlab.rasp.library import PROGRAMS

VOCABS = {"hist2": "abcde", "sort_freq": "abcde", "dyck": "(){}ab"}
LONG = 100  # tokens, for which the codes of all these programs are too noisy without grounds


def compiled(name: str, length: int, **options: object) -> tracrlab.CompiledModel:
    return tracrlab.compile(PROGRAMS[name].build(), VOCABS[name], length, mode="compact", **options)  # type: ignore[arg-type]


def rough(model: tracrlab.CompiledModel) -> list[str]:
    return [variable.name for variable in model.labels.variables if ".rough" in variable.name]


def long_inputs(name: str, seed: int) -> Iterator[list[str]]:
    """Random inputs, runs of one token, and runs of two."""
    rng, vocab = random.Random(seed), VOCABS[name]
    for length in (1, LONG // 2, *[LONG] * 4):
        yield random_input(name, vocab, length, rng)
    for token in vocab:
        for first in (LONG, LONG // 2 + 1):
            yield [token] * first + [rng.choice(vocab)] * (LONG - first)
    if name == "dyck":
        for depth in (LONG // 4, LONG // 2):
            yield list("({" * (depth // 2) + "})" * (depth // 2))


# Models ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABS)
def test_long_models_are_certified_and_equal_to_the_oracles_without_clean_counts(name: str) -> None:
    """Counts stored beside grounds are exact, so that nothing is left to clean."""
    model = compiled(name, LONG)
    assert not rough(model)
    assert model.verify().holds
    for tokens in long_inputs(name, seed=0):
        assert agree(ORACLES[name](tokens), model(tokens)), tokens


def test_a_model_without_grounds_is_right_and_larger() -> None:
    model, without = compiled("hist2", 40), compiled("hist2", 40, passes=["-grounds"])
    assert without.config.n_params > model.config.n_params
    rng = random.Random(1)
    for length in (1, 20, *[40] * 10):
        tokens = random_input("hist2", VOCABS["hist2"], length, rng)
        assert agree(ORACLES["hist2"](tokens), without(tokens)), tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABS)
def test_where_cleaning_is_forced_models_are_right_on_every_short_input(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is built without clean codes is refused as too noisy, so short programs have them, too.

    What bounds on rounding cannot show of them is tried.
    """

    def only_clean(analysis: object, ir: IR, *rest: object) -> Lowered:
        if not any(isinstance(node, Cleaned) for node in ir.nodes):
            raise TooNoisy(0, 1, "answer", frozenset(node.name for node in ir.nodes if isinstance(node, Total)))
        return lowered(analysis, ir, *rest)  # type: ignore[arg-type]

    usual = compiled(name, 6)
    assert not rough(usual)
    monkeypatch.setattr(compact, "lowered", only_clean)
    model = compiled(name, 6)
    assert rough(model)
    assert model.config.n_layers > usual.config.n_layers
    for tokens in every_input(VOCABS[name], 3):
        assert agree(ORACLES[name](tokens), model(tokens)), tokens
    rng = random.Random(0)
    for _ in range(60):
        tokens = random_input(name, VOCABS[name], rng.choice((4, 5, 6)), rng)
        assert agree(ORACLES[name](tokens), model(tokens)), tokens


# Comparisons ----------------------------------------------------------------------------------------------------------


def counting_twice(queries: int, matrix: np.ndarray) -> IR:
    """A program that compares two counts, of ``queries`` values and of the others, and counts where that holds."""
    tokens = Source(0, "tokens", ("a", "b"), True)
    same = Pattern((Match(tokens, tokens, np.eye(2, dtype=bool)),), True, True, max(matrix.shape))
    other = Pattern((Match(tokens, tokens, ~np.eye(2, dtype=bool)),), True, False, max(matrix.shape))
    query = Total(1, "query", tuple(range(queries)), same, None)
    key = Total(2, "key", tuple(range(matrix.shape[1])), other, None)
    pattern = Pattern((Match(query, key, matrix),), True, False, max(matrix.shape))
    result = Total(3, "result", tuple(range(max(matrix.shape))), pattern, None)
    return IR((tokens, query, key, result), result, max(matrix.shape), causal=False)


def clean_matches(ir: IR) -> tuple[Match, ...]:
    result = with_clean_counts(ir, {"result"}).output
    assert isinstance(result, Total)
    return result.pattern.matches


def places(node: IRNode) -> np.ndarray:
    """What a clean node is for each value of the count that it is computed from."""
    assert isinstance(node, Cleaned)
    assert isinstance(node.rough.operands[0], Total)
    return node.rough.places


matrices = st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.booleans())


@given(matrices)
@settings(max_examples=60)
def test_clean_comparisons_hold_where_the_predicate_does(drawn: tuple[int, int, int, bool]) -> None:
    """For predicates at random, and for those that pair some queries with some keys."""
    n_queries, n_keys, seed, one_to_one = drawn
    rng = np.random.default_rng(seed)
    matrix = rng.random((n_queries, n_keys)) < 0.3
    if one_to_one:
        shift = rng.integers(-3, 4)
        matrix = np.arange(n_queries)[:, None] == rng.permutation(n_keys) + shift
    matches = clean_matches(counting_twice(n_queries, matrix))
    parts = [match.matrix[np.ix_(places(match.queries), places(match.keys))] for match in matches]
    assert np.array_equal(np.logical_and.reduce(parts), matrix)


@given(st.one_of(st.integers(4, 100), st.integers(101, 1200)))
@settings(max_examples=40)
def test_digits_of_codes_are_different_pairs_of_which_one_changes_at_a_time_and_by_1(size: int) -> None:
    matches = clean_matches(counting_twice(size, np.eye(size, dtype=bool)))
    digits = np.stack([places(match.keys) for match in matches], axis=1)
    assert len(np.unique(digits, axis=0)) == size
    assert (np.abs(np.diff(digits, axis=0)).sum(axis=1) == 1).all()
    largest = digits.max(axis=0) + 1
    assert len(largest) <= 2
    assert size <= 64 or largest.max() <= np.sqrt(size) + 1
    for match in matches:
        assert np.array_equal(match.matrix, np.eye(len(match.matrix), dtype=bool))


def test_counts_that_are_not_named_and_nodes_without_errors_stay_as_they_are() -> None:
    ir = counting_twice(5, np.eye(5, dtype=bool))
    for names in (set(), {"query", "key"}):  # these compare tokens, which have no errors
        clean = with_clean_counts(ir, names)
        assert len(clean.nodes) == len(ir.nodes)
        assert not any(isinstance(node, Cleaned) for node in clean.nodes)
