"""Textual RASP is read as the original interpreter reads it; what cannot be read is explained."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tracrlab.errors import ParseError
from tracrlab.rasp.textual import parser
from tracrlab.rasp.textual import syntax as s
from tracrlab.rasp.textual.parser import Dialect, GrowingText, Program, is_complete, parse_program, parse_statement
from tracrlab.rasp.textual.syntax import Position


def grouped(node: Any) -> str:
    """An expression with parentheses around every operator."""
    match node:
        case s.Name():
            return node.name
        case s.Literal():
            return f'"{node.value}"' if isinstance(node.value, str) else str(node.value)
        case s.Unary():
            return f"({node.operator} {grouped(node.operand)})"
        case s.Binary():
            return f"({grouped(node.left)} {node.operator} {grouped(node.right)})"
        case s.Membership():
            return f"({grouped(node.item)} in {grouped(node.container)})"
        case s.Conditional():
            return f"({grouped(node.value)} if {grouped(node.condition)} else {grouped(node.otherwise)})"
        case s.Index():
            return f"{grouped(node.sequence)}[{grouped(node.index)}]"
        case s.Call():
            return f"{grouped(node.function)}({', '.join(map(grouped, node.arguments))})"
        case s.ListLiteral():
            return f"[{', '.join(map(grouped, node.items))}]"
        case s.Select():
            return f"select({grouped(node.keys)}, {grouped(node.queries)}, {node.comparison})"
    raise AssertionError(node)


def expression(text: str, dialect: Dialect = "original") -> Any:
    statement = parse_statement(f"{text};", dialect=dialect)
    assert isinstance(statement, s.ExpressionStatement)
    return statement.expression


def error_of(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_program(text)
    return caught.value


def at(column: int, line: int = 1) -> Position:
    return Position(line, column)


def name(text: str, column: int, line: int = 1) -> s.Name:
    return s.Name(at(column, line), text)


# Forms of expressions


def test_literals() -> None:
    assert expression("007") == s.Literal(at(1), 7)
    assert expression("1.50") == s.Literal(at(1), 1.5)
    assert expression('"#\'\\n"') == s.Literal(at(1), "#'\\n")
    assert expression('""') == s.Literal(at(1), "")
    assert expression("True") == name("True", 1)


def test_collections() -> None:
    assert expression("[]") == s.ListLiteral(at(1), ())
    assert expression("[a, b]") == s.ListLiteral(at(1), (name("a", 2), name("b", 5)))
    assert expression("{}") == s.DictLiteral(at(1), ())
    entries = ((name("a", 2), name("b", 5)), (name("c", 8), name("d", 11)))
    assert expression("{a: b, c: d}") == s.DictLiteral(at(1), entries)
    comprehension = s.ListComprehension(at(1), name("a", 2), ("a", "b"), name("c", 16))
    assert expression("[a for a, b in c]") == comprehension
    assert expression("{a:b for a in c}") == s.DictComprehension(
        at(1), name("a", 2), name("b", 4), ("a",), name("c", 15)
    )
    assert grouped(expression("[a in b for a in c in d]").iterable) == "(c in d)"


def test_calls_and_indices() -> None:
    assert expression("f()") == s.Call(at(1), name("f", 1), ())
    assert expression("f(a, b)") == s.Call(at(1), name("f", 1), (name("a", 3), name("b", 6)))
    assert expression("a[b]") == s.Index(at(1), name("a", 1), name("b", 3))
    assert grouped(expression('f(tokens=="l")("lol")[1](2)')) == 'f((tokens == "l"))("lol")[1](2)'
    assert grouped(expression("[a][0]")) == "[a][0]"
    assert grouped(expression("(a + b)(c)")) == "(a + b)(c)"


@pytest.mark.parametrize("comparison", ["==", "!=", "<", ">", "<=", ">="])
def test_select(comparison: str) -> None:
    expected = s.Select(at(1), name("a", 8), name("b", 11), comparison)
    assert expression(f"select(a, b, {comparison})") == expected


def test_forms_with_keywords() -> None:
    a, b = name("a", 11), name("b", 14)
    assert expression("aggregate(a, b)") == s.Aggregate(at(1), a, b, None)
    assert expression("aggregate(a, b, 0)") == s.Aggregate(at(1), a, b, s.Literal(at(17), 0))
    assert expression("range(a,b,c)") == s.Range(at(1), (name("a", 7), name("b", 9), name("c", 11)))
    assert expression("zip(a,b)") == s.Zip(at(1), (name("a", 5), name("b", 7)))
    assert expression("len(a)") == s.Len(at(1), name("a", 5))
    assert expression("round (a)") == s.Round(at(1), name("a", 8))
    assert expression("indicator(a)(b)") == s.Call(at(1), s.Indicator(at(1), name("a", 11)), (name("b", 14),))


def test_operators() -> None:
    for operator in ["^", "*", "/", "%", "+", "-", "==", "<=", ">=", ">", "<", "and", "or"]:
        right = name("b", 4 + len(operator))
        assert expression(f"a {operator} b") == s.Binary(at(1), operator, name("a", 1), right)
    for operator in ["not", "-", "+"]:
        operand = name("a", 2 + len(operator))
        assert expression(f"{operator} a") == s.Unary(at(1), operator, operand)
    assert expression("a in b") == s.Membership(at(1), name("a", 1), name("b", 6))
    assert expression("a if c else b") == s.Conditional(at(1), name("a", 1), name("c", 6), name("b", 13))


# Words


@pytest.mark.parametrize(
    "word", ["selectors", "order", "notin", "ifx", "select", "zip", "len", "_", "exits", "seq", "s"]
)
def test_names_may_begin_like_keywords(word: str) -> None:
    assert expression(word) == name(word, 1)


@pytest.mark.parametrize("word", ["set", "example", "on", "off", "exit", "round", "selector", "load", "in", "s-op"])
def test_keywords_are_no_names(word: str) -> None:
    error_of(f"x = {word};")


def test_some_keywords_include_the_parenthesis() -> None:
    assert isinstance(expression("aggregate(x, y)"), s.Aggregate)
    assert grouped(expression("aggregate (x, y)")) == "aggregate(x, y)"
    assert isinstance(expression("range (3)"), s.Call)
    assert "without a space" in error_of("select (a, b, ==);").message
    assert parse_statement("exit()") == s.Exit(at(1))
    error_of("exit ()")


def test_s_op_is_one_word() -> None:
    assert grouped(expression("xs-op")) == "(xs - op)"
    error_of("s-open;")
    error_of("s - op examples on")


def test_numbers_are_digits_only() -> None:
    for text in [".5;", "5.;", "1e3;", "1_000;", "1.2.3;", "٣;"]:
        error_of(text)
    assert "5000 digits" in error_of(f"x = {'9' * 5000};").message


def test_comments() -> None:
    text = '# first\nx = "#"; # one\ndef f(a) { # two\n  # three\n  return a # four\n  ; } # five'
    assert [type(statement) for statement in parse_program(text).statements] == [s.Assign, s.FunctionDef]
    assert parse_program("") == parse_program(" # nothing\n\r\n\t") == Program((), ())


# Statements


def test_assignments() -> None:
    assert parse_statement("a = b;") == s.Assign(at(1), ("a",), (name("b", 5),))
    assert parse_statement("a, b = c, d;") == s.Assign(at(1), ("a", "b"), (name("c", 8), name("d", 11)))


def test_draw_and_load() -> None:
    assert parse_statement("draw(a);") == s.Draw(at(1), name("a", 6), None)
    assert parse_statement('draw (a, "b");') == s.Draw(at(1), name("a", 7), s.Literal(at(10), "b"))
    assert parse_statement('load "a/b";') == s.Load(at(1), "a/b")


def test_functions() -> None:
    text = "def f(a, b) {\n  c = a;\n  return c, b;\n}"
    body = (s.Assign(at(3, 2), ("c",), (name("a", 7, 2),)),)
    assert parse_statement(text) == s.FunctionDef(at(1), "f", ("a", "b"), body, (name("c", 10, 3), name("b", 13, 3)))
    assert parse_statement("def f() { return 1; }") == s.FunctionDef(at(1), "f", (), (), (s.Literal(at(18), 1),))
    nested = parse_statement('def f() { def g() { return 1; } for a in b { c; } draw(c); load "d"; return g; }')
    assert isinstance(nested, s.FunctionDef)
    assert [type(statement) for statement in nested.body] == [s.FunctionDef, s.For, s.Draw, s.Load]


def test_loops() -> None:
    body = (s.ExpressionStatement(at(16), name("d", 16)),)
    assert parse_statement("for a,b in c { d; }") == s.For(at(1), ("a", "b"), name("c", 12), body)
    assert parse_statement("for a in {} { # nothing\n }") == s.For(at(1), ("a",), s.DictLiteral(at(10), ()), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('set example "a"', s.SetExample(at(1), None, s.Literal(at(13), "a"))),
        ('set s-op example "a"', s.SetExample(at(1), "s-op", s.Literal(at(18), "a"))),
        ("set selector example a", s.SetExample(at(1), "selector", name("a", 22))),
        ("show example", s.ShowExample(at(1), None)),
        ("show s-op example", s.ShowExample(at(1), "s-op")),
        ("examples on", s.SwitchExamples(at(1), None, True)),
        ("selector examples off", s.SwitchExamples(at(1), "selector", False)),
        ("full seq display on", s.SwitchFullSequence(at(1), True)),
        ("full seq display off", s.SwitchFullSequence(at(1), False)),
        ("exit", s.Exit(at(1))),
        ("exit()", s.Exit(at(1))),
        ("quit", s.Exit(at(1))),
        ("quit()", s.Exit(at(1))),
    ],
)
def test_settings(text: str, expected: s.Statement) -> None:
    assert parse_statement(text) == expected
    assert parse_statement(f"{text} # comment\n") == expected
    error_of(f"def f() {{ {text} return 1; }}")


def test_an_example_ends_with_its_line() -> None:
    statements = parse_program(
        "set example a\n(b);\nset example a\n[0];\nset example a\n-b; full seq display on x;"
    ).statements
    kinds = [s.SetExample, s.ExpressionStatement, s.SetExample, s.ExpressionStatement]
    assert [type(statement) for statement in statements[:4]] == kinds
    assert len(statements) == 8
    (continued,) = parse_program("set\nexample\n[a,\nb] if c\nelse (d\n) +\ne\n").statements
    assert isinstance(continued, s.SetExample)
    assert grouped(continued.expression) == "([a, b] if c else (d + e))"


def test_several_statements_on_a_line() -> None:
    assert len(parse_program("a = 1; b = 2; show example examples on c;").statements) == 5


def test_parse_statement_wants_one() -> None:
    for text, column in [("", 1), ("a; b;", 4)]:
        with pytest.raises(ParseError) as caught:
            parse_statement(text)
        assert caught.value.column == column


def test_positions() -> None:
    assert expression("(a + b) * c").position == at(1)
    assert expression("(a + b) * c").left.position == at(2)
    assert expression("a * ( - b)").right.position == at(7)
    assert expression("((f))(x)").position == at(1)
    assert expression("a\n  + b\r\n\t^ c").right.right == name("c", 4, 3)


# Precedence

SURPRISES = [
    ("-2^2", "((- 2) ^ 2)", "(- (2 ^ 2))"),
    ("not 1==2", "((not 1) == 2)", "(not (1 == 2))"),
    ("not t in L", "((not t) in L)", "(not (t in L))"),
    ("not a and b", "((not a) and b)", None),
    ("2^3^2", "((2 ^ 3) ^ 2)", "(2 ^ (3 ^ 2))"),
    ("2^-1^3", "((2 ^ (- 1)) ^ 3)", "(2 ^ (- (1 ^ 3)))"),
    ("7%2*3", "(7 % (2 * 3))", "((7 % 2) * 3)"),
    ("7*3%4", "((7 * 3) % 4)", None),
    ("a/b*c", "((a / b) * c)", None),
    ("a-b%c-d", "((a - (b % c)) - d)", None),
    ("1<2<3", "((1 < 2) < 3)", None),
    ("a+b==c-d", "((a + b) == (c - d))", None),
    ("True or True and False", "((True or True) and False)", "(True or (True and False))"),
    ("a and b or c", "((a and b) or c)", None),
    (
        "1 if True else 2 if False else 3",
        "((1 if True else 2) if False else 3)",
        "(1 if True else (2 if False else 3))",
    ),
    ("a if b if c else d else e", "(a if (b if c else d) else e)", None),
    ("a if b in c else d", "(a if (b in c) else d)", None),
    ("a if b else c in d", "((a if b else c) in d)", "(a if b else (c in d))"),
    ("a in b if c else d", "(a in (b if c else d))", "((a in b) if c else d)"),
    ('x=="h" or x in L', '(((x == "h") or x) in L)', '((x == "h") or (x in L))'),
    ("a in b in c", "((a in b) in c)", None),
    ("a == b in c", "((a == b) in c)", None),
    ("a in b == c", "(a in (b == c))", "((a in b) == c)"),
    ("-f(x)[0]", "(- f(x)[0])", None),
    ("-a*b", "((- a) * b)", None),
    ("- not - a", "(- (not (- a)))", None),
    ("a == not b + c", "(a == ((not b) + c))", "(a == (not (b + c)))"),
]


@pytest.mark.parametrize(("text", "original", "python"), SURPRISES)
def test_precedence(text: str, original: str, python: str | None) -> None:
    assert grouped(expression(text)) == original
    assert grouped(expression(text, "python")) == (python or original)
    assert len(parse_program(f"{text};").warnings) == (python is not None)
    assert parse_program(f"{text};", dialect="python").warnings == ()


ORIGINAL_TIERS = [["in"], ["if"], ["and", "or"], ["==", "<"], ["+", "-"], ["%"], ["*", "/"], ["^"]]


def climbed(words: list[str], loosest: int = 0) -> str:
    """The original's grouping by another algorithm: precedence climbing, which consumes the words."""
    word = words.pop(0)
    left = f"({word} {climbed(words, len(ORIGINAL_TIERS))})" if word in ("not", "-") else word
    while words:
        tier = next(number for number, tier in enumerate(ORIGINAL_TIERS) if words[0].split()[0] in tier)
        if tier < loosest:
            break
        operator = words.pop(0)
        left = f"({left} {operator} {climbed(words, tier + 1)})"
    return left


