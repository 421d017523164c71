"""The command that decompiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracrlab
from tracrlab.cli.main import main
from tracrlab.rasp.library import PROGRAMS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tracrlab.compile(PROGRAMS["hist"].build(), "abc", 4).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_program_is_shown(folder: Path) -> None:
    result = CliRunner().invoke(main, ["decompile", str(folder)])
    assert result.exit_code == 0, result.output
    assert "width = selector_width(select(tokens_asis, tokens_asis, ==));" in result.output
    assert "a0.h0" in result.output and "equal on all inputs of 1 to 4 tokens over 3 tokens (120)" in result.output
    assert "parameters" in result.output


def test_files_are_written(folder: Path, tmp_path: Path) -> None:
    program, record = tmp_path / "out.rasp", tmp_path / "c.json"
    result = CliRunner().invoke(main, ["decompile", str(folder), "-o", str(program), "--certificate", str(record)])
    assert result.exit_code == 0, result.output
    assert program.read_text().splitlines() == [
        'set example ["a", "b", "c"]',
        "width = selector_width(select(tokens_asis, tokens_asis, ==));",
        "width;",
    ]
    assert json.loads(record.read_text())["holds"]


def test_what_is_not_known_of_all_inputs_has_status_1(folder: Path) -> None:
    result = CliRunner().invoke(main, ["decompile", str(folder), "--most-inputs", "10"])
    assert result.exit_code == 1 and "unproved" in result.output


def test_what_is_no_model(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["decompile", str(tmp_path)])
    assert result.exit_code == 2 and len(result.output.strip().splitlines()) == 1
