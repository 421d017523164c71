"""What expressions mean: the interpreter against expectations written by hand, and against naive Python."""

from __future__ import annotations

import math
import operator
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracrlab import rasp
from tracrlab.errors import EvaluationError
from tracrlab.rasp import Comparison, Ratio, Selector, SOp, indices, length, tokens
from tracrlab.rasp.values import exact_number, mean_value, value_key

ALL = rasp.select(1, 1, Comparison.TRUE)
NOTHING = rasp.select(1, 1, Comparison.FALSE)
HERE = rasp.select(indices, indices, Comparison.EQ)
PREVS = rasp.select(indices, indices, Comparison.LEQ)


def lookup(table: dict[Any, Any]) -> SOp:
    """The s-op that translates tokens by a table; tokens missing from it become ``None``."""
    return rasp.elementwise_map(table.get, tokens)


def matrix(*rows: str) -> list[list[bool]]:
    return [[cell == "#" for cell in row] for row in rows]


# Primitives ----------------------------------------------------------------------------------------------------------


def test_primitives() -> None:
    assert tokens("abc") == ["a", "b", "c"]
    assert tokens(["ab", 1, None]) == ["ab", 1, None]
    assert indices("abc") == [0, 1, 2]
    assert length("abc") == [3, 3, 3]
    assert rasp.constant("k")("abc") == ["k", "k", "k"]


@pytest.mark.parametrize(
    "program", [tokens, indices, length, rasp.selector_width(ALL), rasp.aggregate(ALL, tokens), ALL]
)
@pytest.mark.parametrize("causal", [False, True])
def test_the_empty_sequence(program: rasp.Expression, causal: bool) -> None:
    assert program("", causal=causal) == []


def test_a_selector_has_a_row_for_each_query_and_a_column_for_each_key() -> None:
    assert rasp.select(indices, indices, Comparison.LT)("abc") == matrix("...", "#..", "##.")
    assert rasp.select(tokens, "b", Comparison.EQ)("abc") == matrix(".#.", ".#.", ".#.")
    assert rasp.select("b", tokens, Comparison.EQ)("abc") == matrix("...", "###", "...")


@pytest.mark.parametrize(
    ("predicate", "row"),
    [
        (Comparison.EQ, ".#."),
        (Comparison.NEQ, "#.#"),
        (Comparison.LT, "#.."),
        (Comparison.LEQ, "##."),
        (Comparison.GT, "..#"),
        (Comparison.GEQ, ".##"),
        (Comparison.TRUE, "###"),
        (Comparison.FALSE, "..."),
        (lambda key, query: key == query + 1, "..#"),
        (lambda key, query: key % 2, ".#."),  # any truth value will do
    ],
)
def test_predicates_compare_key_with_query(predicate: Callable[[Any, Any], Any], row: str) -> None:
    assert rasp.select(indices, 1, predicate)("abc")[0] == matrix(row)[0]


# Elementwise operations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operate", "on_2", "reflected"),
    [
        (operator.add, 9, 9),
        (operator.sub, -5, 5),
        (operator.mul, 14, 14),
        (operator.truediv, 2 / 7, 7 / 2),
        (operator.floordiv, 0, 3),
        (operator.mod, 2, 1),
        (operator.pow, 128, 49),
        (operator.lt, True, False),
        (operator.le, True, False),
        (operator.gt, False, True),
        (operator.ge, False, True),
        (operator.eq, False, False),
        (operator.ne, True, True),
        (operator.and_, 7, 2),
        (operator.or_, 2, 7),
    ],
)
def test_operators_take_a_constant_on_either_side(
    operate: Callable[[Any, Any], Any], on_2: object, reflected: object
) -> None:
    two, seven = indices + 2, indices + 7
    assert operate(two, 7)("a") == operate(two, seven)("a") == [on_2]
    assert operate(7, two)("a") == operate(seven, two)("a") == [reflected]


