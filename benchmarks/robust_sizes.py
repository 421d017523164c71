"""What it costs that a model bears a change of basis: library programs compact, robust and faithful."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import partial

from rich.console import Console
from rich.table import Table

import tracrlab
from benchmarks.fuzz import Mode
from tests.oracles import random_input
from tracrlab import CompiledModel, rasp
from tracrlab.errors import CompileError
from tracrlab.model.surgery.balance import largest_weight
from tracrlab.model.surgery.rotation import rotated
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value

_LENGTHS = (20, 50)
_ROTATIONS, _INPUTS = 3, 40


def robust_sizes(console: Console, names: Iterable[str]) -> None:
    """Print parameters and largest weights, and how many answers are right after random rotations."""
    table = Table("program", "length", title="Robust models: parameters, largest weight, right after rotation")
    for title in ("compact", "robust", "ratio", "faithful", "share", "largest", "compact: right", "robust: right"):
        table.add_column(title, justify="right")
    for name in names:
        for length in _LENGTHS:
            table.add_row(name, str(length), *_figures(name, length))
    console.print(table)


def _figures(name: str, length: int) -> list[str]:
    program, vocab = PROGRAMS[name].build(), list(PROGRAMS[name].vocabulary(length))
    build = partial(_compiled, name, vocab, length)
    compact, robust, faithful = build("compact"), build("compact", robust=True), build("faithful")
    rng = random.Random(0)
    lengths = [length if rng.random() < 0.5 else rng.randint(0, length) for _ in range(_INPUTS)]
    inputs: list[Sequence[Value]] = [random_input(name, vocab, each, rng) for each in lengths]
    expected = rasp.evaluate_batch(program, inputs)
    sizes = [None if model is None else model.config.n_params for model in (compact, robust, faithful)]
    ratio = "" if not (sizes[0] and sizes[1]) else f"{sizes[1] / sizes[0]:.2f}"
    share = "" if not (sizes[1] and sizes[2]) else f"{sizes[1] / sizes[2]:.3f}"
    texts = ["refused" if size is None else f"{size:,}" for size in sizes]
    largest = "" if robust is None else f"{largest_weight(robust.weights):,.0f}"
    right = [_right(model, inputs, expected) for model in (compact, robust)]
    return [texts[0], texts[1], ratio, texts[2], share, largest, *right]


def _compiled(
    name: str, vocab: Sequence[Value], length: int, mode: Mode, *, robust: bool = False
) -> CompiledModel | None:
    try:
        return tracrlab.compile(PROGRAMS[name].build(), vocab, length, mode=mode, robust=robust)
    except CompileError:
        return None


def _right(model: CompiledModel | None, inputs: list[Sequence[Value]], expected: list[list[Value]]) -> str:
    if model is None:
        return ""
    right = sum(
        answer == value
        for seed in range(_ROTATIONS)
        for answer, value in zip(rotated(model, seed).run_batch(inputs), expected, strict=True)
    )
    return f"{right}/{_ROTATIONS * len(inputs)}"
