"""Programs as the intermediate representation, as compact mode makes it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from textwrap import dedent

from tracrlab.compiler.compact import representations
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.ir.build import build_ir
from tracrlab.compiler.ir.evaluate import evaluate
from tracrlab.compiler.ir.nodes import IR, Source
from tracrlab.compiler.ir.parse import parse_ir
from tracrlab.compiler.ir.text import ir_text
from tracrlab.craft.formats import FORMATS
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp import SOp
from tracrlab.rasp.values import Value


def representation(
    program: SOp, vocabulary: Sequence[Value], length: int, *, causal: bool = False, without: Sequence[str] = ()
) -> IR:
    """The nodes of a program, rewritten by all passes but some."""
    passes = Passes.named([f"-{name}" for name in without]) if without else Passes()
    analysis = _analysed(program, vocabulary, length, causal=causal)
    return representations(analysis, passes, FORMATS["float32"])[0][0]


def _analysed(program: SOp, vocabulary: Sequence[Value], length: int, *, causal: bool) -> Analysis:
    return infer_domains(trace_graph(program), checked_vocabulary(vocabulary, "<s>", "<p>"), length, causal=causal)


def unrewritten(program: SOp, vocabulary: Sequence[Value], length: int, *, causal: bool = False) -> IR:
    """The nodes of a program as they are built."""
    return build_ir(_analysed(program, vocabulary, length, causal=causal))


def assert_rewritten(before: IR, after: IR, expected: str, *, longest: int) -> None:
    """The text of a program after a rewrite, which means the same on all inputs up to a length."""
    assert ir_text(after).splitlines() == dedent(expected).strip().splitlines()
    assert_same_meaning(before, after, longest=longest)


def assert_same_meaning(before: IR, after: IR, *, longest: int) -> None:
    """Two programs mean the same on all inputs up to a length."""
    tokens = next(node for node in before.nodes if isinstance(node, Source) and node.by_token)
    for length in range(longest + 1):
        for values in itertools.product(tokens.values, repeat=length):
            assert evaluate(before, values) == evaluate(after, values), values


def parsed(text: str) -> IR:
    """The nodes that a text describes, whatever its indentation."""
    return parse_ir(dedent(text))
