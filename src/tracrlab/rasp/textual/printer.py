"""Writing an expression graph as textual RASP: read back, the text gives the same graph, or one that means the same.

It is the same where the language has the operations of the graph; ``forms`` says others in its words. Encodings are
left out, since they change no value.

An expression that is used once and has no name is written where it is used. Any other becomes an assignment, and so
does one whose text is long, so that neither lines nor trees get out of hand. Operators are parenthesised wherever the
original precedence or Python's would group them otherwise. Nothing here recurses: graphs may be deep.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tracrlab.errors import InputError, NotPrintableError
from tracrlab.rasp import operations as op
from tracrlab.rasp.expressions import (
    Aggregate,
    Comparison,
    Expression,
    Full,
    Indices,
    Length,
    Map,
    MeanAggregate,
    Select,
    Selector,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
)
from tracrlab.rasp.identity import structure
from tracrlab.rasp.naming import function_name
from tracrlab.rasp.text import constant_text, titled_text
from tracrlab.rasp.textual.environment import ASSIGNABLE, CONSTANTS, KEYWORDS
from tracrlab.rasp.textual.forms import Traits, form, traits
from tracrlab.rasp.textual.operators import BINARY, INDICATOR, LOGIC, ROUND, UNARY
from tracrlab.rasp.textual.parser import PRECEDENCE, Precedence, keywords
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import Ratio, Value, is_finite_number, value_key

_LONGEST_OPERAND = 80  # characters; a longer one gets a statement of its own
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_INFIX = {operation: symbol for symbol, operation in (BINARY | LOGIC).items()}
_PREFIX = {operation: symbol for symbol, operation in UNARY.items()}
_CALLED = {ROUND: "round", INDICATOR: "indicator"}
_COMPARISONS = frozenset(Comparison) - {Comparison.TRUE, Comparison.FALSE}
_CHAINED = frozenset({"==", "<=", ">=", ">", "<", "in"})  # Python reads a row of these as a chain
_SOURCES: dict[type[Expression], str] = {Tokens: "tokens_asis", Indices: "indices", Length: "length"}
_PRINTABLE = frozenset(_SOURCES) | {
    Full,
    Map,
    SequenceMap,
    Select,
    SelectorAnd,
    SelectorOr,
    SelectorNot,
    SelectorWidth,
    Aggregate,
    MeanAggregate,
}
_INFINITY = "(10.0 ^ 308 * 10)"  # there is no literal for it


def program_text(program: SOp | Selector, *, name: str = "out", example: str | Sequence[Value] | None = None) -> str:
    """The program in textual RASP, a statement a line; run by a ``Session``, it gives the same expressions.

    They are the same up to names and encodings, except that what the language has no word for is said in others, which
    mean the same on every input (:mod:`tracrlab.rasp.textual.forms`). A name is kept where textual RASP can have it,
    with a suffix if it was taken, and expressions that are used several times get one if they have none.

    Arguments:
        program: the s-op or selector to print.
        name: what the text calls it; ``"out"`` is the name that a RASP session gives to the last expression.
        example: the running example that the text sets, a string or a list of atoms; ``None``: it sets none.

    Raises:
        NotPrintableError: textual RASP has no form for an expression of the program.
        ValueError: the name cannot be assigned in textual RASP.
        InputError: the example cannot be written in textual RASP, or is empty.
    """
    if name != "out" and not is_assignable(name):
        raise ValueError(f"{name!r} cannot be the name of a program in textual RASP: it is reserved, or no identifier")
    nodes = _Nodes(program).nodes
    names = _Names(nodes, name)
    uses = Counter(place for node in nodes for place in node.inputs)
    lines = [] if example is None else [f"set example {_example_text(example)}"]
    texts: list[_Text] = []
    for place, node in enumerate(nodes[:-1]):
        text = _node_text(node, texts)
        if not text.is_source and (node.expression.name or uses[place] > 1 or len(text.text) > _LONGEST_OPERAND):
            lines.append(f"{names.of(place, node.expression)} = {text.text};")
            text = _Text(names.of(place, node.expression))
        texts.append(text)
    expression = nodes[-1].expression
    if isinstance(expression, Full):
        raise _not_printable(expression, "textual RASP has constants only inside expressions", "Print what reads it")
    text = _node_text(nodes[-1], texts)
    return "\n".join([*lines, *_last_statements(text.text, names.root, name, is_source=text.is_source), ""])


def is_assignable(name: str) -> bool:
    """Whether a textual program can give this name to a value.

    >>> is_assignable("hist"), is_assignable("length"), is_assignable("my hist")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None and name not in _reserved_names()


