"""Tables for the terminal: programs, answers, what a model is, what happens inside it.

Names and tokens are shown as text, never as markup or control codes, whatever they contain.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tracrlab.compiler.graph import trace_graph
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import verdict
from tracrlab.model.config import ModelConfig
from tracrlab.model.sublayers import Sublayer, head_name, neurons_name
from tracrlab.model.trace import Step, Trace
from tracrlab.rasp.display import printable, value_text
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.flow import flow_of
from tracrlab.rasp.library import Program
from tracrlab.rasp.values import Value

_CELL, _NAME = 14, 24  # the widest cell and row name; longer ones are cut
_GAP = 2


def console(*, stderr: bool = False) -> Console:
    """Where to print; nothing in a text is taken for markup."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def internal_error(error: Exception) -> str:
    """What to say of an exception that nobody meant to happen."""
    return (
        f"internal error: {type(error).__name__}: {error}; please report it, "
        "with what TRACRLAB_DEBUG=1 in the environment shows"
    )


def plain_table(gap: int = _GAP) -> Table:
    """A table with a line below its headings and ``gap`` spaces between columns."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))


@dataclass(frozen=True)
class Row:
    """A row of a table over positions: its name, a cell a position, and the group it belongs to."""

    name: str
    cells: Sequence[Text]
    group: str = ""
    style: str = ""


def value_cells(values: Sequence[Value], style: str = "") -> list[Text]:
    """The cells of a row of values."""
    return [Text(value_text(value), "dim" if value is None else style) for value in values]


def position_tables(rows: Sequence[Row], headings: Sequence[Text], corner: str, width: int) -> list[Table]:
    """Rows over positions, in as many tables below each other as it takes to fit the width."""
    grouped = any(row.group for row in rows)
    names = min(max(cell_len(text) for text in (corner, *(row.name for row in rows))), _NAME)
    lead = names + (max(cell_len(row.group) for row in rows) + _GAP if grouped else 0)
    widths = [
        min(max(cell_len(line) for text in column for line in text.plain.split("\n")), _CELL)
        for column in zip(headings, *(row.cells for row in rows), strict=True)
    ]
    tables: list[Table] = []
    start = 0
    while start < len(widths) or not tables:
        stop, room = start, width - lead
        while stop < len(widths) and (stop == start or room >= widths[stop] + _GAP):
            room -= widths[stop] + _GAP
            stop += 1
        tables.append(_position_table(rows, headings, corner, slice(start, stop), names, grouped))
        start = max(stop, 1)
    return tables


def _position_table(
    rows: Sequence[Row], headings: Sequence[Text], corner: str, positions: slice, names: int, grouped: bool
) -> Table:
    table = plain_table()
    if grouped:
        table.add_column("", style="cyan", no_wrap=True)
    table.add_column(Text(corner, "dim"), no_wrap=True, max_width=names, vertical="bottom")
    for heading in headings[positions]:
        table.add_column(heading, justify="right", no_wrap=True, max_width=_CELL, header_style="bold")
    previous = None
    for row in rows:
        if previous is not None and row.group != previous:
            table.add_section()
        group = [Text(row.group if row.group != previous else "")] if grouped else []
        table.add_row(*group, Text(row.name, row.style), *row.cells[positions])
        previous = row.group
    return table


def position_headings(tokens: Sequence[Value]) -> list[Text]:
    """A heading for each token: its position above it."""
    return [Text.assemble((str(index), "dim"), "\n", value_text(token)) for index, token in enumerate(tokens)]


def stacked(tables: Sequence[Table]) -> Group:
    """Tables below each other, a blank line between them."""
    first, *others = tables
    return Group(first, *(part for table in others for part in ("", table)))


# The commands --------------------------------------------------------------------------------------------------------


def program_table(programs: Sequence[Program]) -> Table:
    """The programs of the library."""
    table = plain_table()
    table.add_column("program", style="cyan", no_wrap=True)
    table.add_column("computes")
    table.add_column("over", style="dim", no_wrap=True)
    table.add_column("such as", style="dim", no_wrap=True)
    for entry in programs:
        description = entry.description.replace("``", "")
        table.add_row(entry.name, *map(Text, (description, entry.example_vocab, entry.example_input)))
    return table


def answer_tables(
    tokens: Sequence[Value], name: str, output: Sequence[Value], interpreted: Sequence[Value] | None, width: int
) -> Group:
    """What a model answers, and beside it what the interpreter says, if that is wanted."""
    rows = [Row(printable(name), value_cells(output, "bold"), style="bold")]
    if interpreted is not None:
        styles = ["" if ours == theirs else "red" for ours, theirs in zip(output, interpreted, strict=True)]
        cells = [Text(value_text(value), style) for value, style in zip(interpreted, styles, strict=True)]
        rows.append(Row("interpreter", cells))
    return stacked(position_tables(rows, position_headings(tokens), "token", width))


def trace_tables(model: Artefact, trace: Trace, width: int, *, intermediate: bool = False) -> Group:
    """The decoded value of every variable where it is written, sublayer by sublayer, then the answer."""
    rows = [
        Row(printable(variable.name), value_cells(step.values(variable)), step.name)
        for step in trace.steps
        for variable in step.written
        if variable.is_value or intermediate
    ]
    rows.append(Row(printable(model.output_name), value_cells(trace.output, "bold"), "output", "bold"))
    tables = stacked(position_tables(rows, position_headings(trace.tokens), "variable", width))
    return Group(tables, *(Text(line, "dim") for line in _folded(trace, intermediate)))


def _folded(trace: Trace, intermediate: bool) -> Iterator[str]:
    """What a trace leaves out, in words."""
    hidden = sum(not variable.is_value for step in trace.steps for variable in step.written)
    if hidden and not intermediate:
        yield f"{_counted(hidden, 'intermediate result')} not shown: --all shows them"
    silent = [step.name for step in trace.steps if not step.written]
    if silent:
        yield f"{', '.join(silent)}: nothing written"


def pattern_tables(model: Artefact, trace: Trace, width: int) -> Iterator[RenderableType]:
    """The attention pattern of every head that the program uses: a row a query, a column a key."""
    labels = [value_text(token) for token in (model.config.bos, *trace.tokens)]
    for step in trace.steps:
        if step.pattern is None:
            continue
        for head, label in enumerate(model.labels.heads[step.sublayer.layer]):
            rows = [
                Row(name, [_weight_cell(weight) for weight in weights])
                for name, weights in zip(labels, step.pattern[head].tolist(), strict=True)
            ]
            yield ""
            yield Text.assemble((head_name(step.sublayer.layer, head), "cyan"), f" writes {printable(label.writes)}")
            yield stacked(position_tables(rows, [Text(label) for label in labels], "query ╲ key", width))


def _weight_cell(weight: float) -> Text:
    return Text("·", "dim") if weight < 0.005 else Text(f"{weight:.2f}".rstrip("0").removesuffix("."))


def model_description(model: Artefact) -> Group:
    """What a model is: its shape, its program, and what its heads, neurons and dimensions are for."""
    return Group(
        _facts(_model_facts(model)), "", *_titled("program", _expressions(model.program)), "",
        *_titled("layers", _layers(model)), "", *_titled("residual stream", _dimensions(model)),
    )  # fmt: skip


def program_description(program: SOp) -> Group:
    """What a program is before it is compiled: its expressions, and the layers that they need at least."""
    graph, flow = trace_graph(program), flow_of(program)
    operations = Counter(type(node.expression).__name__ for node in graph.nodes if node.expression.children)
    counts = ", ".join(f"{count} {name}" for name, count in operations.most_common())
    facts = {
        "output": graph.output.name,
        "operations": counts or "none",
        "attention": f"{_counted(flow.depth, 'layer')} at least, of at most {_counted(flow.max_heads, 'head')}",
    }
    expressions = [(node.name, node.text, node.expression.location) for node in graph.nodes]
    note = Text("--vocab, with the tokens that inputs may contain, describes the compiled model", "dim")
    return Group(_facts(facts), "", *_titled("program", _expressions(expressions)), "", note)


def pass_tables(stages: Sequence[tuple[str, str, str, ModelConfig | None]]) -> Group:
    """What each pass does, by name, family and description, and how large the model is after it; passes add up.

    A model without a shape was refused.
    """
    meanings = Table("pass", "family", "what it does", box=None, header_style="bold", pad_edge=False)
    sizes = Table("pass", box=None, header_style="bold", pad_edge=False)
    for title in ("layers", "d_model", "heads", "d_head", "d_mlp", "parameters"):
        sizes.add_column(title, justify="right")
    for name, family, description, c in stages:
        meanings.add_row(name, family, description)
        numbers = () if c is None else (c.n_layers, c.d_model, c.n_heads, c.d_head, c.d_mlp, c.n_params)
        sizes.add_row(name, *(f"{number:,}" for number in numbers), *["refused"] * (c is None))
    return Group(meanings, "", sizes)


def _titled(title: str, table: Table) -> tuple[Text, Table]:
    return Text(title, "bold"), table


def _model_facts(model: Artefact) -> dict[str, str]:
    config = model.config
    return {
        "output": f"{model.output_name}, {model.output.layout.value}",
        "shape": f"{_counted(config.n_layers, 'layer')}, d_model {config.d_model}, {_counted(config.n_heads, 'head')} "
        f"of d_head {config.d_head}, d_mlp {config.d_mlp}",
        "attention": "causal" if config.causal else "bidirectional",
        "parameters": f"{config.n_params:,} {config.dtype}, {model.weights.n_nonzero:,} of them not zero",
        "vocabulary": f"{_counted(len(config.vocab), 'token')}: {_values(config.vocab)}",
        "special": f"BOS {value_text(config.bos)}, PAD {value_text(config.pad)}",
        "input": f"at most {_counted(config.max_seq_len, 'token')}",
        "proof": verdict(model.certificate),
    }


def _facts(facts: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, fact in facts.items():
        table.add_row(name, Text(printable(fact)))
    return table


def source_table(model: Artefact) -> Table:
    """The expressions of a model's program: name, text and source line of each."""
    return _expressions(model.program)


