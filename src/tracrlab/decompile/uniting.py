"""Sums of widths become one width.

A disjunction of selectors is compiled to heads for parts that do not overlap, whose widths are added. Where a function
of several widths is one of their sum, and no pair is selected by two of them, they are the width of all of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.decompile.attention import selection_of, table_entries
from tracrlab.decompile.functions import is_function
from tracrlab.decompile.nodes import Copy, Mean, Node, Selection, Table, Width
from tracrlab.decompile.reading import Reading
from tracrlab.rasp.batches import Batch
from tracrlab.shapes import Bool, Int


def unite_widths(reading: Reading, batch: Batch) -> None:
    """Put one width in the place of several wherever only their sum matters."""
    uniter = _Uniter(reading, batch)
    for node in list(reading.nodes):
        match node.definition:
            case Table() as table:
                node.definition = uniter.table(table, node)
            case Copy() | Mean() as definition:
                values = uniter.table(definition.values, node)
                node.definition = replace(
                    definition, values=values, selection=uniter.selection(definition.selection, node)
                )
            case Width() as width:
                node.definition = replace(width, selection=uniter.selection(width.selection, node))
    assert reading.answer is not None
    reading.answer = uniter.table(reading.answer, None)


class _Uniter:
    def __init__(self, reading: Reading, batch: Batch) -> None:
        self.reading, self.batch = reading, batch
        self.united: dict[tuple[int, ...], Node | None] = {}

    def table(self, table: Table, reader: Node | None) -> Table:
        """The table with the sum of its widths, if that is enough."""
        operands, entries = self._replaced(table.operands, table.entries, table.results, reader)
        if operands is table.operands:
            return table
        columns = list(entries.T)
        merged, results = table_entries(columns, [node.size for node in operands], table.results)
        return Table(operands, merged, results)

    def selection(self, selection: Selection, reader: Node) -> Selection:
        """The selection with the sums of the widths among its keys, and among its queries."""
        n = len(selection.keys)
        keys, key_entries = self._replaced(
            selection.keys, selection.entries[:, :n], selection.selected, reader, selection.entries[:, n:]
        )
        queries, query_entries = self._replaced(
            selection.queries, selection.entries[:, n:], selection.selected, reader, key_entries
        )
        if keys is selection.keys and queries is selection.queries:
            return selection
        entries = np.concatenate([key_entries, query_entries], axis=1)
        sizes = [node.size for node in (*keys, *queries)]
        merged, selected = table_entries(list(entries.T), sizes, selection.selected.astype(int))
        return Selection(keys, queries, merged, selected.astype(bool))

    def _replaced(
        self,
        operands: tuple[Node, ...],
        entries: Int[np.ndarray, "entry operand"],
        results: np.ndarray,
        reader: Node | None,
        beside: Int[np.ndarray, "entry other"] | None = None,
    ) -> tuple[tuple[Node, ...], Int[np.ndarray, "entry operand"]]:
        """Operands and entries with one width for all, if the results are a function of it and what else there is."""
        places = [place for place, node in enumerate(operands) if isinstance(node.definition, Width)]
        if len(places) < 2:
            return operands, entries
        others = [place for place in range(len(operands)) if place not in places]
        total = entries[:, places].sum(axis=1)
        rest = [entries[:, place] for place in others] + ([] if beside is None else list(beside.T))
        columns = [total, *rest]
        if not is_function(columns, [int(column.max(initial=0)) + 1 for column in columns], results.astype(int)):
            return operands, entries
        sum_node = self._sum([operands[place] for place in places], reader)
        if sum_node is None:
            return operands, entries
        return (sum_node, *(operands[place] for place in others)), np.stack(
            [total, *(entries[:, place] for place in others)], axis=1
        )

    def _sum(self, nodes: list[Node], reader: Node | None) -> Node | None:
        """The width of all that some widths count, before its first reader; ``None`` if they overlap."""
        key = tuple(sorted(node.number for node in nodes))
        if key not in self.united:
            self.united[key] = self._new_sum(nodes, reader)
        return self.united[key]

    def _new_sum(self, nodes: list[Node], reader: Node | None) -> Node | None:
        selections = [node.definition.selection for node in nodes if isinstance(node.definition, Width)]
        chosen = [selected_pairs_of(each, self.batch) for each in selections]
        times = np.sum(chosen, axis=0)
        if times.max(initial=0) > 1:
            return None
        keys = tuple(dict.fromkeys(node for each in selections for node in each.keys))
        queries = tuple(dict.fromkeys(node for each in selections for node in each.queries))
        union = selection_of(self.batch.visible, keys, queries, times > 0)
        if union is None:
            return None
        widths = (times > 0).sum(axis=2)
        places = list(dict.fromkeys(place for node in nodes for place in node.places))
        is_simple = len(union.keys) < 2 and len(union.queries) < 2
        definition = Width(union, () if is_simple else tuple(selections))
        made = Node(len(self.reading.nodes), definition, widths, widths.shape[1] + 1, places)
        nodes_now = self.reading.nodes
        nodes_now.insert(len(nodes_now) if reader is None else nodes_now.index(reader), made)
        return made


def selected_pairs_of(selection: Selection, batch: Batch) -> Bool[np.ndarray, "input query key"]:
    """The selected pairs on a batch."""
    operands = [(node, "k") for node in selection.keys] + [(node, "q") for node in selection.queries]
    joint = np.zeros((*batch.inside.shape, batch.inside.shape[1]), np.int64)
    own = np.zeros(len(selection.entries), np.int64)
    for place, (node, side) in enumerate(operands):
        codes = node.codes[:, None, :] if side == "k" else node.codes[:, :, None]
        joint, own = joint * node.size + codes, own * node.size + selection.entries[:, place]
    chosen = np.sort(own[selection.selected])
    if not len(chosen):
        return np.zeros(joint.shape, bool)
    places = np.minimum(np.searchsorted(chosen, joint), len(chosen) - 1)
    selected: np.ndarray = batch.visible & (chosen[places] == joint)
    return selected