PYTHON_OPERATORS = {
    ast.Pow: "^", ast.Mult: "*", ast.Div: "/", ast.Mod: "%", ast.Add: "+", ast.Sub: "-", ast.Eq: "==", ast.Lt: "<",
    ast.In: "in", ast.And: "and", ast.Or: "or", ast.Not: "not", ast.USub: "-",
}  # fmt: skip


def grouped_by_python(node: ast.expr) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.UnaryOp():
            return f"({PYTHON_OPERATORS[type(node.op)]} {grouped_by_python(node.operand)})"
        case ast.BinOp():
            operator = PYTHON_OPERATORS[type(node.op)]
            return f"({grouped_by_python(node.left)} {operator} {grouped_by_python(node.right)})"
        case ast.IfExp():
            parts = [grouped_by_python(part) for part in (node.body, node.test, node.orelse)]
            return "({} if {} else {})".format(*parts)
        case ast.BoolOp():
            text, *others = map(grouped_by_python, node.values)
            for other in others:
                text = f"({text} {PYTHON_OPERATORS[type(node.op)]} {other})"
            return text
        case ast.Compare():
            text = grouped_by_python(node.left)
            for operator, other in zip(node.ops, node.comparators, strict=True):
                text = f"({text} {PYTHON_OPERATORS[type(operator)]} {grouped_by_python(other)})"
            return text
    raise AssertionError(node)


