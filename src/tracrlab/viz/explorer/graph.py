"""The graph of a program's expressions, and where each stands in a drawing of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.rasp.expressions import SOp
from tracrlab.viz.program_graph import Inputs, expression_inputs

_ROUNDS = 8  # how often the order of the rows is improved
NODE_HEIGHT, CHARACTER, ROW, GAP = 22, 6.7, 40, 10  # pixels; a character of the page's small monospaced type
_LONGEST = 16  # characters of a name that are shown


@dataclass(frozen=True)
class PlacedNode:
    """An expression, by its place in ``model.program``, and its box."""

    expression: int
    x: float
    y: float
    width: float
    is_selector: bool


@dataclass(frozen=True)
class GraphDrawing:
    """The boxes of a graph and its edges, from what is read to what reads it, by place in ``model.program``."""

    width: float
    height: float
    nodes: tuple[PlacedNode, ...]
    edges: tuple[tuple[int, int], ...]


def graph_drawing(model: Artefact, reads: Inputs, program: SOp | None) -> GraphDrawing:
    """The graph of the program's expressions; without the program, ``reads``, what the parts of the model read.

    Raises:
        InputError: the model was not compiled from this program.
    """
    inputs, selectors = (reads, frozenset[int]()) if program is None else expression_inputs(model, program)
    inputs = _leading_to(len(model.program) - 1, inputs)
    rows = _ordered_rows(inputs)
    widths = {node: min(len(model.program[node][0]), _LONGEST) * CHARACTER + 14 for node in inputs}
    row_widths = [sum(widths[node] for node in row) + GAP * (len(row) - 1) for row in rows]
    width = max(row_widths)
    nodes = []
    for level, (row, row_width) in enumerate(zip(rows, row_widths, strict=True)):
        x = (width - row_width) / 2
        for node in row:
            nodes.append(PlacedNode(node, x, level * ROW, widths[node], node in selectors))
            x += widths[node] + GAP
    edges = tuple((source, target) for target, sources in inputs.items() for source in sources)
    return GraphDrawing(width, ROW * (len(rows) - 1) + NODE_HEIGHT, tuple(nodes), edges)


def _leading_to(goal: int, inputs: Inputs) -> dict[int, tuple[int, ...]]:
    """The part of a graph from which ``goal`` can be reached."""
    found, waiting = {goal}, [goal]
    while waiting:
        for source in inputs.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return {node: inputs.get(node, ()) for node in sorted(found)}


def _ordered_rows(inputs: Inputs) -> list[list[int]]:
    """The nodes in rows, each below what it reads, in an order in which few edges cross.

    The order is that of the barycentres of a node's neighbours in the row before and in the row after, in turns
    (Sugiyama, Tagawa and Toda, 1981); an edge across several rows counts in those next to its ends' only.
    """
    level: dict[int, int] = {}
    for node, sources in inputs.items():  # a node reads those of lower numbers only
        level[node] = max((level[source] + 1 for source in sources), default=0)
    rows: list[list[int]] = [[] for _ in range(max(level.values()) + 1)]
    for node in inputs:
        rows[level[node]].append(node)
    readers: dict[int, list[int]] = {node: [] for node in inputs}
    for node, sources in inputs.items():
        for source in sources:
            readers[source].append(node)
    for _ in range(_ROUNDS):
        for neighbours, ordered in ((inputs, rows), (readers, rows[::-1])):
            _sort_rows(ordered, neighbours)
    return rows


def _sort_rows(rows: Iterable[list[int]], neighbours: Mapping[int, Sequence[int]]) -> None:
    """Sort each row in place by the mean relative place of its nodes' neighbours in the rows already passed."""
    place: dict[int, float] = {}
    for row in rows:
        own = {node: (index + 0.5) / len(row) for index, node in enumerate(row)}
        known = {node: [place[other] for other in neighbours[node] if other in place] for node in row}
        row.sort(key=lambda node: float(np.mean(known[node])) if known[node] else own[node])
        place |= {node: (index + 0.5) / len(row) for index, node in enumerate(row)}
