"""Whether compiling gives the same bytes everywhere: digests of models, compiled under other kernels of linear algebra.

``python -m benchmarks.digests compare`` compiles the program library in processes of their own, each with the settings
of another processor, number of threads or hash seed, and says where models differ; ``write`` renews the digests that
the repository keeps, and ``check`` holds this machine against them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import tracrlab
from tracrlab.craft.formats import FORMATS
from tracrlab.errors import TracrLabError
from tracrlab.model.artefact import Artefact
from tracrlab.model.claims_json import claims_to_json
from tracrlab.rasp.library import PROGRAMS

KEPT = Path(__file__).parents[1] / "tests" / "compiler" / "digests.json"
MODES = ("faithful", "compact")
LENGTHS = (5,)
LONG = (20,)  # a length at which compact models compare computed counts

# What decides in which order and with which instructions NumPy and its linear algebra compute.
SETTINGS: dict[str, dict[str, str]] = {
    "Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "Sandybridge": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "Zen": {"OPENBLAS_CORETYPE": "Zen"},
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "another hash seed": {"PYTHONHASHSEED": "12345"},
    "plain loops": {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3"},
}


@dataclass(frozen=True)
class Case:
    """A program of the library, and how it is compiled."""

    program: str
    mode: str
    dtype: str
    length: int

    def __str__(self) -> str:
        return f"{self.program} {self.mode} {self.dtype} {self.length}"

    def digest(self) -> str:
        """What comes of compiling it: a digest of the model, or the name of the error."""
        program = PROGRAMS[self.program]
        try:
            model = tracrlab.compile(
                program.build(),
                program.example_vocab,
                self.length,
                mode="compact" if self.mode == "compact" else "faithful",
                dtype=FORMATS[self.dtype].name,  # type: ignore[arg-type], prove=False
            )
        except TracrLabError as error:
            return type(error).__name__
        return model_digest(model)


def cases(
    programs: Iterable[str],
    lengths: Sequence[int],
    dtypes: Sequence[str] = tuple(FORMATS),
    modes: Sequence[str] = MODES,
) -> list[Case]:
    """Programs in all modes and formats, at some lengths."""
    return [
        Case(program, mode, dtype, length)
        for length in lengths
        for program in programs
        for mode in modes
        for dtype in dtypes
    ]


def kept_cases() -> list[Case]:
    """The cases whose digests the repository keeps: the library when short, and compact models in float32 when long."""
    return cases(PROGRAMS, LENGTHS) + cases(PROGRAMS, LONG, ("float32",), ("compact",))


def model_digest(model: Artefact) -> str:
    """A digest of weights, shape, labels and claims; not of the lines on which the program's expressions stand."""
    state = hashlib.sha256()
    for name, array in sorted(model.weights.as_dict().items()):
        state.update(f"{name} {array.dtype} {array.shape}".encode())
        state.update(array.tobytes())
    if model.claims is not None:
        claims, arrays = claims_to_json(model.claims)
        state.update(json.dumps(claims).encode())
        for name, array in sorted(arrays.items()):
            state.update(f"{name} {array.dtype} {array.shape}".encode())
            state.update(array.tobytes())
    state.update(repr(model.config).encode())
    state.update(repr((model.labels.heads, model.labels.neurons)).encode())
    for entry in model.labels.variables:
        state.update(repr((entry.name, entry.start, entry.sublayer, entry.cleared, entry.variable.values)).encode())
        state.update(entry.variable.table.tobytes() + entry.variable.at_bos.tobytes())
    return state.hexdigest()[:16]


def digests(wanted: Iterable[Case]) -> dict[str, str]:
    """The digest of each case, compiled in this process."""
    return {str(case): case.digest() for case in wanted}


def digests_under(setting: Mapping[str, str], wanted: Sequence[Case]) -> dict[str, str]:
    """The same in a process of its own, with some variables of its environment set."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OMP_", "NPY_"))}
    paths = [str(Path(__file__).parents[1]), str(Path(tracrlab.__file__).parents[1])]
    environment = known | {"PYTHONPATH": os.pathsep.join(paths)} | dict(setting)
    text = json.dumps([[case.program, case.mode, case.dtype, case.length] for case in wanted])
    command = [sys.executable, "-m", "benchmarks.digests", "print"]
    done = subprocess.run(command, input=text, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def differences(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The cases that are not the same under all settings, and under which they are what."""
    first = next(iter(found.values()))
    return [
        f"{case}: " + ", ".join(f"{setting} {each[case]}" for setting, each in found.items())
        for case in first
        if len({each[case] for each in found.values()}) > 1
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("compare", "check", "write", "print"))
    parser.add_argument("--lengths", type=int, nargs="+", help="compare other lengths than those that are kept")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="compare some settings")
    options = parser.parse_args()
    wanted = kept_cases() if options.lengths is None else cases(PROGRAMS, options.lengths)
    console = Console(soft_wrap=True)
    if options.action == "print":
        print(json.dumps(digests(Case(*each) for each in json.load(sys.stdin))))
        return
    if options.action == "write":
        KEPT.write_text(json.dumps(digests(wanted), indent=1) + "\n")
        return
    if options.action == "check":
        found = {"kept": json.loads(KEPT.read_text()), "here": digests(kept_cases())}
    else:
        found = {name: digests_under(SETTINGS[name], wanted) for name in options.settings}
    differing = differences(found)
    for line in differing:
        console.print(line, markup=False, highlight=False)
    console.print(f"{len(differing)} of {len(next(iter(found.values())))} models differ between {', '.join(found)}")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
