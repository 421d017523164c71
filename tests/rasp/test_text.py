"""Texts say what they are texts of: read back, with names replaced by what they stand for, they mean the same."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tracrlab import rasp
from tracrlab.compiler.graph import trace_graph
from tracrlab.errors import EvaluationError
from tracrlab.rasp import Comparison, Ratio, expression_text
from tracrlab.rasp.expressions import Expression, MeanAggregate, Selector, SOp
from tracrlab.rasp.library import PROGRAMS, frac_prevs, shuffle_dyck
from tracrlab.rasp.operations import IsIn, Lookup
from tracrlab.rasp.text import titled_text
from tracrlab.rasp.values import value_key

# A reader of texts ---------------------------------------------------------------------------------------------------

_CALLS: dict[str, Callable[..., Any]] = {
    "aggregate": rasp.aggregate,
    "mean_aggregate": MeanAggregate,
    "selector_width": rasp.selector_width,
    "where": rasp.where,
    "abs": abs,
    "ratio": lambda numerator, denominator: Ratio(Fraction(numerator, denominator)),
}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
    ast.FloorDiv: lambda x, y: x // y,
    ast.Mod: lambda x, y: x % y,
    ast.Pow: lambda x, y: x**y,
    ast.BitAnd: lambda x, y: x & y,
    ast.BitOr: lambda x, y: x | y,
    ast.Eq: lambda x, y: x == y,
    ast.NotEq: lambda x, y: x != y,
    ast.Lt: lambda x, y: x < y,
    ast.LtE: lambda x, y: x <= y,
    ast.Gt: lambda x, y: x > y,
    ast.GtE: lambda x, y: x >= y,
    ast.Invert: lambda x: ~x,
    ast.USub: lambda x: -x,
}


class Reader:
    """Reads texts by the rules of Python, whose operators they have.

    What is between backticks is a name; the last argument of ``select`` and the first of ``map`` are functions.
    """

    def __init__(self, definitions: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.definitions = definitions
        self.bare = {"tokens": rasp.tokens, "indices": rasp.indices, "length": rasp.length, "inf": float("inf")}
        self.functions = functions
        self.names: dict[str, str] = {}

    def read(self, text: str) -> Any:
        text = re.sub(r"`((?:[^`\\]|\\.)*)`", self._placeholder, text)
        for symbol in ("==", "!=", "<=", ">=", "<", ">"):
            text = text.replace(f", {symbol})", f", '{symbol}')")
        text = re.sub(r"map\((<lambda>\w*|\w+), ", r"map('\1', ", text)
        text = re.sub(r", (<lambda>\w*)\)", r", '\1')", text)
        return self.value(ast.parse(text, mode="eval").body)

    def _placeholder(self, match: re.Match[str]) -> str:
        name = f"placeholder_{len(self.names)}"
        self.names[name] = re.sub(r"\\(.)", r"\1", match[1])
        return name

    def value(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                if node.id in self.names:
                    return self.definitions[self.names[node.id]]
                return self.bare[node.id] if node.id in self.bare else self.definitions[node.id]
            case ast.Tuple():
                return tuple(map(self.value, node.elts))
            case ast.UnaryOp(op=operator, operand=operand):
                return _OPERATORS[type(operator)](self.value(operand))
            case ast.BinOp(left=left, op=operator, right=right):
                return _OPERATORS[type(operator)](self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.List(elts=elements)]):
                return rasp.elementwise_map(IsIn(tuple(map(self.value, elements))), self.value(left))
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return _OPERATORS[type(operator)](self.value(left), self.value(right))
            case ast.Subscript(value=ast.Dict(keys=keys, values=values), slice=place):
                table = {self.value(key): self.value(each) for key, each in zip(keys, values, strict=True) if key}
                return rasp.elementwise_map(Lookup(table), self.value(place))
            case ast.Call(func=ast.Name(id="select"), args=[keys, queries, ast.Constant(value=predicate)]):
                return rasp.select(self.value(keys), self.value(queries), self.predicate(predicate))
            case ast.Call(func=ast.Name(id="map"), args=[ast.Constant(value=name), *operands]):
                return rasp.elementwise_map(self.functions[name], *map(self.value, operands))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return _CALLS[name](*map(self.value, arguments))
        raise AssertionError(ast.dump(node))

    def predicate(self, name: str | bool) -> Any:
        if isinstance(name, bool):
            return Comparison.TRUE if name else Comparison.FALSE
        return self.functions[name] if name in self.functions else Comparison(name)


def meaning(expression: Expression, tokens: Sequence[Any]) -> Any:
    """The value on an input, comparable; what it fails with is no matter of its text."""
    try:
        values = expression(tokens)
    except EvaluationError:
        return "it fails"
    return [value if isinstance(value, list) else value_key(value) for value in values]


# Random programs with names that clash -------------------------------------------------------------------------------

NAMES = ["a", "a_1", "b", "tokens", "length", "is_(", "a - b", "True", "nan", "a`\\", "map_1", "é", "…"]
INPUTS = ["", "a", "ba", "aab", "abab"]


def twice(value: Any) -> Any:
    return value, value


def random_expressions(rng: random.Random) -> list[SOp]:
    """S-ops that read one another, some under one name; functions that are alike, too."""
    sops: list[SOp] = [rasp.tokens, rasp.indices, rasp.length]
    selectors = [rasp.select(rasp.indices, rasp.indices, Comparison.LEQ)]
    constants: list[Any] = ["a", 1, True, 1.0, 0.5, -2, (1, "a"), float("inf"), Ratio(Fraction(1, 2))]
    lambdas: list[Callable[[Any], Any]] = [lambda x: (x, 1), lambda x: (x, 2), twice]

    def sop() -> SOp:
        return rng.choice(sops[-6:])

    for _ in range(rng.randint(2, 14)):
        left, right = sop(), rng.choice([sop(), rng.choice(constants)])
        makers: list[Callable[[], SOp]] = [
            lambda left=left, right=right: left == right,
            lambda left=left, right=right: left != right,
            lambda left=left, right=right: left & right,
            lambda left=left, right=right: left | right,
            lambda left=left: ~left,
            lambda: -rasp.indices,
            lambda left=left: rasp.elementwise_map(rng.choice(lambdas), left),
            lambda left=left: rasp.elementwise_map(IsIn(tuple(rng.sample(constants, 2))), left),
            lambda left=left, right=right: rasp.where(left == right, left, right),
            lambda left=left: rasp.aggregate(rng.choice(selectors), left, rng.choice([None, "-", *constants])),
            lambda left=left: MeanAggregate(rng.choice(selectors), left, 0),
            lambda: rasp.selector_width(rng.choice(selectors)),
            lambda: rasp.selector_width(rng.choice(selectors)) + rasp.indices * 2,
            lambda: (rasp.selector_width(rng.choice(selectors)) - rasp.indices) / 3,
        ]
        made = rng.choice(makers)()
        sops.append(made.named(rng.choice(NAMES)) if rng.random() < 0.6 else made)
        if rng.random() < 0.4:
            predicate = rng.choice([Comparison.EQ, Comparison.NEQ, lambda k, q: (k, q) == ("a", "b"), Comparison.TRUE])
            selector: Selector = rasp.select(sop(), rng.choice([sop(), "a", True]), predicate)
            if rng.random() < 0.5:
                selector = rng.choice([selector & selectors[-1], selector | selectors[-1], ~selector])
            selectors.append(selector.named(rng.choice(NAMES)) if rng.random() < 0.5 else selector)
    return sops


def functions_of(program: Expression) -> dict[str, Callable[..., Any]]:
    """The program's functions by their names in its texts: the first of a name has it, the others with numbers."""
    found: dict[str, Callable[..., Any]] = {}
    for node in trace_graph(program).nodes if isinstance(program, SOp) else ():
        function = getattr(node.expression, "f", None) or getattr(node.expression, "predicate", None)
        name = getattr(function, "__name__", None)
        if function is None or name is None or function in found.values():
            continue
        number = 0
        while (numbered := f"{name}_{number}" if number else name) in found:
            number += 1
        found[numbered] = function
    return found


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_the_texts_of_a_program_read_back_mean_the_same(seed: int) -> None:
    program = random_expressions(random.Random(seed))[-1]
    graph, functions = trace_graph(program), functions_of(program)
    definitions: dict[str, Any] = {}
    for node in graph.nodes:
        again = Reader(definitions, functions).read(node.text)
        again = again if isinstance(again, Expression) else rasp.constant(again)
        assert node.name not in definitions or node is graph.output
        definitions[node.name] = again
        for tokens in INPUTS:
            assert meaning(again, tokens) == meaning(node.expression, tokens), node.title
    assert "…" not in {node.text for node in graph.nodes}


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_the_text_of_an_expression_alone_has_a_name_for_each_of_its_parts(seed: int) -> None:
    """It is that of the expression as a program, except that what lies too deep is not shown."""
    program = random_expressions(random.Random(seed))[-1]
    output = trace_graph(program).output
    if "…" not in (text := expression_text(program)):
        assert text == output.text
        assert titled_text(program) == output.title


