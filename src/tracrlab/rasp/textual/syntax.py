"""The syntax tree of textual RASP: one class for each form of expression and of statement.

A node's ``position`` is that of its first character: of the opening parenthesis in ``(a + b) * c``, but of ``a`` for
the sum inside, since parentheses leave no node behind. ``True`` and ``False`` are names. Trees may be as deep as the
program is long, so that walks over them should not recurse (nor should deep trees be printed or compared).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import NamedTuple, TypeAlias

UnaryOperator: TypeAlias = OneOf["not", "-", "+"]
BinaryOperator: TypeAlias = OneOf["^", "*", "/", "%", "+", "-", "==", "<=", ">=", ">", "<", "and", "or"]
Which: TypeAlias = OneOf["s-op", "selector"]


class Position(NamedTuple):
    """A place in a text, both numbers counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a program."""

    position: Position


# Expressions


@dataclass(frozen=True, slots=True)
class Name(Node):
    """``x``."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """``1``, ``0.5`` or ``"a"``."""

    value: int | float | str


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """``[a, b]``."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class DictLiteral(Node):
    """``{k: v}``; the items are pairs of key and value."""

    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class ListComprehension(Node):
    """``[element for a, b in iterable]``."""

    element: Expression
    targets: tuple[str, ...]
    iterable: Expression


@dataclass(frozen=True, slots=True)
class DictComprehension(Node):
    """``{key: value for a, b in iterable}``."""

    key: Expression
    value: Expression
    targets: tuple[str, ...]
    iterable: Expression


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``not a``, ``-a`` or ``+a``."""

    operator: UnaryOperator
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``a + b`` and the like."""

    operator: BinaryOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """``value if condition else otherwise``."""

    value: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """``item in container``."""

    item: Expression
    container: Expression


@dataclass(frozen=True, slots=True)
class Index(Node):
    """``sequence[index]``."""

    sequence: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``function(a, b)``: the call of a function, or an s-op or selector applied to an input."""

    function: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Select(Node):
    """``select(keys, queries, ==)``; the comparison may also be ``!=``, ``<``, ``>``, ``<=`` or ``>=``."""

    keys: Expression
    queries: Expression
    comparison: str


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """``aggregate(selector, sequence, default)``."""

    selector: Expression
    sequence: Expression
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Range(Node):
    """``range(a, b)``."""

    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Zip(Node):
    """``zip(a, b)``."""

    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Len(Node):
    """``len(a)``."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Round(Node):
    """``round(a)``."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Indicator(Node):
    """``indicator(a)``."""

    argument: Expression


Expression: TypeAlias = (
    Name
    | Literal
    | ListLiteral
    | DictLiteral
    | ListComprehension
    | DictComprehension
    | Unary
    | Binary
    | Conditional
    | Membership
    | Index
    | Call
    | Select
    | Aggregate
    | Range
    | Zip
    | Len
    | Round
    | Indicator
)


# Statements


@dataclass(frozen=True, slots=True)
class ExpressionStatement(Node):
    """``expression;``."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """``a, b = x, y;``; the numbers of targets and values may differ."""

    targets: tuple[str, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Draw(Node):
    """``draw(expression, input);``."""

    expression: Expression
    input: Expression | None


@dataclass(frozen=True, slots=True)
class Load(Node):
    """``load "path";``, the path without its ending ``.rasp``."""

    path: str


@dataclass(frozen=True, slots=True)
class FunctionDef(Node):
    """``def name(parameters) { body return results; }``."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[Statement, ...]
    results: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class For(Node):
    """``for a, b in iterable { body }``."""

    targets: tuple[str, ...]
    iterable: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class SetExample(Node):
    """``set s-op example expression``; for both when ``which`` is ``None``."""

    which: Which | None
    expression: Expression


@dataclass(frozen=True, slots=True)
class ShowExample(Node):
    """``show selector example``."""

    which: Which | None


@dataclass(frozen=True, slots=True)
class SwitchExamples(Node):
    """``s-op examples off``."""

    which: Which | None
    on: bool


@dataclass(frozen=True, slots=True)
class SwitchFullSequence(Node):
    """``full seq display on``."""

    on: bool


@dataclass(frozen=True, slots=True)
class Exit(Node):
    """``exit``, ``exit()``, ``quit`` or ``quit()``."""


Statement: TypeAlias = (
    ExpressionStatement
    | Assign
    | Draw
    | Load
    | FunctionDef
    | For
    | SetExample
    | ShowExample
    | SwitchExamples
    | SwitchFullSequence
    | Exit
)


# Whole texts


@dataclass(frozen=True, slots=True)
class ReadingWarning(Node):
    """An operator expression means something else than its reader may think."""

    message: str


@dataclass(frozen=True, slots=True)
class Program:
    """What a text says, and what it may seem to say instead."""

    statements: tuple[Statement, ...]
    warnings: tuple[ReadingWarning, ...]
