"""A program as a networkx graph of labelled expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracrlab.compat.compilation import labelled_edges
from tracrlab.compat.tracr.compiler import nodes
from tracrlab.compat.tracr.compiler.nodes import Node, NodeID
from tracrlab.compat.tracr.rasp import rasp
from tracrlab.extras import require

__all__ = ["ExtractRaspGraphOutput", "Node", "NodeID", "extract_rasp_graph"]


@dataclass(eq=False)
class ExtractRaspGraphOutput:
    """A ``networkx.DiGraph`` from expressions to those that read them; its sink is the program."""

    graph: Any
    sink: Node
    sources: list[Node]


def extract_rasp_graph(tip: rasp.SOp) -> ExtractRaspGraphOutput:
    """The graph of a program: its nodes are labels, ``nodes.EXPR`` is the expression.

    Raises:
        MissingDependencyError: networkx is not installed.
    """
    graph = require("networkx", extra="tracr", purpose="the graph of a program").DiGraph()
    sink = _add(graph, tip)
    for child, parent in labelled_edges(tip):
        _add(graph, child)
        graph.add_edge(child.label, parent.label)
    sources = [graph.nodes[label] for label in graph if not graph.nodes[label][nodes.EXPR].children]
    return ExtractRaspGraphOutput(graph, sink, sources)


def _add(graph: Any, expr: rasp.RASPExpr) -> Node:
    if expr.label not in graph:
        graph.add_node(expr.label, **{nodes.ID: expr.label, nodes.EXPR: expr})
    node: Node = graph.nodes[expr.label]
    return node
