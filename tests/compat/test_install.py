"""Scripts that import ``tracr`` run after ``install()`` and under ``python -m tracrlab.compat``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracrlab import compat

SCRIPT = """
import sys
from tracr import compiler
import tracr.compiler.lib as lib
from tracr.compiler import compiling
from tracr.rasp import rasp
import helper

def main():
    model = compiling.compile_rasp_to_model(
        lib.make_reverse(rasp.tokens), vocab={"a", "b"}, max_seq_len=3, compiler_bos="BOS"
    )
    print(__name__, sys.argv, helper.__name__, model.apply(["BOS", *sys.argv[1]]).decoded)

if __name__ == "__main__":
    main()
"""


def run(*arguments: str, module: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(["-m", "tracrlab.compat"] if module else []), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False, timeout=120
    )


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_script_runs_unchanged(tmp_path: Path) -> None:
    write(tmp_path / "helper.py", "")
    script = write(tmp_path / "script.py", SCRIPT)
    done = run(script, "ab", "--flag")
    assert not done.returncode, done.stderr
    assert done.stdout == f"__main__ {[script, 'ab', '--flag']} helper ['BOS', 'b', 'a']\n"


@pytest.mark.parametrize(
    ("text", "status", "stderr"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('enough')", 1, "enough\n"),
        ("raise SystemExit", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("this is no Python", 1, "SyntaxError: invalid syntax\n"),
    ],
)
def test_exit_status_and_errors_are_those_of_the_script(tmp_path: Path, text: str, status: int, stderr: str) -> None:
    script = write(tmp_path / "script.py", text)
    alone, here = run(script, module=False), run(script)
    assert here.returncode == alone.returncode == status
    assert here.stderr.endswith(stderr) and alone.stderr.endswith(stderr)


def test_a_failing_script_shows_its_own_lines_only(tmp_path: Path) -> None:
    script = write(tmp_path / "script.py", "def fail():\n    return 1 / 0\n\nfail()\n")
    alone, here = run(script, module=False), run(script)
    assert here.stderr == alone.stderr


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "usage: "), (["absent.py"], "absent.py: no such script"), (["."], ".: no such")]
)
def test_no_script_is_one_line_and_status_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_help_says_how_to_call_it() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: python -m tracrlab.compat")


def test_another_tracr_that_is_already_imported_stays(tmp_path: Path) -> None:
    (tmp_path / "tracr").mkdir()
    write(tmp_path / "tracr" / "__init__.py", "")
    code = "import tracr, tracrlab.compat; tracrlab.compat.install()"
    done = run("-c", code, module=False, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tracrlab.errors.ForeignModuleError: tracr has been imported from") and "new process" in last


def test_installing_twice_is_installing_once() -> None:
    compat.install()
    before = sys.modules["tracr.rasp.rasp"]
    compat.install()
    assert sys.modules["tracr.rasp.rasp"] is before
    assert before.__name__ == "tracrlab.compat.tracr.rasp.rasp"


def test_modules_that_tracr_does_not_have_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        __import__("tracr.absent")
