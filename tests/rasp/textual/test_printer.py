"""Expressions print as textual RASP that gives them again; what textual RASP cannot say is refused."""

from __future__ import annotations

import itertools
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rasp.textual.random_text import programs
from tracrlab import rasp
from tracrlab.compiler.graph import trace_graph
from tracrlab.errors import EvaluationError, InputError, NotPrintableError, RaspError
from tracrlab.rasp import Comparison, Expression, Full, Map, Selector, SequenceMap, SOp, library, operations
from tracrlab.rasp.expressions import MeanAggregate, elementwise
from tracrlab.rasp.operations import Formula, IsIn, Lookup
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.textual.environment import Environment
from tracrlab.rasp.textual.evaluator import Evaluator, Hooks
from tracrlab.rasp.textual.operators import BOTH, INDICATOR
from tracrlab.rasp.textual.parser import Dialect, parse_program
from tracrlab.rasp.textual.printer import is_assignable, program_text
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import Ratio, value_key

EXAMPLES = Path(__file__).parents[3] / "examples" / "rasp"
EQ = Comparison.EQ


def same_graph(first: Expression, second: Expression) -> bool:
    """Whether two expressions are the same but for the names in them."""
    numbers: dict[Hashable, int] = {}

    def number(expression: Expression) -> int:
        number_of: dict[int, int] = {}
        for node in children_first(expression):
            inputs = tuple(number_of[id(child)] for child in node.children)
            key = (type(node), node.parameters, inputs, node.encoding)
            number_of[id(node)] = numbers.setdefault(key, len(numbers))
        return number_of[id(expression)]

    return number(first) == number(second)


def read(text: str, name: str = "out", dialect: Dialect = "original") -> Any:
    """The value that a text gives a name, without running anything on an example; it must read as Python would."""
    program = parse_program(text, dialect=dialect)
    assert not program.warnings, (program.warnings, text)

    def unused(*_: object) -> Any:
        raise AssertionError(text)

    run = lambda expression, sequence: expression(sequence)  # noqa: E731
    evaluator = Evaluator(Environment(Session().environment), Hooks(lambda _: None, unused, run, unused), "printed")
    result = None
    for statement in program.statements:
        result = evaluator.execute(statement)
    return result if name == "out" else evaluator.environment.lookup(name)


def check(expression: SOp | Selector, name: str = "out") -> str:
    """The printed text, after checking that it gives the expression and prints as itself."""
    text = program_text(expression, name=name)
    again = read(text, name)
    assert same_graph(again, expression), text
    assert same_graph(read(text, name, "python"), expression), text
    if isinstance(expression, SOp):
        assert len(trace_graph(again).nodes) == len(trace_graph(expression).nodes), text
    assert program_text(again, name=name) == text
    return text


def only_line(expression: SOp | Selector) -> str:
    """The text of an expression that is one statement."""
    text = check(expression)
    assert text.count("\n") == 1
    return text.removesuffix(";\n")


# Round trips


@given(programs())
@settings(max_examples=150)
def test_textual_programs_give_themselves_again(statements: list[str]) -> None:
    session = Session()
    for statement in statements:
        try:
            session.run_text(statement)
        except RaspError:
            continue
    for expression in session.environment.names.values():
        if isinstance(expression, Expression):
            warnings: list[str] = []
            again = Session(write=warnings.append)
            again.run_text(check(expression, "result"))
            assert not warnings
            assert again.evaluate(again.value("result"), "hello") == session.evaluate(expression, "hello")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.rasp")), ids=lambda path: path.stem)
def test_examples_give_themselves_again(path: Path) -> None:
    session = Session()
    session.run_file(path)
    found = {name: value for name, value in session.environment.names.items() if isinstance(value, Expression)}
    assert found or path.stem == "dyckk_ptf"
    for name, expression in found.items():
        text = program_text(expression, name=name, example=session.examples.sop)
        again = Session()
        again.run_text(text)
        assert same_graph(again.value(name), expression)
        assert {line.split(" = ")[0] for line in text.splitlines()[1:]} >= {
            node.name for node in children_first(expression) if is_assignable(node.name or "")
        }


