"""Textual programs run as in the original language, and compile to transformers that do the same."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import tracrlab
from tests.rasp.textual.expected import EXAMPLES, LIBRARY_ON_HELLO, ORACLES, VOCABULARIES
from tracrlab.errors import ParseError, RaspError
from tracrlab.rasp import Expression, SOp
from tracrlab.rasp.textual.session import Session

PROGRAMS = Path(__file__).parents[3] / "examples" / "rasp"
NAMES = sorted(EXAMPLES)


def program(name: str) -> tuple[Session, SOp]:
    session = Session()
    session.run_file(PROGRAMS / f"{name}.rasp")
    return session, session.value(name)


def output_of(text: str) -> list[str]:
    lines: list[str] = []
    Session(write=lines.append).run_text(text, interactive=True)
    return lines


def value_of(expression: str) -> Any:
    session = Session()
    session.run_text(f"result = {expression};")
    return session.value("result")


def short_inputs(name: str, longest: int) -> list[list[str]]:
    vocab = VOCABULARIES[name]
    lengths = range(1, longest + 1)
    everything = [list(tokens) for length in lengths for tokens in itertools.product(vocab, repeat=length)]
    return random.Random(name).sample(everything, min(len(everything), 400))


@pytest.mark.parametrize("name", NAMES)
def test_examples_give_the_outputs_of_the_reference(name: str) -> None:
    session, sop = program(name)
    for text, expected in EXAMPLES[name]:
        assert session.evaluate(sop, text) == expected


@pytest.mark.parametrize("name", NAMES)
def test_examples_equal_their_oracles_in_the_interpreter_and_compiled(name: str) -> None:
    session, sop = program(name)
    inputs = short_inputs(name, 5)
    expected = [ORACLES[name](tokens) for tokens in inputs]
    assert [session.evaluate(sop, tokens) for tokens in inputs] == expected
    assert tracrlab.compile(sop, VOCABULARIES[name], 5).run_batch(inputs) == expected


@pytest.mark.parametrize(("expression", "expected"), LIBRARY_ON_HELLO)
def test_the_library_on_hello(expression: str, expected: list[Any]) -> None:
    session = Session()
    session.run_text(f"result = {expression};")
    result = session.evaluate(session.value("result"), "hello")
    assert result == pytest.approx(expected) if isinstance(expected[0], float) else result == expected
    assert [isinstance(value, str) for value in result] == [isinstance(value, str) for value in expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("-2^2", 4),
        ("not 1 == 2", False),
        ("2^3^2", 64),
        ("7%2*3", 1),
        ("True or True and False", False),
        ("1 if True else 2 if False else 3", 3),
        ("3 and 0", 0),
        ("0 or 5", 5),
        ("[1,2]+[3]", [1, 2, 3]),
        ("2*[1]", [1, 1]),
        ("[1,2,3][-1]", 3),
        ('{"a":1}["a"]', 1),
        ("[i*i for i in range(4)]", [0, 1, 4, 9]),
        ("[a+b for a,b in zip([1,2],[3,4])]", [4, 6]),
        ("{k: 2*k for k in [1,2]}", {1: 2, 2: 4}),
        ("len([1,2])", 2),
        ("round(2.5)", 2),
        ('"x" in ["x","y"]', True),
        ('tokens("hi")', ["h", "i"]),
        ('(3*indices)("hello")', [0, 3, 6, 9, 12]),
        ('indices[1]("a")', [0]),
        ('indices[-1]("abc")', [2, 2, 2]),
        ('(tokens in ["e","o"])("hey")', [False, True, False]),
        ('("e" in tokens)("hey")', [True, True, True]),
        ('([5,6,7,8,9][indices])("abc")', [5, 6, 7]),
        ('(indices if tokens == "a" else 0-1)("aba")', [0, -1, 2]),
        ('aggregate(select(indices, 9, ==), tokens, "-")("ab")', ["-", "-"]),
        ('aggregate(select(indices, 9, ==), indices)("ab")', [0, 0]),
        ('average(indices)("z")', [0]),
        ('tokens_int("123")', [1, 2, 3]),
    ],
)
def test_values_of_expressions(expression: str, expected: Any) -> None:
    assert value_of(expression) == expected


def test_functions_close_over_their_scope_and_recurse_over_atoms() -> None:
    session = Session()
    session.run_text(
        """
        a = 1;
        def f(x) { return x + a; }
        def g(a) { b = f(a); return b, a; }
        x, y = g(10);
        def factorial(n) { return 1 if n == 0 else n * factorial(n - 1); }
        z = factorial(20);
        total = 0;
        for i, j in zip([1,2],[3,4]) { total = total + i * j; }
        """
    )
    assert (session.value("x"), session.value("y")) == (11, 10)
    assert session.value("z") == 2432902008176640000
    assert session.value("total") == 11


def test_several_equal_values_are_averaged_and_one_passes_unchanged() -> None:
    session = Session()
    session.run_text("ones = aggregate(full_s, indicator(indices >= 0));")
    assert [type(value) is int for value in session.evaluate(session.value("ones"), "a")] == [True]
    assert [isinstance(value, float) for value in session.evaluate(session.value("ones"), "ab")] == [True, True]
    with pytest.raises(RaspError, match="only numbers have a mean"):
        session.run_text("words = aggregate(full_s, tokens);")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = b;", "there is no 'b'"),
        ("indices = 3;", "cannot be assigned"),
        ("length = 3;", "cannot be assigned"),
        ("x = [1][5];", "no element 5"),
        ("x = 1/0;", "ZeroDivisionError"),
        ("x = tokens_int;\ny = x + 1;", "tokens_int"),
        ('x = "a" + indices;', "TypeError"),
        ("x = full_s + 1;", "selector"),
        ("def f(x) { return x; } y = f(1, 2);", "takes 1 argument, not 2"),
        ("def f(x) { return f(x); } y = f(1);", "too deep"),
        ("a, b = [1, 2, 3];", "cannot be unpacked into 2"),
        ('load "nothing_like_it";', "cannot read"),
        ('x = tokens if tokens == "h" else indices;', "one type"),
        ("x = tokens([[1]]);", "list of atoms"),
        ("x = tokens([]);", "not empty"),
        ("draw(3);", "draw needs an s-op or a selector, not an int"),
        ("draw(tokens, 3);", "list of atoms, not an int"),
        ("x = 9^(9^9);", "4,300 digits"),
        ("x = (indices + 9)^5000;", "4,300 digits"),
        ("x = [1] * 10^1000;", "OverflowError"),
        ('load "no\0thing";', "cannot be the name of a file"),
    ],
)
def test_errors_say_what_and_where(text: str, message: str) -> None:
    with pytest.raises(RaspError, match=message) as caught:
        Session().run_text(text, "mine.rasp")
    assert str(caught.value).startswith("mine.rasp:")
    assert caught.value.line == text.count("\n") + 1


def test_an_error_keeps_what_was_done_before_it() -> None:
    session = Session()
    with pytest.raises(RaspError):
        session.run_text("a = 1; b = c; d = 2;")
    assert session.value("a") == 1


def test_what_the_prompt_shows() -> None:
    assert output_of("indices;") == ["     s-op: indices", '     Example: indices("hello") = [0, 1, 2, 3, 4] (ints)']
    assert output_of("x = 2 * indices;")[1] == '     Example: x("hello") = [0, 2, 4, 6, 8] (ints)'
    assert output_of("length;")[1] == '     Example: length("hello") = [5]*5 (ints)'
    assert output_of('tokens == "l";')[1] == '     Example: out("hello") = [F, F, T, T, F] (bools)'
    assert output_of("aggregate(full_s, indices);")[1] == '     Example: out("hello") = [2.0]*5 (floats)'
    assert output_of('set example "ab"\nindices + 1;')[1] == '     Example: out("ab") = [1, 2] (ints)'
    assert len(output_of("examples off\nindices + 1;")) == 1
    assert output_of("1 + 1;") == ["     value: 2"]


def test_the_longest_number_is_one_that_python_prints() -> None:
    assert value_of("10^4299 * 9") == 9 * 10**4299
    with pytest.raises(RaspError, match="too long"):
        value_of("10^4299 * 10")


def test_an_example_is_something_that_s_ops_can_be_run_on() -> None:
    session = Session()
    for wrong in ("3", '""', "[]", "[[1]]", "[tokens]", "tokens"):
        with pytest.raises(RaspError, match="an example is"):
            session.run_text(f"set example {wrong}", "mine.rasp")
    assert session.examples.sop == session.examples.selector == "hello"


def test_the_value_of_an_expression_is_not_kept() -> None:
    session = Session()
    session.run_text("a = 3; 1;")
    assert session.value_of("[a, 2 * a] # both") == [3, 6]
    assert session.value("out") == 1
    for wrong, error in (("a = 4", RaspError), ("a; b = 2", ParseError), ("", ParseError), ("b", RaspError)):
        with pytest.raises(error):
            session.value_of(wrong)
    assert session.value("a") == 3


def test_thousands_of_s_ops_built_in_a_loop() -> None:
    session = Session()
    session.run_text("x = indices; for i in range(3000) { x = (x + i) % 7; }")
    expected = [0, 1, 2, 3, 4]
    for step in range(3000):
        expected = [(value + step) % 7 for value in expected]
    assert session.evaluate(session.value("x"), "hello") == expected


def test_expressions_know_their_place_in_the_text() -> None:
    session = Session()
    session.run_text("a = 1;\nx = indices / length;", "mine.rasp")
    assert session.value("x").location == "mine.rasp:2"


def test_positions_are_those_of_the_file_that_defines_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shared.rasp").write_text("def shifted(x) {\n    moved = x + 1;\n    return moved;\n}\n", encoding="utf-8")
    session = Session()
    session.run_text('load "shared";\n\n\nindex = shifted(indices);', "mine.rasp")
    assert session.value("index").location.endswith("shared.rasp:2")
    with pytest.raises(RaspError, match=r"shared\.rasp:2:"):
        session.run_text("shifted(tokens);", "mine.rasp")
    with pytest.raises(RaspError, match=r"mine\.rasp:1:"):
        session.run_text("tokens + 1;", "mine.rasp")


def shown_at_the_prompt(text: str) -> str:
    lines: list[str] = []
    session = Session(write=lines.append)
    session.run_text(text)
    lines.clear()
    session.run_text("x;", interactive=True)
    return "\n".join(lines)


@pytest.mark.parametrize("grown", ["[x]", "[x, x]", "{1: x}", "x + x"])
def test_deep_and_long_values_are_shown_in_part(grown: str) -> None:
    count = 5000 if grown in ("[x]", "{1: x}") else 20
    shown = shown_at_the_prompt(f"x = [1];\nfor i in range({count}) {{ x = {grown}; }}")
    assert shown.endswith("…")
    assert len(shown) < 11_000


def test_lists_and_dictionaries_are_shown_as_they_are_written() -> None:
    written = '[1, {"a": [2, 3.5], "b": "x"}, [], {}, [[]], True]'
    assert shown_at_the_prompt(f"x = {written};") == f"     value: {written.replace('True', 'T')}"


def test_sessions_in_threads_leave_the_recursion_limit_as_it_was() -> None:
    """The first to begin is the first to end."""
    before = sys.getrecursionlimit()
    first_began, second_began, first_ended = Event(), Event(), Event()

    def first(expression: Expression, shown: Any) -> None:
        first_began.set()
        second_began.wait(60)

    def second(expression: Expression, shown: Any) -> None:
        second_began.set()
        first_ended.wait(60)

    sessions = Session(draw=first), Session(draw=second)
    threads = [Thread(target=session.run_text, args=("draw(indices);",)) for session in sessions]
    threads[0].start()
    first_began.wait(60)
    threads[1].start()
    threads[0].join()
    first_ended.set()
    threads[1].join()
    assert sys.getrecursionlimit() == before
