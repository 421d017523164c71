"""Stage 1: trace a program into a graph in which equal subexpressions are one node (Tracr paper, section 3, step 1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tracrlab.rasp.expressions import Expression, SOp
from tracrlab.rasp.identity import distinct_expressions
from tracrlab.rasp.text import expression_text, titled_text


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

    Equal expressions are merged (see :func:`distinct_expressions`), so that each s-op the program distinguishes keeps a
    variable of its own. Names are made unique; unnamed s-ops are numbered by kind.
    """
    nodes = distinct_expressions(program)
    names = _unique_names([expression for expression, _ in nodes])
    entries = enumerate(zip(nodes, names, strict=True))
    numbered = [Node(place, expression, inputs, name) for place, ((expression, inputs), name) in entries]
    return Graph(tuple(numbered), tokens=0, indices=1)


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
