"""How deep compiled models are, beside the depth at which an ideal transformer would compute the program."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

import tracrlab
from tracrlab.errors import CompileError
from tracrlab.rasp import SOp
from tracrlab.rasp.flow import flow_of
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.values import Value

EXAMPLES = Path(__file__).parents[1] / "examples" / "rasp"
LENGTH = 8

# the vocabulary of each example; programs of the library run on letters
EXAMPLE_VOCABULARIES = {
    "dyck1_ptf": "()",
    "dyck2_ptf": "(){}",
    "dyck3_ptf": "()[]{}",
    "long_addition": "0123456789+",
}
_LIBRARY = {
    "length": "length",
    "has_focus": "has_focus(select(indices, indices - 1, ==))",
    "selector_width": "selector_width(select(tokens, tokens, ==))",
    "count": 'count(tokens, "a")',
    "contains": 'contains(tokens, "a")',
    "average": "average(indices)",
    "load_from_location": "load_from_location(tokens, 2)",
    "shift": 'shift(tokens, 1, "-")',
    "mark_last_instance": 'mark_last_instance(tokens, "a")',
    "mark_first_instance": 'mark_first_instance(tokens, "a")',
    "select_from_last": 'aggregate(select_from_last(tokens, "a"), indices)',
    "select_from_first": 'aggregate(select_from_first(tokens, "a"), indices)',
    "sort": "sort(tokens, tokens)",
    "select_next_identical": "aggregate(select_next_identical(tokens), indices, -1)",
}


def example_programs() -> dict[str, SOp]:
    """The program of each example file, which is named like the file; one of the files holds a function instead."""
    programs = {}
    for path in sorted(EXAMPLES.glob("*.rasp")):
        session = Session()
        session.run_file(path)
        if isinstance(session.value(path.stem), SOp):
            programs[path.stem] = session.value(path.stem)
    return programs


def library_program(text: str) -> SOp:
    """A use of a library function."""
    session = Session(example="abcab")
    session.run_text(f"program = {text};")
    program: SOp = session.value("program")
    return program


def depth_table(console: Console) -> None:
    """Print ideal depths and the layers of compiled models, for the examples and the textual library."""
    table = Table(title=f"Layers, at length {LENGTH}")
    for title in ("program", "ideal depth", "heads", "compact layers", "heads", "faithful layers", "heads"):
        table.add_column(title, justify="left" if title == "program" else "right")
    for name, program in example_programs().items():
        table.add_row(name, *_figures(program, list(EXAMPLE_VOCABULARIES.get(name, "§abcd"))))
    table.add_section()
    for name, text in _LIBRARY.items():
        table.add_row(name, *_figures(library_program(text), list("abcd")))
    console.print(table)


def _figures(program: SOp, vocabulary: list[Value]) -> list[str]:
    flow = flow_of(program)
    return [
        str(flow.depth),
        str(flow.max_heads),
        *_layers(program, vocabulary, "compact"),
        *_layers(program, vocabulary),
    ]


def _layers(program: SOp, vocabulary: list[Value], mode: str = "faithful") -> tuple[str, str]:
    try:
        model = tracrlab.compile(
            program, vocabulary, LENGTH, mode="compact" if mode == "compact" else "faithful", prove=False
        )
    except CompileError as error:
        return type(error).__name__, ""
    return str(model.config.n_layers), str(max(map(len, model.labels.heads)))
