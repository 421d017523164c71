"""Addition of two numbers of up to three digits, "211 + 123 = 334".  Vergara-Browne and Soto (2025), section 4.

The digits of an operand are found from its last, by their rank: the number of digits of that operand so far, which
tells them apart. What attention has found is *held* by heads that attend to their own position, so that a function of
it reads what an MLP has written, and not all that this depends on: without, one MLP would have to tell all combinations
of six digits apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any, ClassVar

from tracrlab.inject.tasks.blocks import number_of
from tracrlab.inject.tasks.task import Example, Task
from tracrlab.rasp import functions as rasp
from tracrlab.rasp.expressions import Comparison, SOp
from tracrlab.rasp.values import Value

_DIGITS = "0123456789"
_N_DIGITS = 3  # of an operand at most
_FIRST, _SECOND, _RESULT = 1, 2, 3  # what a digit belongs to
_TRAINED = 449  # the largest operand in training


class Addition(Task):
    """In words: "211 + 123 = " and then "334"."""

    name = "addition"
    vocab: ClassVar[tuple[str, ...]] = (*_DIGITS, "+", "=", "_")
    max_seq_len = 16
    answers: ClassVar[Mapping[Value, str]] = {digit + 1: str(digit) for digit in range(10)}

    def program(self) -> SOp:
        """From "=" on: 1 more than the next digit of the sum, 0 when all have been said, or where there is no sum.

        >>> Addition().program()("99+7=1", causal=True)
        [0, 0, 0, 0, 2, 1]
        """
        is_digit = rasp.elementwise_map(_is_digit, rasp.tokens).named("is_digit")
        value = rasp.numerical(rasp.elementwise_map(_digit_value, rasp.tokens)).named("value")
        phase = rasp.elementwise_map(_phase, number_of("+"), number_of("=")).named("phase")
        part = rasp.elementwise_map(_part, phase, is_digit).named("part")
        rank = rasp.selector_width(rasp.select(part, part, Comparison.EQ)).named("rank")
        n_first, n_second, n_said = (
            rasp.elementwise_map(_at_most_more_than_known, _width_of(part, which))
            for which in (_FIRST, _SECOND, _RESULT)
        )
        here = rasp.select(part, part, Comparison.EQ) & rasp.select(rank, rank, Comparison.EQ)

        def digit(which: int, count: SOp, column: int) -> SOp:
            place = rasp.select(part, which, Comparison.EQ) & rasp.select(rank, count - column, Comparison.EQ)
            return rasp.numerical(rasp.aggregate(place, value, 0))

        columns = [
            rasp.numerical(
                rasp.aggregate(
                    here, (digit(_FIRST, n_first, place) + digit(_SECOND, n_second, place)).named(f"column_{place}")
                )
            )
            for place in range(_N_DIGITS)
        ]
        totals = [rasp.numerical(columns[0])]
        for place in range(1, _N_DIGITS):
            totals.append(rasp.numerical(totals[-1] + 10**place * columns[place]).named(f"total_{place}"))
        digits = [
            rasp.numerical(rasp.aggregate(here, rasp.numerical(rasp.elementwise_map(_digit_at(place), total))))
            for place, total in enumerate(totals)
        ]
        length = rasp.elementwise_map(_length, totals[-1]).named("length")
        length = rasp.aggregate(here, rasp.numerical(length))
        well_formed = (phase == _RESULT) & _is_operand(n_first) & _is_operand(n_second)
        next_place = rasp.elementwise_map(_next_place, well_formed, length, n_said).named("next_place")
        next_place = rasp.aggregate(here, rasp.numerical(next_place))
        said = [
            rasp.numerical(rasp.elementwise_map(_said_at(place), next_place, digits[place]))
            for place in range(_N_DIGITS)
        ]
        carried = rasp.numerical(rasp.elementwise_map(_said_last, next_place))
        return rasp.numerical(reduce(add, [*said, carried])).named("addition")

    @property
    def tokens(self) -> Mapping[str, str]:
        digits = {blank + digit: digit for digit in _DIGITS for blank in ("", " ")}
        return digits | {blank + sign: sign for sign in "+=" for blank in ("", " ")}

    @property
    def sets(self) -> Mapping[str, Callable[[random.Random], Example]]:
        return {
            "in distribution": lambda draw: _prompt(draw.randint(0, _TRAINED), draw.randint(0, _TRAINED)),
            "beyond training": lambda draw: _prompt(*_shuffled(draw, draw.randint(450, 999), draw.randint(0, 999))),
            "cascades": lambda draw: _prompt(*_cascade(draw)),
        }


def _is_digit(token: Any) -> bool:
    return token in tuple(_DIGITS)


def _digit_value(token: Any) -> int:
    return int(token) if _is_digit(token) else 0


def _phase(pluses: int, equals: int) -> int:
    return {(0, 0): _FIRST, (1, 0): _SECOND, (1, 1): _RESULT}.get((pluses, equals), 0)


def _part(phase: int, is_digit: bool) -> int:
    return phase if is_digit else 0


def _width_of(part: SOp, which: int) -> SOp:
    return rasp.selector_width(rasp.select(part, which, Comparison.EQ))


def _at_most_more_than_known(count: int) -> int:
    return min(count, _N_DIGITS + 1)


def _is_operand(count: SOp) -> SOp:
    return (count > 0) & (count <= _N_DIGITS)


def _digit_at(place: int) -> Callable[[Any], int]:
    return lambda total: int(total) // 10**place % 10


def _length(total: Any) -> int:
    return len(str(int(total)))


def _next_place(well_formed: bool, length: Any, said: int) -> int:
    return int(length) - 1 - said if well_formed and said < length else -1


def _said_at(place: int) -> Callable[[Any, Any], int]:
    return lambda wanted, digit: int(digit) + 1 if wanted == place else 0


def _said_last(wanted: Any) -> int:
    return 2 if wanted == _N_DIGITS else 0


def _prompt(first: int, second: int) -> Example:
    return Example(f"{first} + {second} = ", str(first + second))


def _shuffled(draw: random.Random, *numbers: int) -> list[int]:
    row = list(numbers)
    draw.shuffle(row)
    return row


def _cascade(draw: random.Random) -> tuple[int, int]:
    """A carry that runs on: behind columns that add up to 10 or more come one or two that add up to 9."""
    last = draw.randint(1, 9)
    ones = (last, draw.randint(10 - last, 9))
    tens = draw.randint(0, 9)
    runs_on = draw.random() < 0.5
    hundreds = draw.randint(0, 9)
    top = 9 - hundreds if runs_on else draw.randint(0, 9)
    return ones[0] + 10 * tens + 100 * hundreds, ones[1] + 10 * (9 - tens) + 100 * top