def _expressions(expressions: Iterable[tuple[str, str, str | None]]) -> Table:
    """The name, text and source line of each."""
    table = _listing("name", "expression", "source")
    for name, text, location in expressions:
        source = (location or "").replace("\\", "/").rpartition("/")[2]
        expression = text.removeprefix(f"{name} = ")
        table.add_row(*(Text(printable(part)) for part in (name, expression)), Text(printable(source), "dim"))
    return table


def _layers(model: Artefact) -> Table:
    table = _listing("part", "writes", "for")
    for layer, heads in enumerate(model.labels.heads):
        parts = [(head_name(layer, number), head.writes, head.expression) for number, head in enumerate(heads)]
        _add_sublayer(table, Sublayer.attention(layer), parts)
        parts = [
            (neurons_name(layer, own), f"(clears {group.writes})" if group.clears else group.writes, group.expression)
            for own, group in model.labels.neuron_groups(layer)
            if own
        ]
        _add_sublayer(table, Sublayer.mlp(layer), parts)
    return table


def _add_sublayer(table: Table, sublayer: Sublayer, parts: Sequence[tuple[str, str, str]]) -> None:
    for part in parts or [(str(sublayer), "-", "")]:
        table.add_row(*(Text(printable(text)) for text in part))


def _dimensions(model: Artefact) -> Table:
    reused = any(entry.cleared is not None for entry in model.labels.variables)
    table = _listing("dimensions", "variable", "written by", *["cleared by"] * reused, "layout", "values")
    for entry in model.labels.variables:
        variable = entry.variable
        values = _values(variable.values) + (" -" if variable.nullable else "")
        table.add_row(
            _span(entry.start, variable.width),
            Text(printable(entry.name), "" if entry.is_value else "dim"),
            str(entry.sublayer),
            *["" if entry.cleared is None else str(entry.cleared)] * reused,
            variable.layout.value,
            Text(printable(values)),
        )
    return table


