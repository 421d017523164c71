"""Edges by the hook points of TransformerLens at their ends, as ACDC's tuples, and with AutoCircuit's names.

Constants are written by both embeddings, so an edge from them is two there. AutoCircuit has one part for the embedding.
"""

from __future__ import annotations

from tracrlab.model.circuit import Edge, Node, Reader

AcdcEdge = tuple[str, str, str, str]
"""The reader's hook point and index, then the writer's, as in ACDC's tables of known circuits."""


def writer_hooks(node: Node) -> tuple[str, ...]:
    """The hook points at which what a part writes passes."""
    match node.kind:
        case "tokens":
            return ("hook_embed",)
        case "positions":
            return ("hook_pos_embed",)
        case "constant":
            return ("hook_embed", "hook_pos_embed")
        case "attn":
            return (f"blocks.{node.layer}.attn.hook_result",)
    return (f"blocks.{node.layer}.hook_mlp_out",)


def reader_hook(reader: Reader, n_layers: int) -> str:
    """The hook point at which what a part reads passes."""
    match reader.kind:
        case "mlp":
            return f"blocks.{reader.target.layer}.hook_mlp_in"
        case "logits":
            return f"blocks.{n_layers - 1}.hook_resid_post"
    return f"blocks.{reader.target.layer}.hook_{reader.kind}_input"


def acdc_edges(edge: Edge, n_layers: int) -> tuple[AcdcEdge, ...]:
    """The edge in ACDC: the reader and its head, the writer and its head; ``[:]`` where there is no head."""
    reader = reader_hook(edge.reader, n_layers)
    return tuple((reader, _index(edge.target), writer, _index(edge.source)) for writer in writer_hooks(edge.source))


def autocircuit_name(edge: Edge) -> str:
    """The edge in AutoCircuit: ``Resid Start->A0.1.Q``, ``A0.1->MLP 0``, ``MLP 0->Resid End``."""
    return f"{_written(edge.source)}->{_read(edge.reader)}"


def _index(node: Node) -> str:
    return "[:]" if node.head is None else f"[:, :, {node.head}]"


def _written(node: Node) -> str:
    match node.kind:
        case "attn":
            return f"A{node.layer}.{node.head}"
        case "mlp":
            return f"MLP {node.layer}"
    return "Resid Start"


def _read(reader: Reader) -> str:
    target = reader.target
    match reader.kind:
        case "mlp":
            return f"MLP {target.layer}"
        case "logits":
            return "Resid End"
    return f"A{target.layer}.{target.head}.{reader.kind.upper()}"
