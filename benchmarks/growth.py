"""What compact models cost as inputs grow longer: sizes and times at lengths 16, 32, …, and the powers that fit."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tests.oracles import ORACLES, agree, random_input
from tracrlab.files import write_output
from tracrlab.rasp.library import PROGRAMS

VOCABULARY = 1000
LONGEST = {"reverse": 4096, "hist": 4096, "induction": 4096, "shuffle_dyck": 4096, "dyck": 4096, "sort": 1024}
SHORTEST = 16
INPUTS = 20
FITTED = ("parameters", "nonzero", "neurons", "compile_cpu")


@dataclass(frozen=True)
class Point:
    """A program compiled in compact mode for some length; seconds, those of the processor too, and GiB."""

    program: str
    length: int
    layers: int
    parameters: int
    nonzero: int
    neurons: int
    compile_seconds: float
    compile_cpu: float
    verify_seconds: float
    certified: bool
    right: int
    memory: float


def growth(console: Console, figure: Path | None, record: Path | None, longest: int) -> None:
    """Measure every program at every length, each in a process of its own, and print tables, powers and a picture.

    Points that ``record`` holds are not measured again; new ones are added to it one by one.
    """
    for path in (figure, record):
        if path is not None and not path.parent.is_dir():
            raise SystemExit(f"there is no folder {path.parent} to write {path.name} to")
    points = [] if record is None or not record.exists() else _recorded(record)
    known = {(point.program, point.length) for point in points}
    wanted = [(name, length) for name in LONGEST for length in lengths(name, longest) if (name, length) not in known]
    quiet = not console.is_terminal
    for name, length in track(wanted, "measuring", console=console, transient=True, disable=quiet):
        points.append(_measured_apart(name, length))
        if record is not None:
            _write(record, points)
    for name in LONGEST:
        own = sorted((point for point in points if point.program == name), key=lambda point: point.length)
        own = [point for point in own if point.length <= longest]
        if own:
            console.print(_table(name, own))
    if figure is not None:
        draw(points, figure)
        console.print(f"drawn to {figure}")


def lengths(name: str, longest: int) -> list[int]:
    """The lengths at which a program is measured."""
    end = min(LONGEST[name], longest)
    return [2**power for power in range(SHORTEST.bit_length() - 1, end.bit_length())]


def exponent(lengths_: Sequence[float], values: Sequence[float]) -> float:
    """The power of the length that fits the values best, by least squares of logarithms, over the longer half."""
    start = len(lengths_) // 2
    x, y = np.log(lengths_[start:]), np.log(np.maximum(values[start:], 1e-9))
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else float("nan")


def print_point(name: str, length: int) -> None:
    """Measure one point and print it as JSON (called in a process of its own)."""
    vocabulary, program = PROGRAMS[name].vocabulary(VOCABULARY), PROGRAMS[name].build()
    wall, cpu = time.perf_counter(), time.process_time()
    model = tracrlab.compile(program, vocabulary, length, mode="compact", prove=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rng = random.Random(length)
    sizes = [length if number % 2 else rng.randint(1, length) for number in range(INPUTS)]
    inputs = [random_input(name, vocabulary, size, rng) for size in sizes]
    right = sum(agree(ORACLES[name](tokens), model(tokens)) for tokens in inputs)
    start = time.perf_counter()
    certified = model.verify().holds
    verifying = time.perf_counter() - start
    weights = model.weights.as_dict().values()
    point = Point(
        name,
        length,
        model.config.n_layers,
        model.config.n_parameters,
        sum(int(np.count_nonzero(array)) for array in weights),
        sum(label.count for neurons in model.labels.neurons for label in neurons),
        round(wall, 2),
        round(cpu, 2),
        round(verifying, 2),
        certified,
        right,
        round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    )
    print(json.dumps(asdict(point)))


def draw(points: Sequence[Point], path: Path) -> None:
    """Parameters and compile times against the length, both on logarithmic scales."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 4), layout="constrained")
    axes = picture.subplots(1, 2)
    titles = ("parameters", "seconds of processor time to compile")
    for axis, attribute, title in zip(axes, ("parameters", "compile_cpu"), titles, strict=True):
        for name in LONGEST:
            own = sorted((point.length, getattr(point, attribute)) for point in points if point.program == name)
            if own:
                axis.loglog(*zip(*own, strict=True), marker="o", label=name, base=2)
        axis.set(xlabel="length", title=title)
        axis.set_yscale("log", base=10)
        axis.legend()
    picture.savefig(path)


def _measured_apart(name: str, length: int) -> Point:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [Path(__file__).parents[1], *sys.path]))}
    code = f"from benchmarks.growth import print_point; print_point({name!r}, {length})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return Point(**json.loads(run.stdout))


def _recorded(record: Path) -> list[Point]:
    try:
        return [Point(**each) for each in json.loads(record.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise SystemExit(f"{record} is no record of this benchmark ({error}): name another file") from error


def _write(record: Path, points: Sequence[Point]) -> None:
    """Replace the record at once, so that an interruption leaves the old one or the new one."""
    write_output(record, json.dumps([asdict(point) for point in points], indent=1).encode())


def _table(name: str, points: Sequence[Point]) -> Table:
    table = Table(title=f"{name}, vocabulary {VOCABULARY}, compact mode")
    headers = ("length", "layers", "parameters", "not zero", "neurons", "compile s", "of CPU", "verify s")
    for header in (*headers, "certified", "right", "GiB"):
        table.add_column(header, justify="right")
    for point in points:
        table.add_row(
            f"{point.length:,}",
            str(point.layers),
            f"{point.parameters:,}",
            f"{point.nonzero:,}",
            f"{point.neurons:,}",
            f"{point.compile_seconds:.1f}",
            f"{point.compile_cpu:.1f}",
            f"{point.verify_seconds:.1f}",
            "yes" if point.certified else "[red]no[/]",
            f"{point.right} of {INPUTS}",
            f"{point.memory:.1f}",
        )
    powers = {
        attribute: exponent([point.length for point in points], [getattr(point, attribute) for point in points])
        for attribute in FITTED
    }
    grows = [f"n^{powers[attribute]:.2f}" for attribute in FITTED]
    table.add_section()
    table.add_row("grows like", "", *grows[:3], "", grows[3], *[""] * 4)
    return table
