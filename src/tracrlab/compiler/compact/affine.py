"""Affine spans of feature columns: what a linear read, with a constant, can make of a few stored columns."""

from __future__ import annotations

import numpy as np

from tracrlab.shapes import Float, Int

_SHARE = 1e-9  # of a column's largest entry: what solving and adding up in double precision may leave
_OF_GAP = 1 / 64  # of the distance between two entries that are told apart: what may be left where they are closer
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
    chosen: list[int] = []
    orthonormal = np.full((len(columns), 1), 1 / np.sqrt(len(columns)))
    limit = len(columns) - 1
    # the size of a column is of no matter here, and squares of large numbers would overflow
    scale = np.ldexp(1.0, -np.frexp(np.abs(columns).max(axis=0, initial=0))[1])
    for place, column in enumerate((columns * scale).T):
        if len(chosen) == limit:
            break
        rest = column - orthonormal @ (orthonormal.T @ column)
        rest -= orthonormal @ (orthonormal.T @ rest)
        size, centred = float(np.linalg.norm(rest)), float(np.linalg.norm(column - column.mean()))
        # what is left of a column that depends on the others is rounding, of its variation and of its mean
        if size > max(1e-7 * centred, 1e-13 * float(np.linalg.norm(column))):
            chosen.append(place)
            orthonormal = np.concatenate([orthonormal, rest[:, None] / size], axis=1)
    return chosen


def affine_read(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]] | None:
    """The matrix and offset that make the features of the table's columns; ``None`` if there are none.

    A feature that is a column is read as it is, others of columns that do not follow from those before, if a few serve
    for many values, and of all columns by small weights, if there is one for each value.
    """
    places = _columns_of(table, features)
    matrix, offset = np.zeros((table.shape[1], features.shape[1])), np.zeros(features.shape[1])
    direct, others = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    matrix[places[direct], direct] = 1
    if not len(others):
        return matrix, offset
    extended, wanted = np.concatenate([table, np.ones((len(table), 1))], axis=1), features[:, others]
    solution, _, rank, _ = np.linalg.lstsq(extended, wanted, rcond=None)
    if rank < extended.shape[1] and table.shape[1] < len(table):
        used = [*_independent(table), table.shape[1]]
        solution = np.zeros((extended.shape[1], len(others)))
        solution[used] = np.linalg.lstsq(extended[:, used], wanted, rcond=None)[0]
    rounded = np.round(solution * 4) / 4
    tolerance = column_tolerance(wanted)
    off, rounded_off = (np.abs(extended @ each - wanted).max(axis=0, initial=0) for each in (solution, rounded))
    whole = rounded_off <= tolerance
    if (np.minimum(off, rounded_off) > tolerance).any():
        return None
    solution = np.where(whole, rounded, solution)
    matrix[:, others], offset[others] = solution[:-1], solution[-1]
    return matrix, offset


def _columns_of(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> Int[np.ndarray, " feature"]:
    """Which column each feature is; -1 for those that are none."""
    known = {column.tobytes(): place for place, column in enumerate(np.ascontiguousarray(table.T + 0.0))}
    return np.array([known.get(each.tobytes(), -1) for each in np.ascontiguousarray(features.T + 0.0)], int)


def in_span(table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]) -> bool:
    """Whether the features are affine in the table's columns."""
    return affine_read(table, features) is not None
