"""The scores of attention heads select what their predicates say, BOS where they should, and never ``None``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS
from tracrlab.craft.heads import Predicate, Scores, conjunction_scores, sharpness
from tracrlab.craft.neurons import NotSeparable
from tracrlab.craft.precision import Noise
from tracrlab.craft.spaces import Read, Variable, one_hot_variable, scalar_variable

ONE = scalar_variable("one", [1], nullable=False, at_bos=1)
BOS = scalar_variable("bos", [0, 1], nullable=False, at_bos=1)
seeds = st.integers(0, 2**32 - 1)
Position = dict[Variable, np.ndarray]


@dataclass(frozen=True)
class Pattern:
    """Random predicates over random variables (all of which may be ``None``), and random positions.

    A predicate is the numbers of its query and key variable and its truth table, a position a place in each variable.
    """

    widths: list[int]
    tables: list[tuple[int, int, np.ndarray]]
    positions: list[list[int | None]]

    def variables(self, noises: list[Noise] | None = None) -> list[Variable]:
        return [
            one_hot_variable(f"x{number}", range(width), nullable=True, noise=noises[number] if noises else None)
            for number, width in enumerate(self.widths)
        ]

    def scores(self, variables: list[Variable], *, attend_bos: bool) -> Scores:
        predicates = [Predicate(variables[queries], variables[keys], matrix) for queries, keys, matrix in self.tables]
        return conjunction_scores(predicates, ONE, BOS, attend_bos=attend_bos)

    def ideal_score(self, query: list[int | None], key: list[int | None]) -> int:
        """Two for each predicate that holds between two positions, none for ``None``; two if there is no predicate."""
        held = 0
        for queries, keys, matrix in self.tables:
            row, column = query[queries], key[keys]
            held += row is not None and column is not None and bool(matrix[row, column])
        return 2 * held if self.tables else 2


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    rng = np.random.default_rng(draw(seeds))
    widths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    pair = st.tuples(st.integers(0, len(widths) - 1), st.integers(0, len(widths) - 1))
    density = draw(st.sampled_from([0.2, 0.5, 0.9]))
    tables = [
        (queries, keys, rng.random((widths[queries], widths[keys])) < density)
        for queries, keys in draw(st.lists(pair, max_size=3))
    ]
    positions = [[None if rng.random() < 0.2 else int(rng.integers(width)) for width in widths] for _ in range(6)]
    return Pattern(widths, tables, positions)


def stored(variables: list[Variable], position: list[int | None]) -> Position:
    vectors = {
        variable: np.array([float(place == number) for number in range(variable.width)])
        for variable, place in zip(variables, position, strict=True)
    }
    return vectors | {ONE: np.ones(1), BOS: np.zeros(1)}


def at_bos(variables: list[Variable]) -> Position:
    return {variable: np.zeros(variable.width) for variable in variables} | {ONE: np.ones(1), BOS: np.ones(1)}


def score(scores: Scores, query: Position, key: Position) -> float:
    def features(reads: Iterable[Read], position: Position) -> np.ndarray:
        return np.sum([position[read.variable] @ read.matrix for read in reads], axis=0)

    return float(features(scores.queries, query) @ features(scores.keys, key))


@given(patterns(), st.booleans())
def test_a_pair_scores_two_for_each_predicate_that_holds(pattern: Pattern, attend_bos: bool) -> None:
    """So 2m exactly if all m hold, and at most 2m - 2 otherwise; BOS stands between, or on a par with all holding."""
    goal = 2 * max(1, len(pattern.tables))
    variables = pattern.variables()
    scores = pattern.scores(variables, attend_bos=attend_bos)
    assert scores.error == 0
    for query in pattern.positions:
        for key in pattern.positions:
            found = score(scores, stored(variables, query), stored(variables, key))
            assert found == pattern.ideal_score(query, key)
        bos = score(scores, stored(variables, query), at_bos(variables))
        assert bos == (goal if attend_bos else goal - 1)


@given(patterns())
def test_features_are_shared_by_values_that_select_or_are_selected_alike(pattern: Pattern) -> None:
    """One feature is for BOS; without predicates, one more is for everything."""
    expected = 1 if pattern.tables else 2
    for _, _, matrix in pattern.tables:
        rows = {tuple(row) for row in matrix.tolist() if any(row)}
        columns = {tuple(column) for column in matrix.T.tolist() if any(column)}
        expected += min(len(rows), len(columns))
    scores = pattern.scores(pattern.variables(), attend_bos=False)
    assert {read.matrix.shape[1] for read in scores.queries + scores.keys} == {expected}


@given(patterns(), st.booleans(), st.sampled_from([0.0, 0.01]), st.sampled_from([0.0, 0.01, 0.3]), seeds)
def test_scores_of_noisy_variables_stay_within_their_error(
    pattern: Pattern, attend_bos: bool, spread: float, relative: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = [spread * np.abs(rng.normal(size=(4, width))) for width in pattern.widths]
    variables = pattern.variables([Noise(relative, errors) for errors in samples])
    scores = pattern.scores(variables, attend_bos=attend_bos)

    def off(position: list[int | None]) -> Position:
        vectors = stored(variables, position)
        for variable, errors in zip(variables, samples, strict=True):
            vectors[variable] = vectors[variable] * (1 + rng.choice([-1, 1]) * relative)
            vectors[variable] += rng.choice([-1, 1], size=variable.width) * errors[rng.integers(len(errors))]
        return vectors

    for query in pattern.positions:
        for key in pattern.positions:
            away = abs(score(scores, off(query), off(key)) - pattern.ideal_score(query, key))
            assert away <= scores.error + 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("error", [0.0, 2**-10, 1 / 8, 1 / 4])
@pytest.mark.parametrize("n_positions", [1, 2, 10, 1000, 100_000])
def test_what_is_not_selected_gets_less_attention_than_rounding(dtype: str, error: float, n_positions: int) -> None:
    """One position is attended, all others score 1 less: the nearest that BOS and the rest ever come to each other."""
    factor = np.dtype(dtype).type(sharpness(n_positions, Scores((), (), error), FORMATS[dtype]))
    gap = 1 - 2 * error  # the attended one too low, all others too high
    logits = np.full(n_positions + 1, -gap, dtype) * factor
    logits[0] = 0
    weights = np.exp(logits - logits.max())
    leak = (weights[1:] / weights.sum()).astype(float).sum()
    assert 0 < leak < np.finfo(dtype).eps / 2
    if not error:  # no sharper than that takes, so that logits stay moderate
        assert leak > np.finfo(dtype).eps / 2 / 200


def test_scores_too_noisy_are_refused() -> None:
    assert sharpness(10, Scores((), (), 0.25), FORMATS["float32"]) > 0
    with pytest.raises(NotSeparable):
        sharpness(10, Scores((), (), 0.2500001), FORMATS["float32"])
