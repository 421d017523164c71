"""Where the packages of an extra are not installed, what needs one says so in one line that names the extra."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tracrlab import CompiledModel

EXTRAS: dict[str, list[str]] = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))[
    "project"
]["optional-dependencies"]
NEEDS = {
    "to_torch": "torch",
    "to_transformer_lens": "transformer-lens",
    "to_huggingface": "huggingface",
    "to_gpt2": "huggingface",
    "to_bert": "huggingface",
    "to_llama": "huggingface",
    "to_onnx": "onnx",
    "to_jax": "jax",
}
METHODS = sorted(name for name in dir(CompiledModel) if name.startswith("to_"))

PRELUDE = """
import contextlib, io, json, sys

class Absent:
    "Finds none of the modules that the extras install, and hides those that are installed."
    modules = set(sys.argv[1].split(","))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
CALLS = """
import tracrlab
model = tracrlab.compile(tracrlab.rasp.tokens, "ab", 2, causal=True)

def said(method):
    try:
        getattr(model, method)(*(["model.onnx"] if method == "to_onnx" else []))
    except tracrlab.errors.MissingDependencyError as error:
        return str(error)

found = {"nothing": {method: said(method) for method in sys.argv[2:]}}
for module in ("torch", "transformers"):
    Absent.modules.discard(module)
    found[module] = {method: said(method) for method in sys.argv[2:]}
print(json.dumps(found))
"""
COMMANDS = """
from tracrlab.cli.main import main

def ran(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as leaving:
            return leaving.code or 0, err.getvalue()
    return 0, err.getvalue()

print(json.dumps([ran(*line.split()) for line in sys.argv[2:]]))
"""


def modules_of(extras: dict[str, list[str]]) -> set[str]:
    """The modules that the extras of users install, tools of development aside."""
    requirements = {requirement for name, each in extras.items() if name != "dev" for requirement in each}
    return {requirement.partition(">")[0].replace("-", "_") for requirement in requirements}


def printed(code: str, *arguments: str) -> Any:
    """What a process without the packages of any extra prints, as JSON."""
    absent = ",".join(sorted(modules_of(EXTRAS)))
    command = [sys.executable, "-c", PRELUDE + code, absent, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def messages() -> dict[str, dict[str, str | None]]:
    """What each method says with nothing installed, with PyTorch, and with PyTorch and Transformers."""
    found: dict[str, dict[str, str | None]] = printed(CALLS, *METHODS)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_export_names_its_extra(method: str, messages: dict[str, dict[str, str | None]]) -> None:
    message, extra = messages["nothing"][method], NEEDS[method]
    assert message is not None
    assert "\n" not in message
    assert message.startswith(f"{method} needs ")
    assert message.endswith(f"install it with: pip install 'tracrlab[{extra}]'")
    assert message.split()[2] in modules_of({extra: EXTRAS[extra]})


def test_an_extra_that_is_installed_in_part_is_named_too(messages: dict[str, dict[str, str | None]]) -> None:
    with_torch, with_transformers = messages["torch"], messages["transformers"]
    assert with_torch["to_torch"] is None
    for method in (method for method in METHODS if NEEDS[method] == "huggingface"):
        for found, package in ((with_torch, "transformers"), (with_transformers, "tokenizers")):
            assert str(found[method]).startswith(f"{method} needs ")
            assert package in str(found[method])
            assert str(found[method]).endswith("install it with: pip install 'tracrlab[huggingface]'")


def test_commands_need_no_extra_or_name_it(tmp_path: Path) -> None:
    lines = [
        "programs",
        f"compile hist -o {tmp_path}/hist",
        "run hist --input aab",
        "trace hist --input aab",
        "verify hist --max-len 3",
    ]
    *others, drawn = printed(COMMANDS, *lines, f"draw hist --input aab -o {tmp_path}/hist.svg")
    assert others == [[0, ""]] * len(lines)
    status, message = drawn
    assert status == 2
    assert message.count("\n") == 1
    assert message.endswith("install it with: pip install 'tracrlab[viz]'\n")


FITTED = """
hist = rasp.selector_width(rasp.select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))
tracrlab.compile(hist + rasp.length, "ab", 3, fit=tracrlab.Architecture(n_layers=4, n_heads=1))
"""
GRAPH = """
tracrlab.compat.install()
from tracr.compiler import rasp_to_graph
from tracr.rasp import rasp
rasp_to_graph.extract_rasp_graph(rasp.tokens + 1)
"""


@pytest.mark.parametrize(("code", "extra"), [(FITTED, "fit"), (GRAPH, "tracr")])
def test_what_is_no_export_names_its_extra(code: str, extra: str) -> None:
    caught = """
import tracrlab
from tracrlab import compat, rasp
try:
    exec(sys.argv[2])
except tracrlab.errors.MissingDependencyError as error:
    print(json.dumps(str(error)))
"""
    message = printed(caught, code)
    assert "\n" not in message
    assert message.endswith(f"install it with: pip install 'tracrlab[{extra}]'")
