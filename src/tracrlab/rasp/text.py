"""How expressions are written: one line of RASP, and the value on an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import (
    Aggregate,
    Expression,
    Full,
    LinearSequenceMap,
    Map,
    MeanAggregate,
    Select,
    Selector,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorWidth,
    SequenceMap,
)
from tracrlab.rasp.naming import Naming, function_name, naming_of, quoted
from tracrlab.rasp.operations import IsIn, Lookup, Operation, PartialOperation
from tracrlab.rasp.values import Ratio, Value

_MAX_DEPTH = 4
_LARGEST_TABLE = 6  # entries that a text shows; a larger one is a function with a name
_example: Sequence[Value] = "hello"


def set_example(sequence: Sequence[Value]) -> None:
    """Set the sequence on which printed expressions show their value (at first ``"hello"``)."""
    global _example
    _example = sequence


def example() -> Sequence[Value]:
    """The sequence on which printed expressions show their value."""
    return _example


def expression_text(
    expression: Expression, *, depth: int = _MAX_DEPTH, expand_name: bool = True, naming: Naming | None = None
) -> str:
    """The expression in RASP notation.

    Named subexpressions appear as their names, with numbers where several have one name, and what lies deeper than
    ``depth`` operations as ``…``, so the text stays short for graphs of any size. ``expand_name=False`` lets the
    expression itself appear as its name. ``naming`` says what parts are called in the texts of a larger program.
    """
    if naming is None:
        naming = naming_of(expression)
    if not expand_name and id(expression) in naming.names:
        return naming.names[id(expression)]
    if isinstance(expression, Full):
        return constant_text(expression.fill)
    if not expression.children:
        return type(expression).__name__.lower()
    if depth == 0:
        return naming.made_up.get(id(expression), "…")

    def operand(child: Expression, grouped: bool = False) -> str:
        text = expression_text(child, depth=depth - 1, expand_name=False, naming=naming)
        return f"({text})" if grouped and depth > 1 and _is_compound(child, naming) else text

    return _operation_of(expression, operand, naming)


class _Operand(Protocol):
    """The text of a child, in parentheses if it is ``grouped`` and an operator's."""

    def __call__(self, child: Expression, grouped: bool = False) -> str: ...


def _operation_of(expression: Expression, operand: _Operand, naming: Naming) -> str:
    """The text of an operation, given those of its operands."""
    match expression:
        case Map() | SequenceMap() if isinstance(expression.f, Operation | PartialOperation):
            grouped = not _operation(expression.f).template.endswith(")")
            return _operation_text(expression.f, [operand(child, grouped) for child in expression.children])
        case LinearSequenceMap():
            fst, snd = (operand(child, True) for child in expression.children)
            return f"{expression.fst_fac!r} * {fst} + {expression.snd_fac!r} * {snd}"
        case Map(f=IsIn() as members) if len(members.atoms) <= _LARGEST_TABLE:
            return f"{operand(expression.inner, True)} in [{', '.join(map(constant_text, members.atoms))}]"
        case Map(f=Lookup() as lookup) if len(lookup.table) <= _LARGEST_TABLE:
            entries = (f"{constant_text(key)}: {constant_text(value)}" for key, value in lookup.table.items())
            return f"{{{', '.join(entries)}}}[{operand(expression.inner)}]"
        case Map() | SequenceMap():
            return f"map({', '.join([_function_text(expression.f, naming), *map(operand, expression.children)])})"
        case Select():
            predicate = _function_text(expression.predicate, naming)
            return f"select({operand(expression.keys)}, {operand(expression.queries)}, {predicate})"
        case SelectorAnd():
            return f"{operand(expression.fst, True)} & {operand(expression.snd, True)}"
        case SelectorOr():
            return f"{operand(expression.fst, True)} | {operand(expression.snd, True)}"
        case SelectorNot():
            return f"~{operand(expression.inner, True)}"
        case SelectorWidth():
            return f"selector_width({operand(expression.selector)})"
        case Aggregate():
            kind = "mean_aggregate" if isinstance(expression, MeanAggregate) else "aggregate"
            default = "" if expression.default is None else f", {constant_text(expression.default)}"
            return f"{kind}({operand(expression.selector)}, {operand(expression.sop)}{default})"
        case _:
            return f"{type(expression).__name__}({', '.join(map(operand, expression.children))})"


def titled_text(expression: Expression, naming: Naming | None = None) -> str:
    """The expression's text, with its name in front if it has another one of its own."""
    if naming is None:
        naming = naming_of(expression)
    text = expression_text(expression, naming=naming)
    if not expression.name or isinstance(expression, Full) or expression.name == text:
        return text
    return f"{naming.names.get(id(expression), quoted(expression.name))} = {text}"


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
    """A constant as Python writes it, abridged."""
    if isinstance(value, Ratio):  # a float of the same digits is another value
        return f"ratio({constant_text(value.exact.numerator)}, {constant_text(value.exact.denominator)})"
    return abridged(value)


def _function_text(function: Callable[..., Any], naming: Naming) -> str:
    return naming.functions.get(id(function)) or function_name(function)


def _operation(function: Operation | PartialOperation) -> Operation:
    return function.operation if isinstance(function, PartialOperation) else function


def _operation_text(function: Operation | PartialOperation, operands: list[str]) -> str:
    parts = list(operands)
    if isinstance(function, PartialOperation):
        for place, value in function.fixed:
            parts.insert(place, constant_text(value))
    return _operation(function).template.format(*parts)


def _is_compound(expression: Expression, naming: Naming) -> bool:
    """Whether the text of an operand needs parentheses inside an operator's."""
    if id(expression) in naming.names or not expression.children:
        return False
    if isinstance(expression, Map | SequenceMap) and isinstance(expression.f, Operation | PartialOperation):
        return not _operation(expression.f).template.endswith(")")
    if isinstance(expression, Map) and isinstance(expression.f, IsIn):
        return len(expression.f.atoms) <= _LARGEST_TABLE
    return isinstance(expression, SelectorAnd | SelectorOr | LinearSequenceMap)
