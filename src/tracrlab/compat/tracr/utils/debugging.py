"""Looking at arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def print_arrays(arrays: Sequence[Any], labels: Sequence[str] | None = None, colwidth: int = 12) -> None:
    """Print arrays side by side, a column an array, headed by ``labels``."""
    columns = [np.asarray(array).reshape(-1) for array in arrays]
    if labels is not None:
        print(" |".join(str(label).ljust(colwidth) for label in labels))
        print("=" * (colwidth + 1) * len(columns))
    for place in range(max((len(column) for column in columns), default=0)):
        cells = (f"{column[place]:.2f}" if place < len(column) else "" for column in columns)
        print(" |".join(cell.ljust(colwidth) for cell in cells))
