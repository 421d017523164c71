"""The weight matrices of a model, with what every row and column stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.craft.spaces import Layout
from tracrlab.model.artefact import Artefact
from tracrlab.model.sublayers import EMBEDDING, Sublayer, head_name, sublayers
from tracrlab.shapes import Float
from tracrlab.viz.canvas import POINTS_PER_INCH
from tracrlab.viz.figures.heatmap import Axis, Heatmap, cell_within, grouped
from tracrlab.viz.figures.page import MARGIN, Columns, page_width, text_width
from tracrlab.viz.figures.sheet import number_within, sheet
from tracrlab.viz.figures.texts import dimension_label, name_label, value_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LAST = "unembed"
_HIGHEST = 500.0  # points that the rows of a matrix take at most, while they can be told apart
_LONGEST = 40 * POINTS_PER_INCH  # what a figure of all sublayers is cut to


def weights_figure(model: Artefact, *, columns: Columns = 2, sublayer: str | None = None) -> Figure:
    """W_E, W_pos, W_Q W_Kᵀ and W_V W_O of each head, W_in, W_out and W_U, each divided by its largest entry.

    A head is drawn as these two products, which its scores and what it writes depend on, over residual dimensions. Rows
    and columns that are all zero are left out. Of a model for which that would take more than 40 inches, the first
    sublayers are drawn, and a note says what is left out.

    Arguments:
        model: the model.
        columns: of a paper, which the figure is as wide as at most.
        sublayer: the only one to draw, such as ``"a1"``, ``"embed"`` or ``"unembed"``.

    Raises:
        DrawingError: there is no such sublayer, or the figure would be too large for a file.
        MissingDependencyError: matplotlib is not installed.
    """
    from tracrlab.viz.figures.residual import checked_sublayer

    names = [*map(str, sublayers(model.config.n_layers)), _LAST]
    if sublayer is not None:
        checked_sublayer(names, sublayer)
    room = page_width(columns) - 2 * MARGIN
    named = [
        (name, _heatmap(title, matrix, rows, across, room))
        for name, title, matrix, rows, across in _matrices(model)
        if sublayer in (None, name) and matrix.any()
    ]
    maps = [each for _, each in named]
    shown = number_within(maps, room, _LONGEST) if sublayer is None else len(maps)
    note = ""
    if shown < len(maps):
        first, last = named[shown][0], named[-1][0]
        note = f"{len(maps) - shown} more, of {first} to {last}, are left out; sublayer={first!r} draws one sublayer."
    return sheet(maps[:shown], room, "the weights", ("-most", "most"), empty="no weights but zeros", note=note)


def _matrices(
    model: Artefact,
) -> Iterator[tuple[str, tuple[str, ...], Float[np.ndarray, "row column"], Axis, Axis]]:
    config, weights, labels = model.config, model.weights, model.labels
    tokens = Axis(tuple(map(value_label, (*config.vocab, config.bos, config.pad)[: len(weights.W_E)])), title="token")
    places = Axis(tuple(map(str, range(len(weights.W_pos)))), title="position")
    yield "embed", ("W_E",), weights.W_E, tokens, _stream(model, EMBEDDING)
    yield "embed", ("W_pos",), weights.W_pos, places, _stream(model, EMBEDDING)
    for layer in range(config.n_layers):
        attention, mlp = Sublayer.attention(layer), Sublayer.mlp(layer)
        before, after, name = _stream(model, attention), _stream(model, mlp), str(attention)
        for number, head in enumerate(labels.heads[layer]):
            title = f"{head_name(layer, number)} {name_label(head.writes)}"
            scores = weights.W_Q[layer, number] @ weights.W_K[layer, number].T
            moves = weights.W_V[layer, number] @ weights.W_O[layer, number]
            yield name, (title, "W_Q W_K^T"), scores, _titled(before, "query"), _titled(before, "key")
            yield name, (title, "W_V W_O"), moves, _titled(before, "read"), _titled(before, "written")
        name = str(mlp)
        written = [name_label(group.writes) for group in labels.neurons[layer] for _ in range(group.count)]
        neurons = Axis(tuple(written), tuple(grouped(written)), "neurons by what they write")
        n = len(written)
        yield name, (f"{name} W_in",), weights.W_in[layer][:, :n], _titled(after, "read"), neurons
        yield name, (f"{name} W_out",), weights.W_out[layer][:n].T, _titled(after, "written"), neurons
    answers = [dimension_label(each) for each in model.output.dimensions]
    none = model.output.layout is not Layout.SCALAR and model.output.nullable  # a logit of its own
    yield (
        _LAST,
        ("W_U",),
        weights.W_U,
        _stream(model, Sublayer.end(config.n_layers)),
        Axis((*answers, *["-"] * none), title="answer"),
    )


def _stream(model: Artefact, sublayer: Sublayer) -> Axis:
    """The residual stream after a sublayer; the dimensions of a compressed model have numbers only."""
    if model.read_out is not None:
        return Axis(tuple(map(str, range(model.config.d_model))), title="dimension")
    dimensions = model.labels.dimensions_after(sublayer)
    names = [name_label(each.variable) for each in dimensions]
    return Axis(tuple(map(dimension_label, dimensions)), tuple(grouped(names)), "dimension")


def _titled(axis: Axis, title: str) -> Axis:
    return Axis(axis.labels, axis.groups, title)


def _heatmap(
    title: tuple[str, ...], matrix: Float[np.ndarray, "row column"], rows: Axis, columns: Axis, room: float
) -> Heatmap:
    used_rows, used_columns = (matrix != 0).any(axis=1), (matrix != 0).any(axis=0)
    rows, columns = rows.kept(used_rows), columns.kept(used_columns)
    shares = matrix[used_rows][:, used_columns] / np.abs(matrix).max()
    lead = max(map(text_width, rows.labels)) + 14
    cell = cell_within(room - lead, shares.shape[1], least=0.2), cell_within(_HIGHEST, shares.shape[0], least=0.8)
    return Heatmap(title, shares, rows, columns, signed=True, cell=cell)
