"""Measurements of the compiler on the machine at hand: correctness, model sizes, times, memory.

``python -m benchmarks.bench`` prints everything, ``python -m benchmarks.bench speed sizes`` those sections. Nothing is
typed in by hand; where Tracr is installed in the same environment, its figure stands beside ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tracrlab import rasp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.values import Value

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles import ORACLES, SMALL_VOCABS, agree, every_input, random_input

console = Console(width=None if sys.stdout.isatty() else 120)


def correctness() -> None:
    """Every library program: all short inputs, then random long ones; model, interpreter and plain-Python oracle."""
    headers = ["program", "inputs", "model = interpreter", "interpreter = oracle"]
    table = Table(*headers, title="All inputs up to length 5")
    for name in _progress(PROGRAMS):
        vocabulary = SMALL_VOCABS[name]
        table.add_row(name, *_compared(name, tuple(vocabulary), 5, list(every_input(vocabulary, 5))))
    console.print(table)
    table = Table(*headers, "compile s", title="Vocabulary 100, length 100")
    for name in _progress(PROGRAMS):
        vocabulary = PROGRAMS[name].vocabulary(100)
        rng = random.Random(name)
        inputs = [random_input(name, vocabulary, rng.randint(0, 100), rng) for _ in range(200)]
        start = time.perf_counter()
        tracrlab.compile(PROGRAMS[name].build(), vocabulary, 100)
        seconds = time.perf_counter() - start
        table.add_row(name, *_compared(name, vocabulary, 100, inputs), f"{seconds:.2f}")
    console.print(table)


def _compared(name: str, vocabulary: tuple[Value, ...], length: int, inputs: list[list[str]]) -> tuple[str, str, str]:
    program = PROGRAMS[name].build()
    model = tracrlab.compile(program, vocabulary, length)
    expected = rasp.evaluate_batch(program, inputs)
    equal = sum(value == answer for value, answer in zip(expected, model.run_batch(inputs), strict=True))
    right = sum(agree(ORACLES[name](tokens), value) for tokens, value in zip(inputs, expected, strict=True))
    return str(len(inputs)), _share(equal, len(inputs)), _share(right, len(inputs))


def _share(count: int, total: int) -> str:
    return f"{count / total:.2%}" if count == total else f"[red]{count} of {total}[/]"


def structure() -> None:
    """The models of the paper's figures 2 and 5."""
    for name, vocabulary in (("frac_prevs", "abcx"), ("sort_unique", "abc")):
        model = tracrlab.compile(PROGRAMS[name].build(), vocabulary, 5)
        console.print(repr(model), markup=False, highlight=False)
        console.print("  dimensions:", *map(str, model.labels.dimensions), markup=False, highlight=False)


def widths() -> None:
    """Selector widths in float32 at length 1000: every width from 0 to 1000, and a histogram."""
    length = 1000
    count = tracrlab.compile(PROGRAMS["count_prevs"].build("x"), "ax", length, causal=True)
    answer = count(["x"] * length)
    zeros = count(["a"] * length)
    right = sum(value == place + 1 for place, value in enumerate(answer)) + (zeros == [0] * length)
    console.print(f"count_prevs at length {length}: {right} of {length + 1} widths right ({count.config.dtype})")
    hist = tracrlab.compile(PROGRAMS["hist"].build(), "abcdefgh", length)
    rng = random.Random(0)
    tokens = rng.choices("abcdefgh", weights=[1, 2, 4, 8, 16, 32, 64, 128], k=length)
    right = sum(value == tokens.count(token) for token, value in zip(tokens, hist(tokens), strict=True))
    console.print(f"hist at length {length}: {right} of {length} positions right ({hist.config.dtype})")


def sizes() -> None:
    """Large models, each compiled and run in a process of its own, so that its peak memory is its own."""
    table = Table("program", "compile s", "peak GiB", "right", "layers", "d_model", "d_head", "d_mlp", "parameters")
    table.title = "Vocabulary 100, length 500"
    for name in _progress(("length", "hist", "sort_unique", "reverse")):
        figures = json.loads(_in_process(f"import benchmarks.bench as b; b.print_size({name!r}, 100, 500)"))
        table.add_row(name, *figures)
    console.print(table)


def print_size(name: str, size: int, length: int) -> None:
    """Compile a program, run it on random inputs, and print the figures as JSON (called in a process of its own)."""
    vocabulary = PROGRAMS[name].vocabulary(size)
    start = time.perf_counter()
    model = tracrlab.compile(PROGRAMS[name].build(), vocabulary, length)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rng = random.Random(0)
    inputs = [[rng.choice(vocabulary) for _ in range(rng.choice((length, rng.randint(1, length))))] for _ in range(10)]
    right = sum(agree(ORACLES[name](x), answer) for x, answer in zip(inputs, model.run_batch(inputs), strict=True))
    c = model.config
    shape = [c.n_layers, c.d_model, c.d_head, c.d_mlp, f"{c.n_parameters:,}"]
    print(json.dumps([f"{seconds:.2f}", f"{peak:.2f}", f"{right} of {len(inputs)}", *map(str, shape)]))


def speed() -> None:
    """Import and compile times, medians; Tracr's beside them where it is installed."""
    table = Table("what", "ours", "Tracr", "ratio", title="Medians")
    for what in ("import tracrlab", "from tracrlab import compile"):
        times = [float(_in_process(_TIMED_IMPORT.format(what))) for _ in range(9)]
        table.add_row(what, _milliseconds(statistics.median(times)), "", "")
    for name, vocabulary, length in (("frac_prevs", "abcx", 5), ("reverse", None, 50)):
        tokens = vocabulary or PROGRAMS[name].vocabulary(50)
        program = PROGRAMS[name].build()
        ours = _median_time(lambda program=program, tokens=tokens, n=length: tracrlab.compile(program, tokens, n), 15)
        theirs = _tracr_time(name, list(tokens), length)
        label = f"compile {name}, vocabulary {len(tokens)}, length {length}"
        peer, ratio = ("not installed", "") if theirs is None else (_milliseconds(theirs), f"{theirs / ours:.0f}x")
        table.add_row(label, _milliseconds(ours), peer, ratio)
    console.print(table)


_TIMED_IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _median_time(action: Callable[[], object], repetitions: int) -> float:
    action()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _tracr_time(name: str, tokens: list[str], length: int) -> float | None:
    """How long Tracr takes for the same program, or ``None`` where it is not installed."""
    try:
        from tracr.compiler import compiling, lib
        from tracr.rasp import rasp as tracr_rasp
    except ImportError:
        return None
    programs = {
        "frac_prevs": lambda: lib.make_frac_prevs(tracr_rasp.numerical(tracr_rasp.tokens == "x")),
        "reverse": lambda: lib.make_reverse(tracr_rasp.tokens),
    }
    return _median_time(
        lambda: compiling.compile_rasp_to_model(programs[name](), set(tokens), length, compiler_bos="BOS"), 3
    )


def _in_process(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _progress(names: Iterable[str]) -> Iterable[str]:
    return track(list(names), "measuring", console=console, transient=True, disable=not console.is_terminal)


SECTIONS: dict[str, Callable[[], None]] = {
    "structure": structure,
    "speed": speed,
    "widths": widths,
    "sizes": sizes,
    "correctness": correctness,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    console.print(f"Tracr Lab {tracrlab.__version__} on {machine}\n")
    for name in chosen:
        console.rule(name)
        SECTIONS[name]()


if __name__ == "__main__":
    main()
