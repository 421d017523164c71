"""Drawings of the flow of a computation, as in the original RASP (Weiss et al. 2021, figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

from tracrlab.errors import DrawingError, InputError
from tracrlab.rasp.expressions import Expression
from tracrlab.rasp.flow import Flow, flow_of
from tracrlab.rasp.values import Value
from tracrlab.viz.canvas import POINTS_PER_INCH, drawable, figure_of, picture_kind, write_figure
from tracrlab.viz.flow_layout import flow_page
from tracrlab.viz.flow_view import flow_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CELLS = 30_000
"""The most cells that a drawing may have: values and pairs of positions."""

MOST_INCHES = 200
"""The most that it may be high or wide; PDF files cannot be larger."""


def flow_figure(expression: Expression, sequence: Sequence[Value]) -> Figure:
    """The flow of an s-op or a selector on an input, from top to bottom, with all values; a notebook shows it.

    Raises:
        DrawingError: the drawing would be too large.
        EvaluationError: the program fails on the input.
        InputError: the input is empty.
        MissingDependencyError: matplotlib is not installed.
    """
    if not len(sequence):
        raise InputError("a drawing needs an input of at least one token")
    flow = flow_of(expression)
    name = expression.name or "the program"
    cells = _cells(flow, len(sequence))
    if cells > MOST_CELLS:
        raise _too_large(name, f"have {cells:,} cells on {len(sequence)} tokens, and {MOST_CELLS:,} is the most")
    page = flow_page(flow_view(flow, sequence, drawable))
    inches = round(max(page.width, page.height) / POINTS_PER_INCH)
    if inches > MOST_INCHES:
        raise _too_large(name, f"be {inches:,} inches long, and {MOST_INCHES} is the most")
    return figure_of(page)


def draw_flow(expression: Expression, sequence: Sequence[Value], path: str | PathLike[str]) -> None:
    """Write the flow of an s-op or a selector on an input as an SVG, PNG or PDF file.

    The file appears as a whole or not at all, and the same drawing gives the same file.

    Raises:
        DrawingError: the suffix is none of these, the drawing would be too large, or the file cannot be written.
        EvaluationError, InputError, MissingDependencyError: as for :func:`flow_figure`.
    """
    picture_kind(path)  # no drawing that could not be written
    write_figure(flow_figure(expression, sequence), path)


def _cells(flow: Flow, n: int) -> int:
    """How many cells the drawing has on n tokens, if no step is hidden."""
    heads = [head for layer in flow.layers for head in layer.heads]
    rows = sum(len(head.keys) + len(head.queries) + 2 * len(head.aggregates) for head in heads)
    steps = sum(len(layer.steps) for layer in flow.layers)
    return n * (n * len(heads) + rows + steps + len(flow.sources))


def _too_large(name: str, measure: str) -> DrawingError:
    return DrawingError(
        f"the drawing of {name} would {measure}: give a shorter input, or draw an s-op that {name} is computed from"
    )
