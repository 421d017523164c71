"""Running a model against its program: on inputs that may contradict it, or on all there are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from tracrlab.errors import EvaluationError, VerificationError
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.interpreter import evaluate_batch
from tracrlab.rasp.values import Value, value_key
from tracrlab.verify.certificate import Counterexample

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

MAX_INPUTS = 2**22
_BATCH = 2**10
_SHORT, _RANDOM = 2**12, 2**12  # inputs that a search for a counterexample tries: the shortest, and random ones

Tokens = Sequence[Value]
Item = TypeVar("Item")


def n_inputs(model: Artefact) -> int:
    """How many inputs there are, the empty one left out."""
    return sum(len(model.config.vocab) ** length for length in range(1, model.config.max_seq_len + 1))


def every_input(model: Artefact) -> Iterator[Tokens]:
    """All inputs but the empty one, short ones first."""
    for length in range(1, model.config.max_seq_len + 1):
        yield from itertools.product(model.config.vocab, repeat=length)


def all_inputs(model: Artefact) -> Iterable[Tokens]:
    """As :func:`every_input`, with a progress bar where a person watches.

    Raises:
        VerificationError: they are too many to run.
    """
    total = n_inputs(model)
    if total > MAX_INPUTS:
        raise VerificationError(
            f"there are {total:,} inputs, too many to run all (at most {MAX_INPUTS:,}); "
            "verify without exhaustive, or a model for shorter inputs"
        )
    return watched(every_input(model), "running", total)


def watched(work: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """The same, with a progress bar where a person watches."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(work, what, total=total, console=console, transient=True, disable=not console.is_terminal)


def suspicious_inputs(model: Artefact) -> Iterator[Tokens]:
    """The shortest inputs, and then random ones of any length, the same every time."""
    yield from itertools.islice(every_input(model), _SHORT)
    rng, config = random.Random(0), model.config
    for _ in range(_RANDOM):
        yield rng.choices(config.vocab, k=rng.randint(1, config.max_seq_len))


def contradiction(model: Artefact, program: SOp, inputs: Iterable[Tokens]) -> tuple[int, Counterexample | None]:
    """How many inputs were run, and the first on which the model does not say what the program says.

    Raises:
        VerificationError: the program has no value on some input, so it is not the one that was compiled.
    """
    count, remaining = 0, iter(inputs)
    while batch := list(itertools.islice(remaining, _BATCH)):
        count += len(batch)
        try:
            wanted = evaluate_batch(program, batch, causal=model.config.causal)
        except EvaluationError as error:
            raise VerificationError(f"the program fails on inputs of the model: {error}") from error
        for tokens, answer, expected in zip(batch, model.run_batch(batch), wanted, strict=True):
            if not all(map(_same, answer, expected)):
                return count, Counterexample(tuple(tokens), tuple(answer), tuple(expected))
    return count, None


def _same(one: Value, other: Value) -> bool:
    """Whether two answers are the same up to the type of a number, which scalars do not keep."""
    return bool(one == other) or value_key(one) == value_key(other)
