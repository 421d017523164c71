"""How many positions a conjunction selects at most, and what their numbers add up to.

A count of few positions has few values and small errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np

from tracrlab.compiler.ir.nodes import Elementwise, IRNode, Match, Source
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


def possible_sums(numbers: Sequence[int], most: int) -> range:
    """A range that holds all sums of up to ``most`` of the numbers: multiples of what divides them all."""
    unit = gcd(*numbers) or 1
    return range(most * min(0, *numbers), most * max(0, *numbers) + 1, unit)
