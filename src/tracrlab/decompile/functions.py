"""Which variables determine another: decided on all combinations that occur."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb, prod

import numpy as np

from tracrlab.shapes import Float, Int

_LARGEST = 2**40  # joint codes beyond this are renumbered
_MOST_SUBSETS = 400  # subsets tried by size; with more candidates one is removed after the other
_ROUNDING = 1e-8  # what an attention pattern leaves of scores that are too low, and double precision of sums
_DIRECTIONS = 3  # random projections: two vectors that differ agree in all of them with probability zero


def joint_codes(columns: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[Int[np.ndarray, " row"], int]:
    """One code for each row of several columns of codes, and how many codes there can be at most."""
    joint, top = np.zeros(columns[0].shape, np.int64), 1
    for column, size in zip(columns, sizes, strict=True):
        if top * size > _LARGEST:
            distinct, joint = np.unique(joint, return_inverse=True)
            top = len(distinct)
        joint, top = joint * size + column, top * size
    return joint, top


def first_rows(joint: Int[np.ndarray, " row"], top: int) -> tuple[Int[np.ndarray, " code"], Int[np.ndarray, " row"]]:
    """A row of each code that occurs, codes ascending, and the number of its code for each row."""
    if top <= max(8 * len(joint), 2**16):
        row_of = np.full(top, -1)
        row_of[joint] = np.arange(len(joint))
        is_there = row_of >= 0
        return row_of[is_there], (np.cumsum(is_there) - 1)[joint]
    _, rows, places = np.unique(joint, return_index=True, return_inverse=True)
    return rows, places


def is_function(columns: Sequence[np.ndarray], sizes: Sequence[int], results: Int[np.ndarray, " row"]) -> bool:
    """Whether rows that agree in all columns have one result."""
    if not columns:
        return not len(results) or bool((results == results[0]).all())
    rows, places = first_rows(*joint_codes(columns, sizes))
    return bool((results[rows][places] == results).all())


def smallest_set(
    columns: Sequence[np.ndarray], sizes: Sequence[int], results: Int[np.ndarray, " row"]
) -> tuple[int, ...] | None:
    """The places of fewest columns that determine the results, those of few classes first; ``None`` if all do not."""
    if not is_function(columns, sizes, results):
        return None
    if columns:  # work on one row of each combination
        rows, _ = first_rows(*joint_codes(columns, sizes))
        columns, results = [column[rows] for column in columns], results[rows]
    number = range(len(columns))
    tried = 0
    for size in range(len(columns)):
        tried += comb(len(columns), size)
        if tried > _MOST_SUBSETS:
            break
        for subset in sorted(combinations(number, size), key=lambda each: prod(sizes[place] for place in each)):
            if is_function([columns[place] for place in subset], [sizes[place] for place in subset], results):
                return subset
    kept = list(number)
    for place in sorted(number, key=lambda each: -sizes[each]):
        fewer = [each for each in kept if each != place]
        if is_function([columns[each] for each in fewer], [sizes[each] for each in fewer], results):
            kept = fewer
    return tuple(kept)


def distinct_vectors(
    vectors: Float[np.ndarray, "row dimension"], tolerance: float, scale: float
) -> tuple[Int[np.ndarray, " row"], Float[np.ndarray, "vector dimension"]]:
    """Which vectors are the same, and the distinct ones.

    Seen along random directions, vectors are apart where there is a gap of more than ``tolerance`` times how far they
    spread. If that is rounding beside ``scale``, the size of what they are computed from, all are the same.
    """
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((vectors.shape[1], _DIRECTIONS)) / np.sqrt(max(vectors.shape[1], 1))
    seen = vectors @ directions
    columns, sizes = [], []
    for values in seen.T:
        ascending = np.unique(values)
        spread = ascending[-1] - ascending[0] if len(ascending) else 0.0
        apart = np.diff(ascending) > (tolerance * spread if spread > _ROUNDING * scale else np.inf)
        number = np.concatenate([[0], np.cumsum(apart)]) if len(ascending) else np.zeros(0, int)
        columns.append(number[np.searchsorted(ascending, values)])
        sizes.append(int(number[-1]) + 1 if len(number) else 1)
    rows, places = first_rows(*joint_codes(columns, sizes))
    return places, vectors[rows]
