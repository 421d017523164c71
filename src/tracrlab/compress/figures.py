"""Pictures of compressions: the heat map of W Wᵀ, and measures against the size (Tracr paper, Figures 7 and 8)."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.errors import CompressionError
from tracrlab.extras import require
from tracrlab.files import complaint, write_output
from tracrlab.learn.checkpoints import Row
from tracrlab.shapes import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def heat_maps(
    path: str | PathLike[str], labels: Sequence[str], products: Mapping[str, Float[np.ndarray, "feature feature"]]
) -> None:
    """Draw W Wᵀ of several compressions side by side, by title, into an SVG, PNG or PDF file.

    Raises:
        CompressionError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    side = max(3.2, 0.24 * len(labels))
    figure = _figure(side * len(products) + 1.6, side + 0.8)
    axes = np.atleast_1d(figure.subplots(1, len(products), sharey=True))
    for axis, (title, product) in zip(axes, products.items(), strict=True):
        image = axis.imshow(product, cmap="RdBu", vmin=-1, vmax=1)
        axis.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
        axis.set_yticks(range(len(labels)), labels, fontsize=7)
        axis.set_title(title, fontsize=9)
    figure.colorbar(image, ax=list(axes), shrink=0.8)
    _save(figure, path)


def size_curves(
    path: str | PathLike[str],
    groups: Mapping[str, Sequence[Row]],
    measures: Mapping[str, str],
    *,
    logarithmic: Sequence[str] = (),
) -> None:
    """Draw measures against d: a point for each run, a line through the best of each size.

    Arguments:
        groups: rows of metrics by the name of how they were compressed.
        measures: columns of the rows, and what to call them; a panel each.
        logarithmic: those of the columns that are drawn so; their best is the least.

    Raises:
        CompressionError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(4.2 * len(measures), 3.4)
    axes = np.atleast_1d(figure.subplots(1, len(measures)))
    for axis, (column, title) in zip(axes, measures.items(), strict=True):
        for number, (name, rows) in enumerate(groups.items()):
            _curve(axis, rows, column, name, f"C{number}", least=column in logarithmic)
        if column in logarithmic:
            axis.set_yscale("log")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("d")
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    _save(figure, path)


def _curve(axis: Axes, rows: Sequence[Row], column: str, name: str, color: str, *, least: bool) -> None:
    points = [(row["d"], row[column]) for row in rows if row[column] is not None and not math.isnan(row[column])]
    best = min if least else max
    sizes = sorted({d for d, _ in points})
    axis.scatter([d for d, _ in points], [value for _, value in points], s=8, alpha=0.4, color=color)
    axis.plot(sizes, [best(value for d, value in points if d == size) for size in sizes], color=color, label=name)


def _figure(width: float, height: float) -> Figure:
    require("matplotlib", extra="compress", purpose="drawing")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: str | PathLike[str]) -> None:
    """The same picture is the same file: no date, and identifiers that do not change.

    Raises:
        CompressionError: the file cannot be written.
    """
    import matplotlib as mpl

    kind, content = Path(path).suffix[1:].lower(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "tracrlab", "svg.fonttype": "none"}):
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=120)
    try:
        write_output(path, content.getvalue())
    except OSError as error:
        raise CompressionError(complaint(path, error)) from error