def test_unary_operators() -> None:
    assert (-indices)("abc") == [0, -1, -2]
    assert (+indices)("abc") == [0, 1, 2]
    assert abs(indices - 1)("abc") == [1, 0, 1]
    assert (~(indices > 0))("abc") == [True, False, False]


def test_and_and_or_return_an_operand_as_in_python() -> None:
    assert (indices & "x")("ab") == [0, "x"]
    assert (indices | "x")("ab") == ["x", 1]


def test_functions_of_several_s_ops() -> None:
    program = rasp.elementwise_map(lambda x, y, z: (x, y, z), tokens, indices, "k")
    assert program("ab") == [("a", 0, "k"), ("b", 1, "k")]
    assert rasp.LinearSequenceMap(indices, length, 2.0, -1.0)("abc") == [-3, -1, 1]


def test_where() -> None:
    assert rasp.where(indices > 0, tokens, "-")("abc") == ["-", "b", "c"]
    assert rasp.where(indices, length, indices)("abc") == [0, 3, 3]
    assert rasp.where(True, 1, 2)("ab") == [1, 1]
    assert rasp.where(indices > 0, None, tokens)("abc") == ["a", None, None]


# None ----------------------------------------------------------------------------------------------------------------


def test_functions_never_see_none() -> None:
    def not_none(*values: object) -> bool:
        assert None not in values
        return True

    gap = lookup({"a": 1})
    assert rasp.elementwise_map(not_none, gap)("ab") == [True, None]
    assert rasp.elementwise_map(not_none, indices, gap)("ab") == [True, None]
    assert rasp.where(indices < 0, gap, indices)("ab") == [0, None]
    assert (gap == 1)("ab") == [True, None]
    assert (~gap)("ab") == [False, None]


def test_a_function_may_return_none() -> None:
    assert lookup({"b": 2})("abc") == [None, 2, None]


def test_a_pair_with_none_is_selected_neither_by_a_selector_nor_by_its_complement() -> None:
    gap = lookup({"a": 1, "c": 3})
    for selector in (
        rasp.select(gap, indices, Comparison.TRUE),
        rasp.select(gap, indices, Comparison.FALSE),
        rasp.select(gap, gap, Comparison.EQ),
    ):
        for row in (*selector("abc"), *(~selector)("abc")):
            assert not row[1]
    unanswered = rasp.select(indices, gap, Comparison.TRUE)
    assert unanswered("abc") == matrix("###", "...", "###")
    assert (~unanswered)("abc") == matrix("...", "...", "...")


def test_unknown_selectors_combine_by_kleene_logic() -> None:
    unknown = rasp.select(lookup({}), 1, Comparison.EQ)
    assert (unknown | ALL)("a") == [[True]]
    assert (unknown & ALL)("a") == [[False]]
    assert (~(unknown & ALL))("a") == [[False]]  # unknown, hence not definitely false
    assert (~(unknown & NOTHING))("a") == [[True]]
    assert (~(unknown | NOTHING))("a") == [[False]]


def test_none_is_a_value_that_an_aggregate_can_move() -> None:
    gap = lookup({"a": 1})
    assert rasp.aggregate(HERE, gap, 7)("ab") == [1, None]
    assert rasp.aggregate(ALL, gap, 7)("bb") == [None, None]
    with pytest.raises(EvaluationError, match="cannot average"):
        rasp.aggregate(ALL, gap)("ab")


# Selectors -----------------------------------------------------------------------------------------------------------


def test_selector_algebra() -> None:
    lower, diagonal = PREVS, HERE
    assert (lower & ~diagonal)("abc") == matrix("...", "#..", "##.")
    assert (~lower | diagonal)("abc") == matrix("###", ".##", "..#")
    assert (~lower)("abc") == matrix(".##", "..#", "...")