@st.composite
def rows(draw: st.DrawFn) -> list[str]:
    """Words of an expression without parentheses."""
    infix = st.sampled_from(["^", "*", "/", "%", "+", "-", "==", "<", "and", "or", "in", "if q else"])
    words = []
    for number in range(draw(st.integers(1, 6))):
        words += [draw(infix)] if number else []
        words += [*draw(st.lists(st.sampled_from(["not", "-"]), max_size=1)), "abcdef"[number]]
    return words


@given(rows())
def test_original_precedence_is_that_of_the_table(words: list[str]) -> None:
    assert grouped(expression(" ".join(words))) == climbed(list(words))


@given(rows())
def test_python_precedence_is_pythons(words: list[str]) -> None:
    text = " ".join(words)
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except SyntaxError:
        assume(False)
    assert grouped(expression(text, "python")) == grouped_by_python(tree)


@given(rows())
def test_warned_of_exactly_where_python_differs(words: list[str]) -> None:
    text = " ".join(words)
    original = expression(text)
    differs = grouped(original) != grouped(expression(text, "python"))
    assert len(parse_program(f"{text};").warnings) == differs
    for dialect in ("original", "python"):
        again = parse_program(f"{grouped(original)};", dialect=dialect)
        assert not again.warnings
        assert grouped(again.statements[0].expression) == grouped(original)


