"""A matrix as a heat map with a label for every row and column, or for every group of them where there are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.shapes import Bool, Float
from tracrlab.viz.figures.colours import GROUND, colours
from tracrlab.viz.figures.page import FAINT, LINE, RED, TITLE, Page, text_width

CELL = 8.0  # how wide and high a cell is where there is room
_LABELLED = 6.8  # the least size of a cell that has a label of its own
_GAP = 2.5


@dataclass(frozen=True)
class Axis:
    """What the rows or the columns stand for.

    Attributes: ``labels`` one a row or column; ``groups`` the name and size of each group of neighbours, in order;
    ``title`` what they are as a whole.
    """

    labels: tuple[str, ...]
    groups: tuple[tuple[str, int], ...] = ()
    title: str = ""

    def kept(self, which: Bool[np.ndarray, " label"]) -> Axis:
        """The axis without some of its rows or columns."""
        labels = tuple(label for label, keep in zip(self.labels, which.tolist(), strict=True) if keep)
        starts = np.cumsum([0, *(size for _, size in self.groups)]).tolist()
        sizes = [
            (name, int(which[start : start + size].sum()))
            for (name, size), start in zip(self.groups, starts, strict=False)
        ]
        return Axis(labels, tuple((name, size) for name, size in sizes if size), self.title)

    def shown(self, cell: float) -> list[tuple[float, str]]:
        """The labels that have room, each with the place of its middle in points, for cells of this size."""
        if cell >= _LABELLED and (not self.groups or len(set(self.labels)) == len(self.labels)):
            return [((number + 0.5) * cell, label) for number, label in enumerate(self.labels)]
        places: list[tuple[float, str]] = []
        start = 0
        for name, size in self.groups or ((label, 1) for label in self.labels):
            middle = (start + size / 2) * cell
            if not places or middle - places[-1][0] >= _LABELLED:
                places.append((middle, name))
            start += size
        return places

    def breaks(self, cell: float) -> list[float]:
        """Where one group ends and the next begins."""
        ends: list[float] = (np.cumsum([size for _, size in self.groups])[:-1] * cell).tolist()
        return ends


@dataclass(frozen=True, eq=False)
class Heatmap:
    """A matrix to be drawn.

    Attributes: ``title`` lines above it; ``shares`` the numbers between -1 and 1, of which 0 is not drawn; ``signed``
    whether there may be negative ones; ``cell`` width and height of a cell; ``outlined`` the entries with a red border;
    ``texts`` what is written in the cells, ``upright`` whether it runs upwards; ``labelled`` whether rows have labels.
    """

    title: tuple[str, ...]
    shares: Float[np.ndarray, "row column"]
    rows: Axis
    columns: Axis
    signed: bool
    cell: tuple[float, float] = (CELL, CELL)
    outlined: Bool[np.ndarray, "row column"] | None = None
    texts: tuple[tuple[str, ...], ...] | None = None
    upright: bool = False
    labelled: bool = True

    @property
    def lead(self) -> float:
        """The room for the labels of the rows."""
        if not self.labelled:
            return 0.0
        widest = max((text_width(label) for _, label in self.rows.shown(self.cell[1])), default=0.0)
        return widest + _GAP + (LINE + 2 if self.rows.title else 0.0)

    @property
    def width(self) -> float:
        """How wide it is, with labels and title."""
        titles = max((text_width(line, TITLE) for line in self.title), default=0.0)
        return self.lead + max(float(self.shares.shape[1] * self.cell[0]), titles, text_width(self.columns.title))

    @property
    def height(self) -> float:
        """How high it is, with labels and title."""
        below = LINE if self.columns.title else 0.0
        return len(self.title) * LINE + float(self.shares.shape[0] * self.cell[1]) + _GAP + self._foot + below

    @property
    def _foot(self) -> float:
        return max((self._label_height(label) for _, label in self.columns.shown(self.cell[0])), default=0.0)

    def _label_height(self, label: str) -> float:
        return 1.04 * text_width(label) + 2 if self._is_upright(label) else LINE - _GAP  # a PNG has whole pixels

    def _is_upright(self, label: str) -> bool:
        return text_width(label) > max(self.cell[0], _LABELLED) - 0.5

    def draw(self, page: Page, x: float, y: float) -> None:
        """Draw it with its upper left corner at a place."""
        left, top = x + self.lead, y + len(self.title) * LINE
        (n_rows, n_columns), (w, h) = self.shares.shape, self.cell
        for number, line in enumerate(self.title):
            page.text(left, y + (number + 0.5) * LINE, line, size=TITLE, bold=number == 0)
        page.boxes(np.array([[left, top, n_columns * w, n_rows * h]]), GROUND)
        self._draw_cells(page, left, top)
        for at in self.rows.breaks(h):
            page.path([(left, top + at), (left + n_columns * w, top + at)], "#b0b0b0", 0.4)
        for at in self.columns.breaks(w):
            page.path([(left + at, top), (left + at, top + n_rows * h)], "#b0b0b0", 0.4)
        page.boxes(np.array([[left, top, n_columns * w, n_rows * h]]), edge="#999999", width=0.4)
        self._draw_outlines(page, left, top)
        if self.labelled:
            for at, label in self.rows.shown(h):
                page.text(left - _GAP, top + at, label, align="right")
            if self.rows.title:
                middle = max(top + n_rows * h / 2, y + text_width(self.rows.title) / 2)  # not above the map
                page.text(x + LINE / 2, middle, self.rows.title, align="center", ink=FAINT, rotated=True)
        bottom = top + n_rows * h + _GAP
        for at, label in self.columns.shown(w):
            if self._is_upright(label):
                page.text(left + at, bottom + 1, label, align="right", rotated=True)
            else:
                page.text(left + at, bottom + (LINE - _GAP) / 2, label, align="center")
        if self.columns.title:
            page.text(left, bottom + self._foot + LINE / 2, self.columns.title, ink=FAINT)

    def _draw_cells(self, page: Page, left: float, top: float) -> None:
        w, h = self.cell
        rows, columns = np.nonzero(self.shares)
        boxes = np.stack([left + columns * w, top + rows * h, np.full(len(rows), w), np.full(len(rows), h)], 1)
        fills = colours(self.shares[rows, columns], signed=self.signed, pale=self.texts is not None)
        page.boxes(boxes, [tuple(fill) for fill in fills.tolist()])
        for row, texts in enumerate(self.texts or ()):
            for column, text in enumerate(texts):
                place = left + (column + 0.5) * w, top + (row + 0.5) * h
                page.text(*place, text, align="center", rotated=self.upright)

    def _draw_outlines(self, page: Page, left: float, top: float) -> None:
        """The borders lie within their cells, so that neighbours keep one each."""
        if self.outlined is None:
            return
        w, h = self.cell
        rows, columns = np.nonzero(self.outlined)
        ones, line = np.ones(len(rows)), 0.9
        boxes = np.stack(
            [left + columns * w + line / 2, top + rows * h + line / 2, (w - line) * ones, (h - line) * ones], 1
        )
        page.boxes(boxes, edge=RED, width=line)


def cell_within(room: float, count: int, most: float = CELL, least: float = 0.8) -> float:
    """The size of a cell so that so many of them have room."""
    return max(least, min(most, room / max(1, count)))


def grouped(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The runs of equal names, with their lengths."""
    start = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[start]:
            yield names[start], place - start
            start = place