def test_selector_width_counts() -> None:
    assert rasp.selector_width(PREVS)("abc") == [1, 2, 3]
    assert rasp.selector_width(NOTHING)("abc") == [0, 0, 0]
    assert rasp.selector_width(rasp.select(tokens, tokens, Comparison.EQ))("hello") == [1, 1, 2, 2, 1]


def test_causal_evaluation_masks_what_is_used_of_a_selector() -> None:
    assert ALL("abc", causal=True) == matrix("#..", "##.", "###")
    assert rasp.selector_width(ALL)("abc", causal=True) == [1, 2, 3]
    assert rasp.aggregate(ALL, indices)("abc", causal=True) == [0, 0.5, 1]
    assert rasp.aggregate(~PREVS, indices, -1)("abc", causal=True) == [-1, -1, -1]


def test_causal_complements_are_masked_after_the_complement() -> None:
    earlier_b = rasp.select(tokens, "b", Comparison.EQ)
    assert (~earlier_b)("abc", causal=True) == matrix("#..", "#..", "#.#")
    assert (~~earlier_b)("abc", causal=True) == matrix("...", ".#.", ".#.")


def test_indices_and_length_do_not_depend_on_causality() -> None:
    assert (indices + length)("abc", causal=True) == [3, 4, 5]


# Aggregates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("default", [None, 0, 1, "none", True, (1, 2), math.inf])
def test_an_empty_selection_gives_the_default(default: object) -> None:
    assert rasp.aggregate(NOTHING, tokens, default)("ab") == [default, default]
    after = rasp.select(indices, indices, Comparison.GT)
    assert rasp.aggregate(after, 5, default)("ab") == [5, default]


@pytest.mark.parametrize("value", ["x", 3, 2.5, True, (1, "a"), None, math.inf, frozenset({1})])
def test_equal_values_of_any_type_have_themselves_as_their_mean(value: object) -> None:
    result = rasp.aggregate(ALL, tokens)([value, value, value])
    assert result == [value, value, value]
    assert {type(element) for element in result} == {type(value)}


def test_different_numbers_are_averaged() -> None:
    assert rasp.aggregate(ALL, indices)("abcd") == [1.5] * 4
    assert rasp.aggregate(PREVS, tokens == "a")("aba") == [True, 1 / 2, 2 / 3]
    assert rasp.aggregate(ALL, tokens)([0.25, 1, True]) == [0.75] * 3
    assert rasp.aggregate(ALL, tokens)([-1, 1]) == [0, 0]
    assert rasp.aggregate(ALL, tokens)([math.inf, 1]) == [math.inf, math.inf]


def test_large_integers_are_averaged_exactly() -> None:
    assert rasp.aggregate(ALL, tokens)([2**62, 2**62 + 2**20]) == [2**62 + 2**19] * 2
    assert rasp.aggregate(ALL, tokens)([2**31 - 1, 1 - 2**31, 3]) == [1.0] * 3


def test_equal_numbers_of_different_types_are_told_apart() -> None:
    (first, *_) = rasp.aggregate(ALL, tokens)([1, True])
    assert first == 1
    assert isinstance(first, float)


@pytest.mark.parametrize("values", [["a", "b"], ["a", 1], [None, 1], [(1,), (2,)]])
def test_different_values_that_are_not_numbers_have_no_mean(values: list[Any]) -> None:
    with pytest.raises(EvaluationError, match="cannot average"):
        rasp.aggregate(ALL, tokens)(values)


def test_ratios_are_exact() -> None:
    def fraction_of(token: str) -> SOp:
        return rasp.aggregate(ALL, tokens == token)

    # As floats, 1 - 2/3 and 2/3 - 1/3 differ in the last bit.
    (left, *_) = (1 - fraction_of("a"))("aab")
    (right, *_) = (fraction_of("a") - fraction_of("b"))("aab")
    assert left == right == 1 / 3
    assert Ratio(Fraction(3, 3)) - Ratio(Fraction(2, 3)) == Ratio(Fraction(2, 3)) - Ratio(Fraction(1, 3))


