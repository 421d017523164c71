"""The bounds of the verifier enclose what random weights make of random errors, computed in their number format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracrlab.craft.claims import HeadClaim, PredicateClaim, Quantity, View
from tracrlab.craft.formats import FORMATS
from tracrlab.craft.spaces import Dimension, Layout, Variable
from tracrlab.model.labels import ModelVariable
from tracrlab.model.sublayers import EMBEDDING
from tracrlab.verify.neurons import hidden_of, written_errors
from tracrlab.verify.reads import linear_parts, linear_reads
from tracrlab.verify.residual import Contents, Held, table_deviation
from tracrlab.verify.scores import ScoreWeights, logit_bounds
from tracrlab.verify.written import tightest

FLOAT32 = FORMATS["float32"]


@dataclass(frozen=True)
class Case:
    """Random weights and contents; ``fine``: halves of whole numbers, so that steps and cancellations occur."""

    rng: np.random.Generator
    fine: bool
    error: float

    def numbers(self, *shape: int) -> np.ndarray:
        numbers = self.rng.integers(-6, 7, shape) / 2 if self.fine else self.rng.normal(size=shape) * 3
        return FLOAT32.rounded(numbers.astype(float))

    def errors(self, *shape: int) -> np.ndarray:
        return self.error * self.rng.uniform(0, 1, shape) * (self.rng.random(shape) < 0.7)

    def off(self, errors: np.ndarray) -> np.ndarray:
        """Some errors within the bounds, often at their ends."""
        return errors * np.clip(self.rng.uniform(-2, 2, errors.shape), -1, 1)


cases = st.builds(
    Case,
    st.integers(0, 2**32).map(np.random.default_rng),
    st.booleans(),
    st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
)


@settings(max_examples=300)
@given(cases)
def test_neurons_write_within_the_bound(case: Case) -> None:
    sizes, dims, n, width = case.rng.integers(1, 5, 2), case.rng.integers(1, 4, 2), case.rng.integers(1, 12), 2
    starts = np.concatenate([[0], np.cumsum(dims)])
    contents = [
        Contents(np.arange(start, start + dim), case.numbers(size, dim), case.errors(size, dim))
        for start, dim, size in zip(starts, dims, sizes, strict=False)
    ]
    inputs, outputs = case.numbers(starts[-1], n), case.numbers(n, width)
    inputs[:, n // 2 :] = inputs[:, : n - n // 2]  # neurons that see the same
    index = np.stack(np.unravel_index(np.arange(sizes.prod()), sizes), axis=1)
    ideal = case.numbers(len(index), width)
    bounded = written_errors(hidden_of(contents, inputs, FLOAT32), index, ideal, outputs, FLOAT32)
    for _ in range(20):
        stored = np.concatenate(
            [
                (each.ideal[index[:, place]] + case.off(each.error[index[:, place]]))
                for place, each in enumerate(contents)
            ],
            axis=1,
        ).astype(np.float32)
        hidden = np.maximum(stored @ inputs.astype(np.float32), 0)
        written = (hidden @ outputs.astype(np.float32)).astype(float)
        # what is stored is itself rounded
        slack = 1e-6 * (np.abs(stored) @ np.abs(inputs) @ np.abs(outputs))
        assert (np.abs(written - ideal) <= bounded + slack).all()


def test_errors_that_cancel_between_the_ramps_of_a_step_do_not_pass() -> None:
    contents = [
        Contents(np.array([0]), np.arange(5.0)[:, None], np.full((5, 1), 0.1)),
        Contents(np.array([1]), np.ones((1, 1)), np.zeros((1, 1))),
    ]
    inputs = np.array([[4.0, 4.0], [-9.5, -10.5]])  # a step between 2 and 3, flat up to 2.375 and from 2.625
    index = np.stack([np.arange(5), np.zeros(5, int)], axis=1)
    ideal = (np.arange(5) > 2)[:, None].astype(float)
    hidden = hidden_of(contents, inputs, FLOAT32)
    errors = written_errors(hidden, index, ideal, np.array([[1.0], [-1.0]]), FLOAT32)
    assert errors.max() < 1e-5


@settings(max_examples=100)
@given(cases)
def test_linear_reads_are_within_their_slack(case: Case) -> None:
    size, dims, features = case.rng.integers(1, 6, 3)
    contents = Contents(np.arange(dims), case.numbers(size, dims), case.errors(size, dims))
    matrix = case.numbers(dims, features)
    (part,) = linear_parts([contents], matrix, FLOAT32)
    stored = contents.ideal + case.off(contents.error)
    read = (stored.astype(np.float32) @ matrix.astype(np.float32)).astype(float)
    storing = 2.0**-24 * np.abs(stored) @ np.abs(matrix) * (case.error > 0)
    assert (np.abs(read - part.values) <= part.slack * (1 + 1e-9) + storing).all()


@settings(max_examples=100)
@given(cases, st.sampled_from(sorted(FORMATS)))
def test_reads_of_some_values_are_those_rows_of_all(case: Case, name: str) -> None:
    size, dims, features = case.rng.integers(1, 6, 3)
    contents = Contents(np.arange(dims), case.numbers(size, dims), case.errors(size, dims))
    matrix, some = case.numbers(dims, features), case.rng.integers(0, size, 4)
    (read,), (whole,) = (make([contents], matrix, FORMATS[name]) for make in (linear_reads, linear_parts))
    part = read.at(some)
    assert np.allclose(part.values, whole.values[some], rtol=1e-12)
    assert np.allclose(part.slack, whole.slack[some], rtol=1e-12)
    assert (np.broadcast_to(part.grain, part.values.shape) == whole.at(some).grain).all()


@settings(max_examples=100)
@given(cases)
def test_the_tolerance_is_half_the_distance_to_the_nearest_other_row(case: Case) -> None:
    rows = np.unique(case.numbers(*case.rng.integers(2, 12, 2)), axis=0)
    _, tolerance = tightest(table_deviation(rows, np.ones_like(rows)), rows)
    apart = [max(abs(one - other)) for place, one in enumerate(rows) for other in rows[:place]]
    assert tolerance == min(apart, default=np.inf) / 2


def variable(name: str, table: np.ndarray, errors: np.ndarray, at_bos: np.ndarray, start: int) -> Held:
    dimensions = tuple(Dimension(name, number) for number in range(table.shape[1]))
    made = Variable(name, Layout.CODE, tuple(range(len(table))), False, dimensions, at_bos, codes=table)
    return Held(ModelVariable(made, start, EMBEDDING, name, True), table_deviation(table, errors), at_bos, 0 * at_bos)


@settings(max_examples=60)
@given(cases, st.booleans())
def test_logits_are_within_their_bounds(case: Case, shared: bool) -> None:
    """Two predicates, over one quantity or two on either side; every position and BOS under random errors."""
    size, width, d_head = 3, 2, 4
    names = ("a", "b")
    tables = {name: np.unique(case.numbers(size, width), axis=0) for name in names}
    errors = {name: case.errors(*tables[name].shape) for name in names}
    stream = {
        name: variable(name, tables[name], errors[name], case.numbers(width), width * number)
        for number, name in enumerate(names)
    }
    quantities = tuple(Quantity(len(tables[name]), {name: tables[name]}) for name in names)
    W_Q, W_K = case.numbers(2 * width, d_head), case.numbers(2 * width, d_head)
    if not shared:  # the two variables meet in no feature
        W_Q[:width, 2:] = W_Q[width:, :2] = W_K[:width, 2:] = W_K[width:, :2] = 0
    views = [View((number,), np.arange(len(tables[name]))) for number, name in enumerate(names)]
    predicates = tuple(PredicateClaim(view, view, case.rng.random((len(view.places),) * 2) < 0.5) for view in views)
    nothing = View((), np.zeros((), int))
    claim = HeadClaim(
        "out", "copy", quantities, quantities, predicates, (), nothing, np.zeros((1, 1)), np.zeros(1), False, 9
    )
    bounds = logit_bounds(claim, stream, ScoreWeights(W_Q, W_K, FLOAT32), causal=False)
    bos = np.concatenate([stream[name].at_bos for name in names]).astype(np.float32)
    for _ in range(20):
        query = [int(case.rng.integers(len(tables[name]))) for name in names]
        pairs = [(i, j) for i in range(len(tables["a"])) for j in range(len(tables["b"]))]
        keys = np.stack([stored(case, tables, errors, pair) for pair in pairs])
        selected = np.array(
            [all(p.matrix[q, k] for p, q, k in zip(predicates, query, pair, strict=True)) for pair in pairs]
        )
        logits = logits_of(stored(case, tables, errors, query), np.concatenate([keys, bos[None]]), W_Q, W_K)
        over_bos = logits[:-1] - logits[-1]
        slack = 1e-4 * (1 + np.abs(logits).max())  # what is stored is itself rounded
        chosen, others = logits[:-1][selected], logits[:-1][~selected]
        if len(chosen) and len(others):
            assert chosen.min() - others.max() >= bounds.lead - slack
        if len(chosen):
            assert np.ptp(chosen) <= bounds.spread + slack
            assert over_bos[selected].min() >= bounds.least_over_bos - slack
            assert over_bos[selected].max() <= bounds.most_over_bos + slack
        if len(others):
            assert over_bos[~selected].max() <= bounds.others_over_bos + slack
        at_bos = logits_of(bos, np.concatenate([keys, bos[None]]), W_Q, W_K)
        assert (at_bos[:-1] - at_bos[-1]).max() <= bounds.over_bos_at_bos + slack


def stored(
    case: Case, tables: dict[str, np.ndarray], errors: dict[str, np.ndarray], places: tuple[int, ...] | list[int]
) -> np.ndarray:
    """A position's contents, off by as much as is allowed."""
    parts = [tables[name][place] + case.off(errors[name][place]) for name, place in zip(tables, places, strict=True)]
    return np.concatenate(parts).astype(np.float32)