def value_on(expression: Expression, tokens: Sequence[Any], causal: bool = False) -> Any:
    """The values on an input, comparable; on some inputs a program fails."""
    try:
        values = expression(tokens, causal=causal)
    except EvaluationError:
        return "it fails"
    return [value if isinstance(value, list) else value_key(value) for value in values]


def check_meaning(expression: SOp | Selector, inputs: Iterable[Sequence[Any]], causal: bool = False) -> str:
    """The printed text, after checking that what it gives means the same, and gives itself again."""
    text = program_text(expression)
    again = read(text)
    for tokens in inputs:
        assert value_on(again, tokens, causal) == value_on(expression, tokens, causal), (tokens, text)
    assert same_graph(read(text, dialect="python"), again), text
    check(again)
    return text


@pytest.mark.slow
def test_embedded_programs_mean_the_same_when_read_again_or_are_refused() -> None:
    printed, reasons = 0, Counter[str]()
    for seed in range(300):
        found, rng = random_program(seed), random.Random(seed)
        try:
            program_text(found.program)
        except NotPrintableError as error:
            assert re.fullmatch(r"[^\n]+\. [^\n]+\.", str(error))
            reasons[error.reason] += 1
        else:
            printed += 1
            inputs = [rng.choices(found.vocabulary, k=rng.randint(1, 5)) for _ in range(6)]
            check_meaning(found.program, inputs, rng.random() < 0.5)
    assert printed > 80, reasons


def inputs_over(vocabulary: Sequence[Any], most: int) -> list[tuple[Any, ...]]:
    """All inputs, in the order of their lengths, as long as they are fewer than so many."""
    inputs: list[tuple[Any, ...]] = []
    length = 0
    while len(inputs) + len(vocabulary) ** length <= most:
        inputs += itertools.product(vocabulary, repeat=length)
        length += 1
    return inputs


@pytest.mark.parametrize("name", library.PROGRAMS)
def test_every_library_program_prints_and_means_the_same_when_read_again(name: str) -> None:
    """On all short inputs over the vocabulary, causally, too; and in a session, which runs it on the example."""
    entry = library.PROGRAMS[name]
    program, inputs = entry.build(), inputs_over(entry.example_vocab, 500)
    for causal in (False, True):
        check_meaning(program, inputs, causal)
    check_meaning(program, [entry.example_input, [*entry.example_vocab, "another", 1, True]])
    session = Session()
    session.run_text(program_text(program, name="mine", example=entry.example_input))
    again = session.value("mine")
    for tokens in inputs[1:]:
        assert value_on(again, tokens) == value_on(program, tokens)
    session.evaluate(again, entry.example_input)


