"""Small compiled models, and random inputs for them, that the tests of this folder share."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import tracrlab
from tracrlab import CompiledModel, rasp
from tracrlab.rasp import Comparison, SOp, library

_BEFORE = rasp.select(rasp.indices, rasp.indices, Comparison.LT).named("before")
_HERE = rasp.select(rasp.indices, rasp.indices, Comparison.EQ).named("here")
_ALL = rasp.select(1, 1, Comparison.TRUE).named("all")


def _steps() -> SOp:
    """A step of every kind: lookup, number, copy with a default, count, mean without a default, comparison."""
    weight = rasp.numerical(rasp.elementwise_map({"a": -1, "b": 2.5, "c": 0}.get, rasp.tokens)).named("weight")
    earlier = rasp.aggregate(_BEFORE & rasp.select(rasp.tokens, "b", Comparison.EQ), rasp.tokens, "-").named("earlier")
    n_before = rasp.selector_width(_BEFORE).named("n_before")
    heavy = (rasp.aggregate(_ALL, weight).named("mean_weight") > 0.5).named("heavy")
    pair = rasp.elementwise_map(lambda token, n: (token, n), earlier, n_before).named("pair")
    return rasp.elementwise_map(lambda p, h: (*p, h), pair, heavy).named("steps")


@dataclass(frozen=True)
class Case:
    """A program and what it is compiled for."""

    program: SOp
    vocab: Sequence[Any]
    max_seq_len: int
    causal: bool = False
    dtype: str = "float32"


CASES = {
    "hist": Case(library.hist(), "abc", 6),
    "reverse": Case(library.reverse(), "abc", 4),
    "sort": Case(library.sort(), [1, 2.5, 3], 4),
    "fractions": Case(library.frac_prevs(), "xyz", 7),
    "causal fractions": Case(library.frac_prevs(), "xyz", 5, causal=True),
    "causal induction": Case(library.induction(), "ab", 5, causal=True),
    "causal length": Case(library.length(), "ab", 4, causal=True),
    "steps": Case(_steps(), "abc", 4),
    "double": Case(_steps(), "abc", 3, dtype="float64"),
    "nothing": Case(rasp.aggregate(rasp.select(rasp.tokens, "c", Comparison.EQ) & _HERE, rasp.indices), "abc", 3),
    "embedding": Case(rasp.tokens.named("word"), "ab", 3),
}
CAUSAL = [name for name, case in CASES.items() if case.causal]


@cache
def model_of(name: str) -> CompiledModel:
    """The compiled model of a case."""
    case = CASES[name]
    return tracrlab.compile(
        case.program, case.vocab, case.max_seq_len, causal=case.causal, dtype=case.dtype, prove=False
    )


def inputs_of(name: str, seed: int, n_inputs: int = 5) -> list[list[Any]]:
    """Random inputs of all lengths."""
    rng, case = random.Random(seed), CASES[name]
    return [rng.choices(case.vocab, k=rng.randint(0, case.max_seq_len)) for _ in range(n_inputs)]


def expected_of(name: str, tokens: Sequence[Any]) -> list[Any]:
    """What the interpreter gives."""
    case = CASES[name]
    result: list[Any] = case.program(tokens, causal=case.causal)
    return result


def identity(value: Any) -> Any:
    """Equal for values that are the same in type and content, ``nan`` and ratios included."""
    if isinstance(value, tuple | list):
        return type(value), [identity(item) for item in value]
    return type(value), repr(value), getattr(value, "exact", None)


def nodes_of(name: str, tokens: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The named s-ops of a program and their values according to the interpreter."""
    case = CASES[name]
    for node, values in rasp.evaluate_all(case.program, tokens, causal=case.causal):
        if node.name is not None:
            yield node.name, values
