"""Elementwise functions seen through: each becomes a table over the nodes that attention or the embedding gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tracrlab.compiler.ir.nodes import IMPOSSIBLE, SAME, Affine, Elementwise, IRNode, Source, Total
from tracrlab.shapes import Float, Int

MAX_EXPANDED = 2**20


@dataclass(frozen=True, eq=False)
class Expansion:
    """A node as a function of ``atoms``.

    ``places`` has an axis for each atom and holds places of the node's values; along an axis stand classes of the
    atom's values, which ``classes`` gives, that make no difference.
    """

    atoms: tuple[IRNode, ...]
    classes: tuple[Int[np.ndarray, " _"], ...]
    places: Int[np.ndarray, "..."]


def expansion_of_itself(node: IRNode) -> Expansion:
    """A node as a function of nothing but itself."""
    return Expansion((node,), (np.arange(len(node.values)),), np.arange(len(node.values)))


def composed(node: Elementwise | Affine, inner: Sequence[Expansion], *, lengths: bool) -> Expansion | None:
    """The function of all the inner atoms that a node is of what it reads; ``None`` if it is too large.

    ``lengths``: positions beyond the length are impossible.
    """
    atoms = tuple({atom: None for expansion in inner for atom in expansion.atoms})
    classes, finer = _joined_classes(atoms, inner)
    shape = tuple(len(rows) for rows in finer)
    if prod(shape) > MAX_EXPANDED:
        return None
    arguments = []
    for number, expansion in enumerate(inner):
        # the inner table at the inner class of each joint class, with an axis for each atom of the whole
        index = [finer[atoms.index(atom)][:, _column(atom, inner, number)] for atom in expansion.atoms]
        places = expansion.places[np.ix_(*index)] if index else expansion.places
        axes = [atoms.index(atom) for atom in expansion.atoms]
        places = np.transpose(places, np.argsort(axes))
        argument = places.reshape([shape[axis] if axis in axes else 1 for axis in range(len(atoms))])
        arguments.append(np.broadcast_to(argument, shape))
    impossible = impossible_pairs(atoms, classes, shape) if lengths else np.zeros(shape, bool)
    for argument in arguments:
        impossible |= argument == IMPOSSIBLE
    if isinstance(node, Elementwise):
        results = np.asarray(node.places[tuple(arguments)])
    else:
        results = affine_places(node, arguments)
    return reduced(Expansion(atoms, classes, np.where(impossible, IMPOSSIBLE, results)))


def _joined_classes(
    atoms: Sequence[IRNode], inner: Sequence[Expansion]
) -> tuple[tuple[Int[np.ndarray, " _"], ...], list[Int[np.ndarray, "_ _"]]]:
    """For each atom, classes that every reader's classes follow from, and the readers' classes of each."""
    classes, finer = [], []
    for atom in atoms:
        readers = [expansion.classes[expansion.atoms.index(atom)] for expansion in inner if atom in expansion.atoms]
        rows, which = np.unique(np.stack(readers, axis=1), axis=0, return_inverse=True)
        classes.append(which.reshape(-1))
        finer.append(rows)
    return tuple(classes), finer


def _column(atom: IRNode, inner: Sequence[Expansion], number: int) -> int:
    """Which of an atom's readers the inner expansion of this number is."""
    return sum(atom in expansion.atoms for expansion in inner[:number])


def impossible_pairs(
    atoms: Sequence[IRNode], classes: Sequence[Int[np.ndarray, " _"]], shape: tuple[int, ...]
) -> np.ndarray:
    """Positions from the length on do not exist, where both are told apart value by value."""
    impossible = np.zeros(shape, bool)
    for axis, atom in enumerate(atoms):
        for other, position in enumerate(atoms):
            whole = shape[axis] == len(atom.values) and shape[other] == len(position.values)
            if is_length(atom) and is_positions(position) and whole:
                lengths = np.zeros(shape[axis])
                lengths[classes[axis]] = node_numbers(atom)
                places = np.zeros(shape[other])
                places[classes[other]] = node_numbers(position)
                ahead = [1] * len(shape)
                ahead[axis] = -1
                beside = [1] * len(shape)
                beside[other] = -1
                impossible |= places.reshape(beside) >= lengths.reshape(ahead)
    return impossible


def is_length(node: IRNode) -> bool:
    """Whether a node counts all positions."""
    return isinstance(node, Total) and node.source is None and not node.pattern.matches


def is_positions(node: IRNode) -> bool:
    """Whether a node is the positions."""
    return isinstance(node, Source) and not node.by_token and node.digits is None


def reduced(expansion: Expansion) -> Expansion:
    """Classes with equal slices joined, and atoms that make no difference left out."""
    places, classes = expansion.places, list(expansion.classes)
    for axis in range(places.ndim):
        slices = np.ascontiguousarray(np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1))
        first, which = _rows(slices)
        if len(first) < len(slices):
            places = np.take(places, first, axis=axis)
            classes[axis] = which[classes[axis]]
    kept = [axis for axis in range(places.ndim) if places.shape[axis] > 1]
    return Expansion(
        tuple(expansion.atoms[axis] for axis in kept),
        tuple(classes[axis] for axis in kept),
        places.reshape([places.shape[axis] for axis in kept]),
    )


def _rows(rows: Int[np.ndarray, "row column"]) -> tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """The first of each kind of row, and which kind each is."""
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    order = np.argsort(first)  # classes in the order of their first values
    rank = np.argsort(order)
    return first[order], rank[which.reshape(-1)]


def affine_places(node: Affine, arguments: list[Int[np.ndarray, "..."]]) -> Int[np.ndarray, "..."]:
    """The places of a sum for places of what it sums."""
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
    off = np.abs(ascending[places] - total) > SAME * np.maximum(1.0, np.abs(total))
    return np.where(off, IMPOSSIBLE, order[places])


def node_numbers(node: IRNode) -> Float[np.ndarray, " value"]:
    """The values of a node that is known to hold numbers."""
    assert node.numbers is not None
    return node.numbers


def filled(places: Int[np.ndarray, " number"]) -> Int[np.ndarray, " number"]:
    """Numbers that cannot occur get the result of the one before, so that there is no step."""
    known = np.flatnonzero(places != IMPOSSIBLE)
    if not len(known):
        return np.zeros_like(places)
    latest = np.searchsorted(known, np.arange(len(places)), side="right") - 1
    filled: np.ndarray = places[known[np.maximum(latest, 0)]]
    return filled