# Ratio ---------------------------------------------------------------------------------------------------------------

fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=1000)
simple_numbers = st.fractions(-1000, 1000, max_denominator=1000)  # no two of them round to one float
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]


def nearest_float(operate: Callable[[Any, Any], Any], x: Any, y: Any) -> float:
    """The exact result, rounded once; examples without one or beyond the range of floats are skipped."""
    assume(operate is not operator.truediv or Fraction(y) != 0)
    exact = operate(Fraction(x), Fraction(y))
    assume(abs(exact) <= Fraction(sys.float_info.max))
    return float(exact)


@pytest.mark.parametrize("operate", ARITHMETIC)
@given(x=fractions, y=fractions)
def test_ratio_arithmetic_rounds_once(operate: Callable[[Any, Any], Any], x: Fraction, y: Fraction) -> None:
    expected = nearest_float(operate, x, y)
    result = operate(Ratio(x), Ratio(y))
    assert isinstance(result, Ratio)
    assert (result, result.exact) == (expected, operate(x, y))


@pytest.mark.parametrize("operate", ARITHMETIC)
@given(x=fractions, y=simple_numbers)
def test_ratio_arithmetic_with_numbers(operate: Callable[[Any, Any], Any], x: Fraction, y: Fraction) -> None:
    expected = nearest_float(operate, x, y)
    assert operate(Ratio(x), float(y)) == expected
    if y.denominator == 1:
        assert operate(Ratio(x), int(y)) == expected


@pytest.mark.parametrize("operate", ARITHMETIC)
@given(x=simple_numbers, y=fractions)
def test_ratio_arithmetic_reflected(operate: Callable[[Any, Any], Any], x: Fraction, y: Fraction) -> None:
    expected = nearest_float(operate, x, y)
    assert operate(float(x), Ratio(y)) == expected
    if x.denominator == 1:
        assert operate(int(x), Ratio(y)) == expected


@given(simple_numbers)
def test_a_float_stands_for_the_simplest_rational_that_rounds_to_it(x: Fraction) -> None:
    assert exact_number(float(x)) == x


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_rational_of_a_float_rounds_to_it(x: float) -> None:
    exact = exact_number(x)
    assert exact is not None
    assert float(exact) == x
    assert exact.denominator <= Fraction(x).denominator


@given(fractions, fractions)
def test_ratio_is_otherwise_a_float(x: Fraction, y: Fraction) -> None:
    ratio = Ratio(x)
    assert (ratio == float(x), hash(ratio), repr(ratio)) == (True, hash(float(x)), repr(float(x)))
    assert (ratio < Ratio(y)) == (float(x) < float(y))
    assert (-ratio, +ratio, abs(ratio)) == (-float(x), float(x), abs(float(x)))
    copy = pickle.loads(pickle.dumps(ratio))
    assert (type(copy), copy.exact) == (Ratio, x)


def test_ratio_with_infinity_and_zero() -> None:
    half = Ratio(Fraction(1, 2))
    assert half + math.inf == math.inf - half == half * math.inf == math.inf
    assert half / math.inf == 0
    with pytest.raises(ZeroDivisionError):
        half / 0
    with pytest.raises(ZeroDivisionError):
        1 / Ratio(Fraction(0))


def test_ratio_overflows_like_a_float() -> None:
    assert Ratio(Fraction(1, 2)) * 1e308 * 10 == math.inf
    assert 1 / (Ratio(Fraction(1, 2)) * 1e-308 / 10) == math.inf


def test_a_mean_beyond_the_range_of_floats() -> None:
    with pytest.raises(EvaluationError):
        rasp.aggregate(ALL, tokens)([10**400, 1])


@given(st.lists(st.integers() | st.booleans() | simple_numbers, min_size=1, max_size=20))
def test_mean_value(exact: list[int | Fraction]) -> None:
    values = [float(number) if isinstance(number, Fraction) else number for number in exact]
    mean = mean_value(values)
    if len({value_key(value) for value in values}) == 1:
        assert mean is values[0]
    else:
        assert mean == float(sum(map(Fraction, exact)) / len(exact))


