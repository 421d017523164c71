"""Examples of terms that add up to given numbers.

Neurons that read a sum of several variables see nothing but the sum, yet how it is rounded depends on the terms. So
rounding is measured on terms that the variables can hold, drawn at random, not on the sum as one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.shapes import Bool, Float, Int

_TRIES = 16
_SAME = 1e-9  # sums that differ by less than this share of their size are the same


@dataclass(frozen=True, eq=False)
class Term:
    """What a variable can add to a sum: ``table`` what it can hold, ``factors`` of its dimensions."""

    table: Float[np.ndarray, "value width"]
    factors: Float[np.ndarray, " width"]


def example_terms(
    terms: Sequence[Term], numbers: Float[np.ndarray, " number"]
) -> list[Int[np.ndarray, " number"]] | None:
    """For each term the place in its table that it takes in an example of each number.

    Terms are chosen one after another, each at random among those that leave between the least and the most that the
    others can add up to. Returns ``None`` if for some number no example is found.
    """
    rng = np.random.default_rng(0)
    added = [term.table @ term.factors for term in terms]
    places = [np.zeros(len(numbers), int) for _ in terms]
    missing = np.arange(len(numbers))
    for _ in range(_TRIES):
        tried, found = _one_try(added, numbers[missing], rng)
        for place, own in zip(places, tried, strict=True):
            place[missing[found]] = own[found]
        missing = missing[~found]
        if not len(missing):
            return places
    return None


def _one_try(
    added: Sequence[Float[np.ndarray, " _"]], numbers: Float[np.ndarray, " number"], rng: np.random.Generator
) -> tuple[list[Int[np.ndarray, " number"]], Bool[np.ndarray, " number"]]:
    rest, places = numbers.astype(float), []
    found = np.ones(len(numbers), bool)
    slack = _SAME * np.maximum(1.0, np.abs(numbers))
    for number, own in enumerate(added):
        least, most = (rest - sum(bound(each) for each in added[number + 1 :]) for bound in (np.max, np.min))
        order = np.argsort(own, kind="stable")
        first = np.searchsorted(own[order], least - slack)
        after = np.searchsorted(own[order], most + slack, side="right")
        found &= first < after
        chosen = np.minimum(rng.integers(first, np.maximum(after, first + 1)), len(own) - 1)
        places.append(order[chosen])
        rest = rest - own[order[chosen]]
    return places, found & (np.abs(rest) <= slack)
