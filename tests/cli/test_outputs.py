"""Where commands write: standard output for ``-``, to the end of links, into pipes and devices, not over what is not to
be written; and what is wrong with a path is one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracrlab.cli.main import main

WRITERS = {
    "draw": (["draw", "reverse", "--input", "abc", "-o"], "flow.svg", b"<?xml"),
    "plot": (["plot", "reverse", "abc", "-o"], "figure.svg", b"<?xml"),
    "explore": (["explore", "reverse", "abc", "--html"], "page.html", b"<!doctype html>"),
    "verify": (["verify", "reverse", "--max-len", "3", "-o"], "certificate.json", b"{"),
}
each_writer = pytest.mark.parametrize("writer", WRITERS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def error_of(*arguments: str) -> str:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tracrlab: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@each_writer
def test_a_dash_is_standard_output(writer: str, folder: Path) -> None:
    command, name, beginning = WRITERS[writer]
    to_file, to_output = invoke(*command, name), invoke(*command, "-")
    assert to_file.exit_code == to_output.exit_code == 0
    content = (folder / name).read_bytes()
    assert content.startswith(beginning)
    if writer == "verify":  # which tries as many inputs, at random, as there is time for
        assert re.sub(rb"\d+", b"0", to_output.stdout_bytes) == re.sub(rb"\d+", b"0", content)
    else:
        assert to_output.stdout_bytes == content
    assert [path.name for path in folder.iterdir()] == [name]


@each_writer
def test_links_are_followed_and_read_only_files_refused(writer: str, folder: Path) -> None:
    command, name, _ = WRITERS[writer]
    (folder / name).symlink_to("real")
    assert invoke(*command, name).exit_code == 0
    assert (folder / name).is_symlink()
    (folder / "real").write_text("mine")
    (folder / "real").chmod(0o444)
    assert error_of(*command, name) == f"tracrlab: cannot write {name}: it is read-only\n"
    assert (folder / "real").read_text() == "mine"


@each_writer
def test_pipes_and_devices_are_written_into(writer: str, folder: Path) -> None:
    command, name, beginning = WRITERS[writer]
    os.mkfifo(folder / name)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((folder / name).read_bytes()), daemon=True)
    reader.start()
    assert invoke(*command, name).exit_code == 0
    reader.join(30)
    assert read[0].startswith(beginning)
    with Path("/dev/null").open("wb") as null:  # by a name that nothing could replace
        assert invoke(*command, f"/dev/fd/{null.fileno()}").exit_code == 0


@pytest.mark.skipif(not Path("/dev/fd/1").exists(), reason="the system has no such name")
@pytest.mark.parametrize("writer", ["draw", "explore"])
def test_standard_output_by_its_name_holds_the_file_alone(writer: str, folder: Path) -> None:
    command, name, _ = WRITERS[writer]
    invoke(*command, name)
    arguments = [sys.executable, "-c", "from tracrlab.cli.main import main; main()", *command, "/dev/fd/1"]
    with (folder / "output").open("wb") as output:
        output.write(b"before\n")
        output.flush()
        subprocess.run(arguments, stdout=output, check=True)
    assert (folder / "output").read_bytes() == b"before\n" + (folder / name).read_bytes()


@each_writer
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "cannot write a file: the path is empty"),
        (".", "Is a directory"),
        ("nowhere/{}", "there is no folder nowhere; create it"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_wrong_with_a_path_is_one_line(writer: str, path: str, reason: str, folder: Path) -> None:
    command, name, _ = WRITERS[writer]
    assert reason in error_of(*command, path.format(name))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--target", "bert"]])
@pytest.mark.parametrize(("path", "reason"), [("", "names no folder"), ("x" * 300, "File name too long")])
def test_a_model_is_saved_in_no_such_folder(options: list[str], path: str, reason: str, folder: Path) -> None:
    assert reason in error_of("compile", "reverse", "--max-len", "3", *options, "-o", path)
    assert list(folder.iterdir()) == []


def test_a_model_whose_files_are_pipes_is_refused(folder: Path) -> None:
    invoke("compile", "reverse", "--max-len", "3", "-o", "model")
    (folder / "model" / "config.json").unlink()
    os.mkfifo(folder / "model" / "config.json")
    assert "a pipe or a device, not a file" in error_of("run", "./model", "--input", "ab")
    assert "File name too long" in error_of("run", "./" + "x" * 300, "--input", "ab")
