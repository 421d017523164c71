"""Selectors whose queries or keys are functions of several things, split into cases that need no MLP before attention.

A head reads sums of functions of what is there: the key ``"" if indices == 0 else tokens`` is no such sum, and must be
computed by an MLP, a layer before. But it has two *cases*, the first position and all others, and in each it is a
function of one thing alone. In general let a query f have cases F_1, F_2, …, disjoint conditions of which one always
holds, such that f equals f_a, a function of a single node, wherever F_a holds, and a key g likewise cases G_b with g_b.
Then for every predicate P

    P(f, g)  =  or over a, b of  [F_a] and [G_b] and P(f_a, g_b),

because for every pair of positions one F_a and one G_b hold, and there f = f_a and g = g_b. No pair of positions
satisfies two of the alternatives, so the number of positions that are selected is the sum of the numbers that the
alternatives select, and a sum over them is a sum of sums. Cases are made by one node after the other having one value,
or one of several, so an alternative is a conjunction of predicates between single nodes, which is one head.

Alternatives that select nothing are left out; two that differ in one predicate are one, with either predicate. One that
selects only the first position, which every input has, needs no head: whether it selects is a function of the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product, zip_longest
from math import prod
from typing import Protocol, runtime_checkable

import numpy as np

from tracrlab.compiler.ir.expand import Expansion, is_positions, reduced
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, IR, Elementwise, IRNode, Match, Total
from tracrlab.compiler.ir.pool import Pool, Rewriter, rewritten
from tracrlab.compiler.ir.rewrites.alternatives import added_up
from tracrlab.craft.neurons import distinct_rows
from tracrlab.shapes import Bool, Int

_MOST = 4  # alternatives, which are heads
_MOST_CASES = 8  # of one function
_MOST_ATOMS = 5
_MOST_VALUES = 2**16  # of all that is computed and read, since errors grow with the numbers, and proofs with pairs
_MOST_PAIRS = 64  # pairs of cases that are looked at

Predicates = dict[tuple[IRNode, IRNode], Bool[np.ndarray, "_ _"]]
Conditions = dict[IRNode, Bool[np.ndarray, " _"]]


@runtime_checkable
class Depths(Protocol):
    """In which layer each node can be computed, and through which nodes it is seen there."""

    def layer(self, node: IRNode) -> int:
        """The first layer that can have computed the node."""

    def expansion(self, node: IRNode) -> Expansion:
        """The node as a function of others."""

    def of_atoms(self, expansion: Expansion) -> int:
        """The layer of the latest of these others."""


@dataclass(frozen=True, eq=False)
class _Case:
    """Where all ``conditions`` hold, what is compared is a function of ``node``.

    ``places`` has the place of its value for each value of the node, ``IMPOSSIBLE`` for one that cannot occur.
    """

    conditions: Conditions
    node: IRNode
    places: Int[np.ndarray, " own"]


def by_cases(layers: Depths, longest: int) -> Rewriter:
    """Adds up counts and sums over cases, where that takes fewer layers."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(renewed, Total):
            return renewed
        alternatives = cases(renewed.pattern.matches, renewed.source, layers)
        return added_up(pool, renewed, alternatives, longest) if alternatives else renewed

    return rewrite


