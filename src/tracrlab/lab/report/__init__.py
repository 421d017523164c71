"""What the methods score, for people and for programs: parquet, Markdown and HTML with plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracrlab.files import write_output
from tracrlab.lab.report.page import html
from tracrlab.lab.report.table import parquet
from tracrlab.lab.report.text import markdown
from tracrlab.lab.scoring import Row


def write_report(rows: Sequence[Row], folder: Path, command: str) -> list[Path]:
    """Write ``scores.parquet``, ``report.md`` and ``report.html``; ``command`` is what the report says made it.

    Raises:
        MissingDependencyError: pyarrow or matplotlib is not installed.
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "scores.parquet": parquet(rows),
        "report.md": markdown(rows, command).encode(),
        "report.html": html(rows, command).encode(),
    }
    for name, content in contents.items():
        write_output(folder / name, content)
    return [folder / name for name in contents]
