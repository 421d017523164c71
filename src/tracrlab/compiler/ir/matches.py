"""Predicates that are equalities: of numbers, or of codes that can be given to queries and keys."""

from __future__ import annotations

import numpy as np

from tracrlab.compiler.ir.nodes import Match
from tracrlab.craft.neurons import distinct_rows
from tracrlab.shapes import Float

_FEW = 3  # classes for which features of their own are no more than those of a parabola


def equality_codes(match: Match) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]] | None:
    """Integer codes of queries and keys that are equal exactly where the predicate holds, if there are any.

    Numbers are their own codes where the predicate is that they are equal. Otherwise classes of keys are numbered; keys
    of no class are put 2 below, queries that select nothing 2 above. Codes are centred, which keeps squares small.
    """
    matrix = match.matrix
    first, which = distinct_rows(np.ascontiguousarray(matrix.T))
    class_of = np.full(len(first), -2.0)
    filled = matrix[:, first].any(axis=0)
    if filled.sum() <= _FEW:
        return None
    class_of[filled] = np.arange(filled.sum())
    by_class = matrix[:, first[filled]]
    if (by_class.sum(axis=1) > 1).any():
        return None
    codes = _equal_numbers(match)
    if codes is None:
        highest = float(filled.sum() - 1)
        codes = np.where(by_class.any(axis=1), by_class.argmax(axis=1), highest + 2), class_of[which]
    queries, keys = codes
    middle = np.round((keys.min() + keys.max()) / 2)
    return queries - middle, keys - middle


def _equal_numbers(match: Match) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]] | None:
    queries, keys = match.queries.numbers, match.keys.numbers
    if queries is None or keys is None or (queries != np.round(queries)).any() or (keys != np.round(keys)).any():
        return None
    if max(np.ptp(queries), np.ptp(keys)) > 4 * max(len(queries), len(keys)):
        return None
    return (queries, keys) if is_equality(match) else None


def is_equality(match: Match) -> bool:
    """Whether the predicate is that two numbers are equal."""
    queries, keys = match.queries.numbers, match.keys.numbers
    return queries is not None and keys is not None and np.array_equal(queries[:, None] == keys[None, :], match.matrix)
