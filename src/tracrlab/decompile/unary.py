"""Functions of one variable, said with operators where they can be.

A function is given by the values that its operand takes and, for each, the block that the result is in. If ``labels``
say what each block is, the result has to be that; otherwise any result does that tells the blocks apart.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from tracrlab import rasp
from tracrlab.rasp import operations as op
from tracrlab.rasp.expressions import SOp, elementwise
from tracrlab.rasp.values import Value, exact_number, value_key

Labels = Sequence[Value] | None


def unary(operand: SOp, values: Sequence[Value], blocks: Sequence[int], labels: Labels) -> SOp:
    """An expression of the operand that is in these blocks where it has these values."""
    if len(set(blocks)) == 1:
        return rasp.Full(labels[blocks[0]] if labels is not None else 0)
    if labels is None:
        if len(set(blocks)) == len(blocks):
            return operand
        return _partition(operand, values, blocks)
    wanted = [labels[block] for block in blocks]
    if len(set(map(value_key, wanted))) == 1:  # blocks that differ may have one label
        return rasp.Full(wanted[0])
    if _agree(values, wanted):
        return operand
    return next(each for each in _labelled(operand, values, wanted) if each is not None)


def _partition(operand: SOp, values: Sequence[Value], blocks: Sequence[int]) -> SOp:
    if len(set(blocks)) == 2:
        first = [block == blocks[0] for block in blocks]
        flags = first if sum(first) * 2 <= len(first) else [not each for each in first]
        return _predicate(operand, values, flags)
    if all(map(_is_plain_number, values)):
        for function, text in _shapes(values):
            found = [function(value) for value in values]
            if _same_blocks(found, blocks):
                shaped: SOp = text(operand)
                return shaped
    representative = {block: value for value, block in reversed(list(zip(values, blocks, strict=True)))}
    return _lookup(operand, values, [representative[block] for block in blocks])


def _shapes(values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Functions of numbers that merge some, simple ones first."""
    yield abs, abs
    for number in range(2, len(values)):
        yield (lambda x, n=number: x % n), (lambda s, n=number: s % n)
    for bound in sorted(set(values)):
        yield (lambda x, n=bound: min(x, n)), (lambda s, n=bound: rasp.where(s < n, s, n))
        yield (lambda x, n=bound: max(x, n)), (lambda s, n=bound: rasp.where(s > n, s, n))


def _labelled(operand: SOp, values: Sequence[Value], wanted: Sequence[Value]) -> Iterator[SOp | None]:
    if all(type(each) is bool for each in wanted):
        yield _predicate(operand, values, [bool(each) for each in wanted])
    if all(map(_is_plain_number, values)) and all(map(_is_plain_number, wanted)):
        yield from _arithmetic(operand, values, wanted)
    keys = [value_key(each) for each in wanted]
    if len(set(keys)) == 2:
        common = max(set(keys), key=lambda each: (keys.count(each), str(each)))
        flags = [key != common for key in keys]
        then = wanted[flags.index(True)]
        otherwise = wanted[flags.index(False)]
        if then is not None or otherwise is not None:
            yield rasp.where(_predicate(operand, values, flags), then, otherwise)
    yield _lookup(operand, values, wanted)


def _arithmetic(operand: SOp, values: Sequence[Any], wanted: Sequence[Any]) -> Iterator[SOp | None]:
    """Operators and constants that give these numbers, with their types."""
    candidates: list[tuple[op.Operation, int, Any]] = [(op.NEGATE, -1, None), (op.ABSOLUTE, -1, None)]
    first, result = values[0], wanted[0]
    for constant in dict.fromkeys([result - first, result + first, *range(-8, 9)]):
        candidates += [(op.ADD, 1, constant), (op.SUBTRACT, 0, constant), (op.MULTIPLY, 1, constant)]
        if isinstance(constant, int) and constant > 1:
            candidates += [(op.DIVIDE, 1, constant), (op.MODULO, 1, constant)]
            candidates += [(op.POWER, 1, constant)]
    for operation, place, constant in candidates:
        operands = (operand,) if place < 0 else (operand, constant) if place else (constant, operand)
        try:
            found = [_applied(operation, place, constant, value) for value in values]
        except (ArithmeticError, TypeError, ValueError):
            continue
        if _agree(found, wanted):
            yield (
                _subtraction(operand, constant)
                if operation == op.ADD and constant < 0
                else elementwise(operation, *operands)
            )
    line = _line(values, wanted)
    if line is not None:
        slope, offset = line
        if _agree([slope * value + offset for value in values], wanted):
            scaled = -operand if slope == -1 else slope * operand
            yield scaled + offset if offset > 0 else scaled - -offset