# Warnings


def test_a_warning_shows_both_readings() -> None:
    (warning,) = parse_program('x = 1;\ny = a == b or\n  not t in ["a", "b"];').warnings
    assert warning.position == at(5, 2)
    assert "`(a == b or (not t)) in […]`" in warning.message
    assert "`a == b or (not (t in […]))`" in warning.message


def test_a_warning_shows_the_smallest_part() -> None:
    (warning,) = parse_program("x = a == b and c < -f(d)^g[0] and e + 1 < 2;").warnings
    assert warning.position == at(20)
    assert "`(-f(…)) ^ g[…]`" in warning.message
    assert "`-(f(…) ^ g[…])`" in warning.message


def test_warnings_one_for_each_expression_in_order() -> None:
    text = "x = f(a or b and c) if -1^2 == 1 else [not e == f];\nx = (-2)^2;\nx = not (a in b);"
    assert [warning.position for warning in parse_program(text).warnings] == [at(7), at(24), at(40)]
    assert [w.position for w in parse_program("(a or b and c) + (-d^e)^f;").warnings] == [at(2), at(19)]


# Errors


@pytest.mark.parametrize(
    ("text", "place", "message", "expected"),
    [
        ("x = 1\ny = 2;", (2, 1), "unexpected 'y'", ("';'", "','", "an operator")),
        ("x = ;", (1, 5), "unexpected ';'", ("an expression",)),
        ("x = 1 +\n", (1, 8), "the text ends too early", ("an expression",)),
        ("x", (1, 2), "the text ends too early", ("';'", "','", "'='", "an operator")),
        ("x = 1;;", (1, 7), "unexpected ';'", ("a statement", "the end of the text")),
        ("  )", (1, 3), "unexpected ')'", ("a statement", "the end of the text")),
        ("def 3(x) {}", (1, 5), "unexpected '3'", ("a name",)),
        ("def f(x) { x; }", (1, 15), "unexpected '}'", ("'return'", "a statement")),
        ("def f(x) { return x }", (1, 21), "unexpected '}'", ("';'", "','", "an operator")),
        ("def f(x) { return x; y; }", (1, 22), "unexpected 'y'", ("'}'",)),
        ("for x of y {}", (1, 7), "unexpected 'of'", ("','", "'in'")),
        ("for x in y x;", (1, 12), "unexpected 'x'", ("'{'", "an operator")),
        ("load x;", (1, 6), "unexpected 'x'", ("a string",)),
        ("y = select(a, b, c);", (1, 18), "unexpected 'c'", ("a comparison",)),
        ("[a, b;", (1, 6), "unexpected ';'", ("','", "']'", "an operator")),
        ("{a: b, c};", (1, 9), "unexpected '}'", ("':'", "an operator")),
        ("show it", (1, 6), "unexpected 'it'", ("'example'", "'s-op'", "'selector'")),
        ('set example "a";', (1, 16), "unexpected ';'", ("the end of the line", "an operator")),
        ("x = a if b;", (1, 11), "unexpected ';'", ("'else'", "an operator")),
        ("x = @;", (1, 5), "unexpected character '@'", ("an expression",)),
        ("x = a & b;", (1, 7), "unexpected character '&'", ("';'", "','", "an operator")),
        ('x = "a\n";', (1, 5), "this string does not end on its line", ("an expression",)),
        ("x = 'a';", (1, 5), "strings are written with double quotes", ("an expression",)),
    ],
)
def test_errors(text: str, place: tuple[int, int], message: str, expected: tuple[str, ...]) -> None:
    error = error_of(text)
    assert ((error.line, error.column), error.message, error.expected) == (place, message, expected)


