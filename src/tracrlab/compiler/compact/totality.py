"""Whether patterns are sure to select some position: then no score of BOS has to be measured against a match."""

from __future__ import annotations

import numpy as np

from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.ir.expand import is_length, is_positions, node_numbers
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Pattern


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
