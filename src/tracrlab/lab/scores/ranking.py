"""How well numbers rank what is true above what is not, with ties and rounding treated honestly.

A score of 1e-9 where others are 1 is rounding, and no finding: what is smaller than ``FLOOR`` of the largest counts as
0. Equal scores are no order: a pair of them counts half, and a cut through them takes its share of what is true.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.shapes import Bool, Float

FLOOR = 1e-5  # of the largest score; float32 sums of some hundred terms err by about 1e-6 of the largest


@dataclass(frozen=True)
class Ranking:
    """How scores rank what is true.

    Attributes: ``auroc`` the share of pairs of something true and something not that are in the right order; ``average
    precision`` the mean over what is true of the precision at its score; ``f1`` of as many of the highest as are true.
    ``nan`` where nothing or everything is true.
    """

    auroc: float
    average_precision: float
    f1: float


def ranking(scores: Float[np.ndarray, " item"], true: Bool[np.ndarray, " item"]) -> Ranking:
    """The ranking of items by the size of their scores."""
    if not true.any() or true.all():
        return Ranking(float("nan"), float("nan"), float("nan"))
    values, groups = np.unique(floored(scores), return_inverse=True)
    hits = np.bincount(groups, weights=true, minlength=len(values))[::-1]  # of each distinct score, the highest first
    sizes = np.bincount(groups, minlength=len(values))[::-1]
    return Ranking(_auroc(hits, sizes), _average_precision(hits, sizes), _f1(hits, sizes))


def floored(scores: Float[np.ndarray, " item"]) -> Float[np.ndarray, " item"]:
    """The sizes of scores, with 0 for rounding; what lies within rounding of each other is made equal."""
    sizes: np.ndarray = np.abs(scores.astype(float))
    largest = float(sizes.max(initial=0.0))
    if largest == 0:
        return sizes
    rounded: np.ndarray = np.round(sizes / (FLOOR * largest)) * (sizes > FLOOR * largest)
    return rounded


def _auroc(hits: Float[np.ndarray, " level"], sizes: Float[np.ndarray, " level"]) -> float:
    misses = sizes - hits
    above = np.cumsum(hits) - hits
    return float(((above + hits / 2) * misses).sum() / (hits.sum() * misses.sum()))


def _average_precision(hits: Float[np.ndarray, " level"], sizes: Float[np.ndarray, " level"]) -> float:
    return float((np.cumsum(hits) / np.cumsum(sizes) * hits).sum() / hits.sum())


def _f1(hits: Float[np.ndarray, " level"], sizes: Float[np.ndarray, " level"]) -> float:
    """With as many chosen as are true, precision, recall and F1 are one number."""
    wanted = hits.sum()
    room = np.clip(wanted - (np.cumsum(sizes) - sizes), 0, sizes)  # how many of each level are chosen
    return float((hits * room / sizes).sum() / wanted)
