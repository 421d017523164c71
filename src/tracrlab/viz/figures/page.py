"""A figure as a page: as wide as a column of a paper, as high as it takes, everything at a place in points.

Text is monospaced, so how wide it is follows from how many characters it has, and nothing need overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tracrlab.errors import DrawingError
from tracrlab.extras import require
from tracrlab.shapes import Float
from tracrlab.viz.canvas import POINTS_PER_INCH, drawable, drawing_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT, TITLE = 6.5, 7.0  # points; print is legible from 6
LINE = 8.5
MARGIN = 3.0
COLUMN_INCHES = {1: 3.3, 2: 6.9}
"""How wide a figure is that fills one column or two of a paper, in inches."""

MOST_INCHES = 200  # PDF files cannot be larger

INK, FAINT, RED = "#000000", "#666666", "#d7191c"
Colour = str | tuple[float, ...]
Columns = Literal[1, 2]


def page_width(columns: Columns) -> float:
    """The width of a page in points.

    Raises:
        DrawingError: a paper has no such number of columns.
    """
    if columns not in COLUMN_INCHES:
        raise DrawingError(f"a figure fills 1 or 2 columns of a paper, not {columns}; give columns=1 or columns=2")
    return COLUMN_INCHES[columns] * POINTS_PER_INCH


def text_width(text: str, size: float = FONT) -> float:
    """How wide a line of text is."""
    return 0.602 * size * len(text)


def cut(text: str, most: int) -> str:
    """The text as it can be drawn, cut to so many characters."""
    text = drawable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def cut_within(text: str, most: int) -> str:
    """The text as it can be drawn, cut in its middle to so many characters: names that differ do so at the end."""
    text = drawable(text)
    kept = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - kept]}…{text[-kept:]}"


def lines_of(widths: Sequence[float], room: float, gap: float, lead: float = 0.0) -> list[list[int]]:
    """The places of things from left to right, in as many lines as it takes; ``lead`` is lost in each line."""
    lines: list[list[int]] = []
    left = 0.0
    for place, width in enumerate(widths):
        if not lines or width > left:
            lines.append([])
            left = room - lead
        lines[-1].append(place)
        left -= width + gap
    return lines


class Page:
    """A matplotlib figure with one axes that covers it, in points from the upper left corner.

    Raises:
        DrawingError: it would be longer than a file can be.
        MissingDependencyError: matplotlib is not installed.
    """

    def __init__(self, width: float, height: float, what: str) -> None:
        if height > MOST_INCHES * POINTS_PER_INCH:
            raise DrawingError(
                f"the figure of {what} would be {height / POINTS_PER_INCH:,.0f} inches long, and {MOST_INCHES} is the "
                "most: draw one sublayer, or a smaller model"
            )
        require("matplotlib", extra="viz", purpose="drawing")
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        with drawing_settings():
            self.figure: Figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH))
            self._axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        align: Literal["left", "center", "right"] = "left",
        size: float = FONT,
        ink: str = INK,
        bold: bool = False,
        rotated: bool = False,
    ) -> None:
        """A line of text whose height has its middle at ``y``; rotated, it runs upwards and ``align`` is vertical."""
        if not text:
            return
        place: dict[str, Any] = {"ha": align, "va": "center_baseline"}
        if rotated:
            upright = {"left": "bottom", "center": "center", "right": "top"}
            place = {"rotation": 90, "ha": "center", "va": upright[align], "rotation_mode": "default"}
        with drawing_settings():
            weight = "bold" if bold else "normal"
            self._axes.text(x, y, text, size=size, color=ink, weight=weight, parse_math=False, **place)

    def boxes(
        self,
        boxes: Float[np.ndarray, "box 4"],
        fills: Sequence[Colour] | Colour = "none",
        *,
        edge: Colour = "none",
        width: float = 0.5,
        dashed: bool = False,
    ) -> None:
        """Rectangles, each by its left and upper edge, width and height."""
        from matplotlib.collections import PolyCollection

        if not len(boxes):
            return
        x, y, w, h = np.asarray(boxes, float).T
        corners = np.stack([np.stack(pair, 1) for pair in ((x, y), (x + w, y), (x + w, y + h), (x, y + h))], 1)
        style: dict[str, Any] = {"linestyles": "dashed"} if dashed else {}
        lines = width if edge != "none" else 0.0
        with drawing_settings():
            self._axes.add_collection(
                PolyCollection(list(corners), facecolors=fills, edgecolors=edge, linewidths=lines, **style),
                autolim=False,
            )

    def path(self, points: Sequence[tuple[float, float]], ink: Colour = FAINT, width: float = 0.5) -> None:
        """A line through points, or a smooth curve if there are four: the two in the middle say where it heads."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        codes = [Outline.MOVETO, *[Outline.CURVE4 if len(points) == 4 else Outline.LINETO] * (len(points) - 1)]
        with drawing_settings():
            self._axes.add_patch(PathPatch(Outline(list(points), codes), fill=False, edgecolor=ink, linewidth=width))
