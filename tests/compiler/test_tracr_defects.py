"""What Tracr refuses or gets wrong, one by one: here each compiles and is right, or is refused with a reason."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest

import tracrlab
from tracrlab import rasp
from tracrlab.rasp import (
    Comparison,
    LinearSequenceMap,
    Map,
    SequenceMap,
    SOp,
    categorical,
    indices,
    numerical,
    select,
    selector_width,
    tokens,
)

EQ, LT, LEQ, TRUE = Comparison.EQ, Comparison.LT, Comparison.LEQ, Comparison.TRUE
prevs = select(indices, indices, LEQ)
hist = selector_width(select(tokens, tokens, EQ))
is_a = tokens == "a"


def outputs(program: SOp, vocab: Any = "abc", length: int = 4, *, causal: bool = False) -> dict[tuple[Any, ...], Any]:
    """The model's answers on every input, after checking that they are the interpreter's."""
    model = tracrlab.compile(program, vocab, length, causal=causal)
    inputs = [sequence for size in range(length + 1) for sequence in product(model.config.vocab, repeat=size)]
    answers = model.run_batch(inputs)
    assert answers == rasp.evaluate_batch(program, inputs, causal=causal)
    return dict(zip(inputs, answers, strict=True))


COMPILES: dict[str, SOp] = {
    "length": rasp.length,
    "a constant": rasp.constant(7),
    "a constant None": rasp.constant(None),
    "a constant as key": selector_width(select("a", tokens, EQ)),
    "tokens themselves": tokens,
    "indices themselves": indices,
    "numerical indices": numerical(indices) * 2,
    "no tokens in the program": indices + 1,
    "the same input twice": SequenceMap(lambda x, y: x + y, tokens, tokens),
    "a composite selector over different s-ops": rasp.aggregate(
        select(tokens, "a", EQ) | select(indices, indices, EQ), indices
    ),
    "width of a composite selector": selector_width(select(tokens, tokens, EQ) & ~select(indices, indices, EQ)),
    "width of a disjunction": selector_width(select(tokens, "a", EQ) | select(indices, indices, LT)),
    "categorical aggregate, default of its type": rasp.aggregate(select(indices, indices + 1, EQ), tokens, "end"),
    "categorical aggregate, default of another type": rasp.aggregate(select(indices, indices - 1, EQ), tokens, 0),
    "numerical aggregate, default None": rasp.aggregate(select(tokens, "a", EQ), numerical(indices)),
    "numerical aggregate, default not 0": rasp.aggregate(select(tokens, "a", EQ), numerical(indices), -1.5),
    "numerical aggregate, default a string": rasp.aggregate(select(tokens, "a", EQ), indices, "none"),
    "a mean of non-binary numbers": rasp.aggregate(prevs, numerical(indices * indices)),
    "a map after a mean": Map(lambda x: x > 0.6, rasp.aggregate(prevs, numerical(is_a))),
    "a negative number from a category": numerical(Map({"a": -1, "b": 2, "c": 0}.get, tokens)),
    "a number squared": numerical(numerical(indices) ** 2),
    "sequence map of numbers": SequenceMap(lambda x, y: x * y, numerical(indices), numerical(hist)),
    "linear map of categories": LinearSequenceMap(indices, hist, 2, -1),
    "three inputs": SequenceMap(lambda x, y, z: (x, y, z), tokens, indices, is_a),
    "keys that are numbers": selector_width(select(rasp.aggregate(prevs, numerical(is_a)), 0.5, Comparison.GEQ)),
    "default and means mixed encodings": categorical(rasp.aggregate(prevs, numerical(is_a), 0)),
    "comparison of two s-ops": tokens == rasp.aggregate(select(indices, rasp.length - 1 - indices, EQ), tokens),
    "None compared": selector_width(select(Map(lambda x: None if x == "a" else x, tokens), tokens, EQ)),
    "None in a complement": selector_width(~select(Map(lambda x: None if x == "a" else x, tokens), "b", EQ)),
}


@pytest.mark.parametrize("what", COMPILES)
def test_compiles_and_equals_the_interpreter(what: str) -> None:
    outputs(COMPILES[what])


def test_nothing_selected_decodes_to_none() -> None:
    nothing = rasp.aggregate(select(indices, -1, EQ), tokens)
    assert set(map(tuple, outputs(nothing).values())) == {(None,) * size for size in range(5)}


def test_a_map_that_is_not_zero_at_zero_does_not_leak_from_bos() -> None:
    shifted = numerical(Map(lambda x: x + 10, numerical(indices)))
    read = rasp.aggregate(select(tokens, "a", EQ), shifted, 0)
    assert outputs(read)["b", "b"] == [0, 0]


def test_a_default_of_an_aggregate_does_not_leak_into_the_next() -> None:
    first = rasp.aggregate(select(indices, indices - 1, EQ), indices, 3)
    second = rasp.aggregate(select(first, first, LT), first, 1)
    third = rasp.aggregate(select(second, indices, LT), second, None)
    outputs(selector_width(select(first, first, LEQ)))
    outputs(second)
    outputs(third)


def test_equal_strings_average_to_themselves() -> None:
    same = rasp.aggregate(select(tokens, tokens, EQ), tokens)
    assert outputs(same)["a", "b", "a"] == ["a", "b", "a"]


@pytest.mark.parametrize("causal", [False, True])
def test_causal_masks_selectors_in_every_combination(causal: bool) -> None:
    everything = select(tokens, tokens, TRUE)
    for selector in (everything, ~select(tokens, tokens, EQ), everything & ~select(indices, 0, EQ)):
        outputs(selector_width(selector), causal=causal)
        outputs(rasp.aggregate(selector, indices, -1), causal=causal)


def test_values_of_any_hashable_type() -> None:
    vocab = [1, "1", 1.5, (1, "x"), ((), None), True, math.inf, "😀", frozenset({2})]
    assert outputs(tokens, vocab, 1)[((1, "x"),)] == [(1, "x")]
    outputs(Map(repr, tokens), vocab, 2)
    outputs(selector_width(select(tokens, tokens, EQ)), vocab, 2)


def test_floats_that_differ_in_the_last_digit_are_different_tokens() -> None:
    near = 0.1 + 0.2
    assert outputs(tokens, [0.3, near], 2)[near, 0.3] == [near, 0.3]


def test_equal_numbers_of_different_types_stay_apart() -> None:
    outputs(Map(repr, tokens), [1, True, 1.0], 2)


def test_division_by_a_width_that_is_never_zero() -> None:
    outputs(1 / hist)


def test_labels_do_not_depend_on_what_was_built_before() -> None:
    def labels() -> list[str]:
        return list(map(str, tracrlab.compile((tokens == "a") & (indices > 0), "ab", 2).labels.dimensions))

    assert labels() == labels()
