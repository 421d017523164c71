"""Combinations of the values of quantities, and views of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from tracrlab.craft.claims import IMPOSSIBLE, View
from tracrlab.shapes import Int
from tracrlab.verify.residual import Unproven

MAX_COMBINATIONS = 2**22


def combinations(sizes: Sequence[int]) -> Int[np.ndarray, "combination quantity"]:
    """All combinations of values of quantities of these sizes, the last varying fastest.

    Raises:
        Unproven: there are more than ``MAX_COMBINATIONS``.
    """
    count = prod(sizes)
    if count > MAX_COMBINATIONS:
        raise Unproven(f"it depends on {count:,} combinations of values, more than {MAX_COMBINATIONS:,}")
    return np.stack(np.unravel_index(np.arange(count), tuple(sizes)), axis=1) if sizes else np.zeros((1, 0), int)


def seen(
    view: View, places: Sequence[int], combined: Int[np.ndarray, "combination quantity"]
) -> Int[np.ndarray, " combination"]:
    """What a view gives for each combination; ``places`` says which column each of its claim's quantities is in."""
    if not view.quantities:
        return np.full(len(combined), int(view.places))
    found: np.ndarray = view.places[tuple(combined[:, places[number]] for number in view.quantities)]
    return found


def possible(columns: Sequence[Int[np.ndarray, " combination"]], count: int) -> np.ndarray:
    """Which combinations can occur, if these views of them must be possible."""
    can_be = np.ones(count, bool)
    for column in columns:
        can_be &= column != IMPOSSIBLE
    return can_be