def without_first(ir: IR) -> IR:
    """The same program without counts of the first position alone, which are functions of the query."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(renewed, Total) or renewed.source is not None:
            return renewed
        first = of_first_position(renewed.pattern.matches)
        if first is None:
            return renewed
        counts = np.array([renewed.values.index(int(selects)) for selects in first.matrix[:, 0]])
        return Elementwise(node.place, node.name, node.values, (first.queries,), counts)

    return rewritten(ir, rewrite)


def cases(matches: Sequence[Match], source: IRNode | None, layers: Depths) -> list[list[Match]] | None:
    """Conjunctions of which each pair of positions satisfies one if it satisfies all ``matches``, and otherwise none.

    ``None`` unless there are few, and heads that implement them run in an earlier layer than one that waits for the
    functions that ``matches`` compare. ``source`` is what the heads move, if anything.
    """
    compared = [side for match in matches for side in ((match.queries, match.matrix), (match.keys, match.matrix.T))]
    expansions = [_told_apart(layers.expansion(node), rows) for node, rows in compared]
    ready = [
        layers.of_atoms(expansion) if len(expansion.atoms) <= 1 else layers.layer(node)
        for (node, _), expansion in zip(compared, expansions, strict=True)
    ]
    latest = max(ready, default=0)
    if latest <= (layers.layer(source) if source else 0):
        return None
    sides = [
        _cases(node, expansion, {}, _MOST_CASES)
        if when == latest or len(expansion.atoms) <= 1
        else [_Case({}, node, np.arange(len(node.values)))]
        for (node, _), expansion, when in zip(compared, expansions, ready, strict=True)
    ]
    if not all(sides) or prod(map(len, sides)) > _MOST_PAIRS:
        return None
    found = [_conjunction(matches, chosen) for chosen in product(*sides)]
    merged = _merged([predicates for predicates in found if predicates is not None])
    read = {node for predicates in merged for nodes in predicates for node in nodes}
    if not 1 <= len(merged) <= _MOST or any(layers.layer(node) >= latest for node in read):
        return None
    if prod(len(node.values) for node in read if layers.layer(node)) > _MOST_VALUES:
        return None
    return [[Match(*nodes, matrix) for nodes, matrix in predicates.items()] for predicates in merged]


def of_first_position(matches: Sequence[Match]) -> Match | None:
    """The match of a conjunction that selects the first position, or nothing, as the query says; if it is one."""
    if len(matches) != 1 or not is_positions(matches[0].keys) or matches[0].matrix[:, 1:].any():
        return None
    return matches[0]


def _told_apart(expansion: Expansion, rows: Bool[np.ndarray, "_ _"]) -> Expansion:
    """A node as a function of its atoms, with the first of those values for which a predicate is the same."""
    first, which = distinct_rows(rows)
    places = np.where(expansion.places == IMPOSSIBLE, IMPOSSIBLE, first[which][expansion.places])
    return reduced(Expansion(expansion.atoms, expansion.classes, places))


def _cases(node: IRNode, expansion: Expansion, conditions: Conditions, most: int) -> list[_Case]:
    """The fewest cases of a node, under conditions, that are functions of one atom; none if there are too many."""
    if most < 1 or len(expansion.atoms) > _MOST_ATOMS:
        return []
    if len(expansion.atoms) == 1:
        return [_Case(conditions, expansion.atoms[0], expansion.places[expansion.classes[0]])]
    if not expansion.atoms:
        return [_Case(conditions, node, np.full(len(node.values), int(expansion.places)))]
    fewest: list[_Case] = []
    for axis, (atom, classes) in enumerate(zip(expansion.atoms, expansion.classes, strict=True)):
        if expansion.places.shape[axis] > most:
            continue
        found: list[_Case] = []
        for number in range(expansion.places.shape[axis]):
            left = most - len(found)
            inner = _cases(node, _at(expansion, axis, number), {**conditions, atom: classes == number}, left)
            if not inner:
                break
            found += inner
        else:
            fewest, most = found, len(found) - 1
    return fewest


def _at(expansion: Expansion, axis: int, number: int) -> Expansion:
    """The function that is left where an atom is of one class."""
    atoms, classes = ((*parts[:axis], *parts[axis + 1 :]) for parts in (expansion.atoms, expansion.classes))
    return reduced(Expansion(atoms, classes, expansion.places.take(number, axis)))


def _conjunction(matches: Sequence[Match], chosen: Sequence[_Case]) -> Predicates | None:
    """All matches where the chosen cases hold, one for queries and one for keys of each; ``None`` if they cannot."""
    predicates: Predicates = {}
    queries: Conditions = {}
    keys: Conditions = {}
    for match, query, key in zip(matches, chosen[::2], chosen[1::2], strict=True):
        _require(queries, query.conditions)
        _require(keys, key.conditions)
        possible = np.logical_and.outer(query.places != IMPOSSIBLE, key.places != IMPOSSIBLE)
        selected = match.matrix[np.ix_(query.places, key.places)] & possible
        if (selected == selected[:1]).all():
            _require(keys, {key.node: selected[0]})
        elif (selected == selected[:, :1]).all():
            _require(queries, {query.node: selected[:, 0]})
        else:
            nodes = query.node, key.node
            predicates[nodes] = predicates.get(nodes, True) & selected
    kept = {nodes: matrix for nodes, matrix in _joined(predicates, queries, keys).items() if not matrix.all()}
    return kept if all(matrix.any() for matrix in kept.values()) else None


def _require(conditions: Conditions, more: Conditions) -> None:
    """Add conditions to those of the same nodes."""
    for node, holds in more.items():
        conditions[node] = conditions[node] & holds if node in conditions else holds


def _joined(predicates: Predicates, queries: Conditions, keys: Conditions) -> Predicates:
    """Conditions as parts of predicates that compare the same nodes, and as predicates of their own where none does."""
    joined = dict(predicates)
    alone: tuple[list[IRNode], list[IRNode]] = ([], [])
    for axis, conditions in enumerate((queries, keys)):
        for node, holds in conditions.items():
            nodes = next((each for each in joined if each[axis] is node), None)
            if nodes is not None:
                joined[nodes] = joined[nodes] & (holds if axis else holds[:, None])
            elif not holds.all():
                alone[axis].append(node)
    for query, key in zip_longest(*alone):
        nodes = query or key, key or query
        always = np.ones(len(nodes[0].values), bool)
        joined[nodes] = np.logical_and.outer(queries[query] if query else always, keys[key] if key else always)
    return joined


def _merged(found: Sequence[Predicates]) -> list[Predicates]:
    """The same alternatives, with those joined that differ in one predicate."""
    merged: list[Predicates] = []
    for predicates in found:
        for number, other in enumerate(merged):
            either = _either(predicates, other)
            if either is not None:
                return _merged([*merged[:number], either, *merged[number + 1 :], *found[len(merged) + 1 :]])
        merged.append(predicates)
    return merged


def _either(first: Predicates, second: Predicates) -> Predicates | None:
    """Two alternatives as one, if they differ in one predicate at most."""
    if first.keys() != second.keys():
        return None
    different = [nodes for nodes in first if not np.array_equal(first[nodes], second[nodes])]
    if len(different) > 1:
        return None
    either = {nodes: first[nodes] | second[nodes] for nodes in first}
    return {nodes: matrix for nodes, matrix in either.items() if not matrix.all()}
