"""Dependencies between packages point downwards only, and importing the package stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tracrlab"
LAYERS = (  # each may import those before it
    "shapes", "errors", "extras", "files", "rasp", "craft", "model", "learn", "verify", "compiler", "compat", "export",
    "compress", "viz", "cli",
)  # fmt: skip
METHODS = {  # a model imports these in its methods
    ("model/compiled.py", each) for each in ("export", "learn", "verify", "viz")
}
TOP = "tracrlab"  # the package's own __init__: the public names, above everything but the command line
HEAVY = {
    "anywidget",
    "click",
    "jax",
    "matplotlib",
    "onnx",
    "prompt_toolkit",
    "pyarrow",
    "rich",
    "safetensors",
    "torch",
    "transformers",
}


def rank(part: str) -> float:
    return LAYERS.index("cli") - 0.5 if part == TOP else LAYERS.index(part)


def part_of(path: Path) -> str:
    """The package or top-level module that a source file belongs to."""
    return TOP if path == SOURCE / "__init__.py" else path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything a file imports, inside functions too."""
    package = ("tracrlab", *path.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            origin = (base + (node.module or "")).rstrip(".")
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and part of every import of ``tracrlab`` by a file; the version belongs to no layer."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for line, name in imported_modules(path, tree):
        package, _, rest = name.partition(".")
        if package == "tracrlab" and rest != "__version__":
            part = rest.partition(".")[0]
            yield line, part if (part and (SOURCE / part).is_dir()) or (SOURCE / f"{part}.py").exists() else TOP


SOURCES = sorted(SOURCE.rglob("*.py"))


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in SOURCES} - {TOP} <= set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    own = part_of(path)
    upwards = [
        f"{path.name}:{line} ({own}) imports {part}"
        for line, part in imported_parts(path)
        if part != own and rank(part) > rank(own) and (path.relative_to(SOURCE).as_posix(), part) not in METHODS
    ]
    assert not upwards, upwards


def test_import_is_light() -> None:
    """Only what a program written in the language needs is loaded; the rest comes when it is used."""
    code = "import sys, tracrlab; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(run.stdout.split())
