"""What was shown of a variable that a component writes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.grounds import errors_beside
from tracrlab.shapes import Float
from tracrlab.verify.residual import Deviation, table_deviation

_LARGEST = 1e100  # an error beyond it says nothing, and could overflow what is computed with it


@dataclass(frozen=True, eq=False)
class WrittenVariable:
    """How far a variable's contents can be off, at BOS too, and in how many cases that was found."""

    deviation: Deviation
    bos_error: Float[np.ndarray, " width"]
    n_combinations: int

    def beside(
        self,
        ground: Float[np.ndarray, " width"],
        rows: Float[np.ndarray, "row width"],
        at_bos: Float[np.ndarray, " width"],
        number_format: NumberFormat,
    ) -> WrittenVariable:
        """The same of what is stored, where it is added to a ground.

        ``rows`` are all that should be written, ``at_bos`` what should be at BOS.
        """
        errors = errors_beside(rows, self.deviation.at(rows), ground, number_format)
        bos_error = errors_beside(at_bos[None], self.bos_error[None], ground, number_format)[0]
        return replace(self, deviation=table_deviation(rows + ground, errors), bos_error=bos_error)

    @property
    def without_balance(self) -> WrittenVariable:
        """The same without the last dimension, the balance."""
        whole = self.deviation
        rows, errors = (None if part is None else part[:, :-1] for part in (whole.rows, whole.errors))
        deviation = Deviation(whole.base[:-1], whole.relative[:-1], rows, errors)
        return replace(self, deviation=deviation, bos_error=self.bos_error[:-1])

    def imbalance(self, rows: Float[np.ndarray, "row width"]) -> float:
        """How far the sum over all dimensions can be from what it should be, if these are all ideal contents."""
        return float(max(self.deviation.at(rows).sum(axis=1).max(initial=0), self.bos_error.sum()))

    @property
    def is_bounded(self) -> bool:
        """Whether the errors have any bound worth the name."""
        bounds = (self.deviation.base, self.deviation.relative, self.bos_error)
        return all(bool((bound < _LARGEST).all()) for bound in bounds)


def tightest(deviation: Deviation, rows: Float[np.ndarray, "row width"]) -> tuple[float, float]:
    """The error, and half the distance to the nearest other row, of the row that is confused with another first.

    Without other rows the distance is infinite.
    """
    distinct = np.unique(rows, axis=0)
    if not distinct.size:
        return 0.0, np.inf
    errors = deviation.at(distinct).max(axis=1)
    if len(distinct) < 2:
        return float(errors[0]), np.inf
    distances = _nearest_distances(distinct) / 2
    worst = int((errors / distances).argmax())
    return float(errors[worst]), float(distances[worst])


def _nearest_distances(rows: Float[np.ndarray, "row width"]) -> Float[np.ndarray, " row"]:
    """For each of several different rows, ascending, how far the nearest other one is in some dimension."""
    if rows.shape[1] == 1:
        gaps = np.diff(rows[:, 0], prepend=-np.inf, append=np.inf)
        return np.minimum(gaps[:-1], gaps[1:])
    largest = float(rows.max())
    if largest > 0 and np.isin(rows, (0, largest)).all():  # marks, all of them of one size
        return np.full(len(rows), largest)
    column = int(np.ptp(rows, axis=0).argmax())
    ascending = np.argsort(rows[:, column], kind="stable")
    ordered, distances = rows[ascending], np.full(len(rows), np.inf)
    for step in range(1, len(rows)):
        gaps = ordered[step:, column] - ordered[:-step, column]
        if not (gaps < np.maximum(distances[step:], distances[:-step])).any():
            break  # rows that are farther apart in the order differ by more
        apart = np.abs(ordered[step:] - ordered[:-step]).max(axis=1)
        distances[:-step] = np.minimum(distances[:-step], apart)
        distances[step:] = np.minimum(distances[step:], apart)
    result = np.empty_like(distances)
    result[ascending] = distances
    return result
