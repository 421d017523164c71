"""Shuffle-dyck: are all kinds of brackets balanced, each by itself?

The program is Algorithm 1 of Vergara-Browne and Soto (2025), with a gate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import ClassVar

from tracrlab.inject.tasks.blocks import asked_and_to_answer, number_of, times
from tracrlab.inject.tasks.task import Example, Task
from tracrlab.rasp import functions as rasp
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value

PAIRS = ("()", "[]", "{}")
_SHORT, _TRAINED, _LONG, _LONGEST = 5, 25, 30, 80  # brackets


class ShuffleDyck(Task):
    """In words: "Are the parentheses here correctly matched? ( [ ) ]", "Answer:", and then " yes"."""

    name = "shuffle-dyck"
    vocab: ClassVar[tuple[str, ...]] = (*"".join(PAIRS), ":", "asked", "answer", "_")
    max_seq_len = 100
    answers: ClassVar[Mapping[Value, str]] = {1: " yes", 2: " no"}

    def program(self) -> SOp:
        """At the colon after the question and "Answer": 1 for balanced, 2 for not.

        >>> ShuffleDyck().program()(["asked", "(", "[", ")", "]", "answer", ":"], causal=True)[-1]
        1
        """
        balances = [
            (number_of(left) - number_of(right)).named(f"balance_{left}{right}") for left, right in map(tuple, PAIRS)
        ]
        negative = reduce(or_, [balance < 0 for balance in balances]).named("negative")
        unbalanced = reduce(or_, [balance != 0 for balance in balances]).named("unbalanced")
        failed = (times(negative) > 0).named("failed")
        asked = (asked_and_to_answer() & (rasp.tokens == ":")).named("asked")
        return rasp.numerical(rasp.where(asked, rasp.where(failed | unbalanced, 2, 1), 0)).named("shuffle_dyck")

    @property
    def tokens(self) -> Mapping[str, str]:
        brackets = {blank + bracket: bracket for bracket in "".join(PAIRS) for blank in ("", " ")}
        return brackets | {":": ":", " matched": "asked", "Answer": "answer", " Answer": "answer"}

    @property
    def sets(self) -> Mapping[str, Callable[[random.Random], Example]]:
        return {
            "in distribution": lambda draw: _prompt(_mixed(draw, _SHORT, _TRAINED)),
            "last bracket dropped": lambda draw: _prompt(_balanced(draw, _even(draw, _SHORT + 1, _LONG))[:-1]),
            "two swapped": lambda draw: _prompt(_swapped(draw, _balanced(draw, _even(draw, _SHORT + 1, _LONG)))),
            "one turned": lambda draw: _prompt(_turned(draw, _balanced(draw, _even(draw, _SHORT + 1, _LONG)))),
            "long": lambda draw: _prompt(_mixed(draw, _LONG + 1, _LONGEST)),
        }


def is_balanced(brackets: str) -> bool:
    """Whether each kind is balanced: never more closed than opened, and as many at the end."""
    for left, right in map(tuple, PAIRS):
        depth = 0
        for bracket in brackets:
            depth += (bracket == left) - (bracket == right)
            if depth < 0:
                return False
        if depth:
            return False
    return True


def _prompt(brackets: str) -> Example:
    answer = " yes" if is_balanced(brackets) else " no"
    return Example(f"Are the parentheses here correctly matched? {' '.join(brackets)}\nAnswer:", answer)


def _even(draw: random.Random, least: int, most: int) -> int:
    return 2 * draw.randint((least + 1) // 2, most // 2)


def _mixed(draw: random.Random, least: int, most: int) -> str:
    """Half of them balanced, a quarter balanced in number only, the others of any brackets."""
    kind = draw.random()
    if kind < 0.5:
        return _balanced(draw, _even(draw, least, most))
    if kind < 0.75:
        return _swapped(draw, _balanced(draw, _even(draw, least, most)))
    return "".join(draw.choices("".join(PAIRS), k=draw.randint(least, most)))


def _balanced(draw: random.Random, length: int) -> str:
    """A balanced string of an even length: at each place a bracket that can stand there."""
    open_, brackets = [0] * len(PAIRS), []
    for left in range(length, 0, -1):
        closing = [kind for kind, depth in enumerate(open_) if depth]
        opens = not closing or (sum(open_) < left and draw.random() < 0.5)
        kind = draw.randrange(len(PAIRS)) if opens else draw.choice(closing)
        open_[kind] += 1 if opens else -1
        brackets.append(PAIRS[kind][0 if opens else 1])
    return "".join(brackets)


def _swapped(draw: random.Random, brackets: str) -> str:
    """Two different brackets change places, so that numbers stay the same: mostly, but not always, unbalanced."""
    places = [place for place in range(1, len(brackets)) if brackets[place] != brackets[0]]
    first, second = 0, draw.choice(places)
    row = list(brackets)
    row[first], row[second] = row[second], row[first]
    return "".join(row)


def _turned(draw: random.Random, brackets: str) -> str:
    """One bracket is turned into its partner."""
    place = draw.randrange(len(brackets))
    pair = next(pair for pair in PAIRS if brackets[place] in pair)
    return brackets[:place] + pair[1 - pair.index(brackets[place])] + brackets[place + 1 :]
