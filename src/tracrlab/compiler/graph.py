"""Stage 1: trace a program into a graph in which equal subexpressions are one node (Tracr paper, section 3, step 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tracrlab.rasp.expressions import Expression, SOp
from tracrlab.rasp.identity import merged_expressions
from tracrlab.rasp.naming import Naming, naming_in_graph, unique_names
from tracrlab.rasp.text import expression_text, titled_text


@dataclass(frozen=True, eq=False)
class Node:
    """One expression of the program; ``inputs`` are the places of its children in the graph."""

    place: int
    expression: Expression
    inputs: tuple[int, ...]
    name: str
    naming: Naming

    @property
    def text(self) -> str:
        """The expression as it is written, others by the names that they have in the graph."""
        return expression_text(self.expression, naming=self.naming)

    @property
    def title(self) -> str:
        """The same with the expression's name in front, if the program gives it one."""
        return titled_text(self.expression, self.naming)


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

    Equal expressions are merged (see :func:`merged_expressions`), so that each s-op the program distinguishes keeps a
    variable of its own. Names are made unique; unnamed s-ops are numbered by kind.
    """
    nodes, places = merged_expressions(program)
    expressions = [expression for expression, _ in nodes]
    names = unique_names(expressions)
    naming = naming_in_graph(expressions, places, names)
    entries = enumerate(zip(nodes, names, strict=True))
    numbered = [Node(place, expression, inputs, name, naming) for place, ((expression, inputs), name) in entries]
    return Graph(tuple(numbered), tokens=0, indices=1)
