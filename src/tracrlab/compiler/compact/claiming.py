"""The claims of compact mode: what each component computes, in terms of the nodes that its reads are stored for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tracrlab.compiler.compact.carriers import Carrier
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.ir.expand import affine_places, impossible_pairs
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Affine, Elementwise, IRNode
from tracrlab.craft.claims import Quantity, View
from tracrlab.shapes import Float, Int

MAX_COMBINATIONS = 2**22

Contents = Mapping[Carrier, tuple[str, Float[np.ndarray, "_ _"]]]


class TooManyCombinations(Exception):
    """A claim would speak of more combinations of values than ``MAX_COMBINATIONS``."""


@dataclass(frozen=True, eq=False)
class Views:
    """Several nodes as views of common quantities."""

    quantities: tuple[Quantity, ...]
    views: tuple[View, ...]


def views_of(nodes: Sequence[IRNode], read: frozenset[IRNode], layers: Layers, contents: Contents) -> Views:
    """Nodes in terms of the nodes that are ``read`` for them and of what else they depend on.

    Where a function is read beside what it is a function of, these vary together, as one quantity.

    Raises:
        TooManyCombinations: a node depends on too many values.
    """
    derived = [node for node in read if _on_the_way(node, read) or not read.isdisjoint(_atoms(node, layers))]
    basic = read.difference(derived)
    leaves: list[IRNode] = []
    for node in (*nodes, *derived):
        _collect(node, basic, layers, leaves)
    if derived:
        return _joint_views(nodes, derived, leaves, basic, layers, contents)
    views = []
    for node in nodes:
        own = _leaves(node, basic, layers)
        views.append(View(tuple(leaves.index(leaf) for leaf in own), _all_places(node, own, basic, layers)))
    return Views(tuple(_quantity(leaf, contents) for leaf in leaves), tuple(views))


def _atoms(node: IRNode, layers: Layers) -> set[IRNode]:
    """What a function is seen as a function of; nothing for anything else."""
    atoms = layers.expansion(node).atoms if isinstance(node, Elementwise | Affine) else ()
    return {atom for atom in atoms if atom is not node}


def _joint_views(
    nodes: Sequence[IRNode],
    derived: Sequence[IRNode],
    leaves: Sequence[IRNode],
    basic: frozenset[IRNode],
    layers: Layers,
    contents: Contents,
) -> Views:
    """The views as functions of one quantity, the leaves that ``derived`` functions tie together, and of the others.

    Values of the one that neither what is read nor the views tell apart are one value.
    """
    own = {node: _leaves(node, basic, layers) for node in (*derived, *nodes)}
    joined = {leaf for node in derived for leaf in own[node]}
    size = -1
    while size != len(joined):
        size = len(joined)
        joined.update(*(each for each in own.values() if not joined.isdisjoint(each)))
    together = [leaf for leaf in leaves if leaf in joined]
    apart = [leaf for leaf in leaves if leaf not in joined]
    held: list[tuple[str, Float[np.ndarray, "_ _"], Int[np.ndarray, " value"]]] = []
    for node in (each for each in (*together, *derived) if each in basic or each in derived):
        places = _all_places(node, together, basic, layers).reshape(-1)
        held += [(name, table, places) for name, table in _quantity(node, contents).contents.items()]
    seen = {
        node: _all_places(node, together, basic, layers).reshape(-1)
        for node in nodes
        if not joined.isdisjoint(own[node])
    }
    kept = _distinct([*(_alike(table)[places] for _, table, places in held), *seen.values()])
    joint = Quantity(len(kept), {name: table[places[kept]] for name, table, places in held})
    views = []
    for node in nodes:
        if node in seen:
            views.append(View((0,), seen[node][kept]))
        else:
            of = tuple(apart.index(leaf) + 1 for leaf in own[node])
            views.append(View(of, _all_places(node, own[node], basic, layers)))
    return Views((joint, *(_quantity(leaf, contents) for leaf in apart)), tuple(views))


def _alike(table: Float[np.ndarray, "value width"]) -> Int[np.ndarray, " value"]:
    """A number for each row of a table, the same for equal rows."""
    _, which = np.unique(table, axis=0, return_inverse=True)
    return which.reshape(-1)


def _distinct(columns: Sequence[Int[np.ndarray, " value"]]) -> Int[np.ndarray, " kept"]:
    """The first of the values that look the same in all columns."""
    classes = np.zeros(1, int)
    for column in columns:
        _, first, classes = np.unique(classes * (column.max() + 2) + column + 1, return_index=True, return_inverse=True)
    return np.sort(first)


def _leaves(node: IRNode, basic: frozenset[IRNode], layers: Layers) -> list[IRNode]:
    """What a node depends on."""
    leaves: list[IRNode] = []
    _collect(node, basic, layers, leaves)
    return leaves


def _all_places(
    node: IRNode, leaves: Sequence[IRNode], read: frozenset[IRNode], layers: Layers
) -> Int[np.ndarray, "..."]:
    shape = tuple(len(leaf.values) for leaf in leaves)
    if prod(shape) > MAX_COMBINATIONS:
        raise TooManyCombinations(node.name)
    places = np.broadcast_to(_places(node, leaves, read, layers, shape), shape)
    impossible = impossible_pairs(leaves, [np.arange(size) for size in shape], shape)
    return np.where(impossible, IMPOSSIBLE, places)


def _quantity(leaf: IRNode, contents: Contents) -> Quantity:
    """Everything that is stored for a node."""
    stored = [contents[carrier] for carrier in (Carrier(leaf, raw=True), Carrier(leaf)) if carrier in contents]
    return Quantity(len(leaf.values), dict(stored))


def _inputs(node: IRNode, read: frozenset[IRNode], layers: Layers) -> tuple[IRNode, ...]:
    """What a node is a function of, one step down; nothing for a node that is taken as it is."""
    if node in read or not isinstance(node, Elementwise | Affine):
        return ()
    expansion = layers.expansion(node)
    return node.inputs if expansion.atoms == (node,) or _on_the_way(node, read) else expansion.atoms


def _on_the_way(node: IRNode, read: frozenset[IRNode]) -> bool:
    """Whether a function that is read stands between a node and what it is seen as a function of."""
    seen: set[IRNode] = set()
    waiting = list(node.inputs)
    while waiting:
        each = waiting.pop()
        if isinstance(each, Elementwise | Affine) and each not in seen:
            if each in read:
                return True
            seen.add(each)
            waiting += each.inputs
    return False


def _collect(node: IRNode, read: frozenset[IRNode], layers: Layers, leaves: list[IRNode]) -> None:
    inputs = _inputs(node, read, layers)
    for each in inputs:
        _collect(each, read, layers, leaves)
    is_function = isinstance(node, Elementwise | Affine) and node not in read
    if not is_function and node not in leaves:
        leaves.append(node)


def _places(
    node: IRNode, leaves: Sequence[IRNode], read: frozenset[IRNode], layers: Layers, shape: tuple[int, ...]
) -> Int[np.ndarray, "..."]:
    """The place of the node's value for every combination of the leaves' values."""
    if node in leaves:
        axis = leaves.index(node)
        return np.arange(shape[axis]).reshape([-1 if other == axis else 1 for other in range(len(shape))])
    inputs = [_places(each, leaves, read, layers, shape) for each in _inputs(node, read, layers)]
    expansion = layers.expansion(node)
    impossible = np.zeros(shape, bool)
    for each in inputs:
        impossible = impossible | (each == IMPOSSIBLE)
    if isinstance(node, Affine) and (expansion.atoms == (node,) or _on_the_way(node, read)):
        places = affine_places(node, [np.broadcast_to(each, shape) for each in inputs])
    elif isinstance(node, Elementwise) and _on_the_way(node, read):
        places = np.asarray(node.places[tuple(inputs)])
    else:
        classes = [own[each] for own, each in zip(expansion.classes, inputs, strict=True)]
        places = np.asarray(expansion.places[tuple(classes)])
    return np.where(impossible, IMPOSSIBLE, places)
