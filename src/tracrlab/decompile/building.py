"""From what was found to a program: what readers need of each variable, then an expression for it.

Backwards, from the answer: of each variable only what its readers tell apart is kept, so what a variable holds besides,
or how it is stored, leaves no trace. Forwards: each variable is said as an expression of those before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from tracrlab import rasp
from tracrlab.decompile.attention import table_entries
from tracrlab.decompile.nodes import Copy, Mean, Node, Selection, Source, Table, Width
from tracrlab.decompile.partitions import Blocks, common_refinement, finest, merged_operands, refines
from tracrlab.decompile.reading import Reading
from tracrlab.decompile.selecting import selector
from tracrlab.decompile.synthesis import cost, synthesised
from tracrlab.decompile.uniting import selected_pairs_of, unite_widths
from tracrlab.rasp.batches import Batch, Coded
from tracrlab.rasp.expressions import Selector, SOp
from tracrlab.rasp.values import Value
from tracrlab.shapes import Int


@dataclass(frozen=True, eq=False)
class View:
    """What somebody needs of a variable: the blocks of classes that it tells apart."""

    node: Node
    blocks: Blocks

    @property
    def codes(self) -> Int[np.ndarray, "input position"]:
        """The block at every position."""
        codes: np.ndarray = self.blocks[self.node.codes]
        return codes


@dataclass(frozen=True, eq=False)
class _Plan:
    """A view to be built: from which views, and which table of them it is or its head carries."""

    view: View
    inputs: tuple[View, ...] = ()
    pairs: tuple[_Pairs, ...] = ()


@dataclass(frozen=True, eq=False)
class _Pairs:
    """A selection, and the views of keys and queries that it needs."""

    selection: Selection
    keys: tuple[View, ...]
    queries: tuple[View, ...]


@dataclass(eq=False)
class Program:
    """A program that was found: its ``answer``, and the expression of each variable that it needs."""

    answer: SOp
    expressions: list[tuple[Node, SOp]] = field(default_factory=list)


def built(reading: Reading, batch: Batch, answers: Coded) -> Program:
    """The program of a reading that has an answer: the shorter one of two."""
    assert reading.answer is not None
    unite_widths(reading, batch)
    programs = [_Builder(reading, batch, answers, merging=merging).program() for merging in (True, False)]
    return min(programs, key=lambda program: cost(program.answer))


class _Builder:
    """A way to say it: ``merging`` what nobody tells apart, or with variables as they were found."""

    def __init__(self, reading: Reading, batch: Batch, answers: Coded, *, merging: bool) -> None:
        self.reading, self.batch, self.answers, self.merging = reading, batch, answers, merging
        self.wanted: dict[int, list[Blocks]] = {}
        self.plans: list[_Plan] = []
        self.made: dict[int, list[tuple[Blocks, SOp]]] = {}
        self.selectors: dict[bytes, Selector] = {}
        self.labels: dict[int, tuple[Blocks, list[Value]]] = {}

    def program(self) -> Program:
        table = self.reading.answer
        assert table is not None
        inputs = self._wants(table.operands, table.entries, table.results)
        self._hand_on_labels(table, inputs)
        for node in reversed(self.reading.nodes):
            self._plan(node)
        for plan in reversed(self.plans):
            self.made.setdefault(plan.view.node.number, []).append((plan.view.blocks, self._expression(plan)))
        answer = synthesised(
            self.batch, [self._operand(view) for view in inputs], self.answers.codes, self.answers.values
        )
        nodes = {node.number: node for node in self.reading.nodes}
        expressions = [(nodes[number], sop) for number, made in sorted(self.made.items()) for _, sop in made]
        return Program(answer, expressions)

    # Backwards -----------------------------------------------------------------------------------------------------

    def _wants(
        self, operands: tuple[Node, ...], entries: Int[np.ndarray, "entry operand"], results: Int[np.ndarray, " entry"]
    ) -> tuple[View, ...]:
        """What a table needs of its operands; those of which it needs something are remembered."""
        views = [view for view in self._views(operands, entries, results) if view.blocks.any()]
        for view in views:
            self.wanted.setdefault(view.node.number, []).append(view.blocks)
        return tuple(views)

    def _hand_on_labels(self, table: Table, inputs: tuple[View, ...]) -> None:
        """If the answer is a function of one variable, that variable can have the answer's values itself."""
        if len(inputs) != 1 or isinstance(inputs[0].node.definition, Source | Width | Mean):
            return
        view = inputs[0]
        labels: list[Value] = [None] * (int(view.blocks.max()) + 1)
        for entry, result in zip(table.entries, table.results.tolist(), strict=True):
            place = table.operands.index(view.node)
            labels[view.blocks[entry[place]]] = self.answers.values[result]
        self.labels[view.node.number] = view.blocks, labels

    def _plan(self, node: Node) -> None:
        """What the views of a node that are needed need in turn."""
        wanted = self.wanted.get(node.number)
        if wanted is None:
            return
        views = finest(wanted)
        definition = node.definition
        if len(views) > 1 and not isinstance(definition, Table):
            views = [common_refinement(views)]
        for blocks in views:
            view = View(node, blocks)
            match definition:
                case Table():
                    own = blocks[definition.results]
                    self.plans.append(_Plan(view, self._wants(definition.operands, definition.entries, own)))
                case Copy():
                    own = blocks[definition.values.results]
                    inputs = self._wants(definition.values.operands, definition.values.entries, own)
                    self.plans.append(_Plan(view, inputs, (self._pairs(definition.selection),)))
                case Mean():
                    table = definition.values
                    inputs = self._wants(table.operands, table.entries, np.array(definition.numbers)[table.results])
                    self.plans.append(_Plan(view, inputs, (self._pairs(definition.selection),)))
                case Width():
                    selections = definition.parts or (definition.selection,)
                    self.plans.append(_Plan(view, (), tuple(map(self._pairs, selections))))
                case Source():
                    self.plans.append(_Plan(view))

    def _pairs(self, selection: Selection) -> _Pairs:
        operands = (*selection.keys, *selection.queries)
        views = self._views(operands, selection.entries, selection.selected.astype(int))
        for view in views:
            if view.blocks.any():
                self.wanted.setdefault(view.node.number, []).append(view.blocks)
        n = len(selection.keys)
        return _Pairs(
            selection,
            tuple(view for view in views[:n] if view.blocks.any()),
            tuple(view for view in views[n:] if view.blocks.any()),
        )

    def _views(
        self, operands: tuple[Node, ...], entries: Int[np.ndarray, "entry operand"], results: Int[np.ndarray, " entry"]
    ) -> list[View]:
        """What a function of the operands needs of each; all of it, unless merging, or nothing."""
        merged = merged_operands(entries, results, [node.size for node in operands])
        if not self.merging:
            merged = [np.arange(len(blocks)) if blocks.any() else blocks for blocks in merged]
        return [View(node, blocks) for node, blocks in zip(operands, merged, strict=True)]

    # Forwards ------------------------------------------------------------------------------------------------------

    def _operand(self, view: View) -> SOp:
        """An expression that tells apart what the view does."""
        return next(sop for blocks, sop in self.made[view.node.number] if refines(blocks, view.blocks))

    def _operands(self, views: tuple[View, ...]) -> list[SOp]:
        return list(dict.fromkeys(self._operand(view) for view in views))

    def _expression(self, plan: _Plan) -> SOp:
        definition = plan.view.node.definition
        operands = self._operands(plan.inputs)
        match definition:
            case Source(kind="tokens"):
                return rasp.tokens
            case Source():
                return rasp.indices
            case Table():
                labels = self._labels(plan.view)
                return synthesised(self.batch, operands, plan.view.codes, labels)
            case Width():
                return self._width(plan)
            case Copy():
                return self._copy(definition, plan, operands)
            case Mean():
                return self._mean(definition, plan, operands)

    def _labels(self, view: View) -> list[Value] | None:
        blocks, labels = self.labels.get(view.node.number, (view.blocks, None))
        return labels if np.array_equal(blocks, view.blocks) else None

    def _selector(self, pairs: _Pairs) -> Selector:
        selected = selected_pairs_of(pairs.selection, self.batch)
        key = np.packbits(selected).tobytes()
        if key not in self.selectors:
            keys, queries = self._operands(pairs.keys), self._operands(pairs.queries)
            self.selectors[key] = selector(self.batch, keys, queries, selected)
        return self.selectors[key]

    def _width(self, plan: _Plan) -> SOp:
        if not any(pairs.keys or pairs.queries for pairs in plan.pairs) and not self.batch.causal:
            return rasp.length
        selectors = [self._selector(pairs) for pairs in plan.pairs]
        return rasp.selector_width(reduce(or_, selectors)).named("width")

    def _copy(self, definition: Copy, plan: _Plan, operands: list[SOp]) -> SOp:
        blocks = plan.view.blocks
        codes = _result_codes(definition.values, self.batch)
        labels = self._labels(plan.view)
        default = int(blocks[definition.default])
        occurring = set(blocks[definition.values.results].tolist())
        value = synthesised(self.batch, operands, blocks[codes], labels)
        coded = self.batch.value(value)
        if labels is not None:
            otherwise = labels[default]
        elif default in occurring:
            otherwise = coded.values[coded.codes[self.batch.inside & (blocks[codes] == default)][0]]
        else:
            otherwise = _new_value(coded.values)
        return rasp.aggregate(self._selector(plan.pairs[0]), value, otherwise).named("copied")

    def _mean(self, definition: Mean, plan: _Plan, operands: list[SOp]) -> SOp:
        numbers = np.array(definition.numbers)
        targets, codes = np.unique(numbers[_result_codes(definition.values, self.batch)], return_inverse=True)
        codes = codes.reshape(self.batch.inside.shape)
        default: Any = definition.default
        if len(operands) == 1 and (line := self._line(operands[0], codes, targets)) is not None:
            value: SOp = operands[0]
            slope, offset = line
            if default is not None:
                default = (default - offset) / slope
                default = int(default) if default == int(default) else default
        else:
            labels: list[Any] = targets.tolist()
            value = synthesised(self.batch, operands, codes, [False, True] if labels == [0, 1] else labels)
        if default is None:
            default = _new_value(self.batch.value(value).values)
        return rasp.aggregate(self._selector(plan.pairs[0]), value, default).named("mean")

    def _line(
        self, operand: SOp, codes: Int[np.ndarray, "input position"], targets: Int[np.ndarray, " target"]
    ) -> tuple[float, float] | None:
        """Slope and offset by which the targets follow from an operand's values, if they do."""
        inside = self.batch.inside
        coded = self.batch.value(operand)
        entries, own = table_entries([coded.codes[inside]], [len(coded.values)], codes[inside])
        values: list[Any] = [coded.values[place] for place in entries[:, 0]]
        numbers = [int(targets[place]) for place in own]
        if not all(isinstance(value, int | float) for value in values) or len(values) < 2:
            return None
        if values[0] == values[1]:
            return None
        slope = (numbers[1] - numbers[0]) / (values[1] - values[0])
        offset = numbers[0] - slope * values[0]
        fits = slope != 0 and all(
            abs(slope * value + offset - number) < 1e-9 for value, number in zip(values, numbers, strict=True)
        )
        return (slope, offset) if fits else None


def _new_value(values: tuple[Value, ...]) -> Value:
    """A value that is none of these, of their kind."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        return int(min(numbers)) - 1
    return next(each for each in ("", "none", "nothing", -1) if each not in values)


def _result_codes(table: Table, batch: Batch) -> Int[np.ndarray, "input position"]:
    """The results of a table at all positions; that of some entry where there is none."""
    joint = np.zeros(batch.inside.shape, np.int64)
    own = np.zeros(len(table.entries), np.int64)
    for place, node in enumerate(table.operands):
        joint, own = joint * node.size + node.codes, own * node.size + table.entries[:, place]
    order = np.argsort(own)
    places = np.minimum(np.searchsorted(own[order], joint), len(own) - 1)
    found: np.ndarray = table.results[order][places]
    return found