def logits_of(query: np.ndarray, keys: np.ndarray, W_Q: np.ndarray, W_K: np.ndarray) -> np.ndarray:
    """The logits in float32."""
    scores = (query @ W_Q.astype(np.float32)) @ (keys @ W_K.astype(np.float32)).T
    logits: np.ndarray = (scores / np.float32(np.sqrt(W_Q.shape[1]))).astype(float)
    return logits


@pytest.mark.parametrize("error", [0.0, 0.2])
def test_an_error_of_a_query_counts_as_far_as_keys_differ(error: float) -> None:
    """The parabola ``4 q c - 2 c²``: far from zero, codes are as well apart as near it."""
    codes = np.arange(100.0, 110.0)[:, None]
    table = np.concatenate([codes, codes**2], axis=1)
    errors = np.stack([np.full(10, error), np.zeros(10)], axis=1)
    one = np.ones((10, 1))
    stream = {
        "q": variable("q", table, errors, np.zeros(2), 0),
        "k": variable("k", table, 0 * table, np.zeros(2), 2),
        "one": variable("one", one[:1], 0 * one[:1], np.ones(1), 4),
    }
    stream["one"] = Held(stream["one"].entry, stream["one"].deviation, np.ones(1), np.zeros(1), np.ones(1))
    W_Q, W_K = np.zeros((5, 4)), np.zeros((5, 4))
    W_Q[0, 0], W_Q[4, 1], W_K[2, 0], W_K[3, 1] = 4, -2, 1, 1
    view = View((0,), np.arange(10))
    claim = HeadClaim(
        "out", "copy", (Quantity(10, {"q": table}),), (Quantity(10, {"k": table}),),
        (PredicateClaim(view, view, np.eye(10, dtype=bool)),), (), View((), np.zeros((), int)),
        np.zeros((1, 1)), np.zeros(1), True, 1,
    )  # fmt: skip
    bounds = logit_bounds(claim, stream, ScoreWeights(W_Q, W_K, FLOAT32), causal=False)
    assert bounds.lead == pytest.approx((2 - 4 * error) / 2, abs=0.1)
