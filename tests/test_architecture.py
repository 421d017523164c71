"""Dependencies between packages point downwards only, and importing the package stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tracrlab"
LAYERS = (  # each may import those before it
    "shapes", "errors", "extras", "files", "rasp", "craft", "model", "verify", "compiler", "learn", "export", "viz",
    "verbs", "compress", "facade", "decompile", "lab", "inject", "tracrlab", "cli", "compat",
)  # fmt: skip
TOP = "tracrlab"  # the package's own __init__: the public names
CIRCLES = ("tracrlab.rasp.", "tracrlab.compat.")  # nodes with their operators, and Tracr's modules, need each other
HEAVY = {
    "anywidget",
    "captum",
    "click",
    "jax",
    "joblib",
    "matplotlib",
    "onnx",
    "prompt_toolkit",
    "pyarrow",
    "pyvene",
    "rich",
    "safetensors",
    "sklearn",
    "torch",
    "transformers",
}


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
    assert {part_of(path) for path in SOURCES} == set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    own = part_of(path)
    upwards = [
        f"{path.name}:{line} ({own}) imports {part}"
        for line, part in imported_parts(path)
        if LAYERS.index(part) > LAYERS.index(own)
    ]
    assert not upwards, upwards


def module_name(path: Path) -> str:
    return ".".join(("tracrlab", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def imports_between_modules() -> dict[str, set[str]]:
    """The modules that each module imports, inside functions too; a package's ``__init__`` is one of them."""
    modules = {module_name(path): path for path in SOURCES}
    graph = {}
    for name, path in modules.items():
        names = [each for _, each in imported_modules(path, ast.parse(path.read_text(encoding="utf-8"), str(path)))]
        found = {each if each in modules else each.rpartition(".")[0] for each in names}
        graph[name] = (found & set(modules)) - {name, "tracrlab"}
    return graph


def circles(graph: dict[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """A circle for each edge that closes one in a walk, depth first; none if and only if there is none."""
    finished: set[str] = set()

    def walk(trail: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for target in sorted(graph[trail[-1]]):
            if target in trail:
                yield trail[trail.index(target) :]
            elif target not in finished:
                yield from walk((*trail, target))
        finished.add(trail[-1])

    for name in sorted(graph):
        if name not in finished:
            yield from walk((name,))


def test_a_circle_is_found() -> None:
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()})) == [("a", "b", "c")]
    assert not list(circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}))


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    found = [circle for circle in circles(imports_between_modules()) if not all(m.startswith(CIRCLES) for m in circle)]
    assert not found, found


PAGE = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
FIGURE = PAGE.partition("```mermaid")[2].partition("```")[0]


def arrows() -> set[tuple[str, str]]:
    """The arrows of the figure, of which a line may hold a chain."""
    chains = [line.strip().split(" --> ") for line in FIGURE.splitlines() if "-->" in line]
    return {pair for chain in chains for pair in pairwise(chain)}


def imports_between_parts() -> set[tuple[str, str]]:
    return {(part_of(path), part) for path in SOURCES for _, part in imported_parts(path) if part != part_of(path)}


def test_the_figure_shows_all_packages() -> None:
    assert sorted(re.findall(r"^ +(\w+)\[", FIGURE, re.MULTILINE)) == sorted(LAYERS)


def test_the_arrows_of_the_figure_are_imports() -> None:
    assert not arrows() - imports_between_parts()


def test_imports_follow_the_arrows_of_the_figure() -> None:
    below: dict[str, set[str]] = {}
    for layer in LAYERS:  # what is below is known before what is above
        direct = {target for source, target in arrows() if source == layer}
        below[layer] = direct.union(*(below[each] for each in direct))
    assert not {(source, target) for source, target in imports_between_parts() if target not in below[source]}


def test_dir_shows_the_public_names() -> None:
    import tracrlab

    assert dir(tracrlab) == sorted(tracrlab.__all__)
    assert all(getattr(tracrlab, name) is not None for name in tracrlab.__all__)


def test_import_is_light() -> None:
    """Only what a program written in the language needs is loaded; the rest comes when it is used."""
    code = "import sys, tracrlab; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(run.stdout.split())
