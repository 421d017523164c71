"""What the residual stream holds after every sublayer, as in the Tracr paper's figures (appendix C).

A panel a sublayer: tokens along it, labelled dimensions down, what the sublayer changed outlined in red. Sublayers that
change nothing are collapsed. Of a large model the figure is folded: a row for each variable, with the value it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.errors import DrawingError
from tracrlab.model.labels import ModelVariable
from tracrlab.model.trace import Step, Trace
from tracrlab.rasp.values import value_key
from tracrlab.shapes import Bool, Float, Int
from tracrlab.viz.figures.colours import SCALE_WIDTH, draw_scale
from tracrlab.viz.figures.heatmap import CELL, Axis, Heatmap, cell_within
from tracrlab.viz.figures.page import (
    FAINT,
    LINE,
    MARGIN,
    RED,
    TITLE,
    Columns,
    Page,
    lines_of,
    page_width,
    text_width,
)
from tracrlab.viz.figures.texts import dimension_label, name_label, token_labels, value_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DIMENSIONS = 40
"""The most dimensions that are drawn one by one unless asked for."""

_CHANGED = 1e-4  # what rounding leaves behind is smaller
_GAP = 6.0
_HIGHEST = 600.0  # how high a panel is at most, while its cells can be seen
_LEAST_CELL = 2.5
_UNCHANGED = ("no", "change")


@dataclass(frozen=True, eq=False)
class _View:
    """What the panels show, one a step of the run.

    Attributes: ``rows`` and ``tokens`` their axes; ``born`` the step that writes each row; ``shares``, ``outlined`` and
    ``texts`` what is in them, by step; ``changing`` the steps that change something; ``cell`` the size of a cell,
    ``upright`` whether texts run upwards, ``signed`` whether there are negative numbers.
    """

    rows: Axis
    tokens: Axis
    born: Int[np.ndarray, " row"]
    shares: list[Float[np.ndarray, "row position"]]
    outlined: list[Bool[np.ndarray, "row position"]]
    changing: list[bool]
    cell: tuple[float, float]
    signed: bool = False
    texts: list[tuple[tuple[str, ...], ...]] | None = None
    upright: bool = False

    def panel(self, step: int, name: str, last: int, labelled: bool) -> Heatmap:
        """The panel of a step, with the rows that are there after the step ``last``."""
        kept = self.born <= last
        texts = self.texts and tuple(row for row, keep in zip(self.texts[step], kept.tolist(), strict=True) if keep)
        return Heatmap(
            (name,),
            self.shares[step][kept],
            self.rows.kept(kept),
            self.tokens,
            self.signed,
            self.cell,
            self.outlined[step][kept],
            texts or None,
            self.upright,
            labelled,
        )


def residual_figure(
    trace: Trace, bos: str, *, columns: Columns = 2, fold: bool | None = None, sublayer: str | None = None
) -> Figure:
    """The residual stream of a run after every sublayer, or after one of them.

    Arguments:
        trace: the run.
        bos: what the model calls the token in front of the input.
        columns: of a paper, which the figure fills.
        fold: a row for each variable instead of each dimension; by default, if there are more than 40 dimensions.
        sublayer: the only one to draw, such as ``"a1"``.

    Raises:
        DrawingError: the input is too long for the figure, or the figure for a file; there is no such sublayer.
        MissingDependencyError: matplotlib is not installed.
    """
    room = page_width(columns) - 2 * MARGIN
    folded = len(trace.labels.dimensions) > MOST_DIMENSIONS if fold is None else fold
    view = _variable_view(trace, room) if folded else _dimension_view(trace, bos, room)
    steps = (
        range(len(trace.steps))
        if sublayer is None
        else [checked_sublayer([each.name for each in trace.steps], sublayer)]
    )
    return _drawn(view, [(step, trace.steps[step].name) for step in steps], room)


def checked_sublayer(names: Sequence[str], sublayer: str) -> int:
    """The place of a sublayer among the names of those there are.

    Raises:
        DrawingError: there is no such sublayer.
    """
    if sublayer not in names:
        raise DrawingError(f"there is no sublayer {sublayer!r}; there are {', '.join(names)}")
    return names.index(sublayer)


def changes(trace: Trace) -> list[Bool[np.ndarray, "position d_model"]]:
    """Which entries of the residual stream each step changes; the embedding changes what it sets."""
    before = [np.zeros_like(trace.steps[0].residual), *(step.residual for step in trace.steps)]
    return [np.abs(step.residual - old) > _CHANGED for step, old in zip(trace.steps, before, strict=False)]


# Dimension by dimension ----------------------------------------------------------------------------------------------


def _dimension_view(trace: Trace, bos: str, room: float) -> _View:
    variables = trace.labels.variables
    places = np.concatenate([np.arange(each.start, each.start + each.variable.width) for each in variables])
    rows = Axis(
        tuple(dimension_label(dimension) for each in variables for dimension in each.variable.dimensions),
        tuple((name_label(each.name), each.variable.width) for each in variables),
    )
    tokens = Axis(token_labels(trace, bos))
    height = cell_within(_HIGHEST, len(places), least=2.0)
    width = cell_within(room - _label_width(rows), len(tokens.labels), least=0.0)
    if width < _LEAST_CELL:
        raise _too_long(trace, int((room - _label_width(rows)) / _LEAST_CELL) - 1)
    scale, changed = _scales(trace, variables), changes(trace)
    owned = [_rows_of(variables, [each.stands_after(step.sublayer) for each in variables]) for step in trace.steps]
    cleared = [_rows_of(variables, [each.cleared == step.sublayer for each in variables]) for step in trace.steps]
    numbers = [
        np.where((np.abs(step.residual) > _CHANGED)[:, places].T & own[:, None], step.residual[:, places].T, 0)
        for step, own in zip(trace.steps, owned, strict=True)
    ]
    return _View(
        rows,
        tokens,
        born=np.zeros(len(places), int),
        shares=[each / scale[:, None] for each in numbers],
        outlined=[
            each[:, places].T & (own | gone)[:, None] for each, own, gone in zip(changed, owned, cleared, strict=True)
        ],
        changing=[bool(each.any()) for each in changed],
        cell=(width, height),
        signed=any(bool((each < 0).any()) for each in numbers),
    )


def _rows_of(variables: Sequence[ModelVariable], holds: Sequence[bool]) -> Bool[np.ndarray, " row"]:
    """What holds of each variable, repeated for each of its dimensions."""
    return np.repeat(np.array(holds, bool), [each.variable.width for each in variables])


def _scales(trace: Trace, variables: Sequence[ModelVariable]) -> Float[np.ndarray, " row"]:
    """For each dimension of a variable the size of the largest number that it holds in this run or is made to hold."""
    sizes = []
    for each in variables:
        seen = [step.residual[:, each.dimensions] for step in trace.steps if each.stands_after(step.sublayer)]
        made = [each.variable.table] if each.variable.values else []
        largest = np.max([np.abs(rows).max(axis=0) for rows in (*seen, *made)], axis=0)
        sizes.append(np.where(largest > _CHANGED, largest, 1))
    return np.concatenate(sizes)


def _label_width(rows: Axis) -> float:
    return max(map(text_width, rows.labels), default=0.0) + 3


def _too_long(trace: Trace, most: int) -> DrawingError:
    return DrawingError(
        f"{len(trace.tokens)} tokens are too many for a figure of this width, which has room for {max(most, 1)}: "
        "draw a shorter input, or give columns=2"
    )


# Variable by variable ------------------------------------------------------------------------------------------------


def _variable_view(trace: Trace, room: float) -> _View:
    """The value of each variable from where it is written; BOS, which holds none, is left out."""
    variables = trace.labels.variables
    rows = Axis(tuple(name_label(each.name) for each in variables))
    tokens = Axis(token_labels(trace, "")[1:])
    born = np.array([each.sublayer + 1 for each in variables])
    texts = [
        tuple(
            tuple(map(value_label, step.values(each)))
            if each.stands_after(step.sublayer)
            else ("",) * len(trace.tokens)
            for each in variables
        )
        for step in trace.steps
    ]
    level = text_width("0" * max((len(text) for panel in texts for row in panel for text in row), default=1)) + 3
    left, n = room - _label_width(rows), max(1, len(tokens.labels))
    upright = n * max(level, CELL) > left
    if upright and n * CELL > left:
        raise _too_long(trace, int(left / CELL))
    return _View(
        rows,
        tokens,
        born,
        shares=[np.array([_ranks(step, each, len(trace.tokens)) for each in variables]) for step in trace.steps],
        outlined=[np.repeat((born == step.sublayer + 1)[:, None], len(trace.tokens), axis=1) for step in trace.steps],
        changing=[
            bool(step.written) or bool(changed.any()) for step, changed in zip(trace.steps, changes(trace), strict=True)
        ],
        cell=(CELL, level) if upright else (max(level, CELL), CELL),
        texts=texts,
        upright=upright,
    )


def _ranks(step: Step, variable: ModelVariable, n_tokens: int) -> list[float]:
    """For each token the place of its value among those the variable can have, from 0 to 1; 0 where it has none."""
    if not variable.stands_after(step.sublayer):
        return [0.0] * n_tokens
    places, last = variable.variable.places, max(1, len(variable.variable.values) - 1)
    return [places.get(value_key(value), 0) / last for value in step.values(variable)]


# The page ------------------------------------------------------------------------------------------------------------


def _drawn(view: _View, steps: Sequence[tuple[int, str]], room: float) -> Figure:
    lead = _label_width(view.rows)
    maps = [view.panel(step, name, step, labelled=False) for step, name in steps]
    strip = max(map(text_width, _UNCHANGED)) + 2
    widths = [
        each.width if view.changing[step] else max(strip, text_width(name, TITLE))
        for each, (step, name) in zip(maps, steps, strict=True)
    ]
    lines = [[(*steps[place], widths[place]) for place in line] for line in lines_of(widths, room - lead, _GAP)]
    heights = [view.panel(line[0][0], "", line[-1][0], labelled=True).height for line in lines]
    used = lead + max(sum(width for *_, width in line) + _GAP * (len(line) - 1) for line in lines)
    width = min(room, max(used, _legend_width(view)))
    page = Page(width + 2 * MARGIN, sum(heights) + _GAP * len(lines) + LINE + 2 * MARGIN, "the residual stream")
    y = MARGIN
    for line, height in zip(lines, heights, strict=True):
        x = MARGIN + lead
        for step, name, width in line:
            panel = view.panel(step, name, line[-1][0], labelled=step == line[0][0])
            if view.changing[step] or len(line) == 1:
                panel.draw(page, x - panel.lead, y)
            else:
                _draw_unchanged(page, panel, x, y, width)
            x += width + _GAP
        y += height + _GAP
    _draw_legend(page, MARGIN, y + LINE / 2, view)
    return page.figure


def _draw_unchanged(page: Page, panel: Heatmap, x: float, y: float, width: float) -> None:
    """A strip in place of a panel that would look like the one before it."""
    top, height = y + LINE, panel.shares.shape[0] * panel.cell[1]
    page.text(x, y + LINE / 2, panel.title[0], size=TITLE, ink=FAINT)
    page.boxes(np.array([[x, top, width, height]]), "#eeeeee")
    for number, word in enumerate(_UNCHANGED):
        middle = top + height / 2 + (number - (len(_UNCHANGED) - 1) / 2) * (LINE - 1)
        page.text(x + width / 2, middle, word, align="center", ink=FAINT)
    if panel.labelled:
        for at, label in panel.rows.shown(panel.cell[1]):
            page.text(x - 2.5, top + at, label, align="right")


def _legend(view: _View) -> tuple[str, str, str]:
    """What the outline means, and the ends of the scale of colours."""
    if view.texts:
        return "written here", "first", "last of its values"
    return "changed here", "-1" if view.signed else "0", "1, or the most it can hold"


def _legend_width(view: _View) -> float:
    return sum(map(text_width, _legend(view))) + 21 + SCALE_WIDTH


def _draw_legend(page: Page, x: float, y: float, view: _View) -> None:
    words, low, high = _legend(view)
    page.boxes(np.array([[x, y - 3, 6, 6]]), edge=RED, width=0.9)
    page.text(x + 9, y, words)
    draw_scale(page, x + 21 + text_width(words), y, low, high, signed=view.signed)
