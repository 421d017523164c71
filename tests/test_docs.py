"""What the documentation shows is what happens: its Python blocks run, and ``>>>`` examples print what they say."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def python_blocks(page: str) -> list[tuple[int, str]]:
    """The fenced Python blocks of a Markdown page, each with the number of lines before it."""
    return [(page.count("\n", 0, match.start(1)), match[1]) for match in BLOCK.finditer(page)]


def run_examples(text: str, namespace: dict[str, Any], path: Path, line: int) -> None:
    """Run the ``>>>`` examples of a text in a namespace, which keeps what they define."""
    test = doctest.DocTestParser().get_doctest(text, namespace, path.name, str(path), line)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append, clear_globs=False)
    namespace.update(test.globs)
    assert not result.failed, "".join(report)


def run_block(code: str, namespace: dict[str, Any], path: Path, line: int) -> None:
    """Run a block, with line numbers that are those of its page."""
    if ">>>" in code:
        run_examples(code, namespace, path, line)
    else:
        exec(compile("\n" * line + code, path, "exec"), namespace)


def docstrings(path: Path) -> list[tuple[int, str]]:
    """The docstrings of a module that hold examples, each with the number of lines before it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, nodes) and node.body]
    found = [(node.body[0].lineno - 1, ast.get_docstring(node)) for node in documented]
    return [(line, text) for line, text in found if text and ">>>" in text]


MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if docstrings(path)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for line, code in python_blocks(path.read_text(encoding="utf-8")):
        run_block(code, namespace, path, line)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = path.relative_to(SOURCE).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    for line, text in docstrings(path):
        run_examples(text, dict(vars(module)), path, line)