def test_what_the_language_has_no_word_for_is_said_in_others() -> None:
    truth, maybe = rasp.indices > 1, rasp.where(rasp.indices > 0, rasp.tokens, None)
    everywhere = rasp.select(1, 1, EQ)
    for program, text in [
        (rasp.indices != 1, "not (indices == 1)"),
        (rasp.tokens != 1, "not (tokens_asis == 1)"),
        (~truth, "not (indices > 1)"),
        (truth & (rasp.indices < 3), "indices > 1 and indices < 3"),
        (truth | True, "indices > 1 or True"),
        (rasp.indices & rasp.length, "length if indices else indices"),
        (rasp.indices | rasp.length, "indices if indices else length"),
        (rasp.indices | "a", 'indices if indices else "a"'),
        (rasp.numerical(rasp.indices + 1), "indices + 1"),
        (rasp.LinearSequenceMap(rasp.indices, rasp.length, 2, -1), "2 * indices + -1 * length"),
        (rasp.aggregate(everywhere, rasp.tokens), "gather(full_s, tokens_asis, None)"),
        (rasp.aggregate(everywhere, rasp.indices, 0), "gather(full_s, indices, 0)"),
        (MeanAggregate(everywhere, rasp.indices), "aggregate(full_s, indices, None)"),
        (rasp.selector_width(rasp.select(rasp.indices, rasp.tokens, Comparison.TRUE)), "selector_width(full_s)"),
        (rasp.selector_width(rasp.select(rasp.length, 1, Comparison.FALSE)), "selector_width(not full_s)"),
        (rasp.elementwise_map(Formula(lambda x, y: (x == y) | (x == 1)), rasp.tokens, rasp.length),
         "tokens_asis == length or tokens_asis == 1"),
        (rasp.elementwise_map(Formula(lambda x: x), rasp.tokens) + 1, "tokens_asis + 1"),
        (rasp.elementwise_map(Formula(lambda x, y: y), rasp.tokens, rasp.indices + 1), "indices + 1"),
    ]:  # fmt: skip
        assert check_meaning(program, ["", "a", "abcd"]) == f"{text};\n"
    for predicate in (Comparison.TRUE, Comparison.FALSE):
        check_meaning(rasp.select(maybe, rasp.indices, predicate), ["a", "abc"])
        check_meaning(~rasp.select(rasp.indices, maybe, predicate), ["a", "abc"])
        check_meaning(rasp.select(None, rasp.indices, predicate), ["a", "abc"])
    named = (rasp.indices != 1).named("other")
    assert check_meaning(named, ["ab"]) == "other = not (indices == 1);\nother;\n"
    assert check_meaning((rasp.indices + 1) & (rasp.indices + 2), ["abc"]) == (
        "x1 = indices + 1;\nindices + 2 if x1 else x1;\n"
    )


def test_what_is_said_in_others_is_refused_by_its_own_text() -> None:
    """What cannot be printed stands within what a formula computes."""
    program = rasp.elementwise_map(Formula(lambda x, y: abs(x) + y), rasp.tokens, rasp.indices).named("mine")
    with pytest.raises(NotPrintableError, match=r"^mine = .*test_printer.py:\d+\): textual RASP has no form for abs"):
        program_text(program)


def test_some_library_programs_are_printable() -> None:
    assert program_text(library.PROGRAMS["hist"].build(), name="hist").endswith(
        "hist = selector_width(select(tokens_asis, tokens_asis, ==));\n"
    )


def test_deep_programs_print_in_short_lines() -> None:
    chain: SOp = rasp.indices
    for step in range(5000):
        chain = (chain + step % 10) % 7 if step % 3 else -chain
    text = check(chain)
    assert max(map(len, text.splitlines())) < 120
    nested: SOp = rasp.indices
    for _ in range(12):
        nested = nested + nested
    assert check(nested).count("\n") == 12


# Forms


