"""How many positions a conjunction selects at most, and what their numbers add up to.

A count of few positions has few values and small errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracrlab.compiler.ir.nodes import Elementwise, IRNode, Match, Source
from tracrlab.shapes import Int

MOST_SUMS = 2**16  # a table gives what is made of each
_EXACT = 2**53  # whole numbers up to this are their own floats


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


def possible_sums(numbers: Sequence[int], most: int) -> tuple[int, ...] | None:
    """All sums of up to ``most`` of the numbers, repetition allowed, ascending.

    The work is in how many sums there are, not in how large they are; ``None`` if there are more than ``MOST_SUMS``, or
    some that floats do not hold.
    """
    if most * max(map(abs, numbers), default=0) >= _EXACT:
        return None
    sums, latest = {0}, {0}
    for _ in range(most):
        latest = {total + number for total in latest for number in numbers} - sums
        sums |= latest
        if len(sums) > MOST_SUMS:
            return None
        if not latest:
            break
    return tuple(sorted(sums))