# Examples ------------------------------------------------------------------------------------------------------------


def test_two_expressions_of_one_name_have_two_names() -> None:
    difference = frac_prevs("a") - frac_prevs("b")
    assert expression_text(difference) == "frac_prevs - frac_prevs_1"
    assert repr(difference).startswith("frac_prevs - frac_prevs_1\n")
    model = tracrlab.compile(difference, "ab", 3)
    lines = {name: text for name, text, _ in model.program}
    assert lines["frac_prevs"] == "aggregate(prevs, is_a, 0)"
    assert lines["frac_prevs_1"] == "aggregate(prevs, is_b, 0)"
    assert lines["sequence_map_1"] == "frac_prevs - frac_prevs_1"
    texts = {part.expression: part.text for part in model.circuit().expressions}
    assert texts == lines


def test_each_balance_is_that_of_its_own_brackets() -> None:
    lines = {node.name: node.text for node in trace_graph(shuffle_dyck()).nodes}
    assert lines["balance_()"] == "frac_open - frac_close"
    assert lines["balance_{}"] == "frac_open_1 - frac_close_1"
    assert lines["frac_open_1"] == "aggregate(prevs, `is_{`, 0)"


def test_functions_of_one_name_have_two_names() -> None:
    one, two = rasp.elementwise_map(lambda x: x, rasp.tokens), rasp.elementwise_map(lambda x: x + x, rasp.tokens)
    assert expression_text(one == two) == "map(<lambda>, tokens) == map(<lambda>_1, tokens)"
    assert expression_text(one + one * 2) == "map(<lambda>, tokens) + (map(<lambda>, tokens) * 2)"