@pytest.mark.parametrize(
    "text",
    [
        "tokens", "tokens_asis", "tokens_int", "tokens_float", "tokens_bool", "indices", "length", "full_s",
        "indices + 1", "1 + indices", "-1 + indices", "indices - -1", "length + -1", "2 ^ indices", "(-2) ^ indices",
        "-indices", "+indices", "--indices", "not tokens_bool", "round(indices / 2)", "indicator(indices > 1)",
        "indices + 1 - 2", "indices - (1 - indices)", "indices * (1 + indices)", "(indices ^ 2) ^ 3",
        "indices ^ (indices ^ 2)",
        "(-indices) ^ 2", "-(indices ^ 2)", "(indices % 2) * 3", "indices % (2 * length)", "indices * 2 % 3",
        "(indices == 1) == True", "not (indices == 1)", "(not tokens_bool) == True", "-(not tokens_bool)",
        "indices < 1 and indices > 2 and tokens_bool", "tokens_bool and (tokens_bool or indices < 1)",
        "tokens_bool and indices < 1 or tokens_bool", "tokens_bool or indices < 1 or indices > 2",
        "not (tokens_bool and indices < 1)", "not tokens_bool and indices < 1",
        "indices if tokens_bool else 2", '"a" if indices == 0 else "b"',
        "indices + 1 if tokens_bool and indices < 1 else -1",
        "(1 if tokens_bool else 2) if indices < 1 else 3", "1 if tokens_bool else (2 if indices < 1 else 3)",
        "1 if (tokens_bool if indices < 1 else True) else 2", "(1 if tokens_bool else 2) + 1",
        'tokens in ["a", "b"]', 'tokens + "a" in ["aa"]', 'not (tokens in ["a"])', "(indices == 1) in [True]",
        '(tokens in ["a"]) == True', '(tokens in ["a"]) in [False]', '1 if tokens in ["a"] else 2',
        '(1 if tokens_bool else 2) in [1]', "indices in [-1, 0.5, 2, True]", "indices in []",
        "[5, -6, 7][indices]", '{"a": 1, -2: "b", True: 0.5}[indices]', "{0: 1}[indices]", "[1, 2][[0, 1][indices]]",
        "select(indices, indices, ==)", "select(tokens, \"a\", !=)", "select(1, -1, <)", "select(True, indices, >=)",
        "select(tokens, tokens, >) and not select(indices, 1, <=)", "not (full_s or full_s)",
        "aggregate(full_s, indices)", "aggregate(full_s, indices, -1)", 'aggregate(full_s, 1, "")',
        "selector_width(full_s)", "aggregate(full_s, indices, 0.0)", "aggregate(full_s, indices, False)",
        '"#\'\\" + tokens', "0.0000001 * indices", "100000000000000000000000.0 * indices", "-0.0 + indices",
    ],
)  # fmt: skip
def test_texts_that_print_as_themselves(text: str) -> None:
    assert only_line(read(f"{text};")) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("tokens_str", "tokens"),
        ("select(1, 1, ==)", "full_s"),
        ("-indices^2", "(-indices) ^ 2"),
        ("7 % length * 3", "7 % (length * 3)"),
        ("not indices == 1", "(not indices) == 1"),
        ("indices[2]", "aggregate(select(indices, 2, ==), indices)"),
        ("tokens[-1]", "aggregate(select(indices, length + -1, ==), tokens)"),
        ('"a" in tokens', 'selector_width(select(tokens, "a", ==)) > 0'),
        ('"abcde"[indices]', '["a", "b", "c", "d", "e"][indices]'),
        ("max(indices, 2)", "indices if indices > 2 else 2"),
        ("indices + 2 * 3", "indices + 6"),
        ("indices + 2.50", "indices + 2.5"),
        ("1 if True else indices if tokens_bool else 2", "1 if tokens_bool else 2"),
    ],
)
def test_texts_that_print_as_others(text: str, printed: str) -> None:
    session = Session()
    session.run_text(f"{text};")
    assert only_line(session.value("out")) == printed


@given(
    st.one_of(
        st.integers(),
        st.integers(min_value=10**300, max_value=10**400),
        st.floats(),
        st.booleans(),
        st.text(st.characters(exclude_characters='"\r\n', exclude_categories=["Cs"])),
        st.fractions().map(Ratio),
    )
)
@settings(max_examples=300)
def test_constants_give_themselves_again(value: Any) -> None:
    for expression in (rasp.select(rasp.indices, value, EQ), MeanAggregate(rasp.select(1, 1, EQ), 1, value)):
        again = read(program_text(expression))
        constant = again.default if isinstance(again, MeanAggregate) else again.queries.fill
        assert value_key(constant) == value_key(value)
    check(elementwise(BOTH, value, rasp.indices))
    check(Map(IsIn((value,)), rasp.indices))


