"""The page of agreement joins what several environments found, and what differs shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import export_agreement
from benchmarks.export_agreement import agreement_page, measure, write


def part(version: str, **cells: str) -> dict[str, Any]:
    row = {"program": "hist", "mode": "compact", "inputs": 3, "cells": {"NumPy": "all", **cells}}
    return {"complete": True, "targets": list(cells), "versions": {"transformer-lens": version}, "rows": [row]}


def test_environments_share_a_row() -> None:
    page = agreement_page([part("1", PyTorch="all", JAX="-"), part("3.9", **{"TransformerLens 3": "all"})])
    assert "| program | mode | inputs | NumPy | PyTorch | TransformerLens 3 | JAX |" in page
    assert "| hist | compact | 3 | all | all | all | - |" in page
    assert "1 models, 4 targets, 3 inputs: all answers are the same." in page
    assert "transformer-lens 1, transformer-lens 3.9" in page


def test_what_differs_is_counted() -> None:
    page = agreement_page([part("1", PyTorch="2 of 3")])
    assert "1 cells differ" in page
    assert "| hist | compact | 3 | all | 2 of 3 |" in page


def test_measuring_goes_on_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def interrupted(name: str, targets: Any) -> Any:
        seen.append(name)
        if seen.count("length") == 1 and len(seen) == 3:
            raise KeyboardInterrupt
        return [export_agreement.Row(name, "compact", 1, {"NumPy": "all"})]

    monkeypatch.setattr(export_agreement, "agreement", interrupted)
    monkeypatch.setattr(export_agreement, "PROGRAMS", dict.fromkeys(["length", "hist", "sort"]))
    file = tmp_path / "new" / "found.json"
    with pytest.raises(KeyboardInterrupt):
        measure(file, "PyTorch")
    with pytest.raises(SystemExit, match="not complete"):
        write(tmp_path / "page.md", [file])
    assert not (tmp_path / "page.md").exists()
    measure(file, "PyTorch")
    assert seen == ["length", "hist", "sort", "sort"]
    assert [row["program"] for row in json.loads(file.read_text(encoding="utf-8"))["rows"]] == [
        "length",
        "hist",
        "sort",
    ]
    write(tmp_path / "page.md", [file])
    assert "| sort | compact | 1 | all |" in (tmp_path / "page.md").read_text(encoding="utf-8")
