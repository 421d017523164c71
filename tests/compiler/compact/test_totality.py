"""Patterns that are said to select some position at every query do, on all inputs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.compiler.ir.representations import representation
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.compact.totality import always_selects
from tracrlab.compiler.ir.evaluate import node_places
from tracrlab.compiler.ir.nodes import IR, Copied, IRNode, Mean, Pattern, Total
from tracrlab.craft.formats import FORMATS
from tracrlab.errors import CompileError
from tracrlab.rasp import Comparison, SOp, aggregate, elementwise_map, indices, length, select, tokens
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import Value

LENGTH = 4


def patterns_of(ir: IR) -> list[Pattern]:
    return [node.pattern for node in ir.nodes if isinstance(node, Copied | Mean | Total)]


def said_to_select(ir: IR, pattern: Pattern) -> bool:
    return always_selects(pattern, Layers(FORMATS["float32"].roundoff, Passes()), causal=ir.causal)


def selects_everywhere(pattern: Pattern, places: dict[IRNode, np.ndarray], n_tokens: int, *, causal: bool) -> bool:
    """Whether each position of an input selects one."""
    if pattern.latest is not None:
        return True
    return all(
        any(
            all(match.matrix[places[match.queries][query], places[match.keys][key]] for match in pattern.matches)
            for key in range(query + 1 if causal else n_tokens)
        )
        for query in range(n_tokens)
    )


def assert_true_on_all_inputs(ir: IR, vocabulary: tuple[Value, ...], longest: int) -> None:
    sure = [pattern for pattern in patterns_of(ir) if said_to_select(ir, pattern)]
    for size in range(1, longest + 1):
        for word in product(vocabulary, repeat=size):
            places = node_places(ir, word)
            assert all(selects_everywhere(pattern, places, size, causal=ir.causal) for pattern in sure), word


@pytest.mark.parametrize("block", range(4))
def test_patterns_of_random_programs(block: int) -> None:
    for seed in range(25 * block, 25 * (block + 1)):
        case = random_program(seed)
        vocabulary, longest = case.vocabulary[:3], min(case.max_length, LENGTH)
        try:
            ir = representation(case.program, vocabulary, longest, causal=case.causal)
        except CompileError:
            continue
        assert_true_on_all_inputs(ir, vocabulary, longest)


def copied(queries: SOp, predicate: Comparison = Comparison.EQ) -> SOp:
    return aggregate(select(indices, queries, predicate), tokens)


PATTERNS: dict[str, tuple[SOp, bool, bool]] = {
    "the mirror image": (copied(length - 1 - indices), False, True),
    "beyond the end": (copied(length - indices), False, False),
    "the one before": (copied(indices - 1), False, False),
    "the one before, or the first": (copied(elementwise_map(lambda i: max(i - 1, 0), indices)), False, True),
    "the one after": (copied(indices + 1), False, False),
    "the first": (copied(elementwise_map(lambda t: 0, tokens)), False, True),
    "the first, causally": (copied(elementwise_map(lambda i: i // 2, indices)), True, True),
    "a later one, causally": (copied(elementwise_map(lambda i: min(i + 1, LENGTH - 1), indices)), True, False),
    "one that a token names": (copied(elementwise_map("abc".index, tokens)), False, False),
}


@pytest.mark.parametrize("what", PATTERNS)
def test_patterns_of_positions(what: str) -> None:
    program, causal, total = PATTERNS[what]
    ir = representation(program, "abc", LENGTH, causal=causal)
    assert_true_on_all_inputs(ir, ("a", "b", "c"), LENGTH)
    assert isinstance(ir.output, Copied)
    assert said_to_select(ir, ir.output.pattern) == total
