"""Where components are in a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracrlab.compat.circuits import CraftView
from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.compiler.nodes import Node, NodeID
from tracrlab.compat.tracr.craft import transformers
from tracrlab.extras import require
from tracrlab.facade import CompiledModel

__all__ = ["Node", "NodeID", "compute_computational_depth", "craft_graph_to_model"]


def compute_computational_depth(graph: Any, sources_ids: Sequence[NodeID]) -> dict[NodeID, int]:
    """The number of components on the longest path to each expression; selectors belong to what reads them."""
    networkx = require("networkx", extra="tracr", purpose="the graph of a program")
    depth: dict[NodeID, int] = {}
    for label in networkx.topological_sort(graph):
        computed = nodes.MODEL_BLOCK in graph.nodes[label] and label not in sources_ids
        depth[label] = max((depth[child] for child in graph.predecessors(label)), default=0) + computed
    return depth


def _allocate_modules_to_layers(graph: Any, sources: Sequence[Node]) -> dict[NodeID, int]:
    """The sublayer (attention, MLP, attention, …) that computes each expression; for a width, its head's."""
    compiled = _compiled(graph)
    place: dict[NodeID, int] = {}
    heads = [(2 * layer, head.expression) for layer, row in enumerate(compiled.labels.heads) for head in row]
    neurons = [(2 * layer + 1, part.expression) for layer, row in enumerate(compiled.labels.neurons) for part in row]
    for sublayer, label in (*heads, *neurons):
        if label in graph:
            place.setdefault(label, sublayer)
    return place


def craft_graph_to_model(graph: Any, sources: Sequence[Node]) -> transformers.SeriesWithResiduals:
    """All components in order."""
    return CraftView(TracrLayout(_compiled(graph))).model


def _compiled(graph: Any) -> CompiledModel:
    if "compiled" not in graph.graph:
        raise ValueError("the graph has no components: call add_craft_components_to_rasp_graph(graph) first")
    compiled: CompiledModel = graph.graph["compiled"]
    return compiled
