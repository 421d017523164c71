"""How small compact mode makes models, beside faithful mode."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import tracrlab
from benchmarks.fuzz import Mode
from tracrlab import rasp
from tracrlab.errors import CompileError
from tracrlab.rasp import SOp, indices, tokens
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value

_FEW = 10  # inputs that every model is run on
_MOST_VERIFIED = 10**7  # parameters of a model that is verified: more take minutes and much memory


def _words(count: int) -> list[Value]:
    return [f"w{number:04d}" for number in range(count)]


def _cases() -> list[tuple[str, SOp, Sequence[Value], int, Sequence[Mode]]]:
    """Name, program, vocabulary, length, and the modes that can lay it out in reasonable time and memory."""
    both: Sequence[Mode] = ("faithful", "compact")
    library = [
        ("reverse", _words(50), 50),
        ("sort", _words(20), 20),
        ("sort_freq", _words(20), 20),
        ("hist", _words(200), 200),
        ("length", _words(4), 400),
        ("shuffle_dyck", "(){}", 40),
    ]
    cases = [(name, PROGRAMS[name].build(), vocabulary, n, both) for name, vocabulary, n in library]
    cases.append(("product", (tokens * indices).named("product"), range(100), 100, both))
    large: Sequence[Mode] = ("compact",)
    cases += [
        (name, PROGRAMS[name].build(), _words(1000), n, large)
        for name, n in (("hist", 4096), ("reverse", 4096), ("sort", 1024))
    ]
    return cases


def compact_sizes(console: Console) -> None:
    """Print shapes, weights, compile times, on how many random inputs the models are right, and if that is proven."""
    table = Table("program", "tokens/length", "mode", title="Sizes of compiled models")
    for title in ("layers", "d_model", "heads", "d_mlp", "parameters", "not zero", "compile s", "right", "certified"):
        table.add_column(title, justify="right")
    for name, program, vocabulary, length, modes in _cases():
        for mode in modes:
            row = (name, f"{len(vocabulary)}/{length}", mode)
            table.add_row(*row, *_figures(program, vocabulary, length, mode))
    console.print(table)


def _figures(program: SOp, vocabulary: Sequence[Value], length: int, mode: Mode) -> list[str]:
    start = time.perf_counter()
    try:
        model = tracrlab.compile(program, vocabulary, length, mode=mode, prove=False)
    except CompileError as error:
        return [type(error).__name__.removesuffix("Error")]
    seconds = time.perf_counter() - start
    rng = random.Random(0)
    inputs = [[rng.choice(vocabulary) for _ in range(rng.choice((length, length // 2)))] for _ in range(_FEW)]
    answers = zip(model.run_batch(inputs), rasp.evaluate_batch(program, inputs), strict=True)
    right = sum(answer == value for answer, value in answers)
    c = model.config
    shape = [str(c.n_layers), f"{c.d_model:,}", f"{c.n_heads} x {c.d_head}", f"{c.d_mlp:,}"]
    sizes = [f"{c.n_parameters:,}", f"{model.weights.n_nonzero:,}"]
    certified = "too large" if c.n_parameters > _MOST_VERIFIED else "yes" if model.verify().holds else "no"
    return [*shape, *sizes, f"{seconds:.2f}", f"{right}/{_FEW}", certified]
