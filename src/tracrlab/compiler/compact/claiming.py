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
    leaves = _all_leaves(nodes, derived, read, layers)
    if not read.issubset([*derived, *leaves]):  # a sum is read, and so is what it is a sum of
        derived = [node for node in read if node in derived or _depends_on_read(node, read, layers)]
        leaves = _all_leaves(nodes, derived, read, layers)
    basic = read.difference(derived)
    if derived:
        return _joint_views(nodes, derived, leaves, basic, layers, contents)
    views = []
    for node in nodes:
        own = _leaves(node, basic, layers)
        views.append(View(tuple(leaves.index(leaf) for leaf in own), _all_places(node, own, basic, layers)))
    return Views(tuple(_quantity(leaf, contents) for leaf in leaves), tuple(views))


def _all_leaves(
    nodes: Sequence[IRNode], derived: Sequence[IRNode], read: frozenset[IRNode], layers: Layers
) -> list[IRNode]:
    """What nodes and functions that are read depend on, where these functions are seen through."""
    leaves: list[IRNode] = []
    for node in (*nodes, *derived):
        _collect(node, read.difference(derived), layers, leaves)
    return leaves


def _atoms(node: IRNode, layers: Layers) -> set[IRNode]:
    """What a function is seen as a function of; nothing for anything else."""
    atoms = layers.expansion(node).atoms if isinstance(node, Elementwise | Affine) else ()
    return {atom for atom in atoms if atom is not node}


def _depends_on_read(node: IRNode, read: frozenset[IRNode], layers: Layers) -> bool:
    """Whether a node is seen as a function of something else that is read beside it."""
    others = read - {node}
    return not others.isdisjoint(_leaves(node, others, layers))


def _joint_views(
    nodes: Sequence[IRNode],
    derived: Sequence[IRNode],
    leaves: Sequence[IRNode],
    basic: frozenset[IRNode],
    layers: Layers,
    contents: Contents,
) -> Views:
    """The views as functions of a quantity for each group of leaves that functions tie together, and of the others.

    Values of such a quantity that neither what is read nor the views tell apart are one value.
    """
    own = {node: _leaves(node, basic, layers) for node in (*derived, *nodes)}
    groups = _tied([own[node] for node in derived], [own[node] for node in nodes])
    joints, views = [], dict[IRNode, View]()
    for number, group in enumerate(groups):
        together = [leaf for leaf in leaves if leaf in group]
        inside = [node for node in derived if group.issuperset(own[node])]
        held: list[tuple[str, Float[np.ndarray, "_ _"], Int[np.ndarray, " value"]]] = []
        for node in (each for each in (*together, *inside) if each in basic or each in inside):
            places = _all_places(node, together, basic, layers).reshape(-1)
            held += [(name, table, places) for name, table in _quantity(node, contents).contents.items()]
        seen = {
            node: _all_places(node, together, basic, layers).reshape(-1)
            for node in nodes
            if not group.isdisjoint(own[node])
        }
        kept = _distinct([*(_alike(table)[places] for _, table, places in held), *seen.values()])
        joints.append(Quantity(len(kept), {name: table[places[kept]] for name, table, places in held}))
        views |= {node: View((number,), places[kept]) for node, places in seen.items()}
    apart = [leaf for leaf in leaves if not any(leaf in group for group in groups)]
    for node in nodes:
        if node not in views:
            of = tuple(apart.index(leaf) + len(groups) for leaf in own[node])
            views[node] = View(of, _all_places(node, own[node], basic, layers))
    return Views((*joints, *(_quantity(leaf, contents) for leaf in apart)), tuple(views[node] for node in nodes))


def _tied(derived: Sequence[Sequence[IRNode]], others: Sequence[Sequence[IRNode]]) -> list[set[IRNode]]:
    """Leaves that vary together: those of a derived function, and of all that depends on some of them."""
    groups: list[set[IRNode]] = []
    waiting = [set(each) for each in derived]
    while waiting:
        joined = waiting.pop()
        meeting = [group for group in groups if not group.isdisjoint(joined)]
        groups = [*(group for group in groups if group.isdisjoint(joined)), joined.union(*meeting)]
        if not waiting:
            waiting = [
                set(each)
                for each in others
                if any(not group.isdisjoint(each) and not group.issuperset(each) for group in groups)
            ]
    return groups


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
