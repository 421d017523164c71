"""Matrices as text for a page: what is not zero, compressed.

A model's weights are mostly zeros, so a matrix is the places of its other entries, row by row, and these entries. All
matrices of a page are one block of bytes: first every entry, in the model's number format, then every place, as the
distance from the one before. zlib compresses it, base64 writes it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracrlab.shapes import Float


@dataclass(frozen=True)
class Packed:
    """Matrices as text: ``data``, and for each of them its name, shape and number of entries that are not zero."""

    matrices: tuple[tuple[str, int, int, int], ...]
    data: str

    def as_json(self) -> dict[str, Any]:
        """What the page's ``packing.js`` reads."""
        return {"matrices": self.matrices, "data": self.data}


def packed_matrices(matrices: Mapping[str, Float[np.ndarray, "row column"]], dtype: str) -> Packed:
    """The matrices, by name, as text. Matrices of zeros are left out."""
    described: list[tuple[str, int, int, int]] = []
    entries: list[bytes] = []
    places: list[bytes] = []
    for name, matrix in matrices.items():
        flat = np.flatnonzero(matrix)
        if len(flat):
            described.append((name, *matrix.shape, len(flat)))
            entries.append(matrix.reshape(-1)[flat].astype(np.dtype(dtype).newbyteorder("<")).tobytes())
            places.append(np.diff(flat, prepend=0).astype("<u4").tobytes())
    data = zlib.compress(b"".join([*entries, *places]), level=9)
    return Packed(tuple(described), base64.b64encode(data).decode("ascii"))
