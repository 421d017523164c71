"""``tracrlab explore`` and ``tracrlab playground``: pages in a browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracrlab.cli.main import main
from tracrlab.viz.explorer import payload

RASP = 'set example "§ab"\nsame = select(tokens, tokens, ==);\nhist = selector_width(same);\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory but for a RASP file, which is where temporary files go, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "mine.rasp").write_text(RASP, encoding="utf-8")
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_explore_opens_a_page_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    result = invoke("explore", "sort", "3142")
    assert (result.exit_code, result.stderr) == (0, "")
    (path,) = folder.glob("*.html")
    assert result.stdout == f"written to {path}\n"
    assert opened == [path.as_uri()]


def test_explore_writes_the_page_of_a_program_or_a_saved_model(folder: Path) -> None:
    assert invoke("compile", "mine.rasp:hist", "--vocab", "§ab", "-o", "model").exit_code == 0
    for name, options in (("mine.rasp:hist", ["--vocab", "§ab"]), ("./model", [])):
        result = invoke("explore", name, "§aab", "--html", "page.html", *options)
        assert (result.exit_code, result.stdout) == (0, "written to page.html\n"), result.stderr
        page = (folder / "page.html").read_text(encoding="utf-8")
        assert ("set example" in page) == (not name.startswith("./"))  # a saved model does not hold its file


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sort", "39"), "'9' of the input is not in the vocabulary"),
        (("sort", "31", "--html", "no/page.html"), "cannot write no/page.html"),
        (("mine.rasp:hist", "--vocab", "ab"), "give the input for mine.rasp:hist after its name"),
        (("nothing", "a"), "no program 'nothing'"),
        (("sort", "3" * 9, "--max-len", "8"), "9 tokens, but --max-len is 8"),
    ],
)
def test_explore_refuses_bad_input_in_one_line(arguments: tuple[str, ...], words: str, folder: Path) -> None:
    before = set(folder.iterdir())
    result = invoke("explore", *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert words in result.stderr
    assert set(folder.iterdir()) == before


def test_explore_offers_the_reduced_view_of_a_large_model(monkeypatch: pytest.MonkeyPatch) -> None:
    reduced = invoke("explore", "sort", "3142", "--html", "page.html", "--reduced")
    assert reduced.exit_code == 0
    monkeypatch.setattr(payload, "LARGEST_PAYLOAD", 1000)
    result = invoke("explore", "sort", "3142", "--html", "page.html")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "too large for the explorer" in result.stderr
    assert "reduced view" in result.stderr


@pytest.mark.usefixtures("interruptible")
def test_playground_serves_a_file_until_it_is_stopped() -> None:
    command = [sys.executable, "-c", "from tracrlab.cli.main import main; main()"]
    arguments = ["playground", "mine.rasp", "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert url is not None
        with urllib.request.urlopen(url[0], timeout=60) as response:
            page = response.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert "same = select(tokens, tokens, ==)" in page


def test_playground_refuses_bad_input_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, words in (
            (["--port", port], f"cannot listen on port {port}"),
            (["no.rasp"], "cannot read no.rasp"),
        ):
            result = invoke("playground", *arguments)
            assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
            assert words in result.stderr
