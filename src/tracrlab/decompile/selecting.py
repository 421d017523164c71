"""Selectors from tables of whom queries select, said with comparisons where they can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tracrlab import rasp
from tracrlab.decompile.functions import first_rows, joint_codes
from tracrlab.decompile.partitions import merged_operands
from tracrlab.decompile.synthesis import synthesised
from tracrlab.rasp import operations as op
from tracrlab.rasp.batches import Batch
from tracrlab.rasp.expressions import Comparison, Selector, SOp, elementwise
from tracrlab.rasp.values import Value
from tracrlab.shapes import Bool, Int

_ORDERS = (Comparison.EQ, Comparison.LT, Comparison.LEQ, Comparison.GT, Comparison.GEQ, Comparison.NEQ)
_FARTHEST = 8  # shifts of keys and queries that are tried
_LARGEST_FACTOR = 4  # and multiples and remainders


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which combinations of key and query values are selected, of those that meet.

    Attributes: ``entries`` the codes of keys, then of queries, in each combination; ``selected`` what comes of it.
    """

    keys: tuple[SOp, ...]
    queries: tuple[SOp, ...]
    entries: Int[np.ndarray, "entry operand"]
    selected: Bool[np.ndarray, " entry"]


def selector(batch: Batch, keys: Sequence[SOp], queries: Sequence[SOp], selected: Bool[np.ndarray, "..."]) -> Selector:
    """A selector with these selected pairs, a function of values of the keys and of the queries."""
    inputs, query_places, key_places = np.nonzero(batch.visible)
    coded = [(batch.value(sop), key_places) for sop in keys] + [(batch.value(sop), query_places) for sop in queries]
    columns = [each.codes[inputs, places] for each, places in coded]
    sizes = [len(each.values) for each, _ in coded]
    results = selected[batch.visible]
    if not columns:
        return _everything() if len(results) and results[0] else ~_everything()
    rows, _ = first_rows(*joint_codes(columns, sizes))
    entries = np.stack([column[rows] for column in columns], axis=1)
    return _Selecting(batch).selector(Pairs(tuple(keys), tuple(queries), entries, results[rows]))


def _everything() -> Selector:
    return rasp.select(1, 1, Comparison.EQ)


