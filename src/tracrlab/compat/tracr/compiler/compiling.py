"""From a RASP program to a transformer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from tracrlab.compat.circuits import CraftView
from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.tracr.compiler import (
    assemble,
    basis_inference,
    craft_graph_to_model,
    craft_model_to_transformer,
    expr_to_craft_graph,
    nodes,
    rasp_to_graph,
    validating,
)
from tracrlab.compat.tracr.craft.transformers import SeriesWithResiduals
from tracrlab.compat.tracr.rasp import rasp

__all__ = [
    "COMPILER_BOS",
    "COMPILER_PAD",
    "TracrOutput",
    "assemble",
    "basis_inference",
    "compile_rasp_to_model",
    "craft_graph_to_model",
    "craft_model_to_transformer",
    "expr_to_craft_graph",
    "nodes",
    "rasp",
    "rasp_to_graph",
    "validating",
]

COMPILER_BOS = "compiler_bos"
COMPILER_PAD = "compiler_pad"


@dataclass(eq=False)
class TracrOutput(assemble.AssembledTransformerModel):
    """An assembled model, with the program it was compiled from; a fork of Tracr returns these three side by side."""

    program: rasp.SOp | None = None

    @property
    def model(self) -> assemble.AssembledTransformerModel:
        """The model itself."""
        return self

    @property
    def craft_model(self) -> SeriesWithResiduals:
        """Its heads and MLPs."""
        assert self.compiled is not None
        return CraftView(TracrLayout(self.compiled)).model

    @property
    def graph(self) -> Any:
        """The ``networkx.DiGraph`` of the program's expressions, with the values and the components of each."""
        assert self.program is not None and self.compiled is not None
        graph = rasp_to_graph.extract_rasp_graph(self.program).graph
        basis_inference.set_bases(graph, self.compiled)
        expr_to_craft_graph.set_blocks(graph, self.compiled)
        return graph


def compile_rasp_to_model(
    program: rasp.SOp,
    vocab: Collection[Any],
    max_seq_len: int,
    causal: bool = False,
    compiler_bos: str = COMPILER_BOS,
    compiler_pad: str = COMPILER_PAD,
    mlp_exactness: int = 100,
) -> TracrOutput:
    """Compile a program.

    Arguments:
        program: the s-op to compute.
        vocab: the tokens of inputs.
        max_seq_len: the number of tokens of the longest input, without BOS.
        causal: whether positions see only themselves and earlier ones.
        compiler_bos, compiler_pad: the special tokens, which are not in ``vocab``.
        mlp_exactness: not needed: the models are exact.

    Returns:
        The model; it is an ``AssembledTransformerModel``.

    Raises:
        ValueError: BOS or PAD is in the vocabulary, or the program holds a constant sequence or selector.
        TypeError: the program is not an s-op.
        CompileError: the program cannot be compiled exactly.
        VocabularyError: the vocabulary, special tokens or length are unusable in another way.
    """
    compiled = compile_tracr_program(program, vocab, max_seq_len, causal=causal, bos=compiler_bos, pad=compiler_pad)
    parts = assemble.assembled_model(compiled)
    return TracrOutput(**{part.name: getattr(parts, part.name) for part in fields(parts)}, program=program)