# Against naive Python ------------------------------------------------------------------------------------------------

ALPHABET = "abcd"
COMPARISONS = {
    Comparison.EQ: operator.eq,
    Comparison.NEQ: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LEQ: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GEQ: operator.ge,
}
inputs = st.text(ALPHABET, max_size=7)


def table_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict.fromkeys(ALPHABET, values))


tables = table_of(st.none() | st.integers(0, 3))
comparisons = st.sampled_from(list(COMPARISONS))
selects = st.builds(
    lambda keys, queries, comparison: rasp.select(lookup(keys), lookup(queries), comparison),
    tables,
    tables,
    comparisons,
)
selectors: st.SearchStrategy[Selector] = st.recursive(
    selects | st.sampled_from([ALL, NOTHING, PREVS]),
    lambda inner: st.one_of(
        st.builds(operator.and_, inner, inner), st.builds(operator.or_, inner, inner), st.builds(operator.invert, inner)
    ),
    max_leaves=5,
)


def naive_selection(
    text: str, keys: dict[str, Any], queries: dict[str, Any], comparison: Comparison, causal: bool
) -> list[list[int]]:
    """For each position the positions that it selects."""
    compare = COMPARISONS[comparison]
    return [
        [
            j
            for j, key in enumerate(map(keys.get, text))
            if key is not None and query is not None and compare(key, query) and (j <= i or not causal)
        ]
        for i, query in enumerate(map(queries.get, text))
    ]


def naive_mean(values: list[Any], default: object) -> Any:
    if not values:
        return default
    if all((type(value), value) == (type(values[0]), values[0]) for value in values):
        return values[0]
    if not all(isinstance(value, int | float) for value in values):
        raise TypeError
    exact = [Fraction(str(value)) if isinstance(value, float) else Fraction(value) for value in values]
    return float(sum(exact) / len(exact))


@given(inputs, tables, tables, comparisons, table_of(st.sampled_from([None, 0, 1, True, 0.1, -3, "s"])), st.booleans())
def test_aggregate_against_naive_python(
    text: str,
    keys: dict[str, Any],
    queries: dict[str, Any],
    comparison: Comparison,
    values: dict[str, Any],
    causal: bool,
) -> None:
    program = rasp.aggregate(rasp.select(lookup(keys), lookup(queries), comparison), lookup(values), "default")
    rows = naive_selection(text, keys, queries, comparison, causal)
    try:
        expected = [naive_mean([values[text[j]] for j in row], "default") for row in rows]
    except TypeError:
        with pytest.raises(EvaluationError, match="cannot average"):
            program(text, causal=causal)
    else:
        result = program(text, causal=causal)
        assert result == expected
        assert [type(value) is bool for value in result] == [type(value) is bool for value in expected]


@given(inputs, tables, tables, comparisons, st.booleans())
def test_selector_width_against_naive_python(
    text: str, keys: dict[str, Any], queries: dict[str, Any], comparison: Comparison, causal: bool
) -> None:
    program = rasp.selector_width(rasp.select(lookup(keys), lookup(queries), comparison))
    rows = naive_selection(text, keys, queries, comparison, causal)
    assert program(text, causal=causal) == [len(row) for row in rows]


@given(inputs, selectors, selectors, selectors, st.booleans())
def test_laws_of_selectors(text: str, a: Selector, b: Selector, c: Selector, causal: bool) -> None:
    def same(left: Selector, right: Selector) -> bool:
        return left(text, causal=causal) == right(text, causal=causal)

    assert same(~(a & b), ~a | ~b)
    assert same(~(a | b), ~a & ~b)
    assert same(~~a, a)
    assert same(a & (b | c), (a & b) | (a & c))
    assert same(a | (b & c), (a | b) & (a | c))
    assert same(a & ~a, NOTHING)
    assert same(a | (a & b), a)


