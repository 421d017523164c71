"""What one application of a function means, for the interpreter and the compiler alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.operations import CONVERSIONS, is_one_of
from tracrlab.rasp.values import Value, plain_value

_REMEDY = "Guard the function against this value"
CONVERSION_REMEDY = (
    "Leave such tokens out, or look all tokens up in a dictionary of the program, such as "
    '{"1": 1, "+": 0}[tokens_str]; a conditional does not help, because it computes both sides'
)


class FunctionFailure(Exception):
    """A function of the program has no usable value for these operands; the message says why, ``remedy`` what to do."""

    def __init__(self, reason: str, remedy: str = _REMEDY) -> None:
        super().__init__(reason)
        self.remedy = remedy


def apply_function(function: Callable[..., Any], operands: Sequence[Value]) -> Value:
    """The value of an elementwise function at one position: ``None`` if any operand is ``None``.

    Raises:
        FunctionFailure: the function raises, or returns something that is not hashable.
    """
    for operand in operands:
        if operand is None:
            return None
    try:
        value = plain_value(function(*operands))
        hash(value)
    except (Exception, SystemExit) as error:  # sys.exit() of a function must not end what evaluates it
        remedy = CONVERSION_REMEDY if is_one_of(function, *CONVERSIONS) else _REMEDY
        raise FunctionFailure(_failure(operands, error), remedy) from error
    return value


def apply_predicate(predicate: Callable[[Any, Any], Any], key: Value, query: Value) -> bool:
    """Whether a predicate holds for a key and a query, neither of them ``None``.

    Raises:
        FunctionFailure: the predicate raises, or its result has no truth value.
    """
    try:
        return bool(predicate(key, query))
    except (Exception, SystemExit) as error:
        raise FunctionFailure(
            f"it fails on key {abridged(key)} and query {abridged(query)} ({_summary(error)})"
        ) from error


def _failure(operands: Sequence[Value], error: BaseException) -> str:
    return f"it fails on {', '.join(map(abridged, operands))} ({_summary(error)})"


def _summary(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
