"""The components of every expression."""

from __future__ import annotations

from typing import Any

from tracrlab.compat.circuits import CraftView
from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.craft import bases
from tracrlab.facade import CompiledModel


def add_craft_components_to_rasp_graph(
    graph: Any,
    bos_dir: bases.BasisDirection = bases.BasisDirection("tokens", "bos"),  # noqa: B008 (it is immutable)
    one_dir: bases.BasisDirection = bases.BasisDirection("one"),  # noqa: B008
    causal: bool = False,
    mlp_exactness: float = 100,
) -> None:
    """Give every expression of a graph that a component computes its ``nodes.MODEL_BLOCK``.

    ``infer_bases`` must have been called. ``one_dir`` is always called ``one``, and models are exact without
    ``mlp_exactness``.

    Raises:
        ValueError: the bases of the graph are not known.
        CompileError: the program cannot be compiled exactly.
    """
    if "vocab" not in graph.graph:
        raise ValueError("the graph has no bases: call infer_bases(graph, sink, vocab=..., max_seq_len=...) first")
    (program,) = (node[nodes.EXPR] for label, node in graph.nodes.items() if not graph.out_degree(label))
    vocab, length = graph.graph["vocab"], graph.graph["max_seq_len"]
    compiled = compile_tracr_program(program, vocab, length, causal=causal, bos=str(bos_dir.value), pad="compiler_pad")
    set_blocks(graph, compiled)


def set_blocks(graph: Any, compiled: CompiledModel) -> None:
    """The blocks of the graph's expressions, as they are in a compiled model, which the graph keeps."""
    graph.graph["compiled"] = compiled
    view = CraftView(TracrLayout(compiled))
    for label, node in graph.nodes.items():
        if (block := view.block(label)) is not None:
            node[nodes.MODEL_BLOCK] = block
