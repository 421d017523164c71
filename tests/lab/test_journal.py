"""Rows are on disk when they are finished, and a line that a run was killed in costs that row only."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tracrlab.errors import LabError
from tracrlab.lab import journal
from tracrlab.lab.scoring import Row

ROW = Row(
    "eap", "edges", "method", "hist-plain-faithful-0", "hist", "plain", "faithful", "MLPs", 0, 0.5,
    {"auroc": 0.75, "f1": math.nan},
)  # fmt: skip


def test_rows_come_back(tmp_path: Path) -> None:
    file, failed = tmp_path / "a.jsonl", replace(ROW, seed=1, seconds=math.nan, values={}, error="no: “that”")
    for row in (ROW, failed):
        journal.append(file, row)
    first, second = journal.rows([file])
    assert str(first) == str(ROW)
    assert math.isnan(first.values["f1"])
    assert (second.error, math.isnan(second.seconds)) == (failed.error, True)


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_line_is_no_row_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "a.jsonl"
    journal.append(file, ROW)
    journal.append(file, replace(ROW, seed=1))
    file.write_bytes(file.read_bytes()[:-cut])
    assert [row.seed for row in journal.rows([file])] in ([0], [0, 1])
    journal.append(file, replace(ROW, seed=2))
    assert {0, 2} <= {row.seed for row in journal.rows([file])}


def test_the_last_row_of_one_thing_counts(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    journal.append(file, replace(ROW, error="broken"))
    journal.append(file, ROW)
    assert [row.error for row in journal.rows([file])] == [None]


@pytest.mark.parametrize("line", ["[1]", '{"method": "eap"}', "3"])
def test_something_else_is_refused_with_where_it_is(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(LabError, match=r"a\.jsonl:1: is no row of results"):
        journal.rows([file])