def test_signs_and_infinities() -> None:
    constants = [0.0, -0.0, math.inf, -math.inf, math.nan, sys.float_info.max, 5e-324, Ratio(Fraction(-1, 3))]
    for value in constants:
        text = check(rasp.select(rasp.indices, value, EQ))
        assert value_key(read(text).queries.fill) == value_key(value)


@given(st.lists(st.one_of(st.integers(-3, 3), st.booleans(), st.text("ab", max_size=2), st.floats(width=16))))
def test_tables_give_themselves_again(elements: list[Any]) -> None:
    def lookup(table: dict[Any, Any]) -> SOp:
        return Map(Lookup(table), rasp.indices)

    size = len(elements)
    assert "{" not in check(lookup({place: elements[place] for place in range(-size, size)})) or not size
    check(lookup(dict(zip(elements, reversed(elements), strict=True))))


# Statements


def test_what_is_used_twice_or_named_is_a_statement() -> None:
    half = rasp.indices / 2
    assert check(half + half) == "x1 = indices / 2;\nx1 + x1;\n"
    equal = rasp.indices / 2
    assert check(half + equal) == "x1 = indices / 2;\nx1 + x1;\n"
    named = half.named("half")
    assert check(named + 1) == "half = indices / 2;\nhalf + 1;\n"
    assert check(named + half) == "half = indices / 2;\nhalf + indices / 2;\n"
    before = rasp.select(rasp.indices, rasp.indices, Comparison.LT)
    both = rasp.selector_width(before) + MeanAggregate(before, rasp.indices, 0)
    assert check(both) == "s1 = select(indices, indices, <);\nselector_width(s1) + aggregate(s1, indices);\n"


def test_a_long_operand_is_a_statement() -> None:
    long = rasp.indices + 10**90
    assert check(-long) == f"x1 = indices + {10**90};\n-x1;\n"


def test_names_are_kept_where_textual_rasp_can_have_them() -> None:
    def named(*names: str) -> str:
        total: SOp = rasp.indices
        for place, name in enumerate(names, 1):
            total = (total + place).named(name)
        return check(-total)

    assert named("a", "b_2") == "a = indices + 1;\nb_2 = a + 2;\n-b_2;\n"
    assert named("a", "a", "a_2", "a") == "a = indices + 1;\na_3 = a + 2;\na_2 = a_3 + 3;\na_4 = a_2 + 4;\n-a_4;\n"
    assert (
        named("length", "x1", "my s-op", "ä") == "x2 = indices + 1;\nx1 = x2 + 2;\nx3 = x1 + 3;\nx4 = x3 + 4;\n-x4;\n"
    )
    for word in [
        "out",
        "tokens",
        "None",
        "gather",
        "True",
        "max",
        "round",
        "set",
        "selector",
        "full_s",
        "len",
        "s-op",
        "not",
        "é",
        "1a",
    ]:
        assert not is_assignable(word)
        assert named(word) == "x1 = indices + 1;\n-x1;\n"
    for word in ["select", "aggregate", "s", "_", "selector_", "full", "Out"]:
        assert is_assignable(word)
        assert named(word) == f"{word} = indices + 1;\n-{word};\n"


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "x1", "x2", "s1", "out", "hist", "max"]), max_size=8))
def test_no_two_statements_have_one_name(names: list[str]) -> None:
    total: SOp = rasp.indices
    for place, name in enumerate(names):
        total = (total + place).named(name)
        total = total * total
    targets = re.findall(r"^(\w+) = ", check(total, "hist"), re.MULTILINE)
    assert len(set(targets)) == len(targets)
    assert {name for name in names if name not in {"out", "max", "hist"}} <= set(targets)


