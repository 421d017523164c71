"""Count: how often does a symbol occur in a text?  Vergara-Browne and Soto (2025), section 4."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tracrlab.inject.tasks.blocks import asked_and_to_answer, number_of, times
from tracrlab.inject.tasks.task import Example, Task
from tracrlab.rasp import functions as rasp
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value

_APART = 128  # more than can be counted: a count plus so much times the digits said is one number for both
_DIGITS = 3
_SHORT, _TRAINED, _LONGEST = 5, 40, 100  # symbols


class Count(Task):
    """In words: "What is the number of 'X' in this text? x y x", "Answer: ", and then "2"."""

    name = "count"
    vocab: ClassVar[tuple[str, ...]] = ("x", ":", "digit", "asked", "answer", "_")
    max_seq_len = 120
    answers: ClassVar[Mapping[Value, str]] = {digit + 1: str(digit) for digit in range(10)}

    def program(self) -> SOp:
        """After the colon after "Answer": 1 more than the next digit of the count, 0 when all have been said.

        >>> Count().program()([*"x_x" * 6, "asked", "answer", ":", "_", "digit", "digit"], causal=True)[-4:]
        [2, 2, 3, 0]
        """
        count, asked = number_of("x").named("x"), asked_and_to_answer()
        begun = (times((asked & (rasp.tokens == ":")).named("colon")) > 0).named("begun")
        said = times((asked & (rasp.tokens == "digit")).named("digit"))
        place = rasp.numerical(rasp.elementwise_map(_offset, begun, said)).named("place")
        return rasp.numerical(rasp.elementwise_map(_next_digit, rasp.numerical(count + place))).named("count")

    @property
    def tokens(self) -> Mapping[str, str]:
        digits = {str(digit): "digit" for digit in range(10)}
        return digits | {" x": "x", ":": ":", " number": "asked", "Answer": "answer", " Answer": "answer"}

    @property
    def sets(self) -> Mapping[str, Callable[[random.Random], Example]]:
        return {
            "in distribution": lambda draw: _prompt(_fair(draw, _SHORT, _TRAINED)),
            "x only": lambda draw: _prompt(["x"] * draw.randint(1, _LONGEST)),
            "longer": lambda draw: _prompt(_fair(draw, _TRAINED + 1, _LONGEST)),
            "y is z": lambda draw: _prompt(["x" if each == "x" else "z" for each in _fair(draw, _SHORT, _TRAINED)]),
            "uniform counts": lambda draw: _prompt(_of_uniform_count(draw)),
        }


def _offset(begun: Any, said: Any) -> Any:
    return _APART * (said if begun and said < _DIGITS else _DIGITS)


def _next_digit(number: Any) -> Any:
    said, count = divmod(number, _APART)
    digits = str(count)
    return int(digits[said]) + 1 if said < len(digits) else 0


def _prompt(symbols: list[str]) -> Example:
    text = f"What is the number of 'X' in this text? {' '.join(symbols)}\nAnswer: "
    return Example(text, str(symbols.count("x")))


def _fair(draw: random.Random, least: int, most: int) -> list[str]:
    return draw.choices("xy", k=draw.randint(least, most))


def _of_uniform_count(draw: random.Random) -> list[str]:
    """As many x as any other number, among more of y."""
    count = draw.randint(0, _LONGEST // 2)
    symbols = ["x"] * count + ["y"] * draw.randint(max(1, _SHORT - count), _LONGEST // 2)
    draw.shuffle(symbols)
    return symbols
