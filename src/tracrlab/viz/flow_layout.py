"""Where everything in the drawing of a flow goes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from tracrlab.viz.blocks import (
    CHARACTER,
    LINE,
    Block,
    Box,
    Label,
    Role,
    below,
    beside,
    framed,
    line,
    placed,
    text_width,
    widened,
    wrapped,
)
from tracrlab.viz.flow_view import FlowView, HeadView, LayerView, Row

PAGE = 900.0  # how wide a layer may be before its heads go into several rows
_GAP, _PADDING, _MARGIN = 12.0, 8.0, 16.0
_INSET = 6.0  # how much wider a cell is than its text
_SELECTOR = 44 * CHARACTER  # a selector's text may be as wide, even where its head is narrower
_LEGEND = (
    ("keys", Role.KEY),
    ("queries", Role.QUERY),
    ("selected", Role.SELECTED),
    ("values", Role.VALUE),
    ("results", Role.RESULT),
)


def flow_page(view: FlowView) -> Block:
    """The whole drawing, with a margin."""
    layers = [_layer(layer) for layer in view.layers]
    has_heads = any(layer.heads for layer in view.layers)
    title = line(view.title, Role.HEADING)
    parts = [below([title, _legend()], _GAP / 2) if has_heads else title, *layers]
    if view.answer:
        parts.append(framed(_table([view.answer], Role.RESULT), _PADDING))
    width = max(part.width for part in parts)
    page = below([part if not part.boxes or part is parts[0] else widened(part, width) for part in parts], _GAP)
    return placed([(_MARGIN, _MARGIN, page)], page.width + 2 * _MARGIN, page.height + 2 * _MARGIN)


def _legend() -> Block:
    entries = (beside([_cell("", LINE, role), line(text)], _PADDING / 2) for text, role in _LEGEND)
    return beside(list(entries), _GAP)


def _layer(layer: LayerView) -> Block:
    heads = [_head(head) for head in layer.heads]
    parts = [line(layer.title, Role.HEADING)]
    if heads:
        parts.append(wrapped(heads, max(PAGE, *(head.width for head in heads)), _GAP))
    if layer.rows:
        parts.append(_table(layer.rows, Role.STEP))
    return framed(below(parts, _PADDING), _PADDING)


def _table(rows: Sequence[Row], role: Role) -> Block:
    """Rows of values with their labels before and their formulas after them."""
    labels, cell = _label_width(rows), _cell_width(rows)
    lines = []
    for row in rows:
        formula = [line(f"= {row.formula}", Role.FAINT)] if row.formula else []
        lines.append(beside([_right_aligned(row.label, labels), _cells(row.values, cell, role), *formula], _PADDING))
    return below(lines)


def _head(head: HeadView) -> Block:
    """The selector's text; keys above the grid, queries to its left, values and results below it."""
    outputs = [
        (row, role)
        for output in head.outputs
        for row, role in ((output.value, Role.VALUE), (output.result, Role.RESULT))
        if row
    ]
    rows = [*head.keys, *(row for row, _ in outputs)]
    positions = tuple(map(str, range(len(head.grid))))
    cell = max(_cell_width(rows), text_width(positions[-1]) + _INSET)
    queries = _queries(head.queries, positions)
    left = max(queries.width, _label_width(rows))

    def labelled(row: Row, role: Role) -> Block:
        return beside([_right_aligned(row.label, left), _cells(row.values, cell, role)], _PADDING)

    grid = below([_grid_row(selected, cell) for selected in head.grid])
    at_grid = left + _PADDING
    above = [labelled(row, Role.KEY) for row in head.keys]
    if not above:
        above = [placed([(at_grid, 0.0, _cells(positions, cell, Role.FAINT))], at_grid + grid.width, LINE)]
    across = placed(
        [(left - queries.width, 0.0, queries), (at_grid, queries.height - grid.height, grid)],
        at_grid + grid.width,
        queries.height,
    )
    results = below([labelled(row, role) for row, role in outputs])
    matrix = below([*above, across, *([results] if outputs else [])], _PADDING / 2)
    text = _paragraphs(head.selectors, max(matrix.width, _SELECTOR))
    return framed(below([text, matrix], _PADDING / 2), _PADDING)


def _queries(queries: Sequence[Row], positions: Sequence[str]) -> Block:
    """A column for each query, under its label; without any, the positions."""
    if not queries:
        return _column(positions, text_width(positions[-1]) + _INSET, Role.FAINT)
    columns = []
    for query in queries:
        width = max(text_width(query.label), _cell_width([query]))
        label = Label(width / 2, LINE / 2, query.label, "center", Role.PLAIN)
        cells = _column(query.values, _cell_width([query]), Role.QUERY)
        heading = Block(width, LINE, labels=(label,))
        columns.append(below([heading, placed([((width - cells.width) / 2, 0.0, cells)], width, cells.height)]))
    return beside(columns, _PADDING)


def _paragraphs(texts: Iterable[str], width: float) -> Block:
    lines = (
        line(wrapped_line, Role.PLAIN if place == 0 else Role.FAINT)
        for place, text in enumerate(texts)
        for wrapped_line in textwrap.wrap(text, int(width / CHARACTER), subsequent_indent="  ")
    )
    return below(list(lines))


def _right_aligned(text: str, width: float) -> Block:
    return Block(width, LINE, labels=(Label(width, LINE / 2, text, "right", Role.PLAIN),))


def _cells(values: Sequence[str], width: float, role: Role) -> Block:
    return beside([_cell(value, width, role) for value in values], 0.0)


def _column(values: Sequence[str], width: float, role: Role) -> Block:
    return below([_cell(value, width, role) for value in values])


def _grid_row(selected: Sequence[bool], width: float) -> Block:
    return beside(
        [
            _cell("1", width, Role.SELECTED) if is_selected else _cell("", width, Role.UNSELECTED)
            for is_selected in selected
        ],
        0.0,
    )


def _cell(value: str, width: float, role: Role) -> Block:
    label = (Label(width / 2, LINE / 2, value, "center", role),) if value else ()
    box = () if role is Role.FAINT else (Box(0.0, 0.0, width, LINE, role),)
    return Block(width, LINE, box, label)


def _cell_width(rows: Iterable[Row]) -> float:
    return max([LINE, *(text_width(value) + _INSET for row in rows for value in row.values)])


def _label_width(rows: Iterable[Row]) -> float:
    return max((text_width(row.label) for row in rows), default=0.0)
