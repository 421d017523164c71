"""Exact attention heads for conjunctions of predicates over one-hot variables (Tracr paper, appendices D.1 and F).

Scores are small integers. A conjunction of m predicates gives a pair of positions 2 for each predicate that holds, so
2m where all do and at most 2m - 2 elsewhere. BOS scores 2m - 1: it is attended where nothing is selected, and only
there. To count, BOS scores 2m and is attended together with what is selected. A ``None`` key or query is all zero and
satisfies nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.neurons import distinct_rows
from tracrlab.craft.precision import NotSeparable, few_bits, unit_roundoff
from tracrlab.craft.spaces import Read, Variable
from tracrlab.shapes import Bool, Float

DIVIDING = 3.0  # roundings of a score that is divided by a square root, or multiplied by its reciprocal


@dataclass(frozen=True, eq=False)
class Predicate:
    """A predicate between a one-hot query variable (rows of ``matrix``) and a one-hot key variable (columns)."""

    queries: Variable
    keys: Variable
    matrix: Bool[np.ndarray, "query key"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Query and key reads whose features' dot product is the score, how far it can be off, and how large it can be.

    ``level`` bounds the scores of BOS and of what is selected, ``size`` the sum of the sizes of all terms of any score.
    """

    queries: tuple[Read, ...]
    keys: tuple[Read, ...]
    error: float
    size: float = 0.0
    level: float = 0.0
    predicates: tuple[Predicate, ...] = ()


def conjunction_scores(predicates: Sequence[Predicate], one: Variable, bos: Variable, *, attend_bos: bool) -> Scores:
    """The scores of a conjunction, with BOS selected too (``attend_bos``) or only where nothing else is.

    Keys with equal columns share a feature, or queries with equal rows, whichever gives fewer. Reads of variables that
    are not zero at BOS must be corrected by the caller.
    """
    blocks = [_features(predicate) for predicate in predicates]
    if not blocks:  # everything is selected: a single feature, 1 everywhere but at BOS
        ordinary = [(one, np.ones((1, 1))), (bos, -np.ones((1, 1)))]
        query_parts = [(variable, 2 * matrix, 0) for variable, matrix in ordinary]
        key_parts = [(variable, matrix, 0) for variable, matrix in ordinary]
        width, goal, error = 1, 2, 0.0
    else:
        starts = np.cumsum([0, *(block.query_matrix.shape[1] for block in blocks)])
        query_parts = [(b.predicate.queries, b.query_matrix, int(s)) for b, s in zip(blocks, starts, strict=False)]
        key_parts = [(b.predicate.keys, b.key_matrix, int(s)) for b, s in zip(blocks, starts, strict=False)]
        width, goal, error = int(starts[-1]), 2 * len(blocks), sum(block.error for block in blocks)
    query_parts.append((one, np.array([[goal - (not attend_bos)]], float), width))
    key_parts.append((bos, np.ones((1, 1)), width))
    return Scores(
        tuple(_placed(*part, width + 1) for part in query_parts),
        tuple(_placed(*part, width + 1) for part in key_parts),
        error,
        predicates=tuple(predicates),
    )


def sharpness(n_positions: int, scores: Scores, dtype: NumberFormat, *, leak: float | None = None) -> float:
    """How much a score of 1 must weigh in the logits, so that what is not selected gets no attention that matters.

    What scores 1 less gets ``exp(-sharpness)`` as much; all ``n_positions`` of that kind together must stay below
    ``leak``, :func:`unnoticed` unless given. Noisy scores may eat up to half of the distance.

    Raises:
        NotSeparable: the scores are too noisy for any sharpness.
    """
    if not scores.error <= 1 / 4:
        raise NotSeparable("selected", "not selected")
    needed = few_bits(math.log(n_positions + 1) - math.log(leak or unnoticed(dtype)))
    return needed / (1 - 2 * scores.error)


def unnoticed(dtype: NumberFormat) -> float:
    """The share of attention that may go astray: 2**-6 of the format's rounding, and less in narrow ones, freely."""
    return min(unit_roundoff(dtype) / 64, 2.0**-20)


@dataclass(frozen=True, eq=False)
class _Block:
    predicate: Predicate
    query_matrix: Float[np.ndarray, "query feature"]
    key_matrix: Float[np.ndarray, "key feature"]
    error: float


def _features(predicate: Predicate) -> _Block:
    matrix = predicate.matrix
    columns, key_class = _classes(matrix.T)
    rows, query_class = _classes(matrix)
    if len(columns) <= len(rows):
        query_matrix, key_matrix = 2.0 * columns.T, key_class
    else:
        query_matrix, key_matrix = 2.0 * query_class, rows.T.astype(float)
    query_noise, key_noise = predicate.queries.noise, predicate.keys.noise
    error = (
        query_noise.of_read(query_matrix @ key_matrix.T)
        + key_noise.of_read(key_matrix @ query_matrix.T)
        + query_noise.of_read(query_matrix) * key_noise.of_read_total(key_matrix)
    )
    return _Block(predicate, query_matrix, key_matrix, error)


def _classes(
    rows: Bool[np.ndarray, "row column"],
) -> tuple[Bool[np.ndarray, "class column"], Float[np.ndarray, "row class"]]:
    """The distinct non-empty rows, and which row is which."""
    first, which = distinct_rows(rows)
    filled = rows[first].any(axis=1)
    member = (which[:, None] == np.arange(len(first))).astype(float)
    return rows[first][filled], member[:, filled]


def _placed(variable: Variable, matrix: Float[np.ndarray, "width feature"], start: int, total: int) -> Read:
    full = np.zeros((variable.width, total))
    full[:, start : start + matrix.shape[1]] = matrix
    return Read(variable, full)
