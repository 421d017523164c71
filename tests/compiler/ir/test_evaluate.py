"""The meaning of the intermediate representation is that of the program, whatever has been rewritten."""

from __future__ import annotations

import random

import pytest

from benchmarks.fuzz import inputs_of
from tests.compiler.ir.representations import representation
from tests.library_models import LENGTH, MODELS, library_inputs
from tests.oracles import SMALL_VOCABS
from tracrlab import rasp
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.evaluate import Undefined, evaluate
from tracrlab.compiler.ir.parse import parse_ir
from tracrlab.errors import CompileError
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program

LIBRARY = [(name, causal) for name, mode, causal in MODELS if mode == "compact"]
REWRITES = ("cases", "digits", "carries", "totals", "ridges")


@pytest.mark.parametrize(("name", "causal"), LIBRARY)
def test_every_library_program_means_the_same_with_all_rewrites_and_with_none(name: str, causal: bool) -> None:
    program, inputs = PROGRAMS[name].build(), library_inputs(name)[:40]
    for without in ((), REWRITES):
        ir = representation(program, SMALL_VOCABS[name], LENGTH, causal=causal, without=without)
        assert [evaluate(ir, tokens) for tokens in inputs] == rasp.evaluate_batch(program, inputs, causal=causal)


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_random_programs_mean_the_same_with_any_rewrites(start: int) -> None:
    compared = 0
    for seed in range(start, start + 100):
        case, rng = random_program(seed), random.Random(seed)
        without = [name for name in REWRITES if rng.random() < 1 / 2]
        try:
            ir = representation(case.program, case.vocabulary, case.max_length, causal=case.causal, without=without)
        except CompileError:
            continue
        inputs = inputs_of(case, seed)[:12]
        expected = rasp.evaluate_batch(case.program, inputs, causal=case.causal)
        for tokens, values in zip(inputs, expected, strict=True):
            assert evaluate(ir, tokens) == values, (seed, without, tokens)
            compared += 1
    assert compared > 500


def test_long_inputs_are_found_by_digits() -> None:
    program = PROGRAMS["reverse"].build()
    ir = representation(program, "abc", 200)
    assert any("carry" in node.name for node in ir.nodes)
    rng = random.Random(0)
    for length in (1, 127, 200):
        tokens = rng.choices("abc", k=length)
        assert evaluate(ir, tokens) == tokens[::-1]


def test_a_copy_of_different_values_has_no_meaning() -> None:
    ir = parse_ir("""
        %0 "tokens" @0: tokens -> "a", "b"
        &0: all, always, most 3
        %1 "wrong" @1: copy &0 %0 [0 1] -> "a", "b"
        answer %1, 3 tokens at most
    """)
    assert evaluate(ir, "aa") == ["a", "a"]
    with pytest.raises(Undefined, match="wrong copies different values"):
        evaluate(ir, "ab")


def test_a_value_outside_the_list_has_no_meaning() -> None:
    ir = parse_ir("""
        %0 "tokens" @0: tokens -> "a", "b"
        %1 "half" @1: map %0 [0 .] -> 7
        answer %1, 3 tokens at most
    """)
    with pytest.raises(Undefined, match="half has none of its values at position 1"):
        evaluate(ir, "ab")


def test_all_passes_that_rewrite_are_tried() -> None:
    assert set(REWRITES) <= set(Passes.descriptions())
