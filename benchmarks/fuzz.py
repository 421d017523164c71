"""Differential fuzzing: compiled models against the interpreter, on random programs.

``python -m benchmarks.fuzz --programs 20000`` compiles as many programs and compares every model with the interpreter
on all inputs, or on a random sample where there are many; compiling proves the model, or refuses. Programs are compiled
in faithful mode, in compact mode, and in compact mode with some of the passes, in turn, for all number formats. It
prints every disagreement with the seed that repeats it, how many programs were refused and why, UnprovenError for those
that were built and not proven, and exits with status 1 if anything disagreed. A program that takes more time or memory
than the limits is reported, too.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.progress import track

import tracrlab
from tracrlab import rasp
from tracrlab.compiler.compact.passes import Passes
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.errors import CompileError
from tracrlab.rasp.random_programs import RandomProgram, random_program
from tracrlab.rasp.values import Value

MAX_INPUTS = 60
_SECONDS = 120  # for one program, which takes a hundredth of a second on the average
_BYTES = 4 * 2**30  # of address space, of which the libraries take a half before anything is compiled

Mode = Literal["faithful", "compact"]


@dataclass(frozen=True)
class Outcome:
    """What became of one program: ``refusal`` the kind of error, ``disagreement`` a description, or neither."""

    seed: int
    n_inputs: int = 0
    refusal: str | None = None
    disagreement: str | None = None


def inputs_of(case: RandomProgram, seed: int) -> list[list[Value]]:
    """All inputs of a program, or a random sample of all lengths where there are many."""
    size, longest = len(case.vocabulary), case.max_length
    if sum(size**length for length in range(longest + 1)) <= MAX_INPUTS:
        lengths = range(longest + 1)
        return [list(tokens) for length in lengths for tokens in itertools.product(case.vocabulary, repeat=length)]
    rng = random.Random(seed)
    return [[], *([rng.choice(case.vocabulary) for _ in range(rng.randint(1, longest))] for _ in range(MAX_INPUTS - 1))]


def examine(
    seed: int,
    mode: Mode = "faithful",
    passes: Sequence[str] | None = None,
    *,
    dtype: Dtype = "float32",
    verify: bool = False,
) -> Outcome:
    """Compile the program of a seed and compare it with the interpreter; ``verify``: the model must be proven."""
    case = random_program(seed)
    try:
        model = tracrlab.compile(
            case.program,
            case.vocabulary,
            case.max_length,
            causal=case.causal,
            mode=mode,
            passes=passes,
            dtype=dtype,
            **case.special_tokens,
            prove=verify,
        )
    except CompileError as error:
        return Outcome(seed, refusal=type(error).__name__)
    except TimeoutError:
        raise
    except Exception as error:
        return Outcome(seed, disagreement=f"the compiler fails: {error!r}")
    inputs = inputs_of(case, seed)
    expected = rasp.evaluate_batch(case.program, inputs, causal=case.causal)
    for tokens, value, answer in zip(inputs, expected, model.run_batch(inputs), strict=True):
        if value != answer:
            proof = ", and there is a proof that they are equal" if verify else ""
            difference = f"on {tokens!r} the interpreter says {value!r}, the model {answer!r}{proof}"
            return Outcome(seed, disagreement=difference)
    return Outcome(seed, len(inputs))


def examine_in_turn(seed: int) -> Outcome:
    """Examine and verify the program of a seed in faithful mode, compact mode, or with some of the passes."""
    rng = random.Random(seed)
    dtype = rng.choice(("float32", "float32", *FORMATS))
    if seed % 3 == 0:
        return examine(seed, dtype=dtype, verify=True)
    some = [name for name in Passes.descriptions() if rng.random() < 1 / 2]
    return examine(seed, "compact", None if seed % 3 == 1 else some, dtype=dtype, verify=True)


def limited(seed: int) -> Outcome:
    """The same within the limits of time."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        return examine_in_turn(seed)
    except TimeoutError:
        return Outcome(seed, disagreement=f"it takes more than {_SECONDS} seconds")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _give_up(*_: object) -> None:
    raise TimeoutError


def limit_memory() -> None:
    """Have this process refuse to take more memory than the limit."""
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))


def report(outcomes: Iterable[Outcome], console: Console) -> int:
    """Print a summary; returns the number of disagreements."""
    outcomes = list(outcomes)
    refusals = Counter(outcome.refusal for outcome in outcomes if outcome.refusal)
    wrong = [outcome for outcome in outcomes if outcome.disagreement]
    for outcome in wrong:
        console.print(f"seed {outcome.seed}: {outcome.disagreement}", style="red", markup=False)
    refused = sum(refusals.values())
    console.print(f"{len(outcomes)} programs, {sum(outcome.n_inputs for outcome in outcomes)} inputs compared")
    console.print(f"{len(wrong)} disagreements")
    console.print(f"{refused} refused at compile time ({refused / max(1, len(outcomes)):.2%})")
    for kind, count in refusals.most_common():
        console.print(f"  {count} {kind}")
    return len(wrong)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=20000, help="how many programs")
    parser.add_argument("--first-seed", type=int, default=0, help="the seed of the first one")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    options = parser.parse_args()
    console = Console()
    seeds = range(options.first_seed, options.first_seed + options.programs)
    with ProcessPoolExecutor(options.jobs, initializer=limit_memory) as pool:
        results = pool.map(limited, seeds, chunksize=50)
        progress = track(results, "comparing", total=len(seeds), console=console, disable=not console.is_terminal)
        return 1 if report(progress, console) else 0


if __name__ == "__main__":
    sys.exit(main())
