"""Order comparisons by digits: a predicate like ``<`` over n values as two over the square root of n.

A predicate is a *staircase* when the sets of keys that queries select are nested, as they are for every order
comparison. Keys then have a step r and queries a level t such that the key is selected where r <= t. In a base b,
r <= t where the leading digit of r is less, or is equal and the last digit is at most that of t. No pair satisfies
both, so a count is the sum of two counts, whose heads have about sqrt(n) features each instead of n: a single head
cannot do with fewer than n - 1, because its scores would have to form a triangular matrix with a nonzero diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.ir.nodes import Elementwise, IRNode, Match, Total
from tracrlab.compiler.ir.pool import Pool, Rewriter
from tracrlab.compiler.ir.rewrites.alternatives import added_up
from tracrlab.shapes import Bool, Int

_FEW = 10  # steps for which a single head is as small


def by_digits(longest: int) -> Rewriter:
    """Makes order comparisons of many values, by which heads count, comparisons of digits."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(renewed, Total):
            return renewed
        alternatives: list[list[Match]] = [[]]
        for match in renewed.pattern.matches:
            alternatives = [[*one, *other] for one in alternatives for other in _choices(pool, renewed, match)]
        return added_up(pool, renewed, alternatives, longest) if len(alternatives) > 1 else renewed

    return rewrite


def _choices(pool: Pool, total: Total, match: Match) -> list[list[Match]]:
    """A match as conjunctions of which each pair of positions satisfies one at most."""
    stairs = staircase(match.matrix)
    if stairs is None:
        return [[match]]
    each = digits(stairs)
    queries = [_digit(pool, total, match.queries, *numbered) for numbered in enumerate(each.query_digits, start=1)]
    keys = [_digit(pool, total, match.keys, *numbered) for numbered in enumerate(each.key_digits, start=1)]
    less = _between(queries[0], keys[0], each.leading_less)
    equal = _between(queries[0], keys[0], each.leading_equal)
    return [[less], [equal, _between(queries[1], keys[1], each.last_at_most)]]


def _digit(pool: Pool, total: Total, operand: IRNode, number: int, places: Int[np.ndarray, " value"]) -> IRNode:
    """A digit of a node's step or level; its own value tells which of the digits occur."""
    used, which = np.unique(places, return_inverse=True)
    name = f"{operand.name}.digit{number}"
    return pool.add(Elementwise(total.place, name, tuple(used.tolist()), (operand,), which.reshape(-1)))


def _between(queries: IRNode, keys: IRNode, matrix: Bool[np.ndarray, "query key"]) -> Match:
    """A predicate between digits, for those that occur."""
    rows, columns = np.array(queries.values, int), np.array(keys.values, int)
    return Match(queries, keys, matrix[np.ix_(rows, columns)])


@dataclass(frozen=True, eq=False)
class Staircase:
    """Steps of keys and levels of queries: a key is selected where its step is at most the level.

    Queries that select nothing have level -1, keys that are never selected step ``n_steps``.
    """

    steps: Int[np.ndarray, " key"]
    levels: Int[np.ndarray, " query"]
    n_steps: int


def staircase(matrix: Bool[np.ndarray, "query key"]) -> Staircase | None:
    """The staircase that a predicate is, if it is one of more than a few steps."""
    sizes = matrix.sum(axis=1)
    distinct = np.unique(sizes[sizes > 0])
    if len(distinct) <= _FEW:
        return None
    levels = np.searchsorted(distinct, sizes)
    levels = np.where(sizes > 0, levels, -1)
    first = np.array([int(np.flatnonzero(sizes == size)[0]) for size in distinct])
    nested = matrix[first]
    steps = np.where(nested.any(axis=0), nested.argmax(axis=0), len(distinct))
    if not ((steps[None, :] <= levels[:, None]) == matrix).all():
        return None
    return Staircase(steps, levels, len(distinct))


@dataclass(frozen=True, eq=False)
class Digits:
    """The leading and the last digits of steps and levels, and the predicates between them.

    What has no step or level gets the digit ``n`` of its kind, for which no predicate holds.
    """

    key_digits: tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]
    query_digits: tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]
    leading_less: Bool[np.ndarray, "query_digit key_digit"]
    leading_equal: Bool[np.ndarray, "query_digit key_digit"]
    last_at_most: Bool[np.ndarray, "query_last key_last"]


def digits(stairs: Staircase) -> Digits:
    """A staircase in the base that makes both digits small."""
    base = int(np.ceil(np.sqrt(stairs.n_steps)))
    n_leading = -(-stairs.n_steps // base)
    selected, able = stairs.steps < stairs.n_steps, stairs.levels >= 0
    key_digits = (
        np.where(selected, stairs.steps // base, n_leading),
        np.where(selected, stairs.steps % base, base),
    )
    query_digits = (
        np.where(able, stairs.levels // base, n_leading),
        np.where(able, stairs.levels % base, base),
    )
    leading, last = np.arange(n_leading + 1), np.arange(base + 1)
    real = (leading < n_leading)[:, None] & (leading < n_leading)[None, :]
    within = (last < base)[:, None] & (last < base)[None, :]
    return Digits(
        key_digits,
        query_digits,
        (leading[None, :] < leading[:, None]) & real,
        (leading[None, :] == leading[:, None]) & real,
        (last[None, :] <= last[:, None]) & within,
    )