def test_names_that_could_be_read_otherwise_are_quoted() -> None:
    for name, shown in [("a", "a"), ("is_(", "`is_(`"), ("a - b", "`a - b`"), ("True", "`True`"), ("a`\\", r"`a\`\\`")]:
        assert expression_text((rasp.indices + 1).named(name) * 2) == f"{shown} * 2"
    assert titled_text((rasp.indices + 1).named("is_(")) == "`is_(` = indices + 1"
    assert expression_text(PROGRAMS["length"].build() + rasp.length) == "`length` + length"
    assert expression_text(rasp.length + rasp.tokens.named("length")) == "length + length_1"
    assert expression_text(rasp.tokens.named("t") + (rasp.indices + 1).named("t")) == "t + t_1"
    assert expression_text(rasp.tokens.named("t")) == "tokens"


def test_kinds_and_constants_that_differ_have_different_texts() -> None:
    selector = rasp.select(1, 1, Comparison.EQ)
    pairs = [
        (rasp.aggregate(selector, rasp.indices, 0), MeanAggregate(selector, rasp.indices, 0)),
        (rasp.indices == Ratio(Fraction(1, 3)), rasp.indices == 1 / 3),
        (rasp.elementwise_map(IsIn((1,)), rasp.tokens), rasp.elementwise_map(IsIn((2,)), rasp.tokens)),
        (rasp.elementwise_map(Lookup({1: 2}), rasp.tokens), rasp.elementwise_map(Lookup({1: 3}), rasp.tokens)),
    ]
    for one, other in pairs:
        assert expression_text(one) != expression_text(other)
    assert expression_text(rasp.elementwise_map(IsIn(("a", 1)), rasp.tokens)) == "tokens in ['a', 1]"
    assert expression_text(~rasp.elementwise_map(IsIn((1,)), rasp.tokens + 1)) == "~((tokens + 1) in [1])"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_texts_of_the_library_read_back_mean_the_same(name: str) -> None:
    entry = PROGRAMS[name]
    program = entry.build()
    functions, definitions = functions_of(program), dict[str, Any]()
    for node in trace_graph(program).nodes:
        again = Reader(definitions, functions).read(node.text)
        definitions[node.name] = again if isinstance(again, Expression) else rasp.constant(again)
        for tokens in (entry.example_input, entry.example_vocab):
            assert meaning(definitions[node.name], tokens) == meaning(node.expression, tokens)