@functools.cache
def _reserved_names() -> frozenset[str]:
    """The names that cannot be assigned, and those of the language that can, which printed programs read."""
    from tracrlab.rasp.textual.session import Session

    return CONSTANTS | KEYWORDS | Session().environment.reserved | keywords() | ASSIGNABLE


def _last_statements(text: str, own_name: str | None, name: str, *, is_source: bool) -> list[str]:
    """The statements that make the program, called ``own_name`` where it has a name of its own, ``name``."""
    lines = []
    if own_name is not None and not is_source:
        lines = [f"{own_name} = {text};"]
        text = own_name
    if name == "out":
        return [*lines, f"{text};"]
    return lines if name == text else [*lines, f"{name} = {text};"]


# The graph and its names


class _Node(NamedTuple):
    """An expression, the places of its operands, and the expression of the program that it says or helps to say."""

    expression: Expression
    inputs: tuple[int, ...]
    origin: Expression


class _Operand(SOp):
    """Stands for an s-op that is in the list of nodes."""

    @property
    def children(self) -> tuple[Expression, ...]:
        return ()


class _Nodes:
    """The distinct expressions of the program with the places of their children, children first, the program last.

    Equal expressions are one unless they have different names. Merging them keeps an expression that gets a name for
    being used twice equal to the rest of its kind.
    """

    def __init__(self, program: Expression) -> None:
        self.nodes: list[_Node] = []
        self._traits: list[Traits] = []
        self._places: dict[Hashable, int] = {}
        place_of: dict[int, int] = {}
        for expression in children_first(program):
            inputs = tuple(place_of[id(child)] for child in expression.children)
            place_of[id(expression)] = self._place(expression, inputs, expression)
        del self.nodes[place_of[id(program)] + 1 :]

    def _place(self, expression: Expression, inputs: tuple[int, ...], origin: Expression) -> int:
        """The place of an expression in the list, or of the one that says it in words of the language."""
        said = form(expression, [self._traits[place] for place in inputs])
        if said is None:
            return self._kept(_Node(expression, inputs, origin))
        operands = [_Operand() for _ in inputs]
        place_of = {id(operand): place for operand, place in zip(operands, inputs, strict=True)}
        whole = said(*operands)
        if expression.name and whole.children:
            whole = whole.named(expression.name)
        for part in children_first(whole, known=place_of):
            place_of[id(part)] = self._place(part, tuple(place_of[id(child)] for child in part.children), origin)
        return place_of[id(whole)]

    def _kept(self, node: _Node) -> int:
        key = structure(node.expression, node.inputs), node.expression.name
        place = self._places.setdefault(key, len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(node)
            self._traits.append(traits(node.expression, [self._traits[each] for each in node.inputs]))
        return place


class _Names:
    """The names of a text's statements: those that expressions have go first, others are made up when asked for."""

    def __init__(self, nodes: Sequence[_Node], name: str) -> None:
        program, last = nodes[-1].expression, len(nodes) - 1
        self._taken: set[str] = {name}
        self._of: dict[int, str] = {}
        self._numbers: Counter[str] = Counter()
        if name != "out" and (program.name in (None, name) or not is_assignable(program.name or "")):
            self._of[last] = name
        expressions = sorted(enumerate(nodes), key=lambda entry: entry[0] != last)  # the program before the rest
        named = [(place, e.name) for place, (e, _, _) in expressions if e.children and e.name and is_assignable(e.name)]
        for place, own in named:
            if place not in self._of and own not in self._taken:
                self._of[place] = own
                self._taken.add(own)
        for place, own in named:
            if place not in self._of:
                self._of[place] = self._new(f"{own}_", start=2)
        self.root = self._of.get(last)

    def of(self, place: int, expression: Expression) -> str:
        """The name of the expression at a place."""
        if place not in self._of:
            self._of[place] = self._new("s" if isinstance(expression, Selector) else "x", start=1)
        return self._of[place]

    def _new(self, stem: str, *, start: int) -> str:
        """The stem with the first number that makes it new."""
        self._numbers[stem] = max(self._numbers[stem], start)
        while (name := f"{stem}{self._numbers[stem]}") in self._taken:
            self._numbers[stem] += 1
        self._taken.add(name)
        return name


# Expressions


class _Text(NamedTuple):
    """The text of an expression: its outermost operator, if it has one; whether it stands for itself everywhere."""

    text: str
    operator: str | None = None
    is_prefix: bool = False
    is_source: bool = False


def _node_text(node: _Node, texts: Sequence[_Text]) -> _Text:
    """The text of a node, given those of the nodes before it."""
    try:
        return _expression_text(node.expression, [texts[place] for place in node.inputs])
    except NotPrintableError as error:
        if node.origin is node.expression:
            raise
        raise _not_printable(node.origin, error.reason, error.remedy) from error


def _expression_text(expression: Expression, operands: list[_Text]) -> _Text:
    """The text of an expression, given those of its children."""
    if type(expression) not in _PRINTABLE:
        raise _unknown_kind(expression)
    match expression:
        case Tokens() | Indices() | Length():
            return _Text(_SOURCES[type(expression)], is_source=True)
        case Full():
            return _atom(expression.fill, expression)._replace(is_source=True)
        case Map() | SequenceMap():
            return _elementwise(expression, operands)
        case Select():
            return _select(expression, operands)
        case SelectorAnd():
            return _infix("and", *operands)
        case SelectorOr():
            return _infix("or", *operands)
        case SelectorNot():
            return _prefix("not", *operands)
        case SelectorWidth():
            return _call("selector_width", operands)
        case MeanAggregate():
            omitted = value_key(expression.default) == value_key(0)
            return _call("aggregate", operands if omitted else [*operands, _atom(expression.default, expression)])
        case Aggregate():
            return _call("gather", [*operands, _atom(expression.default, expression)])
    raise AssertionError(expression)


def _select(expression: Select, operands: list[_Text]) -> _Text:
    predicate = expression.predicate
    if not isinstance(predicate, Comparison) or predicate not in _COMPARISONS:
        shown = function_name(predicate)
        raise _not_printable(expression, f"textual RASP cannot select by {shown}", "Select by one of == != < > <= >=")
    texts = [operand.text for operand in operands]
    if expression.name in (None, "full_s") and texts == ["1", "1"] and predicate is Comparison.EQ:
        return _Text("full_s", is_source=True)
    return _call("select", [*operands, _Text(predicate.value)])


def _elementwise(expression: Map | SequenceMap, operands: list[_Text]) -> _Text:
    if any(isinstance(child, Full) for child in expression.children):
        reason = "a constant is an operand in its own right, which in textual RASP it cannot be"
        raise _not_printable(expression, reason, "Give the constant instead of rasp.constant or rasp.Full of it")
    function = expression.f
    match function:
        case op.Operation():
            return _operation(function, operands, expression)
        case op.PartialOperation():
            places = [place for place, _ in function.fixed]
            if not places or places != sorted(places):
                raise _no_form(expression)
            for place, value in function.fixed:
                operands.insert(place, _atom(value, expression))
            return _operation(function.operation, operands, expression, fixed=frozenset(places))
        case op.Lookup():
            return _Text(f"{_table_text(function.table, expression)}[{operands[0].text}]")
        case op.IsIn():
            return _infix("in", operands[0], _Text(_list_text(function.atoms, expression)))
        case _:
            raise _no_form(expression)


def _operation(
    operation: op.Operation, operands: list[_Text], expression: Map | SequenceMap, fixed: frozenset[int] = frozenset()
) -> _Text:
    """An operator or call of the language applied to operands, those of the ``fixed`` places atoms."""
    if operation.template.count("{}") == len(operands):
        if operation in _INFIX:
            return _infix(_INFIX[operation], *operands)
        if operation in _PREFIX:
            return _prefix(_PREFIX[operation], *operands)
        if operation in _CALLED:
            return _call(_CALLED[operation], operands)
        if operation == op.WHERE and 0 not in fixed:
            return _conditional(*operands)
    if operation in op.CONVERSIONS and type(expression.children[0]) is Tokens:
        return _Text("tokens" if operation == op.AS_STRING else operation.template, is_source=True)
    raise _no_form(expression)


# Operators and calls


def _infix(symbol: str, left: _Text, right: _Text) -> _Text:
    first, last = _operand(left, symbol, from_right=False), _operand(right, symbol, from_right=True)
    return _Text(f"{first} {symbol} {last}", symbol)


def _conditional(condition: _Text, value: _Text, otherwise: _Text) -> _Text:
    chosen, other = _operand(value, "if", from_right=False), _operand(otherwise, "if", from_right=True)
    when = f"({condition.text})" if condition.operator == "if" else condition.text
    return _Text(f"{chosen} if {when} else {other}", "if")


def _prefix(symbol: str, operand: _Text) -> _Text:
    space = " " if symbol.isalpha() else ""
    return _Text(symbol + space + _operand(operand, symbol, from_right=True, prefix=True), symbol, is_prefix=True)


def _call(name: str, operands: Iterable[_Text]) -> _Text:
    return _Text(f"{name}({', '.join(operand.text for operand in operands)})")


def _operand(operand: _Text, symbol: str, *, from_right: bool, prefix: bool = False) -> str:
    """The text of an operator's operand, in parentheses if one of the two readings would group it otherwise."""
    if operand.operator is None:
        return operand.text
    chained = symbol in _CHAINED and operand.operator in _CHAINED
    binds = (_binds(table, operand, symbol, from_right=from_right, prefix=prefix) for table in PRECEDENCE.values())
    return f"({operand.text})" if chained or not all(binds) else operand.text


def _binds(table: Precedence, operand: _Text, symbol: str, *, from_right: bool, prefix: bool) -> bool:
    """Whether an operand holds together next to an operator, on its right or left."""
    inner = (table.prefix if operand.is_prefix else table.infix)[operand.operator or ""]
    outer = (table.prefix if prefix else table.infix)[symbol]
    return inner > outer or (inner == outer and (prefix or from_right == (outer in table.from_right)))


# Constants


def _atom(value: Value, expression: Expression) -> _Text:
    """The text of a constant that an expression holds."""
    is_negative, text = _signed_text(value)
    if text is None:
        reason = f"textual RASP cannot write {constant_text(value)}"
        raise _not_printable(expression, reason, _ATOM_REMEDY)
    return _Text(f"-{text}", "-", is_prefix=True) if is_negative else _Text(text)


def _signed_text(value: Any) -> tuple[bool, str | None]:
    """Whether a constant is negative, and the text of the rest; ``None`` if it has none."""
    if value is None or type(value) is bool:
        return False, str(value)
    if type(value) is str:
        return False, f'"{value}"' if _is_literal(value) else None
    if type(value) is int:
        return value < 0, _integer_text(abs(value))
    if type(value) is float:
        return value < 0 or (value == 0 and math.copysign(1, value) < 0), _float_text(abs(value))
    if type(value) is Ratio:
        return value.exact < 0, _ratio_text(abs(value.exact))
    return False, None


def _is_literal(string: str) -> bool:
    """Whether a string can stand between double quotes, in a file of UTF-8."""
    return not any(character in '"\r\n' or "\ud800" <= character <= "\udfff" for character in string)


def _integer_text(number: int) -> str | None:
    try:
        return str(number)
    except ValueError:  # more digits than Python converts, when reading either
        return None


def _float_text(number: float) -> str:
    if math.isnan(number):
        return f"({_INFINITY} - {_INFINITY})"
    return _INFINITY if math.isinf(number) else np.format_float_positional(number, trim="0")


def _ratio_text(exact: Fraction) -> str | None:
    """A mean that an s-op has been found to have, made from the mean of 0 and 1."""
    numerator, denominator = 2 * exact.numerator, exact.denominator
    if not is_finite_number(numerator):
        return None
    return f'(average(indices)("ab")[0] * {numerator} / {denominator})'


def _table_text(table: Mapping[Value, Value], expression: Expression) -> str:
    """A list if the keys are the places of one, from either end, else a dictionary."""
    size = len(table) // 2
    elements = list(table.values())
    keys = [value_key(element) for element in elements]
    if [*map(value_key, table)] == [*map(value_key, range(-size, size))] and keys[:size] == keys[size:]:
        return _list_text(elements[size:], expression)
    entries = (f"{_atom(key, expression).text}: {_atom(value, expression).text}" for key, value in table.items())
    return "{" + ", ".join(entries) + "}"


def _list_text(atoms: Iterable[Value], expression: Expression) -> str:
    return f"[{', '.join(_atom(atom, expression).text for atom in atoms)}]"


def _example_text(example: str | Sequence[Value]) -> str:
    texts = [_signed_text(part) for part in ([example] if isinstance(example, str) else example)]
    written = [f"{'-' * is_negative}{text}" for is_negative, text in texts if text is not None]
    if not example or len(written) < len(texts) or any(part is None for part in example):
        raise InputError(f"textual RASP cannot write {example!r} as a running example: {_EXAMPLE_REMEDY}")
    return written[0] if isinstance(example, str) else f"[{', '.join(written)}]"


# Refusals


def _not_printable(expression: Expression, reason: str, remedy: str) -> NotPrintableError:
    return NotPrintableError(titled_text(expression), expression.location, reason, remedy)


def _no_form(expression: Map | SequenceMap) -> NotPrintableError:
    function = expression.f.operation if isinstance(expression.f, op.PartialOperation) else expression.f
    shown = function.template.replace("{}", "…") if isinstance(function, op.Operation) else function_name(function)
    return _not_printable(expression, f"textual RASP has no form for {shown}", _FORM_REMEDY)


def _unknown_kind(expression: Expression) -> NotPrintableError:
    reason = f"textual RASP has no {type(expression).__name__}"
    return _not_printable(expression, reason, _FORM_REMEDY)


_FORM_REMEDY = "Write it with operators, round, indicator, and lookups in lists and dictionaries"
_EXAMPLE_REMEDY = "give a string or a list of atoms, not empty, without double quotes and line breaks"
_ATOM_REMEDY = "Its constants are ints, floats, bools, None, and strings without double quotes and line breaks"
