"""The last stage of compiling."""

from __future__ import annotations

from typing import Any

from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.compat.tracr.compiler import assemble, nodes
from tracrlab.compat.tracr.compiler.nodes import Node
from tracrlab.compat.tracr.craft import transformers


class NoTokensError(ValueError):
    """A program does not read the tokens; a name that a fork of Tracr has, for ``except`` clauses."""


def craft_model_to_transformer(
    craft_model: transformers.SeriesWithResiduals,
    graph: Any,
    sink: Node,
    max_seq_len: int,
    compiler_bos: str,
    compiler_pad: str,
    causal: bool = False,
) -> assemble.AssembledTransformerModel:
    """The assembled model of the program that the graph is of.

    Raises:
        ValueError: BOS or PAD is in the vocabulary.
        CompileError: the program cannot be compiled exactly.
    """
    compiled = compile_tracr_program(
        sink[nodes.EXPR], graph.graph["vocab"], max_seq_len, causal=causal, bos=compiler_bos, pad=compiler_pad
    )
    return assemble.assembled_model(compiled)
