"""``tracrlab lab``: a user's method beside those of the house, a report, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracrlab.cli.main import main

pytest.importorskip("joblib")
pytestmark = pytest.mark.frameworks


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["lab", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_users_method_is_scored_and_reported() -> None:
    Path("of_a_user.py").write_text(
        "from tracrlab import lab\n@lab.method('edges')\ndef latest(case, rng):\n"
        "    return {edge: edge.target.layer or 0 for edge in case.edges}\n"
    )
    found = invoke("run", "results", "--methods", "of_a_user:latest,oracle", "--program", "count", "--subject", "plain")
    assert (found.exit_code, found.stderr) == (0, "")
    assert "| latest | method | 2 |" in found.stdout
    assert "| oracle | oracle | 2 | 1.000 [1.000, 1.000] |" in found.stdout
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib")
    written = invoke("report", "results", "out")
    assert (written.exit_code, written.stderr) == (0, "")
    assert sorted(path.name for path in Path("out").iterdir()) == ["report.html", "report.md", "scores.parquet"]


def test_cases_are_kept_and_run_from_their_folder() -> None:
    made = invoke("make", "cases", "--program", "count", "--subject", "plain")
    assert (made.exit_code, made.stdout) == (0, "2 cases in cases\n")
    before = {path: path.stat().st_mtime_ns for path in Path("cases").rglob("*")}
    assert invoke("make", "cases", "--program", "count", "--subject", "plain").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in Path("cases").rglob("*")} == before
    found = invoke("run", "results", "--cases", "cases", "--methods", "oracle")
    assert (found.exit_code, found.stderr) == (0, "")
    assert "| oracle | oracle | 2 | 1.000 [1.000, 1.000] |" in found.stdout
    Path("cases/count-plain-compact-0/case.json").write_text("{}")
    broken = invoke("run", "results", "--cases", "cases", "--methods", "all_edges")
    assert broken.exit_code == 2
    assert broken.stderr.startswith("tracrlab: count-plain-compact-0: ")
    assert "| all_edges | baseline | 1 |" in broken.stdout


def test_a_method_that_gives_no_number() -> None:
    Path("of_another.py").write_text(
        "from tracrlab import lab\n@lab.method('edges')\ndef lost(case, rng):\n"
        "    return {edge: float('nan') for edge in case.edges}\n"
    )
    found = invoke("run", "results", "--methods", "of_another:lost,all_edges", "--program", "count")
    assert found.exit_code == 2
    assert "tracrlab: lost on count-plain-faithful-0: tokens->a0.h0<q> gets nan" in found.stderr
    assert "the rest is in results, and is not run again" in found.stderr.splitlines()[-1]
    assert "| all_edges |" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "results", "--methods", "eapp"), "no method 'eapp'; did you mean eap?"),
        (("run", "results", "--methods", ","), "--methods names none"),
        (("run", "results", "--methods", "nowhere:f"), "cannot import nowhere"),
        (("run", "results", "--program", "sortt"), "no program 'sortt'"),
        (("run", "results", "--cases", "."), "there are no cases in this folder"),
        (("report", ".", "out"), "there are no results in this folder"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("results").exists()
