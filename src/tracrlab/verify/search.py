"""Inputs on which a model is run against its program: all there are, or the shortest and then random ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from tracrlab.errors import VerificationError
from tracrlab.rasp.values import Value

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

MAX_INPUTS = 2**22

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


def n_short(model: Artefact, most: int) -> tuple[int, int]:
    """The largest length up to which there are at most so many inputs, and how many there are."""
    longest = count = 0
    while longest < model.config.max_seq_len and count + len(model.config.vocab) ** (longest + 1) <= most:
        longest += 1
        count += len(model.config.vocab) ** longest
    return longest, count


def random_inputs(model: Artefact, shortest: int, rng: random.Random) -> Iterator[Tokens]:
    """Random inputs of ``shortest`` tokens to as many as there can be, one of the longest first, without end.

    Half of them are over few tokens of the vocabulary, so that the same ones stand at many positions.
    """
    vocab, longest = model.config.vocab, model.config.max_seq_len
    length = longest
    while True:
        tokens = vocab if rng.random() < 1 / 2 else rng.sample(vocab, rng.randint(1, min(3, len(vocab))))
        yield rng.choices(tokens, k=length)
        length = rng.randint(shortest, longest)


def watched(work: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """The same, with a progress bar where a person watches."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(work, what, total=total, console=console, transient=True, disable=not console.is_terminal)
