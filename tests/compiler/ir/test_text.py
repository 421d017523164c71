"""The intermediate representation prints, and what it prints is read as the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compiler.ir.representations import representation
from tests.library_models import LENGTH
from tests.oracles import SMALL_VOCABS
from tracrlab.compiler.ir.nodes import Affine, Cleaned, Mean, Rough, Total
from tracrlab.compiler.ir.parse import parse_ir
from tracrlab.compiler.ir.rewrites.cleaning import with_clean_counts
from tracrlab.compiler.ir.text import ir_text, value_text
from tracrlab.errors import CompileError
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import Ratio, Value, value_key

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.fractions().map(Ratio),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)


def test_the_text_of_a_histogram() -> None:
    text = ir_text(representation(PROGRAMS["hist"].build(), "abc", 4))
    assert text.splitlines() == [
        '%0 "tokens" @0: tokens -> "a", "b", "c"',
        '%1 "indices" @1: positions -> 0..3',
        "&0: %0 ~ %0 [100/010/001], counts, always, most 4",
        '%2 "hist" @3: total &0 -> 1..4',
        "answer %2, 4 tokens at most",
    ]


@pytest.mark.parametrize("name", PROGRAMS)
def test_library_programs_are_read_as_they_are_printed(name: str) -> None:
    text = ir_text(representation(PROGRAMS[name].build(), SMALL_VOCABS[name], LENGTH))
    assert ir_text(parse_ir(text)) == text


@pytest.mark.slow
def test_random_programs_are_read_as_they_are_printed() -> None:
    kinds = set()
    for seed in range(150):
        case = random_program(seed)
        try:
            ir = representation(case.program, case.vocabulary, case.max_length, causal=case.causal)
        except CompileError:
            continue
        again = parse_ir(ir_text(ir))
        assert ir_text(again) == ir_text(ir)
        for node, other in zip(ir.nodes, again.nodes, strict=True):
            assert list(map(value_key, node.values)) == list(map(value_key, other.values))
            assert type(node) is type(other)
            kinds.add(type(node))
    assert {Affine, Mean, Total} <= kinds


def test_clean_counts_are_read_as_they_are_printed() -> None:
    ir = representation(PROGRAMS["hist2"].build(), "abc", 20)
    counts = {node.name for node in ir.nodes if isinstance(node, Total)}
    clean = with_clean_counts(ir, counts)
    assert {Rough, Cleaned} <= set(map(type, clean.nodes))
    assert ir_text(parse_ir(ir_text(clean))) == ir_text(clean)


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_values_of_all_kinds_are_read_as_they_are_printed(values: list[Value]) -> None:
    table = " ".join(map(str, range(len(values))))
    ir = parse_ir(
        f'%0 "tokens" @0: tokens -> 1\n%1 "x" @1: map [{table}] -> {_listed(values)}\nanswer %1, 3 tokens at most'
    )
    assert list(map(value_key, ir.output.values)) == list(map(value_key, values))


def _listed(values: list[Value]) -> str:
    return ", ".join(map(value_text, values))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("answer %0, 3 tokens at most", "%0 is read before it is described"),
        ('%0 "x" @0: map %1 [0] -> 1\nanswer %0, 3 tokens at most', "%1 is read before it is described"),
        ('%0 "x" @0: total &0 -> 0..3\nanswer %0, 3 tokens at most', "&0 is used before it is described"),
        ('%0 "x" @0: tokenz -> 1\nanswer %0, 3 tokens at most', "line 1, column 12"),
        ('%0 "x" @0: tokens -> 1', "the end"),
    ],
)
def test_what_is_no_representation_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_ir(text)


def test_factors_are_fractions() -> None:
    ir = parse_ir('%0 "i" @0: positions -> 0..3\n%1 "x" @1: sum 1/3 + -2/3 %0 -> 1, 2\nanswer %1, 3 tokens at most')
    assert isinstance(ir.output, Affine)
    assert (ir.output.offset, ir.output.factors) == (Fraction(1, 3), (Fraction(-2, 3),))