def test_unequal_is_for_select_only() -> None:
    error = error_of("x = a != b;")
    assert error.column == 7
    assert "not (a == b)" in error.message


def test_an_error_points_at_its_place() -> None:
    with pytest.raises(ParseError) as caught:
        parse_program("x = 1;\r\n\ty = x z;\r\n", name="a.rasp")
    assert str(caught.value).split("\n") == [
        "a.rasp:2:8: unexpected 'z'; expected ';', ',' or an operator",
        "\ty = x z;",
        "\t      ^",
    ]


def test_an_error_shows_part_of_a_long_line() -> None:
    error = error_of("x = [" + "a, " * 1000 + "! " + "b, " * 1000)
    _, source, caret = str(error).split("\n")
    assert source[caret.index("^")] == "!"
    assert len(source) < 200
    assert len(error.source_line) > 6000


# Continuation lines


INCOMPLETE = [
    "x",
    "x = 1",
    "f(",
    "x = [1,",
    "def f(x) {",
    "def f(x) {\n return x;",
    "for a in b",
    "set example",
    "a; b",
]
COMPLETE = [
    "",
    "# x",
    "x;",
    "x = 1; # a",
    "def f(x) {\n return x;\n}",
    "show example",
    'set example "a"',
    "x = );",
    '"a',
]


