"""Counts by functions of several things as sums over cases: the same numbers, without the MLP before attention."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.depths import example_programs
from tests.oracles import every_input
from tracrlab import rasp
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Elementwise, Match, Source
from tracrlab.compiler.ir.rewrites.cases import cases, of_first_position
from tracrlab.rasp import Comparison, SOp, aggregate, indices, length, select, selector_width, tokens

COMPARISONS: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NEQ: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LEQ: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GEQ: operator.ge,
}
VOCAB = "abc"
Table = dict[tuple[str, int], int]


def compact(program: SOp, vocab: object, n: int, **options: object) -> tracrlab.CompiledModel:
    return tracrlab.compile(program, vocab, n, mode="compact", **options)  # type: ignore[arg-type]


def n_heads(model: tracrlab.CompiledModel) -> int:
    return sum(map(len, model.labels.heads))


def tabulated(table: Table, name: str) -> SOp:
    return rasp.SequenceMap(lambda token, place: table[token, place], tokens, indices).named(name)


@st.composite
def tables(draw: st.DrawFn, n: int) -> Table:
    """A function of token and position that does not tell apart more than three kinds of positions."""
    kinds = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    by_kind = draw(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=3, max_size=3))
    return {(token, place): by_kind[kinds[place]][VOCAB.index(token)] for token, place in product(VOCAB, range(n))}


# The alternatives themselves ------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_pair_satisfies_one_alternative_if_it_satisfies_the_matches_and_otherwise_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, size = rng.integers(1, 5, 2)
    token = Source(0, "tokens", tuple(range(size)), True)
    place = Source(1, "indices", tuple(range(n)), False)
    compared = [random_function(rng, token, place) for _ in range(2)]
    nodes = [(compared[0], compared[rng.integers(2)]), (token, token), (compared[1], token), (place, place)]
    chosen = [nodes[0], *(each for each in nodes[1:] if rng.random() < 0.4)]
    matches = [
        Match(queries, keys, rng.random((len(queries.values), len(keys.values))) < rng.choice((0.3, 0.6)))
        for queries, keys in chosen
    ]
    layers = Layers(2**15, Passes())
    alternatives = cases(matches, None, layers)
    assume(alternatives is not None)
    assert alternatives is not None
    assert len(alternatives) <= 4
    read = {node for alternative in alternatives for match in alternative for node in (match.queries, match.keys)}
    assert not any(layers.layer(node) for node in read)
    for query, key in product(product(range(size), range(n)), repeat=2):
        if not all(possible(node, query) and possible(node, key) for node in compared):
            continue
        wanted = all(holds(match, query, key) for match in matches)
        found = [all(holds(match, query, key) for match in alternative) for alternative in alternatives]
        assert sum(found) == wanted


def random_function(rng: np.random.Generator, token: Source, place: Source) -> Elementwise:
    """A function of few kinds of positions, some entries of which may be said not to occur."""
    kinds = rng.integers(0, 2, len(place.values))
    table = rng.integers(0, 4, (len(token.values), 2))[:, kinds]
    table[rng.random(table.shape) < rng.choice((0, 0.1))] = IMPOSSIBLE
    return Elementwise(2, "f", (0, 1, 2, 3), (token, place), table)


def value(node: object, at: tuple[int, int]) -> int:
    if isinstance(node, Source):
        return at[0] if node.by_token else at[1]
    assert isinstance(node, Elementwise)
    return int(node.places[at])


def possible(node: Elementwise, at: tuple[int, int]) -> bool:
    return value(node, at) != IMPOSSIBLE


def holds(match: Match, query: tuple[int, int], key: tuple[int, int]) -> bool:
    return bool(match.matrix[value(match.queries, query), value(match.keys, key)])


def test_only_a_match_of_the_first_position_alone_is_one() -> None:
    place = Source(1, "indices", (0, 1, 2), False)
    first, others = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    first[1:, 0] = True
    assert of_first_position([Match(place, place, first)]) is not None
    assert of_first_position([Match(place, place, others)]) is None
    assert of_first_position([Match(place, place, first), Match(place, place, others)]) is None


# Whole programs -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.integers(1, 3).flatmap(lambda n: st.tuples(st.just(n), tables(n), tables(n))),
    st.sampled_from(list(COMPARISONS)),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from([name for name in Passes.descriptions() if name != "cases"])),
)
@settings(max_examples=25, deadline=None)
def test_counts_by_functions_of_token_and_position(
    drawn: tuple[int, Table, Table], comparison: Comparison, before: bool, causal: bool, off: set[str]
) -> None:
    n, key_of, query_of = drawn
    selector = select(tabulated(key_of, "key"), tabulated(query_of, "query"), comparison)
    if before:
        selector &= select(indices, indices, Comparison.LT)
    program = selector_width(selector)
    model = compact(program, VOCAB, n, causal=causal, passes=[f"-{name}" for name in sorted(off)] or None)
    compare = COMPARISONS[comparison]
    words = list(every_input(VOCAB, n))
    assert model.run_batch(words) == [
        [
            sum(
                compare(key_of[key, k], query_of[query, q]) and (k < q or not before) and (k <= q or not causal)
                for k, key in enumerate(word)
            )
            for q, query in enumerate(word)
        ]
        for word in words
    ]
    assert model.verify().holds


@given(st.sets(st.sampled_from(VOCAB), min_size=1, max_size=2), st.integers(0, 2), st.booleans())
@settings(max_examples=8, deadline=None)
def test_signs_of_means_by_cases(marked: set[str], place: int, causal: bool) -> None:
    kept = rasp.SequenceMap(lambda token, at: token in marked or at == place, tokens, indices)
    sign = {"a": 1, "b": -1, "c": 0}
    signed = rasp.elementwise_map(lambda token: sign[token], tokens)
    program = aggregate(select(kept, True, Comparison.EQ), signed, 0) > 0
    model = compact(program, VOCAB, 3, causal=causal)
    assert model.config.n_layers == 1
    assert model.verify().holds
    words = list(every_input(VOCAB, 3))
    assert model.run_batch(words) == [
        [
            sum(
                sign[token]
                for k, token in enumerate(word)
                if (token in marked or k == place) and (k <= q or not causal)
            )
            > 0
            for q in range(len(word))
        ]
        for word in words
    ]


def sorted_behind_the_first(word: Sequence[str]) -> list[str]:
    return [*word[:1], *sorted(word[1:])]


def test_sorting_behind_a_first_token_takes_no_layer_more_than_sorting() -> None:
    model = compact(example_programs()["sort_bos"], "§ab", 5)
    assert model.config.n_layers == 2
    assert model.verify().holds
    words = list(every_input("§ab", 5))
    assert model.run_batch(words) == [sorted_behind_the_first(word) for word in words]


@pytest.mark.parametrize("n", [20, 60])
def test_order_by_digits_in_each_case(n: int) -> None:
    vocab = ["§", *(f"w{number:02d}" for number in range(n - 1))]
    model = compact(example_programs()["sort_bos"], vocab, n)
    assert model.config.n_layers == 2
    assert model.verify().holds
    rng = random.Random(0)
    for _ in range(5):
        word = rng.choices(vocab, k=rng.randint(1, n))
        assert model(word) == sorted_behind_the_first(word)


# Where they are, and where not ----------------------------------------------------------------------------------------

KEY = rasp.where(indices == 0, "", tokens)
SMALLER = selector_width(select(KEY, KEY, Comparison.LT))


def test_the_pass_can_be_switched_off() -> None:
    assert compact(SMALLER, VOCAB, 5).config.n_layers == 1
    assert compact(SMALLER, VOCAB, 5, passes=["-cases"]).config.n_layers == 2


def test_the_first_position_is_counted_without_a_head() -> None:
    assert n_heads(compact(selector_width(select(indices, tokens == "a", Comparison.EQ)), VOCAB, 1)) == 0
    assert n_heads(compact(SMALLER, VOCAB, 5)) == 1


def test_nothing_is_split_where_the_model_gets_no_shallower() -> None:
    seen = selector_width(select(length - indices, 2, Comparison.EQ))
    late = selector_width(select(seen, indices, Comparison.EQ))
    program = (SMALLER + late).named("both")
    split, whole = (compact(program, VOCAB, 5, passes=passes) for passes in (None, ["-cases"]))
    assert split.config.n_layers == whole.config.n_layers
    assert n_heads(split) == n_heads(whole)


def test_functions_with_too_many_cases_are_computed_first() -> None:
    hashed = rasp.SequenceMap(lambda token, place: (7 * token + 3 * place * place * token) % 11, tokens, indices)
    program = selector_width(select(hashed, hashed, Comparison.EQ))
    model = compact(program, range(11), 11)
    assert model.config.n_layers == 2
    rng = random.Random(0)
    for _ in range(20):
        word = rng.choices(range(11), k=rng.randint(1, 11))
        keys = [(7 * token + 3 * place * place * token) % 11 for place, token in enumerate(word)]
        assert model(word) == [keys.count(key) for key in keys]
