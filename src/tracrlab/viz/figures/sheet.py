"""Heat maps beside and below each other on a page, with one scale of colours for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tracrlab.viz.figures.colours import SCALE_WIDTH, draw_scale
from tracrlab.viz.figures.heatmap import Heatmap
from tracrlab.viz.figures.page import LINE, MARGIN, Page, lines_of, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 10.0


def sheet(maps: Sequence[Heatmap], room: float, what: str, scale: tuple[str, str], empty: str) -> Figure:
    """The maps from left to right, in as many lines as it takes, or the words ``empty`` if there are none."""
    lines = lines_of([each.width for each in maps], room, _GAP)
    heights = [max(maps[place].height for place in line) for line in lines] or [LINE]
    used = max((sum(maps[place].width + _GAP for place in line) - _GAP for line in lines), default=text_width(empty))
    legend = SCALE_WIDTH + sum(map(text_width, scale))
    page = Page(
        max(used, legend) + 2 * MARGIN, sum(heights) + _GAP * len(heights) + LINE * bool(maps) + 2 * MARGIN, what
    )
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
    return page.figure
