"""Tracr's own tests, run on the compatible API: ``python -m benchmarks.peers DIRECTORY``, that of Tracr's source.

Every failure is one that ``DELIBERATE`` gives a reason for, or the exit status is 1. With ``--write PAGE`` the table
replaces the one in a page of the documentation. The tests need absl-py, dm-haiku, JAX and networkx.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tracrlab.files import write_output

BEGIN, END = "<!-- the tests of Tracr: begin -->", "<!-- the tests of Tracr: end -->"

DELIBERATE = {
    "a refusal that is not needed: the program compiles here, and is right": r"test_unsupported_programs_raise",
    "layer norm, which compiled models do not have": r"^(compressed_model_test|model_test)\.py.*layer_norm",
    "a set of values that is tighter here, or holds the means that Tracr's models do not have": (
        r"^basis_inference_test\.py.*(categorical_aggregate|numerical_aggregate|primitive_close_to_tip)"
    ),
}

_CONFTEST = """
import importlib.util
import sys

from tracrlab import compat

compat.install()
import tracr.compiler

spec = importlib.util.spec_from_file_location("tracr.compiler.test_cases", {cases!r})
tracr.compiler.test_cases = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tracr.compiler.test_cases)
"""


class Tally:
    """What became of each test, as pytest reports it."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test's outcome; a failure anywhere is a failure."""
        if report.when == "call" or report.failed:
            self.outcomes[report.nodeid] = (
                "failed" if report.failed else self.outcomes.get(report.nodeid, report.outcome)
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be read."""
        if report.failed:
            self.outcomes[report.nodeid] = "failed"


def run(source: Path) -> Tally:
    """Run the tests of a folder of Tracr's source in a folder of their own, so that nothing of it but they is found."""
    package = source / "tracr" if (source / "tracr").is_dir() else source
    tests = sorted(package.rglob("*_test.py"))
    if not tests:
        sys.exit(f"{source}: no tests of Tracr; name the folder of its source")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for test in tests:
            shutil.copy(test, folder)
        cases = str((package / "compiler" / "test_cases.py").resolve())
        (Path(folder) / "conftest.py").write_text(_CONFTEST.format(cases=cases), encoding="utf-8")
        options = ["-q", "--tb=no", "--no-header", "--no-summary", "-p", "no:cacheprovider", f"--rootdir={folder}"]
        pytest.main([*options, "-o", "addopts=", folder], plugins=[tally])
    return tally


def reason(test: str) -> str | None:
    """Why a test fails that is meant to."""
    return next((why for why, pattern in DELIBERATE.items() if re.search(pattern, test)), None)


def table(outcomes: Iterable[tuple[str, str]]) -> str:
    """How many tests pass, and how many fail for which reason, in Markdown."""
    outcomes = list(outcomes)
    rows = [("pass", sum(outcome == "passed" for _, outcome in outcomes))]
    rows += Counter(
        reason(test) or f"**not meant to fail**: {test}" for test, how in outcomes if how == "failed"
    ).items()
    return "\n".join(["| tests of Tracr | |", "|---|---|", *(f"| {what} | {count:,} |" for what, count in rows)])


def main() -> None:
    """Run the tests, print the table, and write it to a page if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="the folder of Tracr's source")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page whose table is to be replaced")
    arguments = parser.parse_args()
    tally = run(arguments.source)
    found = table((test.rpartition("/")[2], outcome) for test, outcome in tally.outcomes.items())
    print(found)
    if arguments.write:
        before, _, rest = arguments.write.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        write_output(arguments.write, f"{before}{BEGIN}\n{found}\n{END}{after}".encode())
    if any(how == "failed" and reason(test.rpartition("/")[2]) is None for test, how in tally.outcomes.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
