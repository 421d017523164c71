"""What the documentation shows is what happens: its Python blocks run, and ``>>>`` examples print what they say.

A block marked ``python needs nnsight`` runs where that package is installed, after the unmarked blocks before it.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python(?: needs (\w+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def python_blocks(path: Path) -> list[tuple[str | None, int, str]]:
    """The fenced Python blocks of a Markdown page: the package it needs, the number of lines before it, its text."""
    page = path.read_text(encoding="utf-8")
    return [(match[1], page.count("\n", 0, match.start(2)), match[2]) for match in BLOCK.finditer(page)]


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


RUNS = [(path, need) for path in PAGES for need in sorted({each for each, _, _ in python_blocks(path) if each})]


def run_page(path: Path, *needs: str | None) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for need, line, code in python_blocks(path):
        if need in needs:
            run_block(code, namespace, path, line)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(path, None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("path", "need"), RUNS, ids=[f"{path.name}-{need}" for path, need in RUNS])
def test_page_with_package(path: Path, need: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec(need) is None:
        pytest.skip(f"{need} is not installed: make test-frameworks")
    monkeypatch.chdir(tmp_path)
    run_page(path, None, need)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = path.relative_to(SOURCE).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    for line, text in docstrings(path):
        run_examples(text, dict(vars(module)), path, line)


def headings(path: Path) -> set[str]:
    """The anchors of a page, as code hosts make them."""
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("path", [*PAGES, *ROOT.glob("C*.md")], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", text):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def test_the_index_lists_every_page_and_so_does_the_readme() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    for page, folder in ((ROOT / "docs" / "index.md", ""), (ROOT / "README.md", "docs/")):
        listed = re.findall(rf"\]\({folder}(\w+\.md)[)#]", page.read_text(encoding="utf-8"))
        assert pages <= set(listed), page.name
