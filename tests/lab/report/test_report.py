"""The report says what the rows do: means over programs, ranks among competitors, what failed, and in parquet all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tracrlab.lab.report import write_report
from tracrlab.lab.report.summary import lines
from tracrlab.lab.report.text import markdown
from tracrlab.lab.scoring import Row


def row(method: str, program: str, auroc: float, role: str = "method", subject: str = "plain", seed: int = 0) -> Row:
    values = {"auroc": auroc, "average_precision": auroc, "f1": auroc, "cpr": 1.0, "cmd": 0.0}
    counts = {"n_edges": 10, "n_true": 2, "n_ignored": 1}
    case = f"{program}-{subject}-faithful-0"
    return Row(
        method, "edges", role, case, program, subject, "faithful", "MLPs", seed, 1.0, {**values, **counts}
    )  # fmt: skip


ROWS = [
    row("good", "hist", 0.9), row("good", "sort", 0.7), row("good", "sort", 0.9, subject="soft"),
    row("bad", "hist", 0.5), row("bad", "sort", 0.5), row("bad", "sort", 0.9, subject="soft"),
    row("oracle", "hist", 1.0, role="oracle"), row("oracle", "sort", 1.0, role="oracle"),
]  # fmt: skip


def test_means_are_over_programs_and_ranks_over_cases() -> None:
    oracle, good, bad = lines(ROWS, "edges")
    assert (oracle.method, oracle.rank) == ("oracle", None)
    assert good.measures["auroc"].mean == pytest.approx((0.9 + 0.8) / 2)
    assert bad.measures["auroc"].mean == pytest.approx((0.5 + 0.7) / 2)
    assert (good.rank, bad.rank) == (pytest.approx((1 + 1 + 1.5) / 3), pytest.approx((2 + 2 + 1.5) / 3))


def test_seeds_give_a_deviation() -> None:
    several = [row("good", "hist", value, seed=seed) for seed, value in enumerate((0.7, 0.9))]
    assert lines(several, "edges")[0].variance == pytest.approx(2**0.5 / 10)
    assert lines(ROWS, "edges")[0].variance is None


def test_what_failed_is_said_and_not_averaged() -> None:
    failed = replace(ROWS[0], case="x", error="good on x: gets nan", values={})
    text = markdown([*ROWS, failed], "tracrlab lab run")
    assert "- good on x: gets nan" in text
    assert re.search(r"\| good \| method \| 3 \| 0\.850 \[", text)
    assert "### AUROC by subject" in text
    assert "6 of 30 edges of 3 cases are true. 3 more" in text


def test_files_are_written_and_parquet_has_every_row(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("matplotlib")
    written = write_report(ROWS, tmp_path / "report", "tracrlab lab report <results>")
    table = parquet.read_table(written[0]).to_pylist()
    assert {(each["method"], each["case"], each["auroc"]) for each in table} == {
        (each.method, each.case, each.values["auroc"]) for each in ROWS
    }
    page = written[2].read_text(encoding="utf-8")
    assert "&lt;results&gt;" in page
    assert "<td>good</td>" in page
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)  # it is whole in itself
