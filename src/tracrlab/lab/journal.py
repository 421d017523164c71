"""Rows on disk as they come, so that an interrupted run loses none that was finished: JSON, a line a row."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tracrlab.errors import LabError
from tracrlab.lab.scoring import Row

_FIELDS = {each.name for each in fields(Row)}


def append(path: Path, row: Row) -> None:
    """Add a row to a file, which it reaches before this returns."""
    line = json.dumps({name: _or_null(value) for name, value in asdict(row).items()}) + "\n"
    with path.open("a", encoding="utf-8") as stream:
        if stream.tell() and not _ends_whole(path):
            stream.write("\n")  # what is left of a line that was being written when a run ended
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())


def rows(paths: Iterable[Path]) -> list[Row]:
    """The rows of files; a line that a run was interrupted in is no row. Of rows of one thing the last counts.

    Raises:
        LabError: a line is something else.
    """
    found: dict[tuple[str, str, int], Row] = {}
    for path in sorted(paths):
        lines = path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, 1):
            row = _row(line, f"{path}:{number}") if line.strip() else None
            if row is not None:
                found[row.case, row.method, row.seed] = row
    return list(found.values())


def _row(line: str, where: str) -> Row | None:
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        return None  # torn
    if not isinstance(data, dict) or set(data) != _FIELDS:
        raise LabError(f"{where}: is no row of results; delete the line, or the file, and run again")
    values = {name: math.nan if value is None else value for name, value in data["values"].items()}
    seconds = math.nan if data["seconds"] is None else data["seconds"]
    return Row(**{**data, "values": values, "seconds": seconds})


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _or_null(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _or_null(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
