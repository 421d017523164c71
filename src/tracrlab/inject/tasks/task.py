"""A task: a program, the texts in which it is asked, and what the right answer is, worked out without the program."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from tracrlab.facade import CompiledModel, compile
from tracrlab.inject.host import Host
from tracrlab.inject.tokens import token_texts
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value

_MOST_REPEATS = 1000  # in a row, before a set is taken to have no more examples


@dataclass(frozen=True)
class Example:
    """A ``prompt`` and the ``answer`` that is to be said next, both as text."""

    prompt: str
    answer: str


class Task(ABC):
    """A new task is a class with these members.

    Attributes: ``name``; ``vocab`` of the program and its ``filler``; ``max_seq_len``: the longest prompt with its
    answer, in tokens of a host that has a token for each symbol; ``sets``: what draws an example of each set.
    """

    name: ClassVar[str]
    vocab: ClassVar[tuple[str, ...]]
    filler: ClassVar[str] = "_"
    max_seq_len: ClassVar[int]
    answers: ClassVar[Mapping[Value, str]]

    @abstractmethod
    def program(self) -> SOp:
        """The causal program: at each token the code of what is to be said next, 0 for nothing."""

    @property
    @abstractmethod
    def tokens(self) -> Mapping[str, str]:
        """The program's token for texts of a host's tokens; those that a host lacks are left out."""

    @property
    @abstractmethod
    def sets(self) -> Mapping[str, Callable[[random.Random], Example]]:
        """For each set by name what draws one of its examples; the first is that of training."""

    def compiled(self) -> CompiledModel:
        """The program in compact mode, proven."""
        return compile(self.program(), self.vocab, self.max_seq_len, causal=True, mode="compact", prove=True)

    def tokens_of(self, host: Host) -> dict[str, str]:
        """The map, without texts that are no token of the host."""
        texts = set(token_texts(host.tokenizer, host.config.vocab_size))
        return {text: token for text, token in self.tokens.items() if text in texts}

    def examples(self, name: str, count: int, seed: int = 0) -> list[Example]:
        """At most ``count`` examples of a set, no prompt twice; fewer where a set has no more."""
        generator, drawn = random.Random(f"{self.name}/{name}/{seed}"), self.sets[name]
        found: dict[str, Example] = {}
        for example in _until_exhausted(lambda: drawn(generator), found):
            found[example.prompt] = example
            if len(found) == count:
                break
        return list(found.values())


def _until_exhausted(draw: Callable[[], Example], found: Mapping[str, Example]) -> Iterator[Example]:
    repeats = 0
    while repeats < _MOST_REPEATS:
        example = draw()
        repeats = repeats + 1 if example.prompt in found else 0
        if not repeats:
            yield example
