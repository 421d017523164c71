"""What the operators and built-in forms of textual RASP do to atoms, s-ops and selectors (Weiss et al. 2021).

Atoms and s-ops mix freely: an operation on at least one s-op is an elementwise s-op, one on atoms alone happens at
once. Everything here raises ``RaspTypeError`` for operands the language does not allow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from tracrlab.rasp import operations as op
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import (
    Aggregate,
    Comparison,
    Map,
    MeanAggregate,
    Select,
    Selector,
    SelectorWidth,
    SOp,
    elementwise,
)
from tracrlab.rasp.functions import indices, length
from tracrlab.rasp.operations import IsIn, Lookup
from tracrlab.rasp.values import Value

ATOM_TYPES = (int, float, str, bool, type(None))
_DIGITS = 4300  # of an int that Python prints
_TOO_LONG = 10**_DIGITS


class RaspTypeError(Exception):
    """An operand of the wrong kind; the message says which."""


BOTH = op.Operation("{} and {}", lambda x, y: bool(x) and bool(y))
EITHER = op.Operation("{} or {}", lambda x, y: bool(x) or bool(y))
NEITHER = op.Operation("not {}", operator.not_)
INDICATOR = op.Operation("indicator({})", lambda x: 1 if x else 0)
ROUND = op.Operation("round({})", round)
PLUS = op.Operation("+{}", operator.pos)

BINARY: dict[str, op.Operation] = {
    "+": op.ADD,
    "-": op.SUBTRACT,
    "*": op.MULTIPLY,
    "/": op.DIVIDE,
    "%": op.MODULO,
    "^": op.POWER,
    "==": op.EQUAL,
    "<": op.LESS,
    "<=": op.LESS_EQUAL,
    ">": op.GREATER,
    ">=": op.GREATER_EQUAL,
}
LOGIC = {"and": BOTH, "or": EITHER}
UNARY = {"not": NEITHER, "-": op.NEGATE, "+": PLUS}


def is_atom(value: object) -> bool:
    """Whether the value is an int, float, string, bool or ``None``."""
    return isinstance(value, ATOM_TYPES)


def checked_input(role: str, value: Any) -> str | list[Any]:
    """The value, which s-ops and selectors are to run on; ``role`` is what it is called if it is wrong.

    Raises:
        RaspTypeError: it is no string and no list of atoms, or empty.
    """
    if not isinstance(value, str | list):
        raise RaspTypeError(f"{role} is a string or a list of atoms, not {kind(value)}")
    if not value:
        raise RaspTypeError(f"{role} is not empty")
    if not all(is_atom(token) and token is not None for token in value):
        raise RaspTypeError(f"{role} is a string or a list of atoms; this list holds something else")
    return value


def kind(value: object) -> str:
    """What a value is, in a word, for messages."""
    if isinstance(value, SOp):
        return "an s-op"
    if isinstance(value, Selector):
        return "a selector"
    if value is None:
        return "None"
    names = {bool: "a bool", int: "an int", float: "a float", str: "a string", list: "a list", dict: "a dictionary"}
    return names.get(type(value), "a function")


def binary(symbol: str, left: Any, right: Any) -> Any:
    """``left symbol right``: elementwise if either is an s-op; ``and`` and ``or`` also combine selectors."""
    if symbol in LOGIC:
        return _logic(symbol, left, right)
    operation = BINARY[symbol]
    if isinstance(left, SOp) or isinstance(right, SOp):
        _require_elementwise(symbol, left, right)
        return elementwise(operation, left, right)
    if isinstance(left, list) and isinstance(right, list) and symbol == "+":
        return left + right
    if symbol == "*" and {type(left), type(right)} == {int, list}:
        return apply_to_atoms(symbol, operation, left, right)
    if not (is_atom(left) and is_atom(right)):
        raise RaspTypeError(f"{symbol} does not apply to {kind(left)} and {kind(right)}")
    return apply_to_atoms(symbol, _power if symbol == "^" else operation, left, right)


def unary(symbol: str, operand: Any) -> Any:
    """``not``, ``-`` or ``+`` of an atom or s-op; ``not`` also of a selector."""
    if isinstance(operand, Selector):
        if symbol == "not":
            return ~operand
        raise RaspTypeError(f"{symbol} does not apply to a selector")
    operation = UNARY[symbol]
    if isinstance(operand, SOp):
        return elementwise(operation, operand)
    if not is_atom(operand):
        raise RaspTypeError(f"{symbol} does not apply to {kind(operand)}")
    return apply_to_atoms(symbol, operation, operand)


def apply_to_atoms(name: str, function: Callable[..., Any], *atoms: Any) -> Any:
    """The value of a function of atoms, Python's errors turned into RASP's."""
    try:
        result = function(*atoms)
    except (TypeError, ValueError, ArithmeticError) as error:
        shown = ", ".join(map(abridged, atoms))
        raise RaspTypeError(f"{name} fails on {shown} ({type(error).__name__}: {error})") from error
    require_printable(result)
    return result


def require_printable(value: object) -> None:
    """Refuse an int that Python does not print.

    Raises:
        RaspTypeError: it has more than 4,300 digits.
    """
    if isinstance(value, int) and abs(value) >= _TOO_LONG:
        raise RaspTypeError(f"a number of more than {_DIGITS:,} digits is too long")


def _power(base: Any, exponent: Any) -> Any:
    """``base ^ exponent``; an int that is far too long is not computed first."""
    if isinstance(base, int) and isinstance(exponent, int):
        bits_at_least = (base.bit_length() - 1) * exponent
        if bits_at_least >= _TOO_LONG.bit_length():
            require_printable(_TOO_LONG)
    return op.POWER(base, exponent)


def select(keys: Any, queries: Any, comparison: str) -> Selector:
    """The selector of the pairs with ``key comparison query``; atoms stand for themselves at every position."""
    for role, operand in (("keys", keys), ("queries", queries)):
        if not isinstance(operand, SOp) and not is_atom(operand):
            raise RaspTypeError(f"the {role} of a select are an s-op or an atom, not {kind(operand)}")
    return Select(keys, queries, Comparison(comparison))


def aggregate(selector: Any, sequence: Any, default: Any = 0) -> SOp:
    """The aggregate of the original language: 0 where nothing is selected and no default is given."""
    return MeanAggregate(*_aggregated("aggregate", selector, sequence, default))


def gather(selector: Any, sequence: Any, default: Any) -> SOp:
    """The aggregate of the embedded language: what all selected positions hold, of any type, or a mean of numbers."""
    return Aggregate(*_aggregated("gather", selector, sequence, default))


def conditional(condition: SOp, value: Any, otherwise: Any) -> SOp:
    """``value if condition else otherwise`` at each position."""
    _require_elementwise("if", value, otherwise)
    return elementwise(op.WHERE, condition, value, otherwise)


def index(sequence: Any, place: Any) -> Any:
    """``sequence[place]``, of every kind the language has."""
    if isinstance(sequence, SOp):
        return _at_position(sequence, place)
    if not isinstance(sequence, list | str | dict):
        raise RaspTypeError(f"{kind(sequence)} cannot be indexed")
    if isinstance(place, SOp):
        return Map(_lookup(sequence), place)
    if isinstance(sequence, dict):
        if not is_atom(place) or place not in sequence:
            raise RaspTypeError(
                f"the dictionary has no key {abridged(place)}" if is_atom(place) else f"{kind(place)} is no key"
            )
        return sequence[place]
    if type(place) is not int or not -len(sequence) <= place < len(sequence):
        raise RaspTypeError(f"there is no element {abridged(place)} in {kind(sequence)} of length {len(sequence)}")
    return sequence[place]


def contains(item: Any, container: Any) -> Any:
    """``item in container``: elementwise for an s-op in a list, everywhere the same for an atom in an s-op."""
    if isinstance(container, SOp):
        if not is_atom(item):
            raise RaspTypeError(f"only an atom can be in an s-op, not {kind(item)}")
        return elementwise(op.GREATER, SelectorWidth(Select(container, item, Comparison.EQ)), 0)
    if not isinstance(container, list):
        raise RaspTypeError(f"'in' needs a list or an s-op, not {kind(container)}")
    if isinstance(item, SOp):
        if not all(map(is_atom, container)):
            raise RaspTypeError("an s-op can only be in a list of atoms")
        return Map(IsIn(tuple(container)), item)
    if not is_atom(item):
        raise RaspTypeError(f"{kind(item)} cannot be in a list")
    return item in container


def rounded(value: Any) -> Any:
    """``round(value)``: to the nearest integer, halves to even."""
    if isinstance(value, SOp):
        return elementwise(ROUND, value)
    if not is_atom(value):
        raise RaspTypeError(f"round does not apply to {kind(value)}")
    return apply_to_atoms("round", round, value)


def indicator(value: Any) -> SOp:
    """1 where an s-op is true, else 0."""
    if not isinstance(value, SOp):
        raise RaspTypeError(f"indicator needs an s-op, not {kind(value)}")
    return elementwise(INDICATOR, value)


def _aggregated(name: str, selector: Any, sequence: Any, default: Any) -> tuple[Selector, Any, Value]:
    """What an aggregate is made of, if it can be."""
    if not isinstance(selector, Selector):
        raise RaspTypeError(f"{name} needs a selector, not {kind(selector)}")
    if not isinstance(sequence, SOp) and not is_atom(sequence):
        raise RaspTypeError(f"{name} needs an s-op or an atom to aggregate, not {kind(sequence)}")
    if not is_atom(default):
        raise RaspTypeError(f"the default of an aggregate is an atom, not {kind(default)}")
    return selector, sequence, default


def _logic(symbol: str, left: Any, right: Any) -> Any:
    if isinstance(left, Selector) and isinstance(right, Selector):
        return left & right if symbol == "and" else left | right
    if isinstance(left, Selector) or isinstance(right, Selector):
        raise RaspTypeError(f"{symbol!r} does not apply to {kind(left)} and {kind(right)}")
    if isinstance(left, SOp) or isinstance(right, SOp):
        _require_elementwise(symbol, left, right)
        return elementwise(LOGIC[symbol], left, right)
    if not (is_atom(left) and is_atom(right)):
        raise RaspTypeError(f"{symbol!r} does not apply to {kind(left)} and {kind(right)}")
    return (left and right) if symbol == "and" else (left or right)


def _require_elementwise(symbol: str, *operands: Any) -> None:
    for operand in operands:
        if not isinstance(operand, SOp) and not is_atom(operand):
            raise RaspTypeError(f"{symbol!r} on an s-op needs another s-op or an atom, not {kind(operand)}")


def _lookup(sequence: Sequence[Any] | dict[Any, Any]) -> Lookup:
    size = len(sequence)
    table = sequence if isinstance(sequence, dict) else {place: sequence[place] for place in range(-size, size)}
    if not all(map(is_atom, table.values())):
        raise RaspTypeError("only a list, string or dictionary of atoms can be indexed by an s-op")
    return Lookup(dict(table))


def _at_position(sequence: SOp, place: Any) -> SOp:
    """The element of an s-op at one position, everywhere; 0 where the input is too short. Negative: from the end."""
    if type(place) is not int:
        raise RaspTypeError(f"an s-op is indexed by an int, not {kind(place)}")
    position: Any = place if place >= 0 else elementwise(op.ADD, length, place)
    return MeanAggregate(Select(indices, position, Comparison.EQ), sequence, 0)
