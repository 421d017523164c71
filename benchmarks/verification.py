"""What verification certifies, how long it takes, and which planted faults it notices."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Literal

from rich.console import Console
from rich.table import Table

import tracrlab
from benchmarks.mutations import certified_models, tally_of
from tracrlab.craft.formats import Dtype
from tracrlab.errors import CompileError, TracrLabError
from tracrlab.export.targets import Activation, Target
from tracrlab.rasp.library import PROGRAMS

_MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
_SIZES = ((4, 8), (20, 20))  # vocabulary, length
_FORMATS: tuple[Dtype, ...] = ("float32", "bfloat16", "float16")
_PAPER_SIZE = (4, 16)
PAPER_PROGRAMS = (
    "length", "reverse", "hist", "frac_prevs", "sort_unique", "sort", "pair_balance", "shuffle_dyck", "sort_freq",
    "most_freq",
)  # fmt: skip
_STOCK: tuple[tuple[Target, Activation], ...] = (
    ("bert", "relu"), ("bert", "gelu"), ("gpt2", "relu"), ("gpt2", "gelu"), ("llama", "silu"),
)  # fmt: skip


def certificates(console: Console, names: Iterable[str]) -> None:
    """Print for every library program, in both modes and two sizes, whether it is certified."""
    table = Table("program", "tokens/length", "mode", "certified", "cases", "s", title="Certificates")
    certified = total = 0
    for name in names:
        for size, length in _SIZES:
            for mode in _MODES:
                vocabulary = PROGRAMS[name].vocabulary(size)
                try:
                    model = tracrlab.compile(PROGRAMS[name].build(), vocabulary, length, mode=mode, prove=False)
                except CompileError as error:
                    table.add_row(name, f"{size}/{length}", mode, f"refused: {error}")
                    continue
                start = time.perf_counter()
                certificate = model.verify()
                seconds = time.perf_counter() - start
                failure = certificate.failure
                verdict = "yes" if failure is None else f"{failure.title}: {failure.reason}"
                table.add_row(
                    name, f"{size}/{length}", mode, verdict, f"{certificate.n_combinations:,}", f"{seconds:.2f}"
                )
                certified, total = certified + certificate.holds, total + 1
    console.print(table)
    console.print(f"certified: {certified} of {total}")


def formats(console: Console, names: Iterable[str]) -> None:
    """Print for programs compiled for each number format whether they are certified, or what breaks."""
    size, length = _PAPER_SIZE
    table = Table("program", "mode", *_FORMATS, title=f"Compiled for each format: {size} tokens, length {length}")
    for name in names:
        for mode in _MODES:
            table.add_row(name, mode, *(_verdict(name, mode, dtype, size, length) for dtype in _FORMATS))
    console.print(table)


def _verdict(name: str, mode: Literal["faithful", "compact"], dtype: Dtype, size: int, length: int) -> str:
    program = PROGRAMS[name]
    try:
        model = tracrlab.compile(program.build(), program.vocabulary(size), length, mode=mode, dtype=dtype, prove=False)
    except CompileError as error:
        return f"refused: {error}"
    failure = model.verify().failure
    return "certified" if failure is None else f"{failure.title}: {failure.reason}"


def stock_certificates(console: Console, names: Iterable[str]) -> None:
    """Print for every library program, in both modes and two sizes, which stock architectures are certified."""
    columns = [f"{target}, {activation}" for target, activation in _STOCK]
    table = Table("program", "tokens/length", "mode", *columns, title="Certificates of stock architectures")
    certified, total = dict.fromkeys(columns, 0), dict.fromkeys(columns, 0)
    for name, (size, length), mode in product(names, _SIZES, _MODES):
        cells = []
        for target, activation in _STOCK:
            causal = target != "bert"
            verdict = "-"
            if PROGRAMS[name].causal_safe or not causal:
                verdict = _stock_verdict(name, PROGRAMS[name].vocabulary(size), length, mode, target, activation)
                column = f"{target}, {activation}"
                certified[column] += verdict == "yes"
                total[column] += verdict != "refused"
            cells.append(verdict)
        table.add_row(name, f"{size}/{length}", mode, *cells)
    console.print(table)
    console.print(*(f"{column}: {certified[column]} of {total[column]};" for column in columns))


def _stock_verdict(
    name: str,
    vocabulary: Sequence[str],
    length: int,
    mode: Literal["faithful", "compact"],
    target: Target,
    activation: Activation,
) -> str:
    try:
        model = tracrlab.compile(
            PROGRAMS[name].build(), vocabulary, length, mode=mode, causal=target != "bert", prove=False
        )
        return "yes" if model.verify(target=target, activation=activation).holds else "no"
    except TracrLabError:
        return "refused"


def mutations(
    console: Console, names: Iterable[str], count: int = 200, seed: int = 0, dtype: Dtype = "float32"
) -> None:
    """Print how many of the faults planted into small models are noticed."""
    title = f"{count} faults in each model, {dtype}"
    table = Table("program", "mode", "harmful", "caught", "harmless", "rejected", title=title)
    totals = [0] * 4
    for name, mode, model in certified_models(list(names), dtype):
        tally = tally_of(model, count, seed)
        figures = [tally.harmful, tally.caught, tally.harmless, tally.rejected]
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        table.add_row(name, mode, *map(str, figures))
        for mutation in tally.missed:
            console.print(f"missed in {name}, {mode}: {mutation}", markup=False)
    table.add_row("all", "", *map(str, totals))
    console.print(table)
