"""How expressions are written: one line of RASP, and the value on an example."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tracrlab.rasp.expressions import (
    Aggregate,
    Comparison,
    Expression,
    Full,
    LinearSequenceMap,
    Map,
    Select,
    Selector,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorWidth,
    SequenceMap,
)
from tracrlab.rasp.operations import Operation, PartialOperation
from tracrlab.rasp.values import Value

_MAX_DEPTH = 4
_NO_NAMES: Mapping[int, str] = MappingProxyType({})
_example: Sequence[Value] = "hello"


def set_example(sequence: Sequence[Value]) -> None:
    """Set the sequence on which printed expressions show their value (at first ``"hello"``)."""
    global _example
    _example = sequence


def example() -> Sequence[Value]:
    """The sequence on which printed expressions show their value."""
    return _example


def expression_text(
    expression: Expression,
    *,
    depth: int = _MAX_DEPTH,
    expand_name: bool = True,
    names: Mapping[int, str] = _NO_NAMES,
) -> str:
    """The expression in RASP notation.

    Named subexpressions appear as their names, and what lies deeper than ``depth`` operations as ``…``, so the text
    stays short for graphs of any size. ``expand_name=False`` lets the expression itself appear as its name. ``names``
    gives other names to some subexpressions, by their ``id``.
    """
    if not expression.children:
        return constant_text(expression.fill) if isinstance(expression, Full) else str(expression.name)
    if expression.name and not expand_name:
        return expression.name
    if depth == 0:
        return "…"

    def operand(child: Expression, grouped: bool = False) -> str:
        if id(child) in names:
            return names[id(child)]
        text = expression_text(child, depth=depth - 1, expand_name=False, names=names)
        return f"({text})" if grouped and _is_compound(child) else text

    match expression:
        case Map() | SequenceMap() if isinstance(expression.f, Operation | PartialOperation):
            grouped = not _operation(expression.f).template.endswith(")")
            return _operation_text(expression.f, [operand(child, grouped) for child in expression.children])
        case LinearSequenceMap():
            fst, snd = (operand(child, True) for child in expression.children)
            return f"{expression.fst_fac!r} * {fst} + {expression.snd_fac!r} * {snd}"
        case Map() | SequenceMap():
            return f"map({', '.join([function_name(expression.f), *map(operand, expression.children)])})"
        case Select():
            parts = [operand(expression.keys), operand(expression.queries), function_name(expression.predicate)]
            return f"select({', '.join(parts)})"
        case SelectorAnd():
            return f"{operand(expression.fst, True)} & {operand(expression.snd, True)}"
        case SelectorOr():
            return f"{operand(expression.fst, True)} | {operand(expression.snd, True)}"
        case SelectorNot():
            return f"~{operand(expression.inner, True)}"
        case SelectorWidth():
            return f"selector_width({operand(expression.selector)})"
        case Aggregate():
            default = "" if expression.default is None else f", {constant_text(expression.default)}"
            return f"aggregate({operand(expression.selector)}, {operand(expression.sop)}{default})"
        case _:
            return f"{type(expression).__name__}({', '.join(map(operand, expression.children))})"


def titled_text(expression: Expression) -> str:
    """The expression's text, with its name in front if it has another one of its own."""
    text = expression_text(expression)
    is_titled = expression.name and expression.children and expression.name != text
    return f"{expression.name} = {text}" if is_titled else text


def describe(expression: Expression) -> str:
    """What a person sees when an expression is printed: its text and its value on the example."""
    from tracrlab.errors import EvaluationError

    try:
        value = expression(_example)
    except EvaluationError as error:
        shown = f"undefined: {error.reason}"
    else:
        rows = ["".join(".#"[cell] for cell in row) for row in value] if isinstance(expression, Selector) else None
        shown = "".join(f"\n    {row}" for row in rows) if rows is not None else repr(value)
    return f"{titled_text(expression)}\n  on {_example!r}: {shown}"


def constant_text(value: Value) -> str:
    """A constant as Python writes it, which refuses to write very long ints."""
    try:
        return repr(value)
    except ValueError:
        return f"(an int of more than {sys.get_int_max_str_digits()} digits)"


def function_name(function: Callable[..., Any]) -> str:
    """The name under which a function appears in an expression's text."""
    if isinstance(function, Comparison):
        return function.value
    return str(getattr(function, "__name__", type(function).__name__))


def _operation(function: Operation | PartialOperation) -> Operation:
    return function.operation if isinstance(function, PartialOperation) else function


def _operation_text(function: Operation | PartialOperation, operands: list[str]) -> str:
    parts = list(operands)
    if isinstance(function, PartialOperation):
        for place, value in function.fixed:
            parts.insert(place, constant_text(value))
    return _operation(function).template.format(*parts)


def _is_compound(expression: Expression) -> bool:
    """Whether the text of an operand needs parentheses inside an operator's."""
    if expression.name or not expression.children:
        return False
    if isinstance(expression, Map | SequenceMap) and isinstance(expression.f, Operation | PartialOperation):
        return not _operation(expression.f).template.endswith(")")
    return isinstance(expression, SelectorAnd | SelectorOr | LinearSequenceMap)
