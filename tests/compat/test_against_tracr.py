"""The original Tracr and this one say the same, where the original is installed.

It needs an environment of its own: ``TRACR_PYTHON`` names the interpreter of one with ``tracr-pypi``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPORT = Path(__file__).with_name("tracr_report.py")
ORIGINAL = os.environ.get("TRACR_PYTHON", sys.executable)


def report(*command: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(
    bool(subprocess.run([ORIGINAL, "-c", "import tracr"], capture_output=True, check=False).returncode),
    reason="the original Tracr is not installed",
)
def test_structure_values_and_models_are_those_of_the_original() -> None:
    theirs = report(ORIGINAL, str(REPORT))
    ours = report(sys.executable, "-m", "tracrlab.compat", str(REPORT))
    assert ours["structure"] == theirs["structure"]
    assert ours["models"] == theirs["models"]
    for name, answers in theirs["values"].items():
        for answer, expected in zip(ours["values"][name], answers, strict=True):
            assert expected is None or answer == expected, name
