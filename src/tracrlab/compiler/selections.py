"""Selectors in normal form: sums of conjunctions of predicates over pairs of s-ops (Tracr paper, appendices B and F).

A *conjunction* selects the pairs that satisfy one predicate for each pair of (key, query) s-ops it mentions. One
attention head can implement a conjunction exactly. Any selector is a sum, with integer coefficients, of conjunctions
(inclusion and exclusion), so its width is a sum of the widths of heads.

A predicate is a matrix, row = query value, column = key value. A ``None`` key or query has no row or column, so it
satisfies neither a predicate nor its complement, as Kleene's logic demands; negations are pushed down to the
predicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tracrlab.compiler.graph import Graph
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES, Domain, TooManyValues
from tracrlab.rasp.expressions import (
    Comparison,
    Select,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
)
from tracrlab.rasp.semantics import apply_predicate
from tracrlab.rasp.values import Ratio, Value
from tracrlab.shapes import Bool, Int

MAX_CONJUNCTIONS = 64
_MAX_WHOLE_PAIRS = 2**27  # pairs of whole numbers, which NumPy compares

Pair = tuple[int, int]
PredicateMatrix = Bool[np.ndarray, "query key"]


@dataclass(frozen=True, eq=False)
class Conjunction:
    """The pairs of positions that satisfy every predicate: ``(key place, query place) -> matrix``; empty: all pairs."""

    predicates: dict[Pair, PredicateMatrix]

    @property
    def identity(self) -> tuple[tuple[Pair, bytes], ...]:
        """Equal for equal conjunctions."""
        return tuple(sorted((pair, np.packbits(matrix).tobytes()) for pair, matrix in self.predicates.items()))


@dataclass(frozen=True, eq=False)
class Selection:
    """A selector as a sum of conjunctions; no terms: nothing is ever selected."""

    terms: tuple[tuple[int, Conjunction], ...]

    @property
    def conjunction(self) -> Conjunction | None:
        """The conjunction that the selector is, if it is a single one."""
        if len(self.terms) == 1 and self.terms[0][0] == 1:
            return self.terms[0][1]
        return None

    @cached_property
    def implied(self) -> Conjunction:
        """Predicates that hold for every pair selected: what the terms that add to the sum have in common."""
        first, *others = [conjunction for coefficient, conjunction in self.terms if coefficient > 0]
        predicates = dict(first.predicates)
        for other in others:
            predicates = {
                pair: matrix | other.predicates[pair] for pair, matrix in predicates.items() if pair in other.predicates
            }
        return Conjunction(predicates)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is ever selected."""
        return not self.terms

    def pairs(self) -> list[Pair]:
        """The pairs of (key, query) s-ops it looks at."""
        return sorted({pair for _, conjunction in self.terms for pair in conjunction.predicates})


NOTHING = Selection(())


def predicate_matrix(predicate: Callable[[Any, Any], Any], keys: Domain, queries: Domain) -> PredicateMatrix:
    """The predicate on all pairs of values.

    Raises:
        FunctionFailure: it fails on some pair.
        TooManyValues: there are more than 8 times ``MAX_TABLE_ENTRIES`` pairs, or, where whole numbers are compared,
            more than 64 times as many.
    """
    shape = (len(queries), len(keys))
    if isinstance(predicate, Comparison) and predicate in _COMPARISONS and shape[0] * shape[1] <= _MAX_WHOLE_PAIRS:
        numbers = [_whole_numbers(values) for values in (keys.values, queries.values)]
        if numbers[0] is not None and numbers[1] is not None:
            return np.asarray(_COMPARISONS[predicate](numbers[0][None, :], numbers[1][:, None]), bool)
    if shape[0] * shape[1] > 8 * MAX_TABLE_ENTRIES:
        raise TooManyValues(f"its keys and queries have {shape[1]} x {shape[0]} pairs of values")
    if isinstance(predicate, Comparison) and predicate in (Comparison.TRUE, Comparison.FALSE):
        return np.full(shape, predicate is Comparison.TRUE)
    if isinstance(predicate, Comparison) and _comparable(predicate, keys, queries):
        compare = _COMPARISONS[predicate]
        return np.asarray(compare(_objects(keys.values)[None, :], _objects(queries.values)[:, None]), bool)
    return np.array(
        [[apply_predicate(predicate, key, query) for key in keys.values] for query in queries.values], bool
    ).reshape(shape)


_COMPARISONS = {
    Comparison.EQ: np.equal,
    Comparison.NEQ: np.not_equal,
    Comparison.LT: np.less,
    Comparison.LEQ: np.less_equal,
    Comparison.GT: np.greater,
    Comparison.GEQ: np.greater_equal,
}


def _comparable(predicate: Comparison, keys: Domain, queries: Domain) -> bool:
    """Whether Python compares all the values without an error, so that NumPy may loop over them."""
    kinds = {type(value) for value in (*keys.values, *queries.values)}
    if predicate in (Comparison.EQ, Comparison.NEQ):
        return kinds <= {int, float, bool, str, tuple, Ratio}
    return kinds == {str} or (keys.is_numeric and queries.is_numeric)


