"""What proofs cost: compiling the library with and without, and which models have one."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from itertools import product
from typing import Literal, NamedTuple

from rich.console import Console
from rich.table import Table

import tracrlab
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.errors import CompileError, UnprovenError
from tracrlab.rasp.library import PROGRAMS

MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
LENGTHS = (8, 20, 50, 128)
_TOKENS = 20
_REPETITIONS = 3  # of what is quick; the least time counts
_QUICK = 0.5  # seconds


class Cost(NamedTuple):
    """Seconds to compile without and with a proof, and ``verdict``: ``certified``, ``refused`` or ``not proven``."""

    without: float
    with_proof: float
    verdict: str


def cost_of(name: str, mode: Literal["faithful", "compact"], length: int, dtype: Dtype) -> Cost:
    """What a library program over twenty tokens costs."""
    try:
        without = _seconds(name, mode, length, dtype, prove=False)
    except CompileError:
        return Cost(0.0, 0.0, "refused")
    try:
        return Cost(without, _seconds(name, mode, length, dtype, prove=True), "certified")
    except UnprovenError as error:
        return Cost(without, 0.0, f"not proven: {error}")


def _seconds(name: str, mode: Literal["faithful", "compact"], length: int, dtype: Dtype, *, prove: bool) -> float:
    least = float("inf")
    for _ in range(_REPETITIONS):
        program, vocabulary = PROGRAMS[name].build(), PROGRAMS[name].vocabulary(_TOKENS)
        gc.collect()
        start = time.perf_counter()
        tracrlab.compile(program, vocabulary, length, mode=mode, dtype=dtype, prove=prove)
        least = min(least, time.perf_counter() - start)
        if least > _QUICK:
            break
    return least


def proof_costs(
    console: Console,
    names: Iterable[str],
    lengths: Iterable[int] = LENGTHS,
    dtypes: Iterable[Dtype] = tuple(FORMATS),
) -> None:
    """Print program × mode × length × format: milliseconds without and with proof, and whether there is one."""
    table = Table("program", "mode", "length", "format", "without ms", "with ms", "ratio", "verdict")
    table.title = f"Compiling with and without proof, {_TOKENS} tokens"
    totals: dict[int, list[Cost]] = {length: [] for length in lengths}
    for name, mode, length, dtype in product(names, MODES, totals, tuple(dtypes)):
        cost = cost_of(name, mode, length, dtype)
        totals[length].append(cost)
        figures = [f"{cost.without * 1e3:.1f}", f"{cost.with_proof * 1e3:.1f}", ""]
        if cost.verdict == "certified":
            figures[2] = f"{cost.with_proof / cost.without:.1f}"
        table.add_row(name, mode, str(length), dtype, *figures, cost.verdict)
    console.print(table)
    for length, costs in totals.items():
        certified = [cost for cost in costs if cost.verdict == "certified"]
        without, proven = (sum(getattr(cost, kind) for cost in certified) for kind in ("without", "with_proof"))
        refused = sum(cost.verdict == "refused" for cost in costs)
        console.print(
            f"length {length}: {len(certified)} certified, {len(costs) - len(certified) - refused} not, {refused} "
            f"refused; {without:.2f} s without, {proven:.2f} s with proof: {proven / max(without, 1e-9):.2f} times"
        )
