"""The values and directions of every expression."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.compat.layout import direction_of
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.compiler.nodes import Node
from tracrlab.compat.translation import plain_number
from tracrlab.facade import CompiledModel


class InvalidValueSetError(ValueError):
    """An expression has no values; a name that a fork of Tracr has, for ``except`` clauses."""


@dataclass(eq=False)
class InferBasesOutput:
    """A graph whose nodes know their values."""

    graph: Any


def infer_bases(graph: Any, sink: Node, vocab: Collection[Any], max_seq_len: int) -> None:
    """Give every s-op of a graph its ``nodes.VALUE_SET`` and ``nodes.OUTPUT_BASIS``.

    Raises:
        CompileError: the program cannot be compiled exactly.
        VocabularyError: the vocabulary or length is unusable.
    """
    graph.graph.update(vocab=vocab, max_seq_len=max_seq_len)
    compiled = compile_tracr_program(
        sink[nodes.EXPR], vocab, max_seq_len, causal=False, bos="compiler_bos", pad="compiler_pad"
    )
    set_bases(graph, compiled)


def set_bases(graph: Any, compiled: CompiledModel) -> None:
    """The values and directions of the graph's s-ops, as they are in a compiled model."""
    for held in compiled.labels.variables:
        label = held.expression if held.expression in graph else held.variable.name  # the program may be a source
        if held.is_value and label in graph:
            node = graph.nodes[label]
            node[nodes.VALUE_SET] = {plain_number(value) for value in held.variable.values}
            node[nodes.OUTPUT_BASIS] = [direction_of(dimension) for dimension in held.variable.dimensions]