def _whole_numbers(values: tuple[Value, ...]) -> Int[np.ndarray, " value"] | None:
    """The values as an array, if they are whole numbers that it holds."""
    whole = all(type(value) is int and abs(value) < 2**62 for value in values)
    return np.array(values, np.int64) if whole else None


def _objects(values: tuple[Value, ...]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


class Selections:
    """The normal forms of the selectors of one graph; domains of the s-ops they read must be known when asked."""

    def __init__(self, graph: Graph, domains: dict[int, Domain]) -> None:
        self._graph = graph
        self._domains = domains
        self._known: dict[tuple[int, bool], Selection] = {}

    def of(self, selector: int) -> Selection:
        """The normal form of the selector at this place of the graph.

        Raises:
            FunctionFailure, TooManyValues: see :func:`predicate_matrix`; or it needs too many conjunctions.
        """
        needed, stack = set(), [(selector, True)]
        while stack:
            item = stack.pop()
            if item not in needed and item not in self._known:
                needed.add(item)
                stack.extend(self._operands(*item))
        for place, positive in sorted(needed):
            self._known[place, positive] = self._normal_form(place, positive)
        return self._known[selector, True]

    def _operands(self, place: int, positive: bool) -> list[tuple[int, bool]]:
        node = self._graph.nodes[place]
        match node.expression:
            case SelectorNot():
                return [(node.inputs[0], not positive)]
            case SelectorAnd() | SelectorOr():
                return [(child, positive) for child in node.inputs]
            case _:
                return []

    def _normal_form(self, place: int, positive: bool) -> Selection:
        expression = self._graph.nodes[place].expression
        operands = [self._known[operand] for operand in self._operands(place, positive)]
        match expression:
            case Select():
                return self._select(place, positive)
            case SelectorNot():
                return operands[0]
            case _:
                is_and = isinstance(expression, SelectorAnd) == positive
                return _both(*operands) if is_and else _either(*operands)

    def _select(self, place: int, positive: bool) -> Selection:
        node = self._graph.nodes[place]
        keys, queries = node.inputs
        assert isinstance(node.expression, Select)
        matrix = predicate_matrix(node.expression.predicate, self._domains[keys], self._domains[queries])
        matrix = matrix if positive else ~matrix
        if not matrix.any():
            return NOTHING
        always = matrix.all() and not self._domains[keys].nullable and not self._domains[queries].nullable
        return Selection(((1, Conjunction({} if always else {(keys, queries): matrix})),))


def _both(first: Selection, second: Selection) -> Selection:
    """The product of two sums of conjunctions."""
    return _sum_of((a * b, _intersection(x, y).predicates) for a, x in first.terms for b, y in second.terms)


def _either(first: Selection, second: Selection) -> Selection:
    """``x + y - x * y``; two conjunctions that differ in one predicate at most merge into one."""
    if first.conjunction and second.conjunction:
        merged = _merged(first.conjunction, second.conjunction)
        if merged is not None:
            return Selection(((1, merged),))
    overlap = _both(first, second)
    return _sum_of(
        [(a, x.predicates) for a, x in (*first.terms, *second.terms)] + [(-a, x.predicates) for a, x in overlap.terms]
    )


def _intersection(first: Conjunction, second: Conjunction) -> Conjunction:
    predicates = dict(first.predicates)
    for pair, matrix in second.predicates.items():
        predicates[pair] = predicates[pair] & matrix if pair in predicates else matrix
    return Conjunction(predicates)


def _merged(first: Conjunction, second: Conjunction) -> Conjunction | None:
    if first.predicates.keys() != second.predicates.keys():
        return None
    different = [
        pair for pair, matrix in first.predicates.items() if not np.array_equal(matrix, second.predicates[pair])
    ]
    if len(different) > 1:
        return None
    return Conjunction({pair: matrix | second.predicates[pair] for pair, matrix in first.predicates.items()})


def _sum_of(terms: Any) -> Selection:
    """Like conjunctions gathered; impossible and cancelled ones dropped."""
    gathered: dict[tuple[tuple[Pair, bytes], ...], tuple[int, Conjunction]] = {}
    for coefficient, predicates in terms:
        if all(matrix.any() for matrix in predicates.values()):
            conjunction = Conjunction(predicates)
            count = gathered.get(conjunction.identity, (0, conjunction))[0]
            gathered[conjunction.identity] = (count + coefficient, conjunction)
    kept = tuple(term for term in gathered.values() if term[0])
    if len(kept) > MAX_CONJUNCTIONS:
        reason = f"its selector needs more than {MAX_CONJUNCTIONS} attention heads"
        raise TooManyValues(reason, "Combine fewer selectors over different s-ops")
    return Selection(kept)
