"""Running Tracr's own tests: they find the compatible API, and a failure without a reason is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASES = """
from tracr.compiler import test_cases
from tracr.craft import bases
import tracrlab

def test_modules_are_ours():
    assert bases.__name__.startswith(tracrlab.__name__)
    assert test_cases.TEST_CASES == ["theirs"]
"""
UNSUPPORTED = """
def test_unsupported_programs_raise_exception():
    assert False
"""


def peers(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    compiler = folder / "tracr" / "compiler"
    compiler.mkdir(parents=True)
    (compiler / "test_cases.py").write_text('TEST_CASES = ["theirs"]')
    for name, text in files.items():
        (compiler / f"{name}_test.py").write_text(text)
    command = [sys.executable, "-m", "benchmarks.peers", str(folder), "--write", str(folder / "page.md")]
    (folder / "page.md").write_text(
        "before\n<!-- the tests of Tracr: begin -->\nold\n<!-- the tests of Tracr: end -->\nafter"
    )
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_failures_with_a_reason_are_counted(tmp_path: Path) -> None:
    done = peers(tmp_path, bases=BASES, compiling=UNSUPPORTED)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "page.md").read_text()
    assert "| pass | 1 |" in page and "a refusal that is not needed" in page
    assert page.startswith("before") and page.endswith("after") and "old" not in page


def test_other_failures_end_it_with_an_error(tmp_path: Path) -> None:
    done = peers(tmp_path, bases="def test_sums():\n    assert 1 + 1 == 3\n")
    assert done.returncode == 1 and "bases_test.py::test_sums" in done.stdout


def test_a_folder_without_tests_is_refused(tmp_path: Path) -> None:
    done = peers(tmp_path)
    assert done.returncode == 1 and "no tests of Tracr" in done.stderr
