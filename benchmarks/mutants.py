"""Faults planted in the source, one at a time, and whether the tests notice: ``python -m benchmarks.mutants``.

A mutant is a module with one expression or statement changed: a comparison turned, an operand dropped, a number one
larger, a condition negated, a call left out. It is killed if a test fails, or if the tests take ten times as long as
without it. Each module is judged by the tests of its own first, then by those of its package; the first failure ends
it. The working tree is not touched: mutants live in a copy of the source. Verdicts are kept in ``build/mutants``, for
the source as it is, and the next run goes on where this one stopped.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STATE = ROOT / "build" / "mutants"
EXPLAINED = Path(__file__).with_name("mutants_explained.toml")
PACKAGES = ("compiler", "craft", "verify")
FIRST = ("uniqueness", "selections", "value_sets", "domains", "sums")  # whether a program is refused depends on these
BROAD = {
    "compiler": ("refusals", "values", "sums", "cases", "compact", "equals_interpreter"),
    "craft": ("heads", "neurons", "ramps", "spaces", "formats", "precision"),
    "verify": ("terms", "bounds", "certificates", "half_formats", "trial"),
}
SLOWER = 10  # times as long as without a fault: some loop does not end
AT_LEAST = 120.0  # seconds that the tests of a mutant may take in any case: other work may slow the machine

TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
UNTOUCHED = (ast.Assert, ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.AnnAssign)  # words and types


@dataclass(frozen=True)
class Mutant:
    """A change of the source: the function it is in, line and bytes of what is replaced, the text before and after."""

    function: str
    line: int
    span: tuple[int, int]  # of the source in UTF-8
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.function}: {self.before} -> {self.after}"

    def planted(self, source: str) -> str:
        """The source with the fault."""
        code = source.encode()
        return (code[: self.span[0]] + self.after.encode() + code[self.span[1] :]).decode()


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of the source."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for function, node, after in _changes(ast.parse(source), ()):
        span = (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset)
        text = ast.unparse(after) if isinstance(after, ast.stmt) else f"({ast.unparse(after)})"
        found.append(Mutant(function, node.lineno, span, ast.unparse(node), text))
    return found


def _changes(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[str, Any, ast.AST]]:
    """The changes of a tree: the function they are in, a node, and what replaces it."""
    if isinstance(node, UNTOUCHED):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = (*scope, node.name)
        parts: list[ast.AST] = list(node.body)  # decorators, types and defaults are left alone
    else:
        parts = list(ast.iter_child_nodes(node))
    for after in _changed(node):
        yield ".".join(scope), node, after
    for part in parts:
        yield from _changes(part, scope)


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of a node."""
    match node:
        case ast.Compare(left, operators, right):
            for place, operator in enumerate(operators):
                turned = [*operators[:place], TURNED[type(operator)](), *operators[place + 1 :]]
                yield ast.Compare(left, turned, right)
        case ast.BoolOp(operator, operands):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), operands)
            for place in range(len(operands)):
                rest = operands[:place] + operands[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.BitOr() | ast.BitAnd(), right):
            yield left
            yield right
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.IfExp(condition, then, otherwise):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), condition), then, otherwise)
        case ast.Expr(ast.Call()) | ast.AugAssign():
            yield ast.Pass()
        case ast.Call(ast.Name("all"), arguments, keywords):
            yield ast.Call(ast.Name("any"), arguments, keywords)
        case ast.Call(ast.Name("any"), arguments, keywords):
            yield ast.Call(ast.Name("all"), arguments, keywords)
        case _:
            pass


def judges_of(module: str, *, own_only: bool = False) -> list[str]:
    """The tests that judge a module of the package, those of its own first, or alone if it has some."""
    package, *_, name = Path(module).with_suffix("").parts
    own = sorted((ROOT / "tests" / package).rglob(f"test_{name}.py"))
    broad = [ROOT / "tests" / package / f"test_{each}.py" for each in BROAD[package]]
    chosen = own if own and own_only else dict.fromkeys([*own, *broad])
    return [str(path.relative_to(ROOT)) for path in chosen if path.exists()]


def passes(source: Path, tests: list[str], limit: float | None) -> bool:
    """Whether the tests pass with this copy of the source; not if they take longer than the limit, in seconds."""
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = ["-m", "not slow and not browser and not frameworks", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", *chosen, *tests]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def judge(module: str, until: float, *, own_only: bool) -> dict[str, bool]:
    """Which mutants of a module survive, as far as known when the time is up (``time.monotonic``)."""
    source = (SOURCE / "tracrlab" / module).read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    state = STATE / f"{module.replace('/', '.')}-{digest}.json"
    verdicts: dict[str, bool] = json.loads(state.read_text()) if state.exists() else {}
    tests = judges_of(module, own_only=own_only)
    waiting = [mutant for mutant in mutants_of(source) if _key(mutant) not in verdicts]
    if not waiting:
        return verdicts
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        start = time.monotonic()
        if not passes(copy, tests, None):
            raise click.ClickException(f"the tests of {module} fail without a fault: {' '.join(tests)}")
        limit = max(AT_LEAST, SLOWER * (time.monotonic() - start))
        for mutant in waiting:
            if time.monotonic() > until:
                break
            (copy / "tracrlab" / module).write_text(mutant.planted(source))
            verdicts[_key(mutant)] = passes(copy, tests, limit)
            click.echo(f"  {'SURVIVES' if verdicts[_key(mutant)] else 'killed'}  {module}:{mutant.line} {mutant}")
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_text(json.dumps(verdicts, indent=1))
    return verdicts


def _key(mutant: Mutant) -> str:
    return f"{mutant.span[0]} {mutant}"


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--seconds", type=float, default=3600.0, show_default=True, help="How long to go on.")
@click.option("--again", is_flag=True, help="Judge once more those that survived.")
@click.option("--own-only", is_flag=True, help="Judge by a module's own tests, where it has some.")
def main(modules: tuple[str, ...], seconds: float, again: bool, own_only: bool) -> None:
    """Plant faults in MODULES (names such as uniqueness or craft/heads; all if none is given), and run the tests."""
    every = sorted(
        str(path.relative_to(SOURCE / "tracrlab"))
        for package in PACKAGES
        for path in (SOURCE / "tracrlab" / package).rglob("*.py")
    )
    chosen = [m for m in every if not modules or any(f"/{m}".endswith(f"/{name}.py") for name in modules)]
    if not chosen:
        raise click.UsageError(f"no module is called {' or '.join(modules)}")
    chosen.sort(key=lambda module: (Path(module).stem not in FIRST, module))
    explained = tomllib.loads(EXPLAINED.read_text())
    until = time.monotonic() + seconds
    if again:
        for state in STATE.glob("*.json"):
            state.write_text(
                json.dumps({key: False for key, alive in json.loads(state.read_text()).items() if not alive})
            )
    unexplained = 0
    for module in chosen:
        if time.monotonic() > until:
            break
        verdicts = judge(module, until, own_only=own_only)
        reasons = explained.get(module, {})
        alive = [key.partition(" ")[2] for key, survives in verdicts.items() if survives]
        left = [mutant for mutant in alive if mutant not in reasons]
        unexplained += len(left)
        n_mutants = len(mutants_of((SOURCE / "tracrlab" / module).read_text()))
        click.echo(
            f"{module}: {len(verdicts)} of {n_mutants} mutants judged, {len(verdicts) - len(alive)} killed, "
            f"{len(alive) - len(left)} explained, {len(left)} left"
        )
        for mutant in left:
            click.echo(f"  {mutant}")
    sys.exit(unexplained > 0)


if __name__ == "__main__":
    main()
