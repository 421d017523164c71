"""Where each attention head looks on an input: a heat map a head, queries down, keys along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracrlab.model.sublayers import head_name
from tracrlab.model.trace import Trace
from tracrlab.viz.figures.heatmap import CELL, Axis, Heatmap, cell_within
from tracrlab.viz.figures.page import MARGIN, Columns, page_width, text_width
from tracrlab.viz.figures.sheet import sheet
from tracrlab.viz.figures.texts import name_label, token_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VISIBLE = 1e-3  # less than this is what rounding leaves of a position that is not selected


def patterns_figure(trace: Trace, bos: str, *, columns: Columns = 2) -> Figure:
    """The attention patterns of all heads that the program uses, from 0 to 1; each row, a query's, sums to 1.

    Raises:
        DrawingError: the figure would be too large for a file.
        MissingDependencyError: matplotlib is not installed.
    """
    room = page_width(columns) - 2 * MARGIN
    tokens = Axis(token_labels(trace, bos))
    lead = max(map(text_width, tokens.labels)) + 12
    cell = cell_within(room - lead, len(tokens.labels), most=CELL)
    maps = []
    for step in trace.steps:
        if step.pattern is None:
            continue
        for number, head in enumerate(trace.labels.heads[step.sublayer.layer]):
            maps.append(
                Heatmap(
                    (head_name(step.sublayer.layer, number), name_label(head.writes)),
                    np.where(step.pattern[number] < _VISIBLE, 0, step.pattern[number]),
                    Axis(tokens.labels, title="query"),
                    Axis(tokens.labels, title="key"),
                    signed=False,
                    cell=(cell, cell),
                )
            )
    return sheet(maps, room, "the attention patterns", ("0", "1"), empty="no head: the model attends to nothing")
