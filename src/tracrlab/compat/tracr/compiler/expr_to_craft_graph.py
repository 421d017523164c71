"""The components of every expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracrlab.compat.circuits import CraftView
from tracrlab.compat.compilation import compile_tracr_program
from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.craft import bases
from tracrlab.compat.tracr.rasp import rasp
from tracrlab.facade import CompiledModel


def add_craft_components_to_rasp_graph(
    graph: Any,
    bos_dir: bases.BasisDirection = bases.BasisDirection("tokens", "bos"),  # noqa: B008 (it is immutable)
    one_dir: bases.BasisDirection = bases.BasisDirection("one"),  # noqa: B008
    causal: bool = False,
    mlp_exactness: float = 100,
) -> None:
    """Give every s-op of a graph its ``nodes.MODEL_BLOCK``, which is ``None`` where no component computes it.

    ``infer_bases`` must have been called. The blocks run on vectors that hold tokens, positions, ``one_dir`` everywhere
    and ``bos_dir`` at BOS. Models are exact without ``mlp_exactness``.

    Raises:
        ValueError: the bases of the graph are not known, or it has components.
        CompileError: the program cannot be compiled exactly.
    """
    if "vocab" not in graph.graph:
        raise ValueError(
            "Craft components can only be added after basis inference: call infer_bases(graph, sink, vocab=..., "
            "max_seq_len=...) first"
        )
    if "compiled" in graph.graph:
        raise ValueError("Input graph cannot have model blocks set already: extract it again")
    (program,) = (node[nodes.EXPR] for label, node in graph.nodes.items() if not graph.out_degree(label))
    vocab, length = graph.graph["vocab"], graph.graph["max_seq_len"]
    bos = str(bos_dir if bos_dir.value is None else bos_dir.value)
    compiled = compile_tracr_program(program, vocab, length, causal=causal, bos=bos, pad="compiler_pad", grounds=False)
    own = bases.BasisDirection("tokens", bos), bases.BasisDirection("one")
    set_blocks(graph, compiled, dict(zip(own, (bos_dir, one_dir), strict=True)))


def set_blocks(
    graph: Any, compiled: CompiledModel, renamed: Mapping[bases.BasisDirection, bases.BasisDirection] | None = None
) -> None:
    """The blocks of the graph's expressions, as they are in a compiled model, with directions that may be ``renamed``.

    The graph keeps the model and the view of it.
    """
    view = CraftView(TracrLayout(compiled), renamed or {})
    graph.graph.update(compiled=compiled, circuit=view)
    for label, node in graph.nodes.items():
        block = view.block(label)
        if block is not None or isinstance(node[nodes.EXPR], rasp.SOp):
            node[nodes.MODEL_BLOCK] = block
