"""Intervals by bootstrap over programs: models of one program are no independent evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

N_RESAMPLES = 2000  # the ends of a 95 % interval then vary by about 2 % of its width


@dataclass(frozen=True)
class Interval:
    """A mean over programs and the 95 % interval around it; ``n`` programs."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: Iterable[tuple[str, float]], *, seed: int = 0) -> Interval:
    """The mean of values, each of a program, where first those of one program are averaged; ``nan`` ones are left out.

    Of a difference of two methods, give their differences on each case: then the interval is that of pairs.
    """
    by_program: dict[str, list[float]] = {}
    for program, value in values:
        if not math.isnan(value):
            by_program.setdefault(program, []).append(value)
    means = np.array([np.mean(own) for _, own in sorted(by_program.items())])
    if not len(means):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    chosen = np.random.default_rng(seed).integers(len(means), size=(N_RESAMPLES, len(means)))
    low, high = np.quantile(means[chosen].mean(axis=1), [0.025, 0.975])
    return Interval(float(means.mean()), float(low), float(high), len(means))


def mean_ranks(table: Sequence[Sequence[float]]) -> list[float]:
    """The mean rank of each method, 1 the best, by a table [case, method] of values; ties share their ranks."""
    values = np.array(table, float)
    above = (values[:, None, :] > values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks: list[float] = (above + (equal + 1) / 2).mean(axis=0).tolist()
    return ranks
