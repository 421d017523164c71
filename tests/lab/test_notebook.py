"""The notebook runs from its first cell to its last, and ends with a table that has the user's method in it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]
NOTEBOOK = Path(__file__).parents[2] / "examples" / "lab.ipynb"


def test_the_notebook_ends_with_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("joblib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    namespace: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), namespace)
    assert "| gradient_times_activation | method | 4 |" in output.getvalue()
    assert "| oracle | oracle | 4 | 1.000 [1.000, 1.000] |" in output.getvalue()
