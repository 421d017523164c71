"""``tracrlab compress``: it trains, saves, continues, and says in one line what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tracrlab
from tracrlab.cli.compression import sizes
from tracrlab.cli.main import main
from tracrlab.compress import CompressedModel
from tracrlab.errors import InputError


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compress", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


PROGRAM = ("frac_prevs", "--vocab", "ax", "--max-len", "2", "--steps", "5")


def test_trains_saves_and_continues() -> None:
    first = invoke(*PROGRAM, "--d", "3,5", "--seeds", "2", "-o", "out")
    assert (first.exit_code, first.stderr) == (0, "")
    header, _, *rows = first.stdout.splitlines()
    assert header.split() == ["d", "loss", "accuracy", "cosine", "verdict", "saved", "in"]
    assert [row.split()[0] for row in rows] == ["3", "5"]
    model = tracrlab.load("out/d3")
    assert isinstance(model, CompressedModel)
    assert model.config.d_model == 3
    again = invoke(*PROGRAM, "--d", "3,5", "--seeds", "2", "-o", "out")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    run = CliRunner().invoke(main, ["run", "out/d5", "--input", "xa"])
    assert (run.exit_code, run.stderr) == (0, "")
    trace = CliRunner().invoke(main, ["trace", "out/d5", "--input", "xa"])
    assert "is_x" in trace.stdout


def test_a_saved_model_is_compressed() -> None:
    CliRunner().invoke(main, ["compile", *PROGRAM[:5], "-o", "model"])
    result = invoke("model", "--d", "4", "--steps", "2", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--d", "x", "-o", "out"), "--d takes sizes"),
        (("--d", "5-3", "-o", "out"), "no size from 1"),
        (("--d", "0", "-o", "out"), "no size from 1"),
        (("--d", "77", "-o", "out"), "between 1 and"),
        (("--d", "3", "--initial", "identity", "-o", "out"), "full size"),
        (("--d", "3", "--faithful", "-1", "-o", "out"), "--faithful"),
        (("--d", "3", "--faithful", "nan", "-o", "out"), "interchange_weight"),
        (("--d", "3", "--layer-weight", "inf", "-o", "out"), "layer_weight"),
        (("--d", "3", "--sharpness", "0", "-o", "out"), "--sharpness"),
        (("--d", "3", "--steps", "0", "-o", "out"), "--steps"),
        (("--d", "3"), "'-o'"),
        (("--d", "3", "-o", "taken"), "something else"),
        (("--d", "3", "-o", "taken/mine.txt"), "cannot train in taken/mine.txt"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    result = invoke(*PROGRAM, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tracrlab: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert sorted(path.name for path in Path().rglob("*")) == ["mine.txt", "taken"]


def test_sizes_are_lists_and_ranges() -> None:
    assert sizes("6") == [6]
    assert sizes(" 2, 4-6 5") == [2, 4, 5, 6]
    for wrong in ("", "-3", "1-", "a-b", "2..4"):
        with pytest.raises(InputError, match="--d"):
            sizes(wrong)
