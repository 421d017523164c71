"""Where components are in a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracrlab.compat.circuits import CraftView
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.compiler.nodes import Node, NodeID
from tracrlab.compat.tracr.craft import transformers
from tracrlab.extras import require
from tracrlab.facade import CompiledModel

__all__ = ["Node", "NodeID", "compute_computational_depth", "craft_graph_to_model"]


def compute_computational_depth(graph: Any, sources_ids: Sequence[NodeID]) -> dict[NodeID, int]:
    """The number of edges on the longest path from a source to each node; -1 where there is none."""
    networkx = require("networkx", extra="tracr", purpose="the graph of a program")
    depth: dict[NodeID, int] = {}
    for label in networkx.topological_sort(graph):
        before = max((depth[child] for child in graph.predecessors(label)), default=-1)
        depth[label] = 0 if label in sources_ids else before + (before >= 0)
    return depth


def _allocate_modules_to_layers(graph: Any, sources: Sequence[Node]) -> dict[NodeID, int]:
    """The sublayer (attention, MLP, attention, …) that computes each node; for a width, its head's.

    It is -1 where no component does: for sources, selectors, and what is the same everywhere. In a graph of blocks
    built by hand each one is as early as what it reads allows.
    """
    if "compiled" not in graph.graph:
        return _earliest_sublayers(graph)
    compiled = _compiled(graph)
    place: dict[NodeID, int] = {}
    heads = [(2 * layer, head.expression) for layer, row in enumerate(compiled.labels.heads) for head in row]
    neurons = [(2 * layer + 1, part.expression) for layer, row in enumerate(compiled.labels.neurons) for part in row]
    for sublayer, label in (*heads, *neurons):
        if label in graph:
            place.setdefault(label, sublayer)
    return {label: place.get(label, -1) for label in graph}


def _earliest_sublayers(graph: Any) -> dict[NodeID, int]:
    networkx = require("networkx", extra="tracr", purpose="the graph of a program")
    after: dict[NodeID, int] = {}  # the last sublayer that a node depends on, its own included
    place: dict[NodeID, int] = {}
    for label in networkx.topological_sort(graph):
        after[label] = max((after[child] for child in graph.predecessors(label)), default=-1)
        block, place[label] = graph.nodes[label].get(nodes.MODEL_BLOCK), -1
        if block is not None:
            after[label] += 1 + (after[label] % 2 == isinstance(block, transformers.MLP))
            place[label] = after[label]
    return place


def craft_graph_to_model(graph: Any, sources: Sequence[Node]) -> transformers.SeriesWithResiduals:
    """All components in order."""
    _compiled(graph)
    view: CraftView = graph.graph["circuit"]
    return view.model


def _compiled(graph: Any) -> CompiledModel:
    if "compiled" not in graph.graph:
        raise ValueError("the graph has no components: call add_craft_components_to_rasp_graph(graph) first")
    compiled: CompiledModel = graph.graph["compiled"]
    return compiled
