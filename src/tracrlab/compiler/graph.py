"""Stage 1: trace a program into a graph in which equal subexpressions are one node (Tracr paper, section 3, step 1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from tracrlab.rasp.expressions import Expression, Selector, SOp
from tracrlab.rasp.functions import indices as rasp_indices
from tracrlab.rasp.functions import tokens as rasp_tokens
from tracrlab.rasp.identity import structure
from tracrlab.rasp.text import expression_text, titled_text
from tracrlab.rasp.traversal import children_first


@dataclass(frozen=True, eq=False)
class Node:
    """One expression of the program; ``inputs`` are the places of its children in the graph."""

    place: int
    expression: Expression
    inputs: tuple[int, ...]
    name: str

    @property
    def text(self) -> str:
        """The expression as it is written."""
        return expression_text(self.expression)

    @property
    def title(self) -> str:
        """The same with the expression's name in front, if the program gives it one."""
        return titled_text(self.expression)


@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes of a program, children before parents; the last one is the program itself.

    ``tokens`` and ``indices`` are the places of the two sources, which every graph has.
    """

    nodes: tuple[Node, ...]
    tokens: int
    indices: int

    @property
    def output(self) -> Node:
        """The node of the program's value."""
        return self.nodes[-1]

    def sops(self) -> Iterator[Node]:
        """The nodes that hold a value at each position."""
        return (node for node in self.nodes if isinstance(node.expression, SOp))


def trace_graph(program: SOp) -> Graph:
    """The graph of ``program``.

    Two nodes are merged when they have the same class, parameters, children, name and encoding, so that each s-op the
    program distinguishes keeps a variable of its own. Names are made unique; unnamed s-ops are numbered by kind.
    """
    canonical: dict[Hashable, int] = {}
    place_of: dict[int, int] = {}
    nodes: list[tuple[Expression, tuple[int, ...]]] = []
    for expression in children_first(rasp_tokens, rasp_indices, program):
        inputs = tuple(place_of[id(child)] for child in expression.children)
        key = _identity(expression, inputs)
        if key not in canonical:
            canonical[key] = len(nodes)
            nodes.append((expression, inputs))
        place_of[id(expression)] = canonical[key]
    output = place_of[id(program)]
    if output != len(nodes) - 1:  # the program is a source itself: it still comes last
        nodes.append(nodes[output])
    names = _unique_names([expression for expression, _ in nodes])
    entries = enumerate(zip(nodes, names, strict=True))
    numbered = [Node(place, expression, inputs, name) for place, ((expression, inputs), name) in entries]
    return Graph(tuple(numbered), tokens=0, indices=1)


def _identity(expression: Expression, inputs: tuple[int, ...]) -> Hashable:
    name = None if isinstance(expression, Selector) else expression.name
    return structure(expression, inputs), name, expression.encoding


def _unique_names(expressions: list[Expression]) -> list[str]:
    """Given names stay as they are where they can; the rest are numbered after the kind of expression."""
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    reserved = {expression.name for expression in expressions if expression.name}
    names = []
    for expression in expressions:
        stem = expression.name or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(expression).__name__).lower()
        name = stem if expression.name and stem not in taken else None
        while name is None or name in taken or (not expression.name and name in reserved):
            counts[stem] += 1
            name = f"{stem}_{counts[stem]}"
        taken.add(name)
        names.append(name)
    return names
