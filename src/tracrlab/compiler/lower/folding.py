"""Tables and predicates seen through the variables that hold their inputs.

A variable may merge values that are the same number, such as ``1`` and ``True`` or ``2`` and ``2.0``. A table over all
values is folded onto the variable's slots; where merged inputs give results that are again the same number, these are
merged too, and otherwise the program is refused, because the model could not tell the inputs apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.value_sets import Domain, Table
from tracrlab.errors import PrecisionError
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.values import Value, is_number
from tracrlab.shapes import Bool, Int


@dataclass(frozen=True, eq=False)
class Slots:
    """Where the values of a domain are kept: the place of each among ``count`` slots, -1 for values that cannot occur.

    Values that are the same number may share a slot.
    """

    of_value: Int[np.ndarray, " value"]
    count: int


@dataclass(frozen=True, eq=False)
class Folded:
    """A table over the slots of its inputs.

    ``places[i, j, …]`` is the place of the result in ``representatives`` (-1: ``None``), which are places in the
    table's own domain; ``slots`` says for each value of that domain which representative stands for it.
    """

    places: Int[np.ndarray, "..."]
    representatives: list[int]
    slots: Int[np.ndarray, " value"]
    domain: Domain

    @property
    def values(self) -> list[Value]:
        """The values of the representatives."""
        return [self.domain.values[place] for place in self.representatives]


def fold_table(node: Node, table: Table, inputs: Sequence[Slots]) -> Folded:
    """Fold a table onto the slots of the variables that hold its inputs.

    Raises:
        PrecisionError: inputs that share a slot have results that are not the same number.
    """
    places, leader = table.places, np.arange(len(table.domain))
    for axis, slots in enumerate(inputs):
        places, conflicts = _fold_axis(places, axis, slots, never=-1)
        for one, other in conflicts.tolist():
            _merge(node, table.domain, leader, one, other)
    roots = [_root(leader, place) for place in range(len(leader))]
    representatives = sorted(set(roots))
    slot_of = np.searchsorted(representatives, roots).astype(int)
    folded = np.where(places < 0, -1, slot_of[places]) if len(slot_of) else places
    return Folded(folded, representatives, slot_of, table.domain)


def fold_predicate(
    node: Node, matrix: Bool[np.ndarray, "query key"], queries: Slots, keys: Slots
) -> Bool[np.ndarray, "query_slot key_slot"]:
    """Fold a predicate onto the slots of the variables that hold its queries and keys.

    Raises:
        PrecisionError: it tells values apart that share a slot.
    """
    folded = matrix.astype(int)
    for axis, slots in enumerate((queries, keys)):
        folded, conflicts = _fold_axis(folded, axis, slots, never=0)
        if len(conflicts):
            raise _indistinguishable(node, "a selector tells them apart")
    return folded.astype(bool)


def _fold_axis(
    places: Int[np.ndarray, "..."], axis: int, slots: Slots, never: int
) -> tuple[Int[np.ndarray, "..."], Int[np.ndarray, "conflict 2"]]:
    """Keep the first value of each slot; also the pairs of results that values of one slot disagree on.

    Values without a slot cannot occur, nor can slots without a value: these get the result ``never``.
    """
    if np.array_equal(slots.of_value, np.arange(slots.count)):
        return places, np.zeros((0, 2), int)
    possible = slots.of_value >= 0
    places = np.compress(possible, places, axis=axis)
    used, first, which = np.unique(slots.of_value[possible], return_index=True, return_inverse=True)
    kept = np.take(places, first, axis=axis)
    implied = np.take(kept, which.reshape(-1), axis=axis)
    pairs = np.stack([implied[implied != places], places[implied != places]], axis=1)
    folded = np.full((*places.shape[:axis], slots.count, *places.shape[axis + 1 :]), never)
    folded[(slice(None),) * axis + (used,)] = kept
    return folded, np.unique(pairs, axis=0)


def _merge(node: Node, domain: Domain, leader: Int[np.ndarray, " value"], one: int, other: int) -> None:
    x, y = (None if place < 0 else domain.values[place] for place in (one, other))
    if not (is_number(x) and is_number(y) and x == y):
        raise _indistinguishable(node, f"they give {abridged(x)} and {abridged(y)}")
    low, high = sorted((_root(leader, one), _root(leader, other)))
    leader[high] = low


def _root(leader: Int[np.ndarray, " value"], place: int) -> int:
    while leader[place] != place:
        place = int(leader[place])
    return place


def _indistinguishable(node: Node, difference: str) -> PrecisionError:
    return PrecisionError(
        node.title,
        node.expression.location,
        "it is given numbers that are equal but of different types (such as 1, 1.0 and True, or a mean and a float "
        f"that functions computed), and {difference}",
        "Convert its input to one type, or make the result depend on the number alone",
    )
