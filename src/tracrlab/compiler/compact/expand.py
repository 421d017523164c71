"""Elementwise functions seen through: each becomes a table over the nodes that attention or the embedding gives."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tracrlab.compiler.compact.ir import IMPOSSIBLE, Affine, Elementwise, IRNode
from tracrlab.shapes import Float, Int

MAX_EXPANDED = 2**20
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Expansion:
    """A node as a function of ``atoms``; ``places`` has an axis for each, and the places of the node's values."""

    atoms: tuple[IRNode, ...]
    places: Int[np.ndarray, "..."]


class Expansions:
    """Expansions of nodes, and the layer that can compute each; every one is found once."""

    def __init__(self) -> None:
        self._expansions: dict[IRNode, Expansion] = {}
        self._levels: dict[IRNode, int] = {}

    def add(self, node: IRNode) -> None:
        """Expand a node whose inputs have been added.

        An input is seen through where that saves a layer or costs nothing: it depends on a single atom, or it could not
        be ready before the others.
        """
        ready = max((self._levels[each] for each in node.inputs), default=0)
        if not isinstance(node, Elementwise | Affine):
            self._expansions[node] = _itself(node)
            self._levels[node] = ready + bool(node.inputs)
            return
        late = [each for each in node.inputs if self._levels[each] == ready or len(self.of(each).atoms) <= 1]
        inner = [self.of(each) if each in late else _itself(each) for each in node.inputs]
        expansion = _composed(node, inner)
        if expansion is None:
            inner = [self.of(each) if len(self.of(each).atoms) <= 1 else _itself(each) for each in node.inputs]
            expansion = _composed(node, inner) or _composed(node, [_itself(each) for each in node.inputs])
        self._expansions[node] = expansion or _itself(node)
        self._levels[node] = max(ready, 1) if len(self._expansions[node].atoms) > 1 or expansion is None else ready

    def of(self, node: IRNode) -> Expansion:
        """The expansion of a node."""
        return self._expansions[node]

    def level(self, node: IRNode) -> int:
        """The layer whose MLP can have computed the node; 0: the embedding holds it."""
        return self._levels[node]


def _itself(node: IRNode) -> Expansion:
    return Expansion((node,), np.arange(len(node.values)))


def _composed(node: Elementwise | Affine, inner: list[Expansion]) -> Expansion | None:
    """The function of all the inner atoms; ``None`` if it is too large."""
    atoms = tuple({atom: None for expansion in inner for atom in expansion.atoms})
    shape = tuple(len(atom.values) for atom in atoms)
    if prod(shape) > MAX_EXPANDED:
        return None
    arguments = []
    for expansion in inner:
        axes = [atoms.index(atom) for atom in expansion.atoms]
        order = np.argsort(axes)
        places = np.transpose(expansion.places, order)
        index = [shape[axis] if axis in axes else 1 for axis in range(len(atoms))]
        arguments.append(np.broadcast_to(places.reshape(index), shape))
    impossible = np.zeros(shape, bool)
    for argument in arguments:
        impossible |= argument == IMPOSSIBLE
    if isinstance(node, Elementwise):
        results = np.asarray(node.places[tuple(arguments)])
    else:
        results = _affine_places(node, arguments)
    return Expansion(atoms, np.where(impossible, IMPOSSIBLE, results))


def _affine_places(node: Affine, arguments: list[Int[np.ndarray, "..."]]) -> Int[np.ndarray, "..."]:
    numbers = node_numbers(node)
    total = np.full(arguments[0].shape, float(node.offset)) if arguments else np.array(float(node.offset))
    for operand, factor, argument in zip(node.operands, node.factors, arguments, strict=True):
        total = total + float(factor) * node_numbers(operand)[argument]
    order = np.argsort(numbers)
    ascending = numbers[order]
    places = np.searchsorted(ascending, total).clip(max=len(ascending) - 1)
    below = np.maximum(places - 1, 0)
    nearer = np.abs(ascending[below] - total) < np.abs(ascending[places] - total)
    places = np.where(nearer, below, places)
    off = np.abs(ascending[places] - total) > _TOLERANCE * np.maximum(1.0, np.abs(total))
    return np.where(off, IMPOSSIBLE, order[places])


def node_numbers(node: IRNode) -> Float[np.ndarray, " value"]:
    """The values of a node that is known to hold numbers."""
    assert node.numbers is not None
    return node.numbers