@pytest.mark.parametrize("text", INCOMPLETE)
def test_incomplete(text: str) -> None:
    assert not is_complete(text)


@pytest.mark.parametrize("text", COMPLETE)
def test_complete(text: str) -> None:
    assert is_complete(text)


# Any text

PROGRAM = """
# a comment
def f(seq, n) {
    a, b = select(seq, n, ==), not n in [1, 2.5, "x"]; # why
    for i, c in zip([1], ["b"]) { a = a and select(i, indices, <=); }
    return aggregate(a, seq, -1) if b else round(seq ^ 2 % 3), {k: v for k in d};
}
set s-op example "hello"
x = f(tokens, 3)("abc")[0] + {"a": 1}["a"]; draw(x, "ab");
full seq display on
load "other";
exit()
"""
WORDS = [*re.findall(r'"s"|[a-z-]+\(?|\S', PROGRAM), "full seq display", "exit()", "#", "!", ".", "'", "!=", " ", "\n"]


def check_read_or_explained(text: str) -> None:
    for dialect in ("original", "python"):
        try:
            program = parse_program(text, dialect=dialect)
        except ParseError as error:
            lines = text.split("\n")
            assert 1 <= error.line <= len(lines)
            assert error.source_line == lines[error.line - 1].removesuffix("\r")
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
            assert str(error)
        else:
            assert is_complete(text)
            assert [*program.warnings] == sorted(program.warnings, key=lambda warning: warning.position)
    is_complete(text)
    check_growing(text)


