"""Rows summed up: means over programs with their intervals, and ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.lab.scores.intervals import Interval, bootstrap, mean_ranks
from tracrlab.lab.scoring import Row

MEASURES: dict[str, tuple[str, ...]] = {
    "edges": ("auroc", "average_precision", "f1", "cpr", "cmd"),
    "decodes": ("average_precision", "precision", "recall", "held_precision"),
    "directions": ("mmcs", "recovered", "random", "permuted"),
    "subspace": ("cause", "isolation"),
}
"""What is measured of each kind of method; the first decides the order."""

TITLES = {"auroc": "AUROC", "average_precision": "AP", "f1": "F1", "cpr": "CPR", "cmd": "CMD", "mmcs": "MMCS"}


@dataclass(frozen=True)
class Line:
    """A method's scores over the cases that it has a row of."""

    method: str
    role: str
    n_cases: int
    measures: dict[str, Interval]
    rank: float | None
    seconds: float
    variance: float | None


def lines(rows: Iterable[Row], kind: str) -> list[Line]:
    """A line for each method of a kind, the best first. ``rank`` is the mean over cases that all competitors have.

    ``variance`` is the standard deviation of the first measure over seeds, mean over cases, where there are several.
    """
    chosen = [row for row in rows if row.kind == kind and row.error is None]
    first, ranks = MEASURES[kind][0], ranked(chosen, MEASURES[kind][0])
    found = []
    for method in dict.fromkeys(row.method for row in chosen):
        own = [row for row in chosen if row.method == method]
        measures = {
            name: bootstrap((row.program, row.values.get(name, math.nan)) for row in own) for name in MEASURES[kind]
        }
        seconds = float(np.median([row.seconds for row in own]))
        found.append(
            Line(
                method,
                own[0].role,
                len({row.case for row in own}),
                measures,
                ranks.get(method),
                seconds,
                _over_seeds(own, first),
            )
        )
    return sorted(found, key=lambda line: (line.role != "oracle", -_or_least(line.measures[first].mean)))


def ranked(rows: Sequence[Row], measure: str) -> dict[str, float]:
    """The mean rank of each method that competes, over the cases that all of them have."""
    competing = [row for row in rows if row.role == "method" and not math.isnan(row.values.get(measure, math.nan))]
    methods = list(dict.fromkeys(row.method for row in competing))
    by_case: dict[tuple[str, int], dict[str, float]] = {}
    for row in competing:
        by_case.setdefault((row.case, row.seed), {})[row.method] = row.values[measure]
    table = [[own[method] for method in methods] for own in by_case.values() if len(own) == len(methods)]
    return dict(zip(methods, mean_ranks(table), strict=True)) if table else {}


def means(rows: Iterable[Row], kind: str, key: Callable[[Row], str]) -> tuple[list[str], dict[str, list[float]]]:
    """The mean of the first measure by method and by what ``key`` says of a row: columns, and a row for each method."""
    chosen = [row for row in rows if row.kind == kind and row.error is None]
    columns = sorted({key(row) for row in chosen})
    table = {}
    for line in lines(chosen, kind):
        own = [row for row in chosen if row.method == line.method]
        table[line.method] = [
            bootstrap((row.program, row.values[MEASURES[kind][0]]) for row in own if key(row) == column).mean
            for column in columns
        ]
    return columns, table


def _over_seeds(rows: Sequence[Row], measure: str) -> float | None:
    by_case: dict[str, list[float]] = {}
    for row in rows:
        by_case.setdefault(row.case, []).append(row.values[measure])
    several = [float(np.std(own, ddof=1)) for own in by_case.values() if len(own) > 1]
    return float(np.nanmean(several)) if several else None


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value
