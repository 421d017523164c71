"""Affine spans of feature columns: what a linear read, with a constant, can make of a few stored columns."""

from __future__ import annotations

import numpy as np

from tracrlab.shapes import Float

_TOLERANCE = 1e-9


def affine_basis(features: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, "value column"]:
    """Some of the features (those with small entries first) such that all are affine combinations of them.

    Their number is the rank of the features modulo constants, the least possible.
    """
    columns = np.unique(features, axis=1) if features.shape[1] < 4096 else features
    sizes = np.abs(columns).max(axis=0, initial=0) + (columns != np.round(columns)).any(axis=0) * 1e6
    chosen: list[int] = []
    orthonormal = np.full((len(features), 1), 1 / np.sqrt(len(features)))
    limit = len(features) - 1
    for place in np.argsort(sizes, kind="stable").tolist():
        if len(chosen) == limit:
            break
        column = columns[:, place]
        rest = column - orthonormal @ (orthonormal.T @ column)
        rest -= orthonormal @ (orthonormal.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            chosen.append(place)
            orthonormal = np.concatenate([orthonormal, rest[:, None] / size], axis=1)
    return columns[:, chosen]


def affine_read(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]] | None:
    """The matrix and offset that make the features of the table's columns; ``None`` if there are none."""
    places, direct = _columns_of(table, features)
    if direct:
        matrix = np.zeros((table.shape[1], features.shape[1]))
        matrix[places, np.arange(features.shape[1])] = 1
        return matrix, np.zeros(features.shape[1])
    extended = np.concatenate([table, np.ones((len(table), 1))], axis=1)
    solution = np.linalg.lstsq(extended, features, rcond=None)[0]
    rounded = np.round(solution * 4) / 4
    size = max(1.0, float(np.abs(features).max(initial=0)))
    if np.abs(extended @ rounded - features).max(initial=0) <= _TOLERANCE * size:
        solution = rounded
    elif np.abs(extended @ solution - features).max(initial=0) > _TOLERANCE * size:
        return None
    return solution[:-1], solution[-1]


def _columns_of(
    table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]
) -> tuple[list[int], bool]:
    known = {column.tobytes(): place for place, column in enumerate(np.ascontiguousarray(table.T + 0.0))}
    places = [known.get(column.tobytes(), -1) for column in np.ascontiguousarray(features.T + 0.0)]
    return places, -1 not in places


def in_span(table: Float[np.ndarray, "value column"], features: Float[np.ndarray, "value feature"]) -> bool:
    """Whether the features are affine in the table's columns."""
    return affine_read(table, features) is not None
