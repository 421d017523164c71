"""Functions of programs are called, and nothing else is asked of them: no equality, and not to end the caller."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import tracrlab
from tracrlab import rasp
from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.errors import EvaluationError, UndefinedValueError
from tracrlab.rasp import Aggregate, Comparison, Map, Select, SequenceMap, SOp, indices, library, tokens


def raises(self: object, other: object) -> bool:
    raise TypeError("not to be compared")


EQUALITIES: dict[str, Callable[[object, object], Any]] = {
    "raises": raises,
    "is an array": lambda self, other: np.array([True, False]),
    "always holds": lambda self, other: True,
    "never holds": lambda self, other: False,
}


def callable_with(equality: Callable[[object, object], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an object that has this equality, and one hash for all of its kind."""
    members = {"__call__": lambda self, *args: function(*args), "__eq__": equality, "__hash__": lambda self: 0}
    made: Callable[..., Any] = type("Compared", (), members)()
    return made


def program(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> SOp:
    """Maps and a predicate of functions that are wrapped, two of them of the same s-op."""
    upper = Map(wrap(str.upper), tokens)
    doubled = Map(wrap(lambda token: token * 2), tokens)
    joined = SequenceMap(wrap(lambda first, second: first + second), upper, doubled)
    return Aggregate(Select(indices, indices, wrap(lambda key, query: key == query)), joined)


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("equality", EQUALITIES)
def test_the_equality_of_functions_is_not_asked(equality: str, mode: Any) -> None:
    odd = program(lambda function: callable_with(EQUALITIES[equality], function))
    model = tracrlab.compile(odd, vocab="ab", max_seq_len=3, mode=mode)
    plain = program(lambda function: function)
    for word in product("ab", repeat=3):
        assert model(word) == odd(word) == plain(word)


def test_nor_is_it_by_the_compatible_compiler() -> None:
    from tracrlab.compat.tracr.rasp import rasp as theirs

    halved = theirs.Map(callable_with(raises, lambda token: None if token == "a" else 1), theirs.tokens)
    model = compile_tracr_program(halved, "ab", 2, causal=False, bos="BOS", pad="PAD")
    assert model("ab") == [None, 1]


def test_operators_of_a_copied_program_are_still_known() -> None:
    """A copy of an operation is that operation, so that the differences of means stay means."""
    bracket = library.shuffle_dyck(["()"])
    plain, copied = (
        tracrlab.compile(each, vocab="()", max_seq_len=4, mode="compact") for each in (bracket, copy.deepcopy(bracket))
    )
    assert plain.config == copied.config


@pytest.mark.parametrize("leave", [sys.exit, lambda: sys.exit("enough")])
def test_a_function_that_exits_is_one_that_fails(leave: Callable[[], Any]) -> None:
    mapped = Map(lambda token: leave(), tokens)
    with pytest.raises(EvaluationError, match="SystemExit"):
        mapped("a")
    with pytest.raises(UndefinedValueError, match="SystemExit"):
        tracrlab.compile(mapped, vocab="a", max_seq_len=1)
    selected = rasp.selector_width(Select(tokens, tokens, lambda key, query: leave()))
    with pytest.raises(UndefinedValueError, match="SystemExit"):
        tracrlab.compile(selected, vocab="a", max_seq_len=1)
    assert Comparison.EQ("a", "a")
