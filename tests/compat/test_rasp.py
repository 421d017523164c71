"""Tracr's expressions: labels, annotations, operators, and what they mean."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracr.compiler import compiling, lib
from tracr.rasp import causal_eval, rasp

from tracrlab.errors import CompileError

COMPARISONS = [rasp.Comparison.EQ, rasp.Comparison.LT, rasp.Comparison.NEQ, rasp.Comparison.TRUE]
MAPS: list[Callable[[Any], Any]] = [
    lambda x: x + 1,
    lambda x: x % 2,
    lambda x: None if x == 1 else x,
    lambda x: x > 1,
]
SEQUENCE_MAPS: list[Callable[[Any, Any], Any]] = [lambda x, y: x + y, lambda x, y: x > y, lambda x, y: x / y]


@st.composite
def programs(draw: st.DrawFn) -> Any:
    """S-ops of up to five operations on ints, some of them undefined somewhere."""
    sops: list[Any] = [rasp.tokens, rasp.indices]
    for _ in range(draw(st.integers(1, 5))):
        x, y = draw(st.sampled_from(sops)), draw(st.sampled_from(sops))
        selector = rasp.Select(x, y, draw(st.sampled_from(COMPARISONS)))
        other = rasp.Select(rasp.indices, rasp.indices, draw(st.sampled_from(COMPARISONS)))
        selector = draw(st.sampled_from([selector, ~selector, selector & other, selector | other, ~(selector & other)]))
        sops.append(
            draw(
                st.sampled_from(
                    [
                        rasp.Map(draw(st.sampled_from(MAPS)), x, simplify=draw(st.booleans())),
                        rasp.SequenceMap(draw(st.sampled_from(SEQUENCE_MAPS)), x, y),
                        rasp.SelectorWidth(selector),
                        rasp.Aggregate(selector, y, default=draw(st.sampled_from([None, 0]))),
                    ]
                )
            )
        )
    return sops[-1]


@settings(max_examples=60, deadline=None)
@given(program=programs(), causal=st.booleans())
def test_models_equal_the_interpreter_where_it_has_a_value(program: Any, causal: bool) -> None:
    evaluate = causal_eval.evaluate if causal else rasp.evaluate
    try:
        model = compiling.compile_rasp_to_model(program, vocab={0, 1, 2}, max_seq_len=3, causal=causal)
    except (CompileError, UserWarning):  # the warning says that the model has no means
        return
    for tokens in itertools.chain.from_iterable(itertools.product((0, 1, 2), repeat=n) for n in (1, 2, 3)):
        answer = model.apply(["compiler_bos", *tokens]).decoded[1:]
        try:
            expected = evaluate(program, list(tokens))
        except (ArithmeticError, ValueError):
            continue
        assert answer == expected, tokens


@settings(max_examples=100, deadline=None)
@given(program=programs(), tokens=st.lists(st.integers(0, 2), min_size=1, max_size=3), causal=st.booleans())
def test_evaluators_that_can_be_extended_agree_with_the_function(program: Any, tokens: list[int], causal: bool) -> None:
    evaluate = causal_eval.evaluate if causal else rasp.evaluate
    evaluator = causal_eval.CausalEvaluator() if causal else rasp.DefaultRASPEvaluator()
    try:
        expected = evaluate(program, tokens)
    except (ArithmeticError, ValueError) as error:
        with pytest.raises(type(error)):
            evaluator.evaluate(program, tokens)
    else:
        assert evaluator.evaluate(program, tokens) == expected


def test_a_subclass_of_the_evaluator_sees_every_value() -> None:
    class Recorder(rasp.DefaultRASPEvaluator):
        def __init__(self) -> None:
            self.seen: list[tuple[str, Any]] = []

        def evaluate(self, expr: Any, xs: Any) -> Any:
            value = super().evaluate(expr, xs)
            self.seen.append((expr.name, value))
            return value

    recorder = Recorder()
    recorder.evaluate(lib.make_hist(), "aab")
    assert ("hist", [2, 2, 1]) in recorder.seen
    assert ("same_tok", [[True, True, False], [True, True, False], [False, False, True]]) in recorder.seen
    assert ("tokens", list("aab")) in recorder.seen


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: x + 1, [2, 3, 4]),
        (lambda x: 1 + x, [2, 3, 4]),
        (lambda x: x - 1, [0, 1, 2]),
        (lambda x: 1 - x, [0, -1, -2]),
        (lambda x: x * 2, [2, 4, 6]),
        (lambda x: 2 * x, [2, 4, 6]),
        (lambda x: x / 2, [0.5, 1.0, 1.5]),
        (lambda x: 6 / x, [6.0, 3.0, 2.0]),
        (lambda x: x + x, [2, 4, 6]),
        (lambda x: x < 2, [True, False, False]),
        (lambda x: x <= 2, [True, True, False]),
        (lambda x: x > 2, [False, False, True]),
        (lambda x: x >= 2, [False, True, True]),
        (lambda x: x == 2, [False, True, False]),
        (lambda x: x != 2, [True, False, True]),
        (lambda x: x < 2, [True, False, False]),
        (lambda x: x < rasp.indices, [False, False, False]),
        (lambda x: x & 0, [0, 0, 0]),
        (lambda x: 0 & x, [0, 0, 0]),
        (lambda x: (x > 1) & (x < 3), [False, True, False]),
        (lambda x: (x > 2) | (x < 2), [True, False, True]),
        (lambda x: 5 | x, [5, 5, 5]),
        (lambda x: ~(x > 1), [True, False, False]),
        (rasp.sop_not, [False, False, False]),
    ],
)
def test_operators_are_those_of_python(build: Callable[[Any], Any], expected: list[Any]) -> None:
    assert build(rasp.tokens)([1, 2, 3]) == expected


def test_labels_are_names_and_numbers_given_when_first_asked_for() -> None:
    rasp.RASPExpr._ids = itertools.count(1)
    first, second = rasp.tokens + 1, (rasp.tokens + 2).named("two")
    assert (second.label, first.label, second.label) == ("two_1", "map_2", "two_1")
    assert [sop.label for sop in (rasp.tokens, rasp.indices, rasp.length)] == ["tokens", "indices", "length"]


def test_a_copy_has_an_id_of_its_own() -> None:
    original = rasp.tokens + 1
    assert original.label != original.named("other").label
    assert original.unique_id != original.copy().unique_id


def test_annotations_are_kept_by_copies_and_not_shared() -> None:
    original = (rasp.tokens + 1).named("next")
    marked = rasp.annotate(rasp.numerical(original), kind="mine")
    assert (marked.name, marked.annotations["kind"], rasp.is_numerical(marked)) == ("next", "mine", True)
    assert rasp.is_categorical(original) and "kind" not in original.annotations
    with pytest.raises(KeyError, match="No annotation exists for key 'kind'"):
        original.annotations["kind"]
    with pytest.raises(TypeError):
        original.annotations["kind"] = 1  # type: ignore[index]
    with pytest.raises(TypeError, match="is not a SOp"):
        rasp.get_encoding(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        (rasp.tokens + 1, "map"),
        (rasp.tokens + rasp.indices, "sequence_map"),
        (rasp.LinearSequenceMap(rasp.tokens, rasp.indices, 1, 2), "linear_sequence_map"),
        (rasp.Full(1), "full"),
        (rasp.ConstantSOp([1]), "constant_sop"),
        (rasp.ConstantSelector([[True]]), "constant_selector"),
        (rasp.SelectorWidth(rasp.ConstantSelector([[True]])), "selector_width"),
        (rasp.Aggregate(rasp.ConstantSelector([[True]]), rasp.tokens), "aggregate"),
        (rasp.SelectorNot(rasp.ConstantSelector([[True]])), "selector_not"),
    ],
)
def test_default_names(expression: Any, name: str) -> None:
    assert expression.name == name


def test_a_map_of_a_map_is_one_map_unless_told_otherwise() -> None:
    inner = rasp.tokens + 1
    assert rasp.Map(str, inner).inner is rasp.tokens  # type: ignore[comparison-overlap]
    assert rasp.Map(str, inner, simplify=False).inner is inner
    assert rasp.Map(str, inner)([1]) == rasp.Map(str, inner, simplify=False)([1]) == ["2"]


def test_a_fused_function_meets_none_as_in_tracr_and_leaves_it_if_it_cannot_take_it() -> None:
    odd = rasp.Map(lambda x: x if x % 2 else None, rasp.tokens)
    assert rasp.Map(lambda x: -1 if x is None else x, odd)([1, 2]) == [1, -1]
    assert rasp.Map(lambda x: x + 1, odd)([1, 2]) == [2, None]


def test_selectors_are_simplified_to_selects_where_one_predicate_says_it() -> None:
    equal = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.EQ)
    less = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.LT)
    other = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LT)
    constant = rasp.Select(rasp.Full(1), rasp.indices, rasp.Comparison.EQ)
    for simple in (equal & less, equal | less, ~equal, equal & constant, constant | less):
        assert isinstance(simple, rasp.Select)
    assert isinstance(equal & other, rasp.SelectorAnd) and isinstance(equal | other, rasp.SelectorOr)
    assert isinstance(rasp.selector_not(equal, simplify=False), rasp.SelectorNot)
    for combine in (rasp.selector_and, rasp.selector_or):
        for snd in (less, constant):
            assert combine(equal, snd)([0, 1, 2]) == combine(equal, snd, simplify=False)([0, 1, 2])


def test_nothing_is_selected_by_none() -> None:
    shifted = lib.shift_by(1, rasp.tokens)
    assert rasp.Select(rasp.tokens, shifted, rasp.Comparison.TRUE)("ab") == [[False, False], [True, True]]
    assert (~rasp.Select(rasp.tokens, shifted, rasp.Comparison.EQ))("ab") == [[False, False], [False, True]]
    with pytest.raises(ValueError, match="query is None"):
        rasp.Comparison.TRUE("a", None)


def test_aggregates_pass_single_values_and_average_numbers() -> None:
    before = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LT)
    assert rasp.Aggregate(before, rasp.tokens, default=9)([1, 3, 5]) == [9, 1, 2.0]
    assert rasp.Aggregate(before, rasp.tokens)("aa") == [None, "a"]
    with pytest.raises(ValueError, match="cannot average 'a' and 'b'"):
        rasp.Aggregate(before, rasp.tokens)("abc")


def test_constants_are_for_evaluating() -> None:
    constant = rasp.ConstantSOp([3, 1, 2])
    assert (constant + rasp.indices)("abc") == [3, 2, 4]
    selector = rasp.ConstantSelector([[False, True], [True, False]])
    assert rasp.Aggregate(selector, rasp.tokens)("ab") == ["b", "a"]
    with pytest.raises(ValueError, match="Constant len 3 doesn't match input len 2"):
        constant("ab")
    with pytest.raises(ValueError, match="Unsupported S-Op: constant_sop"):
        compiling.compile_rasp_to_model(constant, vocab={"a"}, max_seq_len=3)


@pytest.mark.parametrize(
    "build",
    [
        lambda: rasp.Map(3, rasp.tokens),  # type: ignore[arg-type]
        lambda: rasp.Map(str, 3),  # type: ignore[arg-type]
        lambda: rasp.SequenceMap(max, rasp.tokens, 3),  # type: ignore[arg-type]
        lambda: rasp.Select(rasp.tokens, rasp.tokens, rasp.tokens),  # type: ignore[arg-type]
        lambda: rasp.SelectorWidth(rasp.tokens),  # type: ignore[arg-type]
        lambda: rasp.Aggregate(rasp.tokens, rasp.tokens),  # type: ignore[arg-type]
        lambda: rasp.Aggregate(rasp.ConstantSelector([]), rasp.tokens, default=[]),  # type: ignore[type-var]
        lambda: rasp.tokens + rasp.ConstantSelector([]),
    ],
)
def test_operands_of_the_wrong_kind_are_refused(build: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"expected|is no operand|default"):
        build()


def test_errors_of_the_program_are_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        (1 / rasp.tokens)([0])
