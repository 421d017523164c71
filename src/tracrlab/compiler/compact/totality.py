"""How many positions patterns select: at most, and whether they are sure to select some.

A count of few positions has few values and small errors. And where something is sure to be selected, no score of BOS
has to be measured against a match.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracrlab.compiler.compact.expand import is_length, is_positions, node_numbers
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Elementwise, IRNode, Match, Pattern, Source
from tracrlab.shapes import Int


def most_selected(matches: Sequence[Match], longest: int) -> int:
    """How many of up to ``longest`` positions satisfy all the matches at most, as far as the positions alone say."""
    bounds = [longest]
    for match in matches:
        places = _of_positions(match.keys, longest)
        if places is not None:
            per_value = np.bincount(places, minlength=match.matrix.shape[1])
            bounds.append(int((match.matrix @ per_value).max(initial=0)))
    return min(bounds)


def _of_positions(node: IRNode, longest: int) -> Int[np.ndarray, " position"] | None:
    """The place of a node's value for each position, if it is a function of that alone."""
    if isinstance(node, Source):
        if node.by_token:
            return None
        return np.arange(longest) if node.digits is None else node.digits
    if isinstance(node, Elementwise) and len(node.operands) == 1:
        inner = _of_positions(node.operands[0], longest)
        places = None if inner is None else node.places[inner]
        return places if places is not None and (places >= 0).all() else None
    return None


def always_selects(pattern: Pattern, layers: Layers, *, causal: bool) -> bool:
    """Whether every position is sure to select some position.

    It is where the keys are the positions, and every query, seen as a function of the position i and the length n,
    selects a position below n, which exists. Where the query does not know the length it must select one of 0 to i.
    """
    if pattern.never_empty or len(pattern.matches) != 1:
        return pattern.never_empty
    (match,) = pattern.matches
    if not is_positions(match.keys):
        return False
    expansion = layers.expansion(match.queries)
    n_keys = match.matrix.shape[1]
    first = np.where(match.matrix.any(axis=1), match.matrix.argmax(axis=1), n_keys)
    shape = expansion.places.shape
    exist = np.ones(shape)  # how many positions are sure to be there to attend to
    for axis, (atom, classes) in enumerate(zip(expansion.atoms, expansion.classes, strict=True)):
        if is_positions(atom) or (is_length(atom) and not causal):
            least = np.full(shape[axis], np.inf)
            np.minimum.at(least, classes, node_numbers(atom) + is_positions(atom))
            exist = np.maximum(exist, least.reshape([-1 if other == axis else 1 for other in range(len(shape))]))
    possible = expansion.places != IMPOSSIBLE
    return bool((first[expansion.places] < exist)[possible].all())
