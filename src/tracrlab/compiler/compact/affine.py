"""Affine spans of feature columns: what a linear read, with a constant, can make of a few stored columns."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tracrlab.shapes import Float, Int

_SHARE = 1e-9  # of a column's largest entry: what solving and adding up in double precision may leave
_OF_GAP = 1 / 64  # of the distance between two entries that are told apart: what may be left where they are closer
_DENOMINATORS = (4, *range(3, 129))  # of weights: quarters first, which add up without rounding
_FEW = 16  # terms of a fractional read whose rounding is borne


def column_tolerance(columns: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, " feature"]:
    """How far what is read may be off each feature and still be the feature: far less than its values are apart."""
    if not columns.size:
        return np.zeros(columns.shape[1])
    gaps = np.diff(np.sort(columns, axis=0), axis=0)
    closest = np.where(gaps > 0, gaps, np.inf).min(axis=0, initial=np.inf)
    tolerance: np.ndarray = np.minimum(_SHARE * np.abs(columns).max(axis=0), _OF_GAP * closest)
    return tolerance


def stored_columns(features: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, "value column"]:
    """A basis of the features, and those that it gives only by fractional weights of many columns.

    Sums of whole multiples are exact; the rounding of others grows with their terms. Digits in two neighbouring bases,
    for one, tell each other's last one by fractions of all.
    """
    basis = affine_basis(features)
    columns = np.unique(features, axis=1)
    solved = affine_read(basis, columns)
    if basis.shape[1] <= _FEW or solved is None:
        return basis
    matrix = solved[0]
    noisy = ((matrix != 0).sum(axis=0) > _FEW) & (matrix * 4 != np.round(matrix * 4)).any(axis=0)
    return np.concatenate([basis, columns[:, noisy]], axis=1)


def affine_basis(features: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, "value column"]:
    """Some of the features (those with small entries first) such that all are affine combinations of them.

    Their number is the rank of the features modulo constants, the least possible.
    """
    columns = np.unique(features, axis=1) if features.shape[1] < 4096 else features
    sizes = np.abs(columns).max(axis=0, initial=0) + (columns != np.round(columns)).any(axis=0) * 1e6
    ordered = columns[:, np.argsort(sizes, kind="stable")]
    return ordered[:, _independent(ordered)]


def _independent(columns: Float[np.ndarray, "value column"]) -> list[int]:
    """The places of columns that are no affine combinations of those before them."""
    constant = np.full((len(columns), 1), 1 / np.sqrt(len(columns)))
    return _apart(columns, constant, len(columns) - 1)


def _apart(
    columns: Float[np.ndarray, "value column"], orthonormal: Float[np.ndarray, "value _"], most: int
) -> list[int]:
    """The places of columns, at most so many, that are no linear combinations of these and of those before them.

    What is left of a column is nothing or far more than rounding errors, so those do not decide.
    """
    chosen: list[int] = []
    for place, column in enumerate(columns.T):
        if len(chosen) == most:
            break
        rest = column - orthonormal @ (orthonormal.T @ column)
        rest -= orthonormal @ (orthonormal.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            chosen.append(place)
            orthonormal = np.concatenate([orthonormal, rest[:, None] / size], axis=1)
    return chosen


def affine_read(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]] | None:
    """The matrix and offset that make the features of the table's columns; ``None`` if there are none.

    A feature that is a column is read as it is, others of columns that do not follow from those before, and where each
    value has a column of its own that marks it, by weights that are the feature's numbers.
    """
    places = _columns_of(table, features)
    matrix, offset = np.zeros((table.shape[1], features.shape[1])), np.zeros(features.shape[1])
    direct, others = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    matrix[places[direct], direct] = 1
    if not len(others):
        return matrix, offset
    wanted = features[:, others]
    marks = _marks(table)
    if marks is not None:
        matrix[:, others] = wanted[marks]
        return matrix, offset
    used = _independent(table)
    extended = np.concatenate([table[:, used], np.ones((len(table), 1))], axis=1)
    solution = _simplest(extended, np.linalg.lstsq(extended, wanted, rcond=None)[0], wanted)
    if solution is None:
        return None
    matrix[np.ix_(np.array(used, int), others)], offset[others] = solution[:-1], solution[-1]
    return matrix, offset


def _marks(table: Float[np.ndarray, "value column"]) -> Int[np.ndarray, " column"] | None:
    """The value that each column marks, if there is one for each value, and for each of these a column."""
    if table.shape[0] != table.shape[1] or not (np.isin(table, (0, 1)).all() and (table.sum(axis=0) == 1).all()):
        return None
    marks = table.argmax(axis=0)
    return marks if len(np.unique(marks)) == len(marks) else None


def _simplest(
    table: Float[np.ndarray, "value column"],
    solution: Float[np.ndarray, "column feature"],
    wanted: Float[np.ndarray, "value feature"],
) -> Float[np.ndarray, "column feature"] | None:
    """The weights that a solution stands for, if there are any: the same whatever solver found it, to its last bits.

    They are fractions of small denominators nearly always; others are found by exact arithmetic.
    """
    tolerance = column_tolerance(wanted)
    found, waiting = solution.copy(), np.arange(solution.shape[1])
    for denominator in _DENOMINATORS:
        simple = np.round(solution[:, waiting] * denominator) / denominator
        good = np.abs(table @ simple - wanted[:, waiting]).max(axis=0, initial=0) <= tolerance[waiting]
        found[:, waiting[good]] = simple[:, good]
        waiting = waiting[~good]
        if not len(waiting):
            return found
    off = np.abs(table @ solution[:, waiting] - wanted[:, waiting]).max(axis=0, initial=0)
    if (off > tolerance[waiting]).any():
        return None
    found[:, waiting] = _exact(table, wanted[:, waiting])
    return found


def _exact(
    table: Float[np.ndarray, "value column"], wanted: Float[np.ndarray, "value feature"]
) -> Float[np.ndarray, "column feature"]:
    """The solution for as many values as there are columns, by elimination over fractions, rounded once."""
    rows = _apart(table.T, np.zeros((table.shape[1], 0)), table.shape[1])
    size = len(rows)
    system = [[*map(Fraction, table[row].tolist()), *map(Fraction, wanted[row].tolist())] for row in rows]
    for place in range(size):
        pivot = next(row for row in range(place, size) if system[row][place])
        system[place], system[pivot] = system[pivot], system[place]
        system[place] = [each / system[place][place] for each in system[place]]
        for row in range(size):
            factor = system[row][place]
            if row != place and factor:
                system[row] = [own - factor * other for own, other in zip(system[row], system[place], strict=True)]
    return np.array([[float(each) for each in row[size:]] for row in system]).reshape(size, wanted.shape[1])


def _columns_of(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> Int[np.ndarray, " feature"]:
    """Which column each feature is; -1 for those that are none."""
    known = {column.tobytes(): place for place, column in enumerate(np.ascontiguousarray(table.T + 0.0))}
    return np.array([known.get(each.tobytes(), -1) for each in np.ascontiguousarray(features.T + 0.0)], int)


def in_span(table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]) -> bool:
    """Whether the features are affine in the table's columns."""
    return affine_read(table, features) is not None