def test_the_name_of_the_program() -> None:
    double = rasp.indices * 2
    assert check(double) == "indices * 2;\n"
    assert check(double, "d") == "d = indices * 2;\n"
    assert check(double.named("d"), "d") == "d = indices * 2;\n"
    assert check(double.named("d")) == "d = indices * 2;\nd;\n"
    assert check(double.named("e"), "d") == "e = indices * 2;\nd = e;\n"
    assert check(double.named("max"), "d") == "d = indices * 2;\n"
    assert check((double.named("d") + 1).named("d"), "d") == "d_2 = indices * 2;\nd = d_2 + 1;\n"
    assert check((double.named("d") + 1).named("e"), "d") == "d_2 = indices * 2;\ne = d_2 + 1;\nd = e;\n"
    assert check(rasp.indices, "d") == "d = indices;\n"
    assert (
        program_text(rasp.tokens.named("t") + (rasp.indices + 1).named("t")) == "t = indices + 1;\ntokens_asis + t;\n"
    )
    assert check(rasp.select(1, 1, EQ), "d") == "d = full_s;\n"
    assert check(rasp.select(1, 1, EQ).named("everything")) == "everything = select(1, 1, ==);\neverything;\n"
    for name in ["length", "my name", "", "tokens", "set"]:
        with pytest.raises(ValueError, match="cannot be the name"):
            program_text(double, name=name)


def test_the_running_example() -> None:
    text = program_text(rasp.tokens + 1, example=[1, -2, 0.5])
    assert text == "set example [1, -2, 0.5]\ntokens_asis + 1;\n"
    session = Session()
    session.run_text(text)
    assert session.evaluate(session.value("out"), [1, -2, 0.5]) == [2, -1, 1.5]
    assert program_text(rasp.indices, example="§ab") == 'set example "§ab"\nindices;\n'
    unwritable: list[str | Sequence[Any]] = ['"', [None], [("a", 1)], "", []]
    for example in unwritable:
        with pytest.raises(InputError, match="running example"):
            program_text(rasp.indices, example=example)


# Refusals


class OwnMap(Map):
    """A subclass may mean anything."""


def _f(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Map(_f, rasp.tokens), "no form for _f"),
        (lambda: SequenceMap(lambda x, y: x, rasp.tokens, rasp.indices), "no form for <lambda>"),
        (lambda: OwnMap(INDICATOR, rasp.indices), "no OwnMap"),
        (lambda: abs(rasp.indices), r"no form for abs\(…\)"),
        (lambda: rasp.indices // 2, "no form for … // …"),
        (lambda: SequenceMap(operations.NEGATE, rasp.indices, rasp.indices), "no form for -…"),
        (lambda: Map(operations.AS_INTEGER, rasp.indices), "no form for tokens_int"),
        (lambda: Map(operations.PartialOperation(operations.NEGATE, ()), rasp.indices), "no form"),
        (lambda: rasp.where(True, rasp.indices, 1), "no form"),
        (lambda: rasp.select(rasp.tokens, rasp.tokens, lambda key, query: True), "cannot select by <lambda>"),
        (lambda: rasp.select(rasp.tokens, ("a", 1), EQ), r"cannot write \('a', 1\)"),
        (lambda: rasp.tokens == 'a"b', "cannot write 'a\"b'"),
        (lambda: rasp.tokens == "a\nb", r"cannot write 'a\\nb'"),
        (lambda: rasp.tokens == "\ud800", r"cannot write '\\ud800'"),
        (lambda: rasp.indices + 10**5000, r"cannot write \(an int of more than \d+ digits\)"),
        (lambda: SequenceMap(operations.ADD, Full(1), rasp.indices), "an operand in its own right"),
        (lambda: Full(1), "constants only inside expressions"),
    ],
)
def test_what_textual_rasp_cannot_say_is_refused(build: Callable[[], SOp | Selector], reason: str) -> None:
    program = build()
    with pytest.raises(NotPrintableError, match=reason) as caught:
        program_text(program)
    assert caught.value.location is None or caught.value.location.startswith(__file__)
    if isinstance(program, SOp) and not isinstance(program, Full):
        with pytest.raises(NotPrintableError, match=reason):
            program_text(rasp.selector_width(rasp.select(program + 1, 1, EQ)))
