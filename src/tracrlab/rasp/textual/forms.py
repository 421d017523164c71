"""Expressions that textual RASP has no word for, said in its words: the same values on every input.

Each is built of other expressions over the same operands, so that it prints as they do:

- ``x != y`` is ``not (x == y)``; ``x & y`` of what is not known to be bools, ``y if x else x``, and ``x | y`` alike;
- a :class:`~tracrlab.rasp.operations.Formula` is what it computes; ``LinearSequenceMap``, a sum of products;
- a selector of all pairs is ``full_s``; where keys or queries may be ``None``, which no selector selects, it is that of
  what is equal or is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tracrlab.rasp import operations as op
from tracrlab.rasp.expressions import (
    Comparison,
    Expression,
    Full,
    Indices,
    Length,
    LinearSequenceMap,
    Map,
    Select,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    elementwise,
)
from tracrlab.rasp.textual.operators import BOTH, EITHER, INDICATOR, NEITHER

_BOOLS = frozenset({*op.COMPARISONS, op.NOT, op.AS_BOOL, BOTH, EITHER, NEITHER})
_NEVER_NONE = _BOOLS | {op.ADD, op.SUBTRACT, op.MULTIPLY, op.DIVIDE, op.MODULO, op.NEGATE, INDICATOR}
_JOINED = {op.AND: BOTH, op.OR: EITHER}

Form = Callable[..., Expression]


@dataclass(frozen=True)
class Traits:
    """What is known of all values of an s-op: that they are bools, that none of them is ``None``."""

    is_bool: bool = False
    is_never_none: bool = False


def traits(expression: Expression, operands: Sequence[Traits]) -> Traits:
    """What is known of an s-op, given what is known of its operands; nothing of what is not seen at once."""
    all_there = all(each.is_never_none for each in operands)
    match expression:
        case Tokens() | Indices() | Length() | SelectorWidth():
            return Traits(is_never_none=True)
        case Full():
            return Traits(isinstance(expression.fill, bool), expression.fill is not None)
        case Map(f=op.IsIn()):
            return Traits(True, all_there)
        case Map() | SequenceMap() if isinstance(expression.f, op.Operation | op.PartialOperation):
            operation, known = _with_constants(expression.f, operands)
            if operation in _JOINED or operation == op.WHERE:
                chosen = known[operation == op.WHERE :]
                return Traits(
                    all(each.is_bool for each in chosen), all_there and all(each.is_never_none for each in chosen)
                )
            return Traits(operation in _BOOLS, all_there and operation in _NEVER_NONE)
    return Traits()


def form(expression: Expression, operands: Sequence[Traits]) -> Form | None:
    """A function from its operands to an expression that means the same; none for one that the language has."""
    match expression:
        case Select(predicate=Comparison.TRUE | Comparison.FALSE):
            return _all_or_nothing(expression.predicate is Comparison.TRUE, operands)
        case LinearSequenceMap():
            first, second = expression.fst_fac, expression.snd_fac
            return lambda fst, snd: first * fst + second * snd
        case Map() | SequenceMap() if isinstance(expression.f, op.Formula):
            return expression.f.function
        case Map() | SequenceMap() if isinstance(expression.f, op.Operation | op.PartialOperation):
            return _operation(expression.f, operands)
    return None


def _operation(function: op.Operation | op.PartialOperation, operands: Sequence[Traits]) -> Form | None:
    operation, known = _with_constants(function, operands)
    if operation == op.NOT and len(known) == 1:
        return _with(function, lambda x: elementwise(NEITHER, x))
    if len(known) != 2:
        return None
    if operation == op.NOT_EQUAL:
        return _with(function, lambda x, y: elementwise(NEITHER, elementwise(op.EQUAL, x, y)))
    if operation not in _JOINED:
        return None
    if all(each.is_bool for each in known):
        return _with(function, lambda x, y: elementwise(_JOINED[operation], x, y))
    if operation == op.AND:
        return _with(function, lambda x, y: elementwise(op.WHERE, x, y, x))
    return _with(function, lambda x, y: elementwise(op.WHERE, x, x, y))


def _all_or_nothing(everything: bool, operands: Sequence[Traits]) -> Form:
    if all(each.is_never_none for each in operands):
        full = Select(1, 1, Comparison.EQ)
        return lambda keys, queries: full if everything else ~full
    if everything:
        return lambda keys, queries: Select(keys, queries, Comparison.EQ) | Select(keys, queries, Comparison.NEQ)
    return lambda keys, queries: Select(keys, queries, Comparison.EQ) & Select(keys, queries, Comparison.NEQ)


def _with_constants(
    function: op.Operation | op.PartialOperation, operands: Sequence[Traits]
) -> tuple[op.Operation, list[Traits]]:
    """The operation and what is known of all its operands, constants among them."""
    if isinstance(function, op.Operation):
        return function, list(operands)
    known = list(operands)
    for place, value in function.fixed:
        known.insert(place, Traits(isinstance(value, bool), value is not None))
    return function.operation, known


def _with(function: op.Operation | op.PartialOperation, build: Form) -> Form | None:
    """``build`` of all operands, constants at their places, as a function of the others."""
    if isinstance(function, op.Operation):
        return build
    fixed = function.fixed

    def form(*operands: SOp) -> Expression:
        merged: list[object] = list(operands)
        for place, value in fixed:
            merged.insert(place, value)
        return build(*merged)

    return form