class _Selecting:
    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def selector(self, pairs: Pairs) -> Selector:
        """A selector for the pairs, by whatever way is found first."""
        pairs = self._needed(pairs)
        operands = len(pairs.keys) + len(pairs.queries)
        if not operands:
            return _everything() if pairs.selected[:1].any() else ~_everything()
        if operands > 2 or len(pairs.keys) > 1 or len(pairs.queries) > 1:
            for split in (self._conjunction, self._disjunction):
                if (found := split(pairs)) is not None:
                    return found
            return self.selector(self._joined(pairs))
        if not pairs.queries:
            return self._of_keys(pairs)
        if not pairs.keys:
            return self._of_queries(pairs)
        return self._of_both(pairs)

    # Fewer operands ------------------------------------------------------------------------------------------------

    def _sizes(self, pairs: Pairs) -> list[int]:
        return [len(self.batch.value(sop).values) for sop in (*pairs.keys, *pairs.queries)]

    def _needed(self, pairs: Pairs) -> Pairs:
        """The pairs without operands of which nothing depends."""
        blocks = merged_operands(pairs.entries, pairs.selected.astype(int), self._sizes(pairs))
        kept = [place for place, own in enumerate(blocks) if own.any()]
        return self._restricted(pairs, kept, pairs.selected)

    def _restricted(self, pairs: Pairs, kept: Sequence[int], selected: Bool[np.ndarray, " entry"]) -> Pairs:
        """The pairs with some operands, of which a combination is selected if it ever is."""
        n = len(pairs.keys)
        keys = tuple(pairs.keys[place] for place in kept if place < n)
        queries = tuple(pairs.queries[place - n] for place in kept if place >= n)
        if not kept:
            return Pairs((), (), np.zeros((1, 0), int), np.array([bool(selected.any())]))
        sizes = self._sizes(pairs)
        columns = [pairs.entries[:, place] for place in kept]
        rows, places = first_rows(*joint_codes(columns, [sizes[place] for place in kept]))
        ever = np.zeros(len(rows), bool)
        np.logical_or.at(ever, places, selected)
        return Pairs(keys, queries, np.stack([column[rows] for column in columns], axis=1), ever)

    def _conjunction(self, pairs: Pairs) -> Selector | None:
        """Two selectors of fewer operands that select together what is selected."""
        parts = self._parts(pairs, pairs.selected)
        return None if parts is None else self.selector(parts[0]) & self.selector(parts[1])

    def _disjunction(self, pairs: Pairs) -> Selector | None:
        """Two selectors of fewer operands one of which selects what is selected."""
        parts = self._parts(pairs, ~pairs.selected)
        if parts is None:
            return None
        first, second = (Pairs(part.keys, part.queries, part.entries, ~part.selected) for part in parts)
        return self.selector(first) | self.selector(second)

    def _parts(self, pairs: Pairs, selected: Bool[np.ndarray, " entry"]) -> tuple[Pairs, Pairs] | None:
        number = range(pairs.entries.shape[1])
        sizes = self._sizes(pairs)
        proper = [each for size in range(1, len(number)) for each in combinations(number, size)]
        for first in proper:
            for second in proper:
                if set(first) | set(second) != set(number) or second < first:
                    continue
                ever = []
                for part in (first, second):
                    columns = [pairs.entries[:, place] for place in part]
                    rows, places = first_rows(*joint_codes(columns, [sizes[place] for place in part]))
                    own = np.zeros(len(rows), bool)
                    np.logical_or.at(own, places, selected)
                    ever.append(own[places])
                if ((ever[0] & ever[1]) == selected).all():
                    return self._restricted(pairs, first, selected), self._restricted(pairs, second, selected)
        return None

    def _joined(self, pairs: Pairs) -> Pairs:
        """The pairs with one key and one query operand, functions of those that there are."""
        n, sizes = len(pairs.keys), self._sizes(pairs)
        sides = []
        for operands, places in ((pairs.keys, range(n)), (pairs.queries, range(n, len(sizes)))):
            if len(operands) < 2:
                sides.append((operands, pairs.entries[:, list(places)]))
                continue
            other = [place for place in range(len(sizes)) if place not in places]
            joint, top = joint_codes([pairs.entries[:, place] for place in places], [sizes[place] for place in places])
            rest_own = np.zeros(len(joint), int)
            if other:
                columns = [pairs.entries[:, place] for place in other]
                _, rest_own = first_rows(*joint_codes(columns, [sizes[place] for place in other]))
            _, own = first_rows(joint, top)
            blocks = merged_operands(
                np.stack([own, rest_own], axis=1), pairs.selected.astype(int), [own.max() + 1, rest_own.max() + 1]
            )[0]
            coded = [self.batch.value(operand) for operand in operands]
            everywhere, every_top = joint_codes([each.codes for each in coded], [len(each.values) for each in coded])
            block_of = np.zeros(every_top, int)
            block_of[joint] = blocks[own]
            made = synthesised(self.batch, operands, block_of[everywhere], None)
            values = self.batch.value(made)
            code_of_block = np.zeros(int(blocks.max()) + 1, int)
            inside = self.batch.inside
            code_of_block[block_of[everywhere][inside]] = values.codes[inside]
            sides.append(((made,), code_of_block[blocks[own]][:, None]))
        (keys, key_codes), (queries, query_codes) = sides
        entries = np.concatenate([key_codes, query_codes], axis=1)
        joined = Pairs(tuple(keys), tuple(queries), entries, pairs.selected)
        return self._restricted(joined, range(entries.shape[1]), pairs.selected)

    # One operand or two --------------------------------------------------------------------------------------------

    def _values(self, sop: SOp, codes: Int[np.ndarray, " entry"]) -> list[Value]:
        values = self.batch.value(sop).values
        return [values[code] for code in codes.tolist()]

    def _of_keys(self, pairs: Pairs) -> Selector:
        key, values = pairs.keys[0], self._values(pairs.keys[0], pairs.entries[:, 0])
        for constant in values:
            for order in _ORDERS:
                if _compared(order, values, [constant] * len(values)) == pairs.selected.tolist():
                    return rasp.select(key, constant, order)
        return rasp.select(self._flagged(key, pairs.entries[:, 0], pairs.selected), True, Comparison.EQ)

    def _of_queries(self, pairs: Pairs) -> Selector:
        query, values = pairs.queries[0], self._values(pairs.queries[0], pairs.entries[:, 0])
        for constant in values:
            for order in _ORDERS:
                if _compared(order, [constant] * len(values), values) == pairs.selected.tolist():
                    return rasp.select(constant, query, order)
        return rasp.select(True, self._flagged(query, pairs.entries[:, 0], pairs.selected), Comparison.EQ)

    def _flagged(self, sop: SOp, codes: Int[np.ndarray, " entry"], flags: Bool[np.ndarray, " entry"]) -> SOp:
        """Whether an s-op has one of the flagged values."""
        return self._labelled(sop, codes, flags.astype(int), [False, True])

    def _labelled(self, sop: SOp, codes: Int[np.ndarray, " entry"], blocks: Any, labels: Sequence[Value] | None) -> SOp:
        coded = self.batch.value(sop)
        block_of = np.zeros(len(coded.values), int)
        block_of[codes] = blocks
        return synthesised(self.batch, [sop], block_of[coded.codes], labels)

    def _of_both(self, pairs: Pairs) -> Selector:
        return next(each for each in self._ways(pairs) if each is not None)

    def _ways(self, pairs: Pairs) -> Iterator[Selector | None]:
        key, query = pairs.keys[0], pairs.queries[0]
        key_values, query_values = self._values(key, pairs.entries[:, 0]), self._values(query, pairs.entries[:, 1])
        selected = pairs.selected.tolist()
        for order in _ORDERS:
            if _compared(order, key_values, query_values) == selected:
                yield rasp.select(key, query, order)
        if all(isinstance(value, int | float) for value in (*key_values, *query_values)):
            yield self._shifted(key, query, key_values, query_values, selected)
        yield self._matched(pairs)
        yield self._staircase(pairs)
        complement = Pairs(pairs.keys, pairs.queries, pairs.entries, ~pairs.selected)
        matched = self._matched(complement)
        yield None if matched is None else ~matched
        yield self._cases(pairs)

    def _shifted(
        self, key: SOp, query: SOp, keys: Sequence[Any], queries: Sequence[Any], selected: Sequence[bool]
    ) -> Selector | None:
        """A comparison of which one side is combined with a constant."""
        shifts: list[tuple[op.Operation, int, int]] = []
        for number in range(1, _FARTHEST + 1):
            shifts += [(op.SUBTRACT, 1, number), (op.ADD, 1, number), (op.SUBTRACT, 0, number)]
        shifts += [(op.MULTIPLY, 1, number) for number in range(2, _LARGEST_FACTOR + 1)]
        shifts += [(op.MODULO, 1, number) for number in range(2, _LARGEST_FACTOR + 1)]
        for operation, place, number in [(op.SUBTRACT, 0, 0), *shifts]:
            for is_key in (False, True):
                own, sop = (keys, key) if is_key else (queries, query)
                moved = [operation(value, number) if place else operation(number, value) for value in own]
                for order in _ORDERS:
                    if _compared(order, moved if is_key else keys, queries if is_key else moved) == selected:
                        made = elementwise(operation, *((sop, number) if place else (number, sop)))
                        return rasp.select(made if is_key else key, query if is_key else made, order)
        return None

    def _matched(self, pairs: Pairs) -> Selector | None:
        """Keys and queries brought to the same values, if each query selects one of them at most."""
        sizes = self._sizes(pairs)
        key_blocks, query_blocks = merged_operands(pairs.entries, pairs.selected.astype(int), sizes)
        keys, queries = key_blocks[pairs.entries[:, 0]], query_blocks[pairs.entries[:, 1]]
        chosen = np.full(int(query_blocks.max()) + 1, -1)
        for key, query, is_selected in zip(keys.tolist(), queries.tolist(), pairs.selected.tolist(), strict=True):
            if is_selected and chosen[query] not in (-1, key):
                return None
            if is_selected:
                chosen[query] = key
        if (pairs.selected != (chosen[queries] == keys)).any():
            return None
        made_keys = self._labelled(pairs.keys[0], pairs.entries[:, 0], keys, None)
        coded = self.batch.value(made_keys)
        key_codes = self.batch.value(pairs.keys[0]).codes
        labels: list[Any] = [None] * (int(key_blocks.max()) + 1)
        inside = self.batch.inside
        for block, code in set(zip(key_blocks[key_codes][inside].tolist(), coded.codes[inside].tolist(), strict=True)):
            labels[block] = coded.values[code]
        nothing = next(each for each in (-1, -2, "none") if each not in labels)
        made_queries = self._labelled(
            pairs.queries[0],
            pairs.entries[:, 1],
            np.where(chosen < 0, len(labels), chosen)[queries],
            [*labels, nothing],
        )
        return rasp.select(made_keys, made_queries, Comparison.EQ)

    def _staircase(self, pairs: Pairs) -> Selector | None:
        """Keys and queries in one order, if of any two queries one selects all that the other does."""
        sizes = self._sizes(pairs)
        key_blocks, query_blocks = merged_operands(pairs.entries, pairs.selected.astype(int), sizes)
        keys, queries = key_blocks[pairs.entries[:, 0]], query_blocks[pairs.entries[:, 1]]
        table = np.zeros((int(query_blocks.max()) + 1, int(key_blocks.max()) + 1), bool)
        table[queries[pairs.selected], keys[pairs.selected]] = True
        steps = np.argsort(np.argsort(-table.sum(axis=0), kind="stable"))  # keys that more queries select come first
        reach = table.sum(axis=1)
        if (table != (steps[None, :] < reach[:, None])).any():
            return None
        key_labels = steps.tolist()
        made_keys = self._labelled(pairs.keys[0], pairs.entries[:, 0], keys, key_labels)
        made_queries = self._labelled(pairs.queries[0], pairs.entries[:, 1], queries, reach.tolist())
        return rasp.select(made_keys, made_queries, Comparison.LT)

    def _cases(self, pairs: Pairs) -> Selector:
        """What each kind of query selects, one after the other."""
        sizes = self._sizes(pairs)
        key_blocks, query_blocks = merged_operands(pairs.entries, pairs.selected.astype(int), sizes)
        keys, queries = key_blocks[pairs.entries[:, 0]], query_blocks[pairs.entries[:, 1]]
        result: Selector | None = None
        for block in range(int(query_blocks.max()) + 1):
            chosen = np.isin(keys, keys[(queries == block) & pairs.selected])
            if not chosen.any():
                continue
            own = self._flagged(pairs.keys[0], pairs.entries[:, 0], chosen)
            is_own = self._labelled(
                pairs.queries[0], pairs.entries[:, 1], (queries == block).astype(int), [False, True]
            )
            both = rasp.select(own, True, Comparison.EQ) & rasp.select(True, is_own, Comparison.EQ)
            result = both if result is None else result | both
        return result if result is not None else ~_everything()


def _compared(order: Comparison, keys: Sequence[Any], queries: Sequence[Any]) -> list[bool] | None:
    try:
        return [order(key, query) for key, query in zip(keys, queries, strict=True)]
    except TypeError:
        return None
