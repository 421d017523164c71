"""What the compiler makes of a program, stage by stage, as in figure 4 of the Tracr paper: a row an expression.

From left to right: the graph of the expressions, the components that compute each of them with the values it can have,
and the sublayers that these are put into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.model.circuit import Implementation, model_circuit
from tracrlab.model.sublayers import sublayers
from tracrlab.rasp.expressions import SOp
from tracrlab.viz.figures.page import FAINT, FONT, LINE, MARGIN, TITLE, Columns, Page, cut, page_width, text_width
from tracrlab.viz.figures.texts import LONGEST_NAME, name_label, values_label
from tracrlab.viz.program_graph import Inputs, expression_inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ARCS, _GAP, _COMPONENTS = 30.0, 8.0, 19  # points, points, characters
_MOST_CELL = 11.0
_FILLS = ("#999999", "#e69f00", "#56b4e9")  # embedding, attention, MLP: colours of Okabe and Ito
_CHARACTER = text_width("0", FONT)


def stages_figure(model: Artefact, *, program: SOp | None = None, columns: Columns = 2) -> Figure:
    """The expressions of a model's program, their components and their layers.

    Arguments:
        model: the model.
        program: what it was compiled from, for arcs from each expression to those that it reads.
        columns: of a paper, which the figure fills; in one there is no room for the texts of expressions and values.

    Raises:
        DrawingError: the figure would be too large for a file.
        InputError: the model was not compiled from ``program``.
        MissingDependencyError: matplotlib is not installed.
    """
    rows = model_circuit(model.labelled).expressions
    names = list(map(str, sublayers(model.config.n_layers)))
    n_sublayers = len(names)
    width = page_width(columns)
    names_at = MARGIN + _ARCS
    name_width = max(text_width(name_label(each.expression)) for each in rows)
    cell = min(_MOST_CELL, (width - names_at - name_width - _COMPONENTS * _CHARACTER - 3 * _GAP) / n_sublayers)
    layers_at = width - MARGIN - cell * n_sublayers
    spare = int((layers_at - names_at - name_width - _COMPONENTS * _CHARACTER - 4 * _GAP) / _CHARACTER)
    n_values = spare // 2 - 2 if columns == 2 else 0
    components_at = layers_at - (_COMPONENTS + n_values) * _CHARACTER - 2 * _GAP
    foot = max(map(text_width, names)) + 4
    page = Page(width, 2 * MARGIN + LINE * (1.5 + len(rows)) + foot, "the stages")
    top = MARGIN + 1.5 * LINE
    graph_room = int((components_at - names_at - _GAP) / _CHARACTER)
    for x, title in ((MARGIN, "expressions"), (components_at, "components"), (layers_at, "layers")):
        page.text(x, MARGIN + LINE / 2, title, size=TITLE, bold=True)
    inputs: Inputs = {} if program is None else expression_inputs(model, program)[0]
    for number, row in enumerate(rows):
        y = top + (number + 0.5) * LINE
        name = name_label(row.expression)
        page.text(names_at, y, name)
        text = row.text.removeprefix(f"{row.expression} = ")
        room = graph_room - min(len(name), LONGEST_NAME) - 3
        if text != row.expression and room > 8:
            page.text(names_at + text_width(name + " "), y, cut(f"= {text}", room), ink=FAINT)
        page.text(components_at, y, _components(row))
        if n_values > 8:
            page.text(components_at + _COMPONENTS * _CHARACTER + _GAP, y, _values(model, row, n_values), ink=FAINT)
        for source in inputs.get(number, ()):
            start, reach = top + (source + 0.5) * LINE, min(_ARCS - 2, 5 + 1.6 * (number - source))
            left = names_at - 2
            page.path([(left, start), (left - reach * 1.3, start), (left - reach * 1.3, y), (left, y)])
    _draw_layers(page, model, rows, layers_at, top, cell)
    return page.figure


def _components(row: Implementation) -> str:
    heads, neurons = len(row.heads), sum(each.stop - each.start for each in row.neurons)
    parts = [f"{heads} head{'s' * (heads != 1)}"] * bool(heads) + [f"{neurons} neuron{'s' * (neurons != 1)}"] * bool(
        neurons
    )
    return ", ".join(parts) or ("embedding" if row.holds else "-")


def _values(model: Artefact, row: Implementation, most: int) -> str:
    if not row.holds:
        return ""
    variable = model.labels.variable(row.holds[0].variable).variable
    return values_label(variable.values, variable.nullable, most)


def _draw_layers(
    page: Page, model: Artefact, rows: tuple[Implementation, ...], left: float, top: float, cell: float
) -> None:
    """A grid of expressions and sublayers, with a box where a component is."""
    columns, bottom = sublayers(model.config.n_layers), top + LINE * len(rows)
    places = {row.expression: number for number, row in enumerate(rows)}
    used = {(places[each.expression], each.sublayer) for each in model.labels.variables if each.expression in places}
    for kind, fill in enumerate(_FILLS):
        boxes = [
            [left + (sublayer + 1) * cell + 0.5, top + row * LINE + 0.75, cell - 1, LINE - 1.5]
            for row, sublayer in sorted(used)
            if (2 * sublayer.is_mlp or 1 * sublayer.is_attention) == kind
        ]
        page.boxes(np.array(boxes).reshape(-1, 4), fill)
    for row in range(len(rows) + 1):
        page.path([(left, top + row * LINE), (left + len(columns) * cell, top + row * LINE)], "#dddddd", 0.4)
    last = -LINE
    for number, sublayer in enumerate(columns):
        middle = (number + 0.5) * cell
        if middle - last >= FONT:
            page.text(left + middle, bottom + 2, str(sublayer), align="right", rotated=True)
            last = middle
