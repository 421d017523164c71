"""The report in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from tracrlab.lab.report.summary import MEASURES, TITLES, Line, lines, means
from tracrlab.lab.scoring import Row

HEADINGS = {
    "edges": "Edges",
    "decodes": "Variables that are held and used",
    "directions": "Directions of features",
    "subspace": "Subspaces of variables",
}
KEYS: dict[str, Callable[[Row], str]] = {
    "subject": lambda row: f"{row.subject}, {row.mode}",
    "what the answer depends on": lambda row: row.program_class,
}


def markdown(rows: Sequence[Row], command: str) -> str:
    """The report: a table for each kind of method, then by subject and by class of program, then what failed."""
    parts = [
        "# Scores of interpretability methods",
        f"Made by `{command}`. In brackets 95 % intervals by bootstrap over programs. Oracles look at the truth, or "
        "measure what it is defined by; baselines look at nothing. Ranks are those among the other methods.",
    ]
    for kind in MEASURES:
        if found := lines(rows, kind):
            parts += [f"## {HEADINGS[kind]}", _table(_header(kind), (_cells(line, kind) for line in found))]
            if kind == "edges":
                parts.append(_ignored(rows))
            for name, key in KEYS.items():
                columns, table = means(rows, kind, key)
                if len(columns) > 1:
                    body = ([method, *map(_number, own)] for method, own in table.items())
                    parts += [f"### {_title(MEASURES[kind][0])} by {name}", _table(["method", *columns], body)]
    if failed := [row for row in rows if row.error]:
        parts += ["## Failed", "\n".join(f"- {row.error}" for row in failed)]
    return "\n\n".join(parts) + "\n"


def _header(kind: str) -> list[str]:
    return ["method", "role", "cases", *map(_title, MEASURES[kind]), "rank", "± seeds", "seconds"]


def _cells(line: Line, kind: str) -> Iterator[str]:
    yield from (line.method, line.role, str(line.n_cases))
    for name in MEASURES[kind]:
        found = line.measures[name]
        yield "" if math.isnan(found.mean) else str(found)
    yield from ("" if value is None else f"{value:.2f}" for value in (line.rank, line.variance))
    yield f"{line.seconds:.2f}"


def _ignored(rows: Sequence[Row]) -> str:
    cases = {row.case: row.values for row in rows if row.kind == "edges" and row.error is None}
    numbers = (sum(values[name] for values in cases.values()) for name in ("n_true", "n_edges", "n_ignored"))
    true, counted, ignored = map(int, numbers)
    return (
        f"{true:,} of {counted:,} edges of {len(cases)} cases are true. {ignored:,} more read something and change no "
        "answer; they are neither hits nor false alarms."
    )


def _table(header: Sequence[str], body: Iterator[Sequence[str]] | Iterator[Iterator[str]]) -> str:
    rows = ["| " + " | ".join(cells) + " |" for cells in body]
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *rows])


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _title(measure: str) -> str:
    return TITLES.get(measure, measure.replace("_", " "))