@given(inputs, selectors, selectors)
def test_widths_of_a_disjunction_by_inclusion_and_exclusion(text: str, a: Selector, b: Selector) -> None:
    def width(selector: Selector) -> SOp:
        return rasp.selector_width(selector)

    assert (width(a | b) + width(a & b))(text) == (width(a) + width(b))(text)


@given(inputs, selectors)
def test_causal_widths_are_those_of_the_prefix(text: str, selector: Selector) -> None:
    program = rasp.selector_width(selector)
    prefixes = [text[: end + 1] for end in range(len(text))]
    assert program(text, causal=True) == [program(prefix)[-1] for prefix in prefixes]


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_shared_subexpressions_are_evaluated_once() -> None:
    doubled: SOp = indices
    for _ in range(5000):
        doubled = doubled + doubled
    start = time.perf_counter()
    assert doubled("abc") == [0, 2**5000, 2 * 2**5000]
    assert time.perf_counter() - start < 5


def test_deep_expressions_print_shortly() -> None:
    deep: SOp = indices
    for _ in range(5000):
        deep = 1 - deep
    assert "…" in rasp.expression_text(deep)
    assert len(repr(deep)) < 200


def test_deep_selectors_evaluate() -> None:
    deep = ALL
    for _ in range(2000):
        deep = ~deep
    assert deep("ab") == ALL("ab")


def test_evaluate_batch_and_evaluate_all() -> None:
    is_a = (tokens == "a").named("is_a")
    share = rasp.aggregate(ALL, is_a).named("share")
    assert rasp.evaluate_batch(share, ["a", "ab", ""]) == [[True], [0.5, 0.5], []]
    values = {node.name: value for node, value in rasp.evaluate_all(share, "ab")}
    assert values["is_a"] == [True, False]
    assert values["share"] == [0.5, 0.5]
    assert values["tokens"] == ["a", "b"]


def test_encodings_and_names_do_not_change_the_value() -> None:
    for program in (rasp.numerical(indices), rasp.categorical(indices), indices.named("i")):
        assert program("abc") == [0, 1, 2]
    assert indices.name == "indices"
    assert indices.encoding is None
    assert rasp.numerical(indices).encoding is rasp.Encoding.NUMERICAL
    assert rasp.categorical(indices).encoding is rasp.Encoding.CATEGORICAL


# Errors --------------------------------------------------------------------------------------------------------------


def test_an_error_names_the_expression_the_place_and_the_values() -> None:
    program = 1 / (indices - 1)
    with pytest.raises(EvaluationError) as caught:
        program("abc")
    assert caught.value.expression == "1 / (indices - 1)"
    assert caught.value.location == program.location
    assert "ZeroDivisionError" in caught.value.reason
    assert str(caught.value).startswith(f"1 / (indices - 1) ({program.location}): ")


