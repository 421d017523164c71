"""Where the package that an export needs is not installed, one line names the extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules[{package!r}] = None
import tracrlab
try:
    tracrlab.compile(tracrlab.rasp.tokens, "ab", 2, causal=True).{call}
except tracrlab.errors.MissingDependencyError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("call", "package", "extra"),
    [
        ("to_huggingface()", "transformers", "huggingface"),
        ("to_gpt2()", "torch", "huggingface"),
        ("to_bert()", "torch", "huggingface"),
        ("to_llama()", "transformers", "huggingface"),
        ("to_onnx('model.onnx')", "onnx", "onnx"),
        ("to_jax()", "jax", "jax"),
    ],
)
def test_the_extra_is_named(call: str, package: str, extra: str) -> None:
    code = CODE.format(package=package, call=call)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("\n") == 1
    assert f"{call.partition('(')[0]} needs {package} " in run.stdout
    assert run.stdout.endswith(f"install it with: pip install 'tracrlab[{extra}]'\n")
