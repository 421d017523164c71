"""Refusals name the expression, its source line, the reason and a remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracrlab
from tracrlab import rasp
from tracrlab.errors import (
    CausalError,
    CompileError,
    DomainTooLargeError,
    EncodingError,
    MixedAggregateError,
    PrecisionError,
    UndefinedValueError,
    VocabularyError,
)
from tracrlab.rasp import Comparison, Map, SOp, indices, numerical, select, tokens

prevs = select(indices, indices, Comparison.LEQ)
mixed = rasp.aggregate(prevs, tokens).named("mixed")
undefined = (1 / indices).named("inverse")

REFUSED: dict[str, tuple[SOp, dict[str, Any], type[CompileError], str]] = {
    "two different strings": (mixed, {}, MixedAggregateError, "'a' and 'b'"),
    "None and a number": (
        rasp.aggregate(prevs, rasp.where(tokens == "a", None, indices)),
        {},
        MixedAggregateError,
        "None and 0",
    ),
    "a function that raises": (undefined, {}, UndefinedValueError, "fails on 0 (ZeroDivisionError"),
    "a predicate that raises": (
        rasp.selector_width(select(tokens, indices, Comparison.LT)),
        {},
        UndefinedValueError,
        "key 'a' and query 0",
    ),
    "an unhashable value": (Map(lambda x: [x], tokens), {}, UndefinedValueError, "unhashable"),
    "a number that is none": (numerical(tokens), {}, EncodingError, "'a'"),
    "an infinite number": (numerical(Map(lambda x: float("inf"), tokens)), {}, EncodingError, "inf"),
    "the length in a causal model": (rasp.length + 1, {"causal": True}, CausalError, "causal"),
    "too many combinations": (
        rasp.SequenceMap(lambda x, y, z: 0, indices, indices + 1, indices + 2),
        {"max_seq_len": 200},
        DomainTooLargeError,
        "200 x 200 x 200",
    ),
    "means that float32 cannot tell apart": (
        rasp.aggregate(prevs, numerical(tokens == "a")),
        {"max_seq_len": 1000},
        PrecisionError,
        "tell",
    ),
    "equal numbers of different types": (
        Map(repr, numerical(tokens)),
        {"vocab": [1, True]},
        PrecisionError,
        "equal but of different types",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_a_reason(what: str) -> None:
    program, options, error_class, reason = REFUSED[what]
    with pytest.raises(error_class) as caught:
        tracrlab.compile(program, **({"vocab": "abc", "max_seq_len": 4} | options))
    error = caught.value
    assert reason in error.reason
    assert error.remedy
    message = str(error)
    assert "\n" not in message
    assert all(part in message for part in (error.expression, error.reason, error.remedy))


def test_an_error_names_the_expression_and_its_source_line() -> None:
    with pytest.raises(MixedAggregateError) as caught:
        tracrlab.compile(mixed, "ab", 3)
    line = next(
        number
        for number, text in enumerate(Path(__file__).read_text(encoding="utf-8").splitlines(), start=1)
        if text.startswith("mixed = ")
    )
    assert caught.value.expression.startswith("mixed = aggregate(")
    assert caught.value.location == f"{__file__}:{line}"


def test_a_selector_is_no_program() -> None:
    with pytest.raises(TypeError):
        tracrlab.compile(prevs, "ab", 3)  # type: ignore[arg-type]


_WRONG_KINDS = """
import tracrlab
from tracrlab import rasp
calls = {
    "vocab": lambda: tracrlab.compile(rasp.tokens, 5, 5),
    "fit": lambda: tracrlab.compile(rasp.tokens, "ab", 5, fit={"n_layers": 3}),
    "passes": lambda: tracrlab.compile(rasp.tokens, "ab", 5, mode="compact", passes="codes"),
    "pass": lambda: tracrlab.compile(rasp.tokens, "ab", 5, mode="compact", passes=[3]),
    "verify": lambda: tracrlab.compile(rasp.tokens, "ab", 5).verify("reverse"),
}
for name, call in calls.items():
    try:
        call()
    except Exception as error:
        print(name, type(error).__name__, error)
"""


def test_arguments_of_the_wrong_kind_are_named() -> None:
    """In a process of its own: the run-time type checks of the tests would refuse them first."""
    run = subprocess.run([sys.executable, "-c", _WRONG_KINDS], capture_output=True, text=True, check=True)
    said = [
        "vocab VocabularyError the vocabulary is a list of tokens, or a text of characters, not 5",
        "fit TypeError fit is a tracrlab.Architecture, not {'n_layers': 3}",
        "passes TypeError passes are a list of names, such as ['-codes'], not the text 'codes'",
        "pass ValueError there is no pass '3'; the passes are cse, ",
        "verify TypeError a program is an s-op, not str",
    ]
    lines = run.stdout.splitlines()
    assert [line[: len(wanted)] for line, wanted in zip(lines, said, strict=True)] == said


@pytest.mark.parametrize("length", [0, -1, True, 10**9])
def test_lengths_that_are_none(length: Any) -> None:
    with pytest.raises(VocabularyError, match="max_seq_len"):
        tracrlab.compile(tokens, "ab", length)


def test_a_mean_is_accepted_with_more_precision() -> None:
    program, options, *_ = REFUSED["means that float32 cannot tell apart"]
    assert tracrlab.compile(program, "abc", options["max_seq_len"], dtype="float64")(["a", "b"]) == [1, 0.5]