def check_growing(text: str) -> None:
    """Line by line, what is said is what is said of the whole, as long as it is incomplete."""
    growing, lines = GrowingText(), text.split("\n")
    for number, line in enumerate(lines, start=1):
        complete = growing.add(line)
        assert complete == is_complete("\n".join(lines[:number]))
        assert growing.lines == lines[:number]
        if complete:
            growing.clear()
            return


@given(st.text())
@example("\ud800")
@example("\x00")
@example("x = 1;\r\r\n!")
def test_any_text(text: str) -> None:
    check_read_or_explained(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.sampled_from(["", " "]))
def test_any_words(words: list[str], between: str) -> None:
    check_read_or_explained(between.join(words))


@given(st.data())
def test_damaged_programs(data: st.DataObject) -> None:
    text = PROGRAM
    for _ in range(data.draw(st.integers(0, 3))):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, start + data.draw(st.integers(0, 20)))
        text = text[:start] + data.draw(st.one_of(st.sampled_from(["", *WORDS]), st.text(max_size=3))) + text[end:]
    check_read_or_explained(text)


# Size


@given(st.lists(st.sampled_from(WORDS), max_size=30))
@example(["set", "example", "[", '"s"', "\n", "]", "\n", "x", ";"])
@example(["def", "f", "(", ")", "{", "\n", "return", "1", ";", "\n", "}", "\n", "x", ";"])
@example(["x", "=", "9" * 5000, "\n", ";"])
def test_a_text_that_grows_is_complete_when_it_is_as_a_whole(words: list[str]) -> None:
    check_growing(" ".join(words))


def test_lines_of_a_text_that_grows_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(text: str) -> Iterator[Any]:
        read.append(text)
        return words_of(text)

    words_of = parser._words
    monkeypatch.setattr(parser, "_words", noting)
    lines = ["def f(a) {", *(f" x{number} = a;" for number in range(50)), " return a;", "}"]
    growing = GrowingText()
    assert [growing.add(line) for line in lines] == [False] * (len(lines) - 1) + [True]
    assert read == [lines[0], *lines]


def test_long_programs() -> None:
    line = 'x = aggregate(select(indices, tokens, ==), tokens + 1) if indices < 3 else "k"; # comment\n'
    assert len(parse_program(line * 5000).statements) == 5000
    entries = ", ".join(f'"k{number}": {number}' for number in range(20_000))
    assert len(expression(f"{{{entries}}}").items) == 20_000
    body = "x = not a in b;\n" * 2000
    assert len(parse_program(f"def f(a, b) {{ {body} return x; }}").warnings) == 2000


@pytest.mark.parametrize(
    "text",
    [
        "a" + " + a" * 2000,
        "a" + " ^ a" * 2000,
        "a" + " if b else a" * 2000,
        "a in b == " * 2000 + "c",
        "not - " * 2000 + "a",
        "(" * 2000 + "a" + ")" * 2000,
        "[" * 2000 + "a" + "]" * 2000,
        "f(" * 2000 + "a" + ")" * 2000,
        "(-" * 2000 + "a" + "^ 2)" * 2000,
        "a" + "[0]" * 2000,
        "a" + "(0)" * 2000,
        "a if " * 2000 + "b" + " else c" * 2000,
    ],
    ids=lambda text: text[:12],
)
def test_deep_expressions(text: str) -> None:
    for dialect in ("original", "python"):
        assert expression(text, dialect).position == at(1) or text[0] == "("
    assert not is_complete(text)
    error_of(text)
    error_of(text + ")")


def test_deep_functions() -> None:
    text = "def f() { " * 1000 + "return 1; " + "} return 1; " * 999
    assert not is_complete(text)
    assert is_complete(text + "}")


def test_threads_read_at_once() -> None:
    texts = [f"x = {number} + a or b and c;\n" * 50 for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(parse_program, texts)) == [parse_program(text) for text in texts]


def test_import_is_light() -> None:
    code = "import sys, tracrlab.rasp, tracrlab.rasp.textual.parser; print('lark' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
