"""Selectors that are no conjunction, made into one predicate between classes of combined values.

This is the product construction of the Tracr paper, appendix B, on classes: key values that all queries treat alike
are one class, and so are query values that select alike, so a disjunction over several s-ops needs as few values as it
has distinguishable ones. (Inclusion and exclusion, which serves widths, cannot serve averages.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from tracrlab.compiler.domains import too_many_values
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.claiming import table_claim
from tracrlab.compiler.lower.elementwise import MAX_NEURONS
from tracrlab.compiler.lower.folding import fold_predicate
from tracrlab.compiler.lower.scores import Match, conjunction_matches
from tracrlab.compiler.lower.workspace import Stored, Workspace
from tracrlab.compiler.selections import Pair, PredicateMatrix, Selection
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES, TooManyValues
from tracrlab.craft.neurons import box_cover, distinct_rows, lookup_neurons
from tracrlab.craft.spaces import Variable, one_hot_variable
from tracrlab.shapes import Bool, Int


def selection_matches(work: Workspace, node: Node, selection: Selection) -> list[Match]:
    """What an aggregate's head has to match, adding the MLPs that combine values where the selector needs them.

    Raises:
        DomainTooLargeError: the combinations of values are too many.
    """
    if selection.conjunction is not None:
        return conjunction_matches(work, selection.conjunction)
    pairs = selection.pairs()
    keys = [_one_hot(work, node, place) for place in sorted({keys for keys, _ in pairs})]
    queries = [_one_hot(work, node, place) for place in sorted({queries for _, queries in pairs})]
    selected = _combined_predicate(work, node, selection)
    query_store, rows = _classes(work, node, "queries", [stored.variable for stored in queries], selected)
    key_store, columns = _classes(work, node, "keys", [stored.variable for stored in keys], selected.T)
    return [Match(key_store, query_store, selected[np.ix_(rows, columns)])]


def _one_hot(work: Workspace, node: Node, place: int) -> Stored:
    stored = work.stored[place]
    return Stored(work.one_hot(node, stored.variable), stored.slots)


def _combined_predicate(work: Workspace, node: Node, selection: Selection) -> Bool[np.ndarray, "query key"]:
    """The selector over all combinations of query values (rows) and key values (columns), ``None`` included."""
    pairs = selection.pairs()
    key_index = _combinations(work, node, sorted({keys for keys, _ in pairs}))
    query_index = _combinations(work, node, sorted({queries for _, queries in pairs}))
    shape = (len(next(iter(query_index.values()))), len(next(iter(key_index.values()))))
    if prod(shape) > 8 * MAX_TABLE_ENTRIES:
        error = TooManyValues(f"its selector combines {shape[1]} key values with {shape[0]} query values")
        raise too_many_values(node, error)
    total = np.zeros(shape, np.int16)
    for coefficient, conjunction in selection.terms:
        holds = np.ones(shape, bool)
        for pair, matrix in conjunction.predicates.items():
            with_none = _with_none(work, node, pair, matrix)
            holds &= with_none[np.ix_(query_index[pair[1]], key_index[pair[0]])]
        total += np.int16(coefficient) * holds
    return total > 0


def _combinations(work: Workspace, node: Node, places: Sequence[int]) -> dict[int, Int[np.ndarray, " combination"]]:
    """For each s-op, its slot in each combination; the slot after the last is ``None``."""
    variables = [_one_hot(work, node, place).variable for place in places]
    sizes = [variable.width + variable.nullable for variable in variables]
    if prod(sizes) > MAX_TABLE_ENTRIES:
        raise too_many_values(node, TooManyValues(f"its selector combines {prod(sizes)} values"))
    grids = np.indices(sizes).reshape(len(sizes), -1)
    return dict(zip(places, grids, strict=True))


def _with_none(
    work: Workspace, node: Node, pair: Pair, matrix: PredicateMatrix
) -> Bool[np.ndarray, "query_slot key_slot"]:
    """The predicate over slots, with a last row and column for ``None`` where it can occur: never selected."""
    keys, queries = (_one_hot(work, node, place) for place in pair)
    folded = fold_predicate(node, matrix, queries.merged, keys.merged)
    return np.pad(folded, ((0, int(queries.variable.nullable)), (0, int(keys.variable.nullable))))


def _classes(
    work: Workspace, node: Node, role: str, variables: Sequence[Variable], rows: Bool[np.ndarray, "row column"]
) -> tuple[Stored, Int[np.ndarray, " slot"]]:
    """A variable that tells apart the rows that differ, and a row for each of its values.

    A single s-op serves as it is. Rows that select nothing have no class: the variable is ``None`` there.
    """
    if len(variables) == 1:
        slots = np.arange(variables[0].width)
        return Stored(variables[0], slots), slots
    first, which = distinct_rows(rows)
    filled = rows[first].any(axis=1)
    number = np.where(filled, np.cumsum(filled) - 1, -1)
    n_classes = int(filled.sum())
    work.check_size(node, n_classes)
    variable = one_hot_variable(work.own_name(f"{node.name}.{role}"), range(n_classes), nullable=True)
    shape = [each.width + each.nullable for each in variables]
    boxes = box_cover(number[which].reshape(shape), MAX_NEURONS)
    if len(boxes) > MAX_NEURONS:
        raise too_many_values(node, TooManyValues(f"its {role} take more than {MAX_NEURONS:,} neurons to combine"))
    neurons = lookup_neurons(variables, boxes, np.eye(n_classes), work.constant, work.dtype)
    variable = work.add_mlp(node.place, variable, neurons)
    results = np.eye(n_classes + 1, n_classes)
    work.claim(table_claim(variable, [[each] for each in variables], number[which].reshape(shape), results, neurons))
    return Stored(variable, np.arange(n_classes)), first[filled]