def _listing(*headings: str) -> Table:
    table = plain_table()
    table.header_style = "dim"
    for number, heading in enumerate(headings):
        table.add_column(heading, style="cyan" if number == 0 else "", overflow="fold")
    return table


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}–{first + count - 1}" if count else "none"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _values(values: Sequence[Value], limit: int = 16) -> str:
    shown = " ".join(map(value_text, values[:limit]))
    return shown if len(values) <= limit else f"{shown} … ({len(values)})"


# The residual stream -------------------------------------------------------------------------------------------------


def residual_tables(model: Artefact, trace: Trace, *, coloured: bool) -> Group:
    """The residual stream after each sublayer that writes, as numbers: a row a dimension, a column a position.

    What the sublayer changed is highlighted, or marked with a star where there are no colours.
    """
    before = np.zeros_like(trace.steps[0].residual)
    tables: list[Table] = []
    silent: list[str] = []
    for step in trace.steps:
        changed = np.abs(step.residual - before) > 1e-4
        if changed.any():
            tables.append(_residual_table(model, trace, step, changed, coloured))
        else:
            silent.append(step.name)
        before = step.residual
    note = [Text(f"{' and '.join(silent)} change nothing", "dim")] if silent else []
    return Group(Columns(tables, padding=(1, 3)), *note)


def _residual_table(model: Artefact, trace: Trace, step: Step, changed: np.ndarray, coloured: bool) -> Table:
    table = plain_table(gap=1)
    table.title, table.title_style, table.title_justify = Text.assemble("after ", (step.name, "bold cyan")), "", "left"
    table.add_column("", no_wrap=True)
    for token in (model.config.bos, *trace.tokens):
        table.add_column(Text(value_text(token)), justify="right", no_wrap=True)
    for dimension, label in enumerate(model.labels.dimensions_after(step.sublayer)):
        cells = zip(step.residual[:, dimension].tolist(), changed[:, dimension].tolist(), strict=True)
        table.add_row(Text(printable(str(label))), *(_number_cell(number, new, coloured) for number, new in cells))
    return table


def _number_cell(number: float, changed: bool, coloured: bool) -> Text:
    text = "·" if abs(number) < 5e-4 else f"{number:.3g}"
    if changed:
        return Text(text if coloured else text + "*", "bold green")
    return Text(text if coloured else text + " ", "dim")


# Waiting -------------------------------------------------------------------------------------------------------------


@contextmanager
def progress(description: str, total: int | None = None, delay: float = 1.0) -> Iterator[Callable[[], None]]:
    """A progress bar for what takes longer than ``delay`` seconds, on a terminal; yields the function that advances it.

    Without a ``total`` the bar only shows that something happens.
    """
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=screen, transient=True)
    task = bar.add_task(printable(description), total=total)
    if not screen.is_interactive:
        yield lambda: None
        return
    timer = threading.Timer(delay, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
