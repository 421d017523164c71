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
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tests.oracles import ORACLES, SMALL_VOCABS, agree, every_input, random_input
from tracrlab import rasp
from tracrlab.rasp import Full, SOp
from tracrlab.rasp.flow import flow_of
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.textual.parser import parse_program
from tracrlab.rasp.textual.printer import program_text
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import Value

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
        tracrlab.compile(PROGRAMS[name].build(), vocabulary, 100, prove=False)
        seconds = time.perf_counter() - start
        table.add_row(name, *_compared(name, vocabulary, 100, inputs), f"{seconds:.2f}")
    console.print(table)


def _compared(name: str, vocabulary: tuple[Value, ...], length: int, inputs: list[list[str]]) -> tuple[str, str, str]:
    program = PROGRAMS[name].build()
    model = tracrlab.compile(program, vocabulary, length, prove=False)
    expected = rasp.evaluate_batch(program, inputs)
    equal = sum(value == answer for value, answer in zip(expected, model.run_batch(inputs), strict=True))
    right = sum(agree(ORACLES[name](tokens), value) for tokens, value in zip(inputs, expected, strict=True))
    return str(len(inputs)), _share(equal, len(inputs)), _share(right, len(inputs))


def _share(count: int, total: int) -> str:
    return f"{count / total:.2%}" if count == total else f"[red]{count} of {total}[/]"


def structure() -> None:
    """The models of the paper's figures 2 and 5."""
    for name, vocabulary in (("frac_prevs", "abcx"), ("sort_unique", "abc")):
        model = tracrlab.compile(PROGRAMS[name].build(), vocabulary, 5, prove=False)
        console.print(repr(model), markup=False, highlight=False)
        console.print("  dimensions:", *map(str, model.labels.dimensions), markup=False, highlight=False)


def widths() -> None:
    """Selector widths in float32 at length 1000: every width from 0 to 1000, and a histogram."""
    length = 1000
    count = tracrlab.compile(PROGRAMS["count_prevs"].build("x"), "ax", length, causal=True, prove=False)
    answer = count(["x"] * length)
    zeros = count(["a"] * length)
    right = sum(value == place + 1 for place, value in enumerate(answer)) + (zeros == [0] * length)
    console.print(f"count_prevs at length {length}: {right} of {length + 1} widths right ({count.config.dtype})")
    hist = tracrlab.compile(PROGRAMS["hist"].build(), "abcdefgh", length, prove=False)
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
    model = tracrlab.compile(PROGRAMS[name].build(), vocabulary, length, prove=False)
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
        ours = _median_time(
            lambda program=program, tokens=tokens, n=length: tracrlab.compile(program, tokens, n, prove=False), 15
        )
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


def compat() -> None:
    """Programs written for Tracr: milliseconds to compile each, here and in Tracr where it is installed."""
    script = str(Path(__file__).with_name("tracr_times.py"))
    ours = json.loads(_python("-m", "tracrlab.compat", script))
    theirs = {} if find_spec("tracr") is None else json.loads(_python(script).splitlines()[-1])
    table = Table("program", "ms", "right", "Tracr ms", "right", "ratio", title="Compiling programs written for Tracr")
    for name, own in ours.items():
        table.add_row(name, *_compile_figures(own), *_compile_figures(theirs.get(name)), _ratio(own, theirs.get(name)))
    console.print(table)
    both = [name for name, figures in theirs.items() if figures and ours[name]]
    total = sum(figures[0] for figures in ours.values() if figures)
    console.print(f"{len(ours)} programs in {total:.0f} ms")
    if both:
        own, other = (sum(figures[name][0] for name in both) for figures in (ours, theirs))
        console.print(f"the {len(both)} that both compile: {own:.0f} ms, Tracr {other:.0f} ms, {other / own:.0f}x")


def _compile_figures(figures: tuple[float, int] | None) -> tuple[str, str]:
    return ("", "") if figures is None else (f"{figures[0]:.1f}", f"{figures[1]} of 20")


def _ratio(own: tuple[float, int] | None, other: tuple[float, int] | None) -> str:
    return f"{other[0] / own[0]:.0f}x" if own and other else ""


def text() -> None:
    """A deep textual program: how fast it is parsed, traced (each s-op is run on the running example) and evaluated."""
    tokens = "speed of text"
    table = Table("program", "statements", "s-ops", "layers", "parse", "trace", "evaluate", title="Medians")
    table.add_column("s-ops/s, parse and trace")
    table.add_column("s-ops/s, all three")
    loops = _traced(_DEEP_TEXT)
    texts = {"loops and functions": _DEEP_TEXT, "straight line": program_text(loops, name="x")}
    for name, source in texts.items():
        program = _traced(source)
        count = sum(isinstance(node, SOp) and not isinstance(node, Full) for node in children_first(program))
        parse = _median_time(lambda source=source: parse_program(source), 7)
        trace = _median_time(lambda source=source: _traced(source), 7) - parse
        evaluate = _median_time(lambda program=program: program(tokens), 7)
        times = map(_milliseconds, (parse, trace, evaluate))
        rates = (f"{count / seconds:,.0f}" for seconds in (parse + trace, parse + trace + evaluate))
        statements = f"{len(parse_program(source).statements):,}"
        table.add_row(name, statements, f"{count:,}", str(flow_of(program).depth), *times, *rates)
    console.print(table)


