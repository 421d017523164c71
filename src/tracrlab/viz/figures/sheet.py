"""Heat maps beside and below each other on a page, with one scale of colours for all."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tracrlab.viz.figures.colours import SCALE_WIDTH, draw_scale
from tracrlab.viz.figures.heatmap import Heatmap
from tracrlab.viz.figures.page import LINE, MARGIN, Page, lines_of, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 10.0


def number_within(maps: Sequence[Heatmap], room: float, height: float) -> int:
    """How many of the maps, from the first on, a sheet of this height holds; those of the first line in any case."""
    lines, heights = _lines(maps, room)
    used, count = 0.0, 0
    for line, own in zip(lines, heights, strict=False):
        used += own + _GAP
        if used > height and count:
            break
        count += len(line)
    return count


def _lines(maps: Sequence[Heatmap], room: float) -> tuple[list[list[int]], list[float]]:
    """The places of the maps in each line, and how high the lines are."""
    lines = lines_of([each.width for each in maps], room, _GAP)
    return lines, [max(maps[place].height for place in line) for line in lines] or [LINE]


def sheet(
    maps: Sequence[Heatmap], room: float, what: str, scale: tuple[str, str], empty: str, note: str = ""
) -> Figure:
    """The maps from left to right, in as many lines as it takes, or the words ``empty`` if there are none.

    The ``note`` stands below them.
    """
    lines, heights = _lines(maps, room)
    used = max((sum(maps[place].width + _GAP for place in line) - _GAP for line in lines), default=text_width(empty))
    legend = SCALE_WIDTH + sum(map(text_width, scale))
    notes = textwrap.wrap(note, int(room / text_width("x")))
    height = sum(heights) + _GAP * len(heights) + LINE * (bool(maps) + len(notes)) + 2 * MARGIN
    page = Page(max(used, legend, *map(text_width, notes)) + 2 * MARGIN, height, what)
    if not maps:
        page.text(MARGIN, MARGIN + LINE / 2, empty)
        return page.figure
    y = MARGIN
    for line, height in zip(lines, heights, strict=True):
        x = MARGIN
        for place in line:
            maps[place].draw(page, x, y)
            x += maps[place].width + _GAP
        y += height + _GAP
    draw_scale(page, MARGIN, y + LINE / 2, *scale, signed=maps[0].signed)
    for number, line_of_note in enumerate(notes, start=1):
        page.text(MARGIN, y + LINE / 2 + LINE * number, line_of_note)
    return page.figure