def test_locations_are_where_the_program_was_written(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "from tracrlab.rasp import *\n"
        "first = indices + 1\n"
        "everything = select(1, 1, Comparison.TRUE)\n"
        "for expression in (\n"
        "    first.named('renamed'),\n"
        "    ~everything,\n"
        "    aggregate(everything, indices),\n"
        "    numerical(where(indices, 1, 2)),\n"
        "): print(expression.location)\n"
    )  # run by itself, because the runtime type checks would stand between the expression and the line that built it
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [f"{script}:{line}" for line in (2, 6, 7, 8)]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (rasp.select(tokens, indices, Comparison.LT), "key 'a' and query 0"),
        (rasp.elementwise_map(lambda token: [token], tokens), "unhashable"),
        (rasp.elementwise_map(lambda x, y: x[y], tokens, indices), "it fails on 'b', 1"),
        (rasp.aggregate(ALL, tokens), "cannot average 'a' and 'b'"),
    ],
)
def test_functions_that_fail(program: rasp.Expression, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        program("ab")


def test_an_expression_has_no_truth_value() -> None:
    for ask in (
        lambda: bool(tokens),
        lambda: bool(ALL),
        lambda: tokens and indices,
        lambda: not tokens,
        lambda: 0 < indices < 2,
        lambda: tokens in ["a", "b"],
    ):
        with pytest.raises(TypeError, match="no single truth value"):
            ask()


@pytest.mark.parametrize(
    "build",
    [
        lambda: ALL + 1,
        lambda: ALL & tokens,
        lambda: tokens & ALL,
        lambda: rasp.select(ALL, 1, Comparison.EQ),
        lambda: rasp.aggregate(tokens, tokens),
        lambda: rasp.aggregate(ALL, tokens, [1]),
        lambda: rasp.selector_width(tokens),
        lambda: rasp.elementwise_map(3, tokens),
        lambda: rasp.elementwise_map(len),
        lambda: rasp.numerical(ALL),
        lambda: rasp.constant([1]),
        lambda: rasp.constant(tokens),
        lambda: tokens == [1],
        lambda: tokens.named(""),
    ],
)
def test_senseless_expressions_are_refused_at_once(build: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        build()


# Printing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (tokens, "tokens"),
        (2 - indices * 3, "2 - (indices * 3)"),
        ((tokens == "l") | ~(indices > 2), "(tokens == 'l') | (~(indices > 2))"),
        (-(indices + 1), "-(indices + 1)"),
        (abs(indices) - 1, "abs(indices) - 1"),
        (rasp.where(indices > 1, tokens, None), "where(indices > 1, tokens, None)"),
        (rasp.elementwise_map(len, tokens), "map(len, tokens)"),
        (rasp.LinearSequenceMap(indices, indices + 1, 2.0, 0.5), "2.0 * indices + 0.5 * (indices + 1)"),
        (rasp.selector_width(ALL), "selector_width(select(1, 1, True))"),
        (
            rasp.aggregate(HERE & ~PREVS, tokens),
            "aggregate(select(indices, indices, ==) & ~select(indices, indices, <=), tokens)",
        ),
        (rasp.aggregate(HERE, tokens, "?"), "aggregate(select(indices, indices, ==), tokens, '?')"),
        (rasp.selector_width(PREVS.named("prevs")) + 1, "selector_width(prevs) + 1"),
    ],
)
def test_expression_text(program: rasp.Expression, text: str) -> None:
    assert rasp.expression_text(program) == text


def test_printing_shows_name_text_and_value() -> None:
    assert repr((tokens == "l").named("is_l")) == (
        "is_l = tokens == 'l'\n  on 'hello': [False, False, True, True, False]"
    )
    assert repr(1 / indices).startswith("1 / indices\n  on 'hello': undefined: it fails on 0 (ZeroDivisionError")


def test_the_example_can_be_set() -> None:
    rasp.set_example("ab")
    try:
        assert repr(PREVS) == "select(indices, indices, <=)\n  on 'ab': \n    #.\n    ##"
    finally:
        rasp.set_example("hello")


class Point(NamedTuple):
    x: object


@dataclass(frozen=True)
class Plain:
    x: object


@pytest.mark.parametrize(
    "pair",
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (Ratio(Fraction(1, 2)), 0.5),
        ((1,), (True,)),
        (Point(1), (1,)),
        (frozenset({1}), frozenset({True})),
        (Decimal("1.0"), Decimal("1.00")),
        (Plain(1), Plain(True)),
        (0j, -0j),
    ],
)
def test_equal_values_that_functions_can_tell_apart_have_different_keys(pair: tuple[Any, Any]) -> None:
    assert pair[0] == pair[1]
    assert value_key(pair[0]) != value_key(pair[1])
    assert value_key(pair[0]) == value_key(pickle.loads(pickle.dumps(pair[0])))
