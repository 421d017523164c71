"""How often the decompiler is right: random programs and the library, in both modes and in other bases.

``python -m benchmarks.decompile random --programs 200`` and ``python -m benchmarks.decompile library`` print tables;
seconds are those of one core, and the machine is named.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tests.decompile import bases
from tests.oracles import SMALL_VOCABS
from tracrlab import CompiledModel
from tracrlab.decompile import Decompilation, decompile
from tracrlab.errors import CompileError
from tracrlab.rasp.expressions import LinearSequenceMap, Map, SequenceMap, SOp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.operations import IsIn, Operation, PartialOperation
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.typed_programs import LENGTH, VOCABULARY, TypedPrograms
from tracrlab.rasp.values import value_key

CHANGES: dict[str, Callable[[CompiledModel, np.random.Generator], CompiledModel]] = {
    "as compiled": lambda model, rng: model,
    "permuted": bases.permuted,
    "orthogonal basis": bases.rotated,
    "invertible basis": bases.transformed,
    "lossless projection": bases.projected,
}
MODES = ("faithful", "compact")


@dataclass
class Tally:
    """What became of models: ``equal``, ``wrong`` or ``none``; seconds; sizes of programs and of sources; tables."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    no_longer: int = 0
    tables: int = 0
    functions: int = 0

    def add(self, source: SOp, result: Decompilation, seconds: float, *, is_equal: bool) -> None:
        """Count one model."""
        self.seconds.append(seconds)
        if result.program is None:
            self.outcomes["none"] += 1
            return
        self.outcomes["equal" if is_equal else "wrong"] += 1
        self.no_longer += n_operations(result.program) <= n_operations(source)
        functions = [each.f for each in children_first(result.program) if isinstance(each, Map | SequenceMap)]
        self.functions += len(functions)
        self.tables += sum(not _is_said(each) for each in functions)

    def row(self) -> list[str]:
        """The cells of a table."""
        total, found = sum(self.outcomes.values()), self.outcomes["equal"] + self.outcomes["wrong"]
        return [
            *(f"{self.outcomes[each]:,}" for each in ("equal", "wrong", "none")),
            f"{self.outcomes['equal'] / max(total, 1):.1%}",
            f"{median(self.seconds):.3f}",
            f"{max(self.seconds):.2f}",
            f"{self.no_longer / max(found, 1):.1%}",
            f"{1 - self.tables / max(self.functions, 1):.1%}",
        ]


def n_operations(program: SOp) -> int:
    """How many expressions a program has, sources and constants left out."""
    return sum(1 for each in children_first(program) if each.children)


@click.group()
def main() -> None:
    """Measure the decompiler."""


@main.command(name="random")
@click.option("--programs", default=200, show_default=True, type=click.IntRange(min=1), help="How many, in each mode.")
@click.option("--seed", default=2026, show_default=True, help="Of the programs.")
@click.option("--bases", "changes", default=",".join(CHANGES), help="Which bases, with commas. [default: all]")
def random_(programs: int, seed: int, changes: str) -> None:
    """Random programs of 2 to 8 lines over five tokens, at most five in an input, that differ in meaning."""
    console = Console()
    made = TypedPrograms(seed)
    drawn = list(islice(made, programs))
    lines = Counter(each.n_lines for each in drawn)
    console.print(f"{programs} programs; lines: {', '.join(f'{n}: {lines[n]}' for n in sorted(lines))}")
    console.print("thrown away: " + ", ".join(f"{n} {kind.name.lower()}" for kind, n in made.rejections.most_common()))
    table = _table(f"random programs, seed {seed}")
    for mode in MODES:
        for name in changes.split(","):
            tally = Tally()
            for number, each in enumerate(track(drawn, f"{mode}, {name}", console=console, transient=True)):
                try:
                    model = tracrlab.compile(each.program, VOCABULARY, LENGTH, mode=mode, prove=False)
                except CompileError:
                    tally.outcomes["refused by the compiler"] += 1
                    continue
                _count(tally, each.program, CHANGES[name](model, np.random.default_rng(number)))
            table.add_row(mode, name, *tally.row())
    console.print(table)


@main.command()
@click.option("--length", default=5, show_default=True, type=click.IntRange(min=1), help="Of the longest input.")
def library(length: int) -> None:
    """Every program of the library, over up to four tokens."""
    console = Console()
    table = _table(f"library, length {length}")
    for mode in MODES:
        tally, slowest = Tally(), ("", 0.0)
        for name in track(PROGRAMS, mode, console=console, transient=True):
            source = PROGRAMS[name].build()
            _count(tally, source, tracrlab.compile(source, SMALL_VOCABS[name], length, mode=mode, prove=False))
            slowest = max(slowest, (name, tally.seconds[-1]), key=lambda each: each[1])
        table.add_row(mode, f"slowest: {slowest[0]}", *tally.row())
    console.print(table)


def _count(tally: Tally, source: SOp, model: CompiledModel) -> None:
    start = time.process_time()
    result = decompile(model)
    seconds = time.process_time() - start
    tally.add(source, result, seconds, is_equal=result.program is not None and _is_equal(model, result))


def _is_equal(model: CompiledModel, result: Decompilation, n_inputs: int = 300) -> bool:
    """Whether the interpreter says so too, on some of the inputs on which the decompiler has found it equal."""
    assert result.program is not None
    config, rng = model.config, np.random.default_rng(0)
    sizes = rng.integers(1, config.max_seq_len + 1, n_inputs)
    inputs: list[Sequence[object]] = [[config.vocab[i] for i in rng.integers(len(config.vocab), size=n)] for n in sizes]
    found = tracrlab.rasp.evaluate_batch(result.program, inputs, causal=config.causal)
    expected = model.run_batch(inputs)
    return [list(map(value_key, row)) for row in found] == [list(map(value_key, row)) for row in expected]


def _is_said(function: object) -> bool:
    """Whether a function is an operator, not a table."""
    return isinstance(getattr(function, "__self__", function), Operation | PartialOperation | IsIn | LinearSequenceMap)


def _table(title: str) -> Table:
    hardware = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, one core"
    table = Table(title=f"{title} ({hardware})")
    for heading in ("mode", "weights"):
        table.add_column(heading)
    for heading in ("equal", "wrong", "none", "share", "median s", "most s", "no longer", "operators"):
        table.add_column(heading, justify="right")
    return table


if __name__ == "__main__":
    main()