def _traced(source: str) -> SOp:
    """The program ``x`` of a text."""
    session = Session()
    session.run_text(source)
    program: SOp = session.value("x")
    return program


_DEEP_TEXT = """
def head(x, n) {
    moved = aggregate(select(indices, indices - n, ==), x, n);
    mixed = (2 * moved + x) % (n + 2);
    return mixed - 1 if mixed > n or x == n else max(x, moved);
}
x = tokens == "e";
for layer in range(48) {
    heads = [head(x, n) for n in range(1, 13)];
    x = layer % 5;
    for head_output in heads { x = (x + head_output) % 7; }
}
"""


def torch() -> None:
    """Tokens a second in PyTorch, beside NumPy, TransformerLens and Tracr where they are installed."""
    from benchmarks.torch_speed import torch_speed

    torch_speed(console)


def compact() -> None:
    """Sizes and compile times of both modes."""
    from benchmarks.compact_sizes import compact_sizes

    compact_sizes(console)


def reuse() -> None:
    """Compact models with and without dimension reuse."""
    from benchmarks.reuse_sizes import reuse_sizes

    reuse_sizes(console)


def robust() -> None:
    """Compact models that bear a change of basis, beside compact and faithful ones."""
    from benchmarks.robust_sizes import robust_sizes

    robust_sizes(console, _progress(PROGRAMS))


def growth(figure: Path | None = None, record: Path | None = None, longest: int = 4096) -> None:
    """What compact models cost as inputs grow longer, with the powers that fit."""
    from benchmarks.growth import growth as measured_growth

    measured_growth(console, figure, record, longest)


def depth() -> None:
    """Layers of compiled models beside the ideal depth of the drawing."""
    from benchmarks.depths import depth_table

    depth_table(console)


def exports() -> None:
    """Every export of every library program against NumPy."""
    from benchmarks.export_agreement import export_agreement

    export_agreement(console, _progress(PROGRAMS))


def verify() -> None:
    """Which programs are certified, in which formats and stock architectures; which planted faults are noticed."""
    from benchmarks.verification import PAPER_PROGRAMS, certificates, formats, mutations, stock_certificates

    certificates(console, _progress(PROGRAMS))
    formats(console, _progress(PAPER_PROGRAMS))
    stock_certificates(console, _progress(PROGRAMS))
    mutations(console, _progress(PROGRAMS))
    mutations(console, _progress(PAPER_PROGRAMS), dtype="bfloat16")


def proofs() -> None:
    """The library in both modes and all formats: time to compile with and without proof, and who has one."""
    from benchmarks.proofs import proof_costs

    proof_costs(console, _progress(PROGRAMS))


def explorer() -> None:
    """The explorer's page in a headless browser: its size, and how fast it opens and follows typing."""
    from benchmarks.explorer_times import CASES, explorer_times

    explorer_times(console, track(CASES, "measuring", console=console, transient=True, disable=not console.is_terminal))


def _in_process(code: str) -> str:
    return _python("-c", code)


def _python(*arguments: str) -> str:
    """What a process of its own prints."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _progress(names: Iterable[str]) -> Iterable[str]:
    return track(list(names), "measuring", console=console, transient=True, disable=not console.is_terminal)


SECTIONS: dict[str, Callable[[], None]] = {
    "structure": structure,
    "speed": speed,
    "widths": widths,
    "sizes": sizes,
    "compact": compact,
    "reuse": reuse,
    "robust": robust,
    "depth": depth,
    "verify": verify,
    "proofs": proofs,
    "text": text,
    "torch": torch,
    "exports": exports,
    "compat": compat,
    "explorer": explorer,
    "correctness": correctness,
    "growth": growth,
}
LONG = {"growth"}  # sections that take many minutes, and only run when they are named


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all but growth"
    )
    parser.add_argument("--figure", type=Path, metavar="FILE", help="where growth draws its picture")
    parser.add_argument("--record", type=Path, metavar="FILE", help="what growth has measured so far, to go on from")
    parser.add_argument("--longest", type=int, default=4096, metavar="N", help="the longest inputs of growth (4096)")
    options = parser.parse_args()
    if options.longest < 16:
        parser.error("growth starts at length 16: --longest must be at least that")
    chosen = options.sections or [name for name in SECTIONS if name not in LONG]
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    console.print(f"Tracr Lab {tracrlab.__version__} on {machine}\n")
    for name in chosen:
        console.rule(name)
        if name == "growth":
            growth(options.figure, options.record, options.longest)
        else:
            SECTIONS[name]()


if __name__ == "__main__":
    main()
