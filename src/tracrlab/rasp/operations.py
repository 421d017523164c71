"""Python's operators as elementwise functions that know their own text, meaning and equality.

An operator applied to an s-op becomes a ``Map`` or ``SequenceMap`` over one of these, instead of over an anonymous
lambda, so that expressions print as they were written, equal subexpressions are recognised as equal, and the compiler
knows which functions are affine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tracrlab.rasp.values import Value, exact_number, value_key


@dataclass(frozen=True)
class Affine:
    """The function ``sum(coefficients[i] * inputs[i]) + offset``, exactly."""

    coefficients: tuple[Fraction, ...]
    offset: Fraction = Fraction(0)


@dataclass(frozen=True)
class Operation:
    """A named elementwise function; ``template`` renders its operands, e.g. ``"{} + {}"``."""

    template: str
    function: Callable[..., Any] = field(compare=False)

    def __call__(self, *operands: Value) -> Any:
        return self.function(*operands)


@dataclass(frozen=True)
class PartialOperation:
    """An operation with some operands fixed: ``fixed`` maps operand places to constants."""

    operation: Operation
    fixed: tuple[tuple[int, Value], ...] = field(compare=False)
    key: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", tuple((place, value_key(value)) for place, value in self.fixed))

    def __call__(self, *operands: Value) -> Any:
        merged = list(operands)
        for place, value in self.fixed:
            merged.insert(place, value)
        return self.operation.function(*merged)


@dataclass(frozen=True)
class Lookup:
    """The function from keys or places to the elements of a list, string or dictionary."""

    table: dict[Value, Value] = field(compare=False)
    key: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        entries = tuple((value_key(key), value_key(value)) for key, value in self.table.items())
        object.__setattr__(self, "key", entries)

    def __call__(self, place: Value) -> Value:
        return self.table[place]

    __name__ = "lookup"


@dataclass(frozen=True)
class IsIn:
    """Whether a value is one of a list of atoms."""

    atoms: tuple[Value, ...] = field(compare=False)
    key: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", tuple(map(value_key, self.atoms)))

    def __call__(self, value: Value) -> bool:
        return value in self.atoms

    __name__ = "is_in"


@dataclass(frozen=True)
class Formula:
    """An elementwise function written with operators alone, which do to s-ops what they do to their values.

    Unlike any other Python function, it can be asked for its text: applied to s-ops, it is an s-op of operations.
    """

    function: Callable[..., Any]

    def __call__(self, *operands: Any) -> Any:
        return self.function(*operands)

    @property
    def __name__(self) -> str:
        return self.function.__name__


ADD = Operation("{} + {}", operator.add)
SUBTRACT = Operation("{} - {}", operator.sub)
MULTIPLY = Operation("{} * {}", operator.mul)
DIVIDE = Operation("{} / {}", operator.truediv)
FLOOR_DIVIDE = Operation("{} // {}", operator.floordiv)
MODULO = Operation("{} % {}", operator.mod)
POWER = Operation("{} ** {}", operator.pow)
LESS = Operation("{} < {}", operator.lt)
LESS_EQUAL = Operation("{} <= {}", operator.le)
EQUAL = Operation("{} == {}", operator.eq)
NOT_EQUAL = Operation("{} != {}", operator.ne)
GREATER = Operation("{} > {}", operator.gt)
GREATER_EQUAL = Operation("{} >= {}", operator.ge)
COMPARISONS = (LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL)
AND = Operation("{} & {}", lambda x, y: x and y)
OR = Operation("{} | {}", lambda x, y: x or y)
NOT = Operation("~{}", operator.not_)
NEGATE = Operation("-{}", operator.neg)
ABSOLUTE = Operation("abs({})", abs)
WHERE = Operation("where({}, {}, {})", lambda condition, x, y: x if condition else y)

AS_STRING = Operation("tokens_str", str)
AS_INTEGER = Operation("tokens_int", int)
AS_FLOAT = Operation("tokens_float", float)
AS_BOOL = Operation("tokens_bool", bool)
CONVERSIONS = (AS_STRING, AS_INTEGER, AS_FLOAT, AS_BOOL)
"""How the original language reads tokens; where a vocabulary has the type already they change nothing."""


def is_one_of(function: Callable[..., Any], *operations: Operation) -> bool:
    """Whether a function of a program is one of these operations; what equality it may have of its own is not asked."""
    return type(function) is Operation and function in operations


def affine_function(function: Callable[..., Any]) -> Affine | None:
    """The affine function of numbers that an operation is, or ``None``.

    A partial operation is affine when fixing its constants leaves one, as ``3 * x`` or ``x / 2`` do.
    """
    if is_one_of(function, ADD):
        return Affine((Fraction(1), Fraction(1)))
    if is_one_of(function, SUBTRACT):
        return Affine((Fraction(1), Fraction(-1)))
    if is_one_of(function, NEGATE):
        return Affine((Fraction(-1),))
    if isinstance(function, PartialOperation) and len(function.fixed) == 1:
        ((place, value),) = function.fixed
        constant = exact_number(value)
        if constant is None:
            return None
        if function.operation == ADD:
            return Affine((Fraction(1),), constant)
        if function.operation == SUBTRACT:
            return Affine((Fraction(-1),), constant) if place == 0 else Affine((Fraction(1),), -constant)
        if function.operation == MULTIPLY:
            return Affine((constant,))
        if function.operation == DIVIDE and place == 1 and constant:
            return Affine((1 / constant,))
    return None
