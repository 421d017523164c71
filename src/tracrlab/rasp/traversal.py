"""Walking an expression graph without recursion, however deep it is."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Protocol, TypeVar


class _HasChildren(Protocol):
    """A node of a graph: it knows the nodes that it reads, which are of its own kind."""

    @property
    def children(self) -> Sequence[Any]: ...


NodeT = TypeVar("NodeT", bound=_HasChildren)


def children_first(*roots: NodeT, known: Container[int] = ()) -> list[NodeT]:
    """Every distinct node below ``roots`` (and they themselves) once, children before their parents.

    Nodes whose ``id`` is in ``known`` are left out, with what is only below them.
    """
    order: list[NodeT] = []
    seen: set[int] = set()
    stack: list[tuple[NodeT, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen and id(node) not in known:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children) if id(child) not in seen)
    return order
