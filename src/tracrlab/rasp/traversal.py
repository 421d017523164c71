"""Walking an expression graph without recursion, however deep it is."""

from __future__ import annotations

from collections.abc import Container

from tracrlab.rasp.expressions import Expression


def children_first(*roots: Expression, known: Container[int] = ()) -> list[Expression]:
    """Every distinct node below ``roots`` (and they themselves) once, children before their parents.

    Nodes whose ``id`` is in ``known`` are left out, with what is only below them.
    """
    order: list[Expression] = []
    seen: set[int] = set()
    stack: list[tuple[Expression, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen and id(node) not in known:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children) if id(child) not in seen)
    return order
