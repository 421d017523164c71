"""What each expression of a program costs: a bar chart of dimensions, heads, neurons and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracrlab.model.report import Report
from tracrlab.viz.figures.page import LINE, MARGIN, TITLE, Columns, Page, page_width, text_width
from tracrlab.viz.figures.texts import name_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")  # colours of Okabe and Ito
_GAP, _BAR = 8.0, 5.5


def cost_figure(report: Report, *, columns: Columns = 1) -> Figure:
    """A row for each expression, a column of bars for each thing that it takes, each with a scale of its own.

    Raises:
        DrawingError: the figure would be too large for a file.
        MissingDependencyError: matplotlib is not installed.
    """
    names = [name_label(each.expression) for each in report.costs]
    counts = {
        "dimensions": [each.n_dimensions for each in report.costs],
        "heads": [each.n_heads for each in report.costs],
        "neurons": [each.n_neurons for each in report.costs],
        "weights": [each.n_weights for each in report.costs],
    }
    lead = max(map(text_width, names)) + 4
    room = page_width(columns) - 2 * MARGIN - lead
    each_room = room / len(counts) - _GAP
    page = Page(page_width(columns), 2 * MARGIN + LINE * (1.5 + len(names)), "the cost")
    top = MARGIN + 1.5 * LINE
    for row, name in enumerate(names):
        page.text(MARGIN + lead - 4, top + (row + 0.5) * LINE, name, align="right")
    for place, (what, column) in enumerate(counts.items()):
        x = MARGIN + lead + place * (each_room + _GAP)
        most = max(map(len, map("{:,}".format, column)))
        longest = max(each_room - text_width("0" * most) - 2, 4.0)
        page.text(x, MARGIN + LINE / 2, what, size=TITLE, bold=True)
        scale = longest / max(*column, 1)
        middles = top + (np.arange(len(column)) + 0.5) * LINE
        page.boxes(
            np.array(
                [[x, y - _BAR / 2, max(count * scale, 0.01), _BAR] for y, count in zip(middles, column, strict=True)]
            ),
            _BARS[place],
        )
        page.path([(x, top), (x, top + LINE * len(column))])
        for y, count in zip(middles.tolist(), column, strict=True):
            page.text(x + count * scale + 2, y, f"{count:,}")
    return page.figure
