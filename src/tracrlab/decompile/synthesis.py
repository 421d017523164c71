"""Functions of several variables, said with operators where they can be: from tables to expressions.

All is decided on the batch: an expression of operands is right if it has the wanted value wherever an input has a
position. What it does on combinations that never occur is nobody's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tracrlab import rasp
from tracrlab.decompile.attention import table_entries
from tracrlab.decompile.functions import is_function
from tracrlab.decompile.partitions import merged_operands
from tracrlab.decompile.unary import Labels, unary
from tracrlab.errors import EvaluationError
from tracrlab.rasp.batches import Batch, Coded
from tracrlab.rasp.expressions import LinearSequenceMap, Map, SequenceMap, SOp
from tracrlab.rasp.operations import IsIn, Lookup, Operation, PartialOperation
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import value_key
from tracrlab.shapes import Int

Target = Int[np.ndarray, "input position"]

_BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: y - x,
    lambda x, y: x == y,
    lambda x, y: x < y,
    lambda x, y: y < x,
    lambda x, y: x <= y,
    lambda x, y: y <= x,
    lambda x, y: x != y,
    lambda x, y: x * y,
    lambda x, y: x & y,
    lambda x, y: x | y,
    lambda x, y: ~x & y,
    lambda x, y: x & ~y,
    lambda x, y: ~x | y,
    lambda x, y: x | ~y,
    lambda x, y: ~(x & y),
    lambda x, y: ~(x | y),
    lambda x, y: rasp.where(x < y, x, y),
    lambda x, y: rasp.where(x > y, x, y),
    lambda x, y: x % y,
    lambda x, y: y % x,
    lambda x, y: x / y,
    lambda x, y: y / x,
    *(
        lambda x, y, a=a, b=b: LinearSequenceMap(x, y, a, b)
        for a, b in (
            (2, 1),
            (1, 2),
            (2, -1),
            (-1, 2),
            (1, -2),
            (-2, 1),
            (3, 1),
            (1, 3),
            (3, -1),
            (-1, 3),
            (1, -3),
            (-3, 1),
        )
    ),
    *(
        lambda x, y, a=a, b=b: LinearSequenceMap(x, y, a, b)
        for a, b in ((3, 2), (2, 3), (3, -2), (-2, 3), (2, -3), (-3, 2), (-1, -1))
    ),
)
_UNSAID = 50  # operations rather than one function that textual RASP has no form for
_OF_BOOLS = range(10, 18)
_CHOICES = range(18, 20)  # of one operand or the other: numbers and bools that are equal would mix
_ORDERED = {0, 1, 2, 4, 5, 6, 7, 9, *range(18, len(_BINARY))}


def synthesised(batch: Batch, operands: Sequence[SOp], target: Target, labels: Labels) -> SOp:
    """An expression of the operands that is in the blocks of the target, with these labels, if any are given."""
    if not operands:
        return rasp.Full(0 if labels is None else labels[int(target[batch.inside][0])])
    coded = [batch.value(operand) for operand in operands]
    columns, sizes = [each.codes[batch.inside] for each in coded], [len(each.values) for each in coded]
    entries, results = table_entries(columns, sizes, target[batch.inside])
    cases = Batch((None,), np.zeros((1, len(results)), int))
    for operand, own, column in zip(operands, coded, entries.T, strict=True):
        cases.assume(operand, Coded(own.values, column[None]))
    return _Synthesis(cases).expression(operands, results[None], labels)


def cost(sop: SOp) -> tuple[int, int]:
    """How long an expression is: operations, and entries of tables."""
    nodes = [node for node in children_first(sop) if node.children]
    functions = [
        node.f for node in nodes if isinstance(node, Map | SequenceMap) and not isinstance(node, LinearSequenceMap)
    ]
    tables = sum(len(function.table) if isinstance(function, Lookup) else 0 for function in functions)
    unsaid = sum(not isinstance(function, Operation | PartialOperation | Lookup | IsIn) for function in functions)
    return len(nodes) + (tables + 3) // 4 + _UNSAID * unsaid, tables


class _Synthesis:
    """Expressions on a batch that has each combination of the operands' values once."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def expression(self, operands: Sequence[SOp], target: Target, labels: Labels) -> SOp:
        """An expression of the operands that is in the blocks of the target, with these labels, if any are given."""
        operands = self._needed(operands, target)
        if len(operands) < 2:
            return self._unary(operands, target, labels)
        if len(operands) == 2:
            return self._binary(operands[0], operands[1], target, labels)
        first, second, joined = self._closest_pair(operands, target)
        inner = self._binary(operands[first], operands[second], joined, None)
        rest = [operand for place, operand in enumerate(operands) if place not in (first, second)]
        return self.expression([inner, *rest], target, labels)

    def _columns(self, operands: Sequence[SOp]) -> tuple[list[np.ndarray], list[Coded]]:
        coded = [self.batch.value(operand) for operand in operands]
        return [each.codes[self.batch.inside] for each in coded], coded

    def _needed(self, operands: Sequence[SOp], target: Target) -> list[SOp]:
        """The operands without those that the others make superfluous."""
        columns, coded = self._columns(operands)
        sizes, own = [len(each.values) for each in coded], target[self.batch.inside]
        kept = list(range(len(operands)))
        for place in range(len(operands)):
            fewer = [each for each in kept if each != place]
            if is_function([columns[each] for each in fewer], [sizes[each] for each in fewer], own):
                kept = fewer
        return [operands[place] for place in kept]

    def _unary(self, operands: Sequence[SOp], target: Target, labels: Labels) -> SOp:
        if not operands:
            return rasp.Full(0 if labels is None else labels[int(target[self.batch.inside][0])])
        columns, coded = self._columns(operands)
        entries, blocks = table_entries(columns, [len(coded[0].values)], target[self.batch.inside])
        return unary(operands[0], [coded[0].values[place] for place in entries[:, 0]], blocks.tolist(), labels)

    def _blocks(self, operands: Sequence[SOp], target: Target) -> list[Target]:
        """For each operand, the blocks of its values that the target can do with."""
        columns, coded = self._columns(operands)
        sizes = [len(each.values) for each in coded]
        entries, results = table_entries(columns, sizes, target[self.batch.inside])
        merged = merged_operands(entries, results, sizes)
        return [blocks[each.codes] for blocks, each in zip(merged, coded, strict=True)]

    def _binary(self, first: SOp, second: SOp, target: Target, labels: Labels) -> SOp:
        blocks = self._blocks([first, second], target)
        simple = [self._unary([operand], own, None) for operand, own in zip((first, second), blocks, strict=True)]
        pairs = [(first, second), *([] if simple[0] is first and simple[1] is second else [(simple[0], simple[1])])]
        found = [each for pair in pairs for each in self._operators(*pair, target, labels)]
        found += self._by_cases(simple[0], second, blocks[0], target, labels)
        found += self._by_cases(simple[1], first, blocks[1], target, labels)
        return min(found, key=cost) if found else self._looked_up(first, second, target, labels)

    def _looked_up(self, first: SOp, second: SOp, target: Target, labels: Labels) -> SOp:
        """A table, where nothing else tells the values apart that do not have one order or one equality."""
        columns, coded = self._columns([first, second])
        entries, blocks = table_entries(columns, [len(each.values) for each in coded], target[self.batch.inside])
        table = {
            tuple(value_key(each.values[place]) for each, place in zip(coded, entry, strict=True)): block
            for entry, block in zip(entries.tolist(), blocks.tolist(), strict=True)
        }

        def looked_up(x: Any, y: Any) -> Any:
            block = table[value_key(x), value_key(y)]
            return block if labels is None else labels[block]

        return rasp.elementwise_map(looked_up, first, second)

    def _operators(self, first: SOp, second: SOp, target: Target, labels: Labels) -> Iterator[SOp]:
        """Operators of which the target is a function."""
        values = [self.batch.value(operand).values for operand in (first, second)]
        are_bools = all(type(value) is bool for each in values for value in each)
        have_bools = any(type(value) is bool for each in values for value in each)
        have_order = all(isinstance(value, int | float) for each in values for value in each) or all(
            isinstance(value, str) for each in values for value in each
        )
        for place, operator in enumerate(_BINARY):
            if (place in _OF_BOOLS and not are_bools) or (place in _ORDERED and not have_order):
                continue
            if place in _CHOICES and have_bools:
                continue
            made = operator(first, second)
            try:
                coded = self.batch.value(made)
            except EvaluationError:
                continue
            own = target[self.batch.inside]
            if is_function([coded.codes[self.batch.inside]], [len(coded.values)], own):
                yield self._unary([made], target, labels)

    def _by_cases(self, condition: SOp, other: SOp, blocks: Target, target: Target, labels: Labels) -> Iterator[SOp]:
        """``where`` for each block of the first operand: a function of the second one in each."""
        inside = self.batch.inside
        coded = self.batch.value(condition)
        occurring = np.unique(coded.codes[inside]).tolist()
        if labels is None:
            labels = list(range(int(target[self.batch.inside].max()) + 1))
        result: SOp | None = None
        for code in reversed(occurring):
            there = inside & (coded.codes == code)
            values = self.batch.value(other)
            entries, own = table_entries([values.codes[there]], [len(values.values)], target[there])
            case = unary(other, [values.values[place] for place in entries[:, 0]], own.tolist(), labels)
            branch: Any = case.fill if isinstance(case, rasp.Full) else case
            if result is None:
                result = case
                continue
            value = coded.values[code]
            otherwise: Any = result.fill if isinstance(result, rasp.Full) else result
            if value is False:
                result = rasp.where(condition, otherwise, branch)
            else:
                result = rasp.where(condition if value is True else condition == value, branch, otherwise)
        if result is not None and self._is_right(result, target, labels):
            yield result

    def _is_right(self, sop: SOp, target: Target, labels: Labels) -> bool:
        """Whether an expression tells the blocks apart, with these labels."""
        try:
            coded = self.batch.value(sop)
        except EvaluationError:
            return False
        inside, own = self.batch.inside, target[self.batch.inside]
        if labels is None:
            return is_function([coded.codes[inside]], [len(coded.values)], own)
        number = {value_key(label): place for place, label in enumerate(labels)}
        places = np.array([number.get(value_key(value), -1) for value in coded.values])
        return bool((places[coded.codes[inside]] == own).all())

    def _closest_pair(self, operands: Sequence[SOp], target: Target) -> tuple[int, int, Target]:
        """The two operands that can be replaced by a function of both of fewest values, and that function."""
        columns, coded = self._columns(operands)
        sizes = [len(each.values) for each in coded]
        best: tuple[float, int, int, Target] | None = None
        for first, second in combinations(range(len(operands)), 2):
            joint = columns[first] * sizes[second] + columns[second]
            others = [place for place in range(len(operands)) if place not in (first, second)]
            own_sizes = [sizes[first] * sizes[second], *(sizes[place] for place in others)]
            entries, results = table_entries(
                [joint, *(columns[place] for place in others)], own_sizes, target[self.batch.inside]
            )
            blocks = merged_operands(entries, results, own_sizes)[0]
            joined = np.zeros(self.batch.inside.shape, int)
            joined[self.batch.inside] = blocks[joint]
            share = (int(blocks.max()) + 1) / len(np.unique(joint))
            if best is None or share < best[0]:
                best = share, first, second, joined
        assert best is not None
        return best[1:]