def _subtraction(operand: SOp, constant: Any) -> SOp:
    return elementwise(op.SUBTRACT, operand, -constant)


def _line(values: Sequence[Any], wanted: Sequence[Any]) -> tuple[int, int] | None:
    """Whole slope and offset of the line through the first two points."""
    x, y = [Fraction(exact_number(v) or 0) for v in values[:2]], [Fraction(exact_number(v) or 0) for v in wanted[:2]]
    if x[0] == x[1]:
        return None
    slope = (y[1] - y[0]) / (x[1] - x[0])
    offset = y[0] - slope * x[0]
    return (int(slope), int(offset)) if slope.denominator == offset.denominator == 1 and offset else None


def _applied(operation: op.Operation, place: int, constant: Any, value: Any) -> Any:
    if place < 0:
        return operation(value)
    return operation(value, constant) if place else operation(constant, value)


def _predicate(operand: SOp, values: Sequence[Any], flags: Sequence[bool]) -> SOp:
    """Whether the operand is one of the flagged values."""
    if all(type(value) is bool for value in values):
        return operand if flags[list(values).index(True)] else ~operand
    inside = [value for value, flag in zip(values, flags, strict=True) if flag]
    outside = [value for value, flag in zip(values, flags, strict=True) if not flag]
    if len({*map(value_key, values)}) == len({*_plain_keys(values)}):
        if len(inside) == 1:
            return elementwise(op.EQUAL, operand, inside[0])
        if len(outside) == 1:
            return elementwise(op.NOT_EQUAL, operand, outside[0])
        if all(map(_is_plain_number, values)):
            if max(inside) < min(outside):
                return elementwise(op.LESS, operand, _between(max(inside), min(outside)))
            if min(inside) > max(outside):
                return elementwise(op.GREATER, operand, _between(min(inside), max(outside)))
        if all(value is not None for value in values):
            return rasp.Map(op.IsIn(tuple(inside)), operand)
    return _lookup(operand, values, [bool(flag) for flag in flags])


def _between(near: Any, far: Any) -> Any:
    """The bound of a comparison: the value beyond it, if it is whole, else a whole number between, if there is one."""
    if isinstance(far, int) and not isinstance(far, bool):
        return far
    whole = math.ceil(near) if far > near else math.floor(near)
    if min(near, far) < whole < max(near, far):
        return whole
    return float(far)


def _lookup(operand: SOp, values: Sequence[Value], wanted: Sequence[Value]) -> SOp:
    table = {value: result for value, result in zip(values, wanted, strict=True) if value is not None}
    if all(value_key(table.get(v, r)) == value_key(r) for v, r in zip(values, wanted, strict=True) if v is not None):
        return rasp.Map(op.Lookup(table), operand)
    exact = {value_key(value): result for value, result in zip(values, wanted, strict=True)}
    return rasp.Map(lambda value: exact[value_key(value)], operand)


def _agree(found: Sequence[Value], wanted: Sequence[Value]) -> bool:
    return all(value_key(a) == value_key(b) for a, b in zip(found, wanted, strict=True))


def _same_blocks(found: Sequence[Hashable], blocks: Sequence[int]) -> bool:
    pairs = set(zip(found, blocks, strict=True))
    return len(pairs) == len(set(found)) == len(set(blocks))


def _plain_keys(values: Sequence[Value]) -> Iterator[Hashable]:
    """What Python's equality tells apart."""
    return (0.0 if value == 0 else value for value in values)


def _is_plain_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
