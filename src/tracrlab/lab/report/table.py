"""Rows as a parquet file, a column for each measure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict

from tracrlab.extras import require
from tracrlab.lab.scoring import Row


def parquet(rows: Sequence[Row]) -> bytes:
    """The table; what a kind of method is not measured by is null.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    pyarrow = require("pyarrow", extra="lab", purpose="a table of scores")
    written = require("pyarrow.parquet", extra="lab", purpose="a table of scores")
    measures = sorted({name for row in rows for name in row.values})
    flat = [
        {**{k: v for k, v in asdict(row).items() if k != "values"}, **{name: row.values.get(name) for name in measures}}
        for row in sorted(rows, key=lambda row: (row.kind, row.method, row.case, row.seed))
    ]
    stream = io.BytesIO()
    written.write_table(pyarrow.Table.from_pylist(flat), stream)
    return stream.getvalue()
