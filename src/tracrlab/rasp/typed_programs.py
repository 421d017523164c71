"""Random programs of a few lines, made as those that decompilers are trained and measured on.

Three steps are repeated (Thurnherr and Riesen, *Neural Decompiling of Tracr Transformers*, 2024): a function is chosen,
it is filled with variables of the pool, and the variable that comes of it is added. What was used leaves the pool, so
every line is alive, and the program is finished when one variable is left. Here the choice is typed, so that few
attempts are wasted; what is thrown away, and why, is a :class:`Rejection`.

Every value is looked at on all inputs, which are few: :func:`meaning` is the same for two programs exactly if they have
the same values on all of them, so duplicates, and leaks between splits, are found by meaning.
"""

from __future__ import annotations

import copy
import enum
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracrlab import rasp
from tracrlab.errors import EvaluationError
from tracrlab.rasp.batches import Batch, every_input
from tracrlab.rasp.expressions import Comparison, LinearSequenceMap, Selector, SOp
from tracrlab.rasp.values import value_key

VOCABULARY = (0, 1, 2, 3, 4)
LENGTH = 5
_SOURCES = (2, 3, 3, 4)  # how many sources a program begins with
_SHARED = 0.2  # how often one variable fills two places of a function
_ORDERS = tuple(order for order in Comparison if order not in (Comparison.TRUE, Comparison.FALSE))


class Rejection(enum.Enum):
    """Why an attempt gave no program; the first four as in Figure 3 of the paper."""

    NOT_CONVERGED = "more than one variable is left after the last line"
    CONSTANT_VARIABLE = "a variable has one value"
    CONSTANT_OUTPUT = "the program has one value"
    IDENTITY = "the program is the tokens or the indices"
    UNDEFINED = "a value is undefined or None"
    STUCK = "no function fits the pool"
    DUPLICATE = "a program of the same meaning is there already"


@dataclass(frozen=True, eq=False)
class TypedProgram:
    """A program, of how many lines it is made, and its meaning."""

    program: SOp
    n_lines: int
    meaning: bytes


@dataclass
class TypedPrograms:
    """Programs that differ in meaning, and what was thrown away on the way; the same ones for the same seed.

    Attributes: ``rejections`` how many of each kind there were so far, ``known`` the meanings that are taken: those of
    another set, given first, keep the two disjoint.
    """

    seed: int
    min_lines: int = 2
    max_lines: int = 8
    vocabulary: tuple[Any, ...] = VOCABULARY
    length: int = LENGTH
    known: set[bytes] = field(default_factory=set)
    rejections: Counter[Rejection] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[TypedProgram]:
        rng = random.Random(self.seed)
        codes = every_input(len(self.vocabulary), self.length)
        while True:
            batch = Batch(self.vocabulary, codes)
            drawn = _attempt(rng, batch, rng.randint(self.min_lines, self.max_lines), self.min_lines)
            if isinstance(drawn, TypedProgram) and drawn.meaning in self.known:
                drawn = Rejection.DUPLICATE
            if isinstance(drawn, Rejection):
                self.rejections[drawn] += 1
                continue
            self.known.add(drawn.meaning)
            yield drawn


def meaning(program: SOp, batch: Batch) -> bytes:
    """The same for two programs exactly if they have the same values, types and all, wherever the batch has a position.

    Raises:
        EvaluationError: the program is not defined on an input.
    """
    coded = batch.value(program)
    digest = hashlib.sha256(np.ascontiguousarray(_in_order_of_appearance(coded.codes[batch.inside])).tobytes())
    _, first = np.unique(coded.codes[batch.inside], return_index=True)
    for place in np.sort(first):
        digest.update(repr(value_key(coded.values[coded.codes[batch.inside][place]])).encode())
    return digest.digest()


def _in_order_of_appearance(codes: np.ndarray) -> np.ndarray:
    _, first, own = np.unique(codes, return_index=True, return_inverse=True)
    rank: np.ndarray = np.argsort(np.argsort(first)).astype(np.int32)[own]
    return rank


@dataclass(eq=False)
class _Pool:
    """The variables that nothing reads yet: numbers and bools."""

    numbers: list[SOp]
    bools: list[SOp]

    def __len__(self) -> int:
        return len(self.numbers) + len(self.bools)

    def take(self, rng: random.Random, *kinds: str) -> list[SOp]:
        """A variable for each kind (``n`` or ``b``), which leave the pool; two kinds may be filled with one."""
        taken: list[SOp] = []
        for kind in kinds:
            choices = self.numbers if kind == "n" else self.bools
            unused = [sop for sop in choices if not any(sop is each for each in taken)]
            again = [sop for sop in choices if any(sop is each for each in taken)]
            if again and (not unused or rng.random() < _SHARED):
                taken.append(rng.choice(again))
            elif unused:
                taken.append(rng.choice(unused))
            else:
                raise LookupError(kind)
        for pool in (self.numbers, self.bools):
            pool[:] = [sop for sop in pool if not any(sop is each for each in taken)]
        return taken


def _attempt(rng: random.Random, batch: Batch, n_lines: int, min_lines: int) -> TypedProgram | Rejection:
    count = rng.choice(_SOURCES)
    pool = _Pool([copy.copy(rng.choice((rasp.tokens, rasp.tokens, rasp.indices))) for _ in range(count)], [])
    for line in range(1, n_lines + 1):
        step = _try_line(rng, pool)
        if step is None:
            return Rejection.STUCK
        made, is_bool = step
        try:
            coded = batch.value(made)
        except EvaluationError:
            return Rejection.UNDEFINED
        own = np.unique(coded.codes[batch.inside])
        if any(coded.values[code] is None for code in own.tolist()):
            return Rejection.UNDEFINED
        if len(own) < 2:
            return Rejection.CONSTANT_OUTPUT if not len(pool) else Rejection.CONSTANT_VARIABLE
        (pool.bools if is_bool else pool.numbers).append(made)
        if len(pool) == 1 and line >= min_lines:
            return _finished(made, line, batch)
    return Rejection.NOT_CONVERGED


def _finished(program: SOp, n_lines: int, batch: Batch) -> TypedProgram | Rejection:
    own = meaning(program, batch)
    if own in (meaning(rasp.tokens, batch), meaning(rasp.indices, batch)):
        return Rejection.IDENTITY
    return TypedProgram(program, n_lines, own)


def _try_line(rng: random.Random, pool: _Pool) -> tuple[SOp, bool] | None:
    """A variable made from the pool, and whether it is a bool; ``None`` if no function fits."""
    makers = list(_MAKERS)
    while makers:
        maker = rng.choices(makers, [weight for _, weight in makers])[0]
        numbers, bools = list(pool.numbers), list(pool.bools)
        try:
            return maker[0](rng, pool)
        except LookupError:
            pool.numbers, pool.bools = numbers, bools
            makers.remove(maker)
    return None


def _map(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    (x,) = pool.take(rng, "n")
    c, m = rng.randint(0, 4), rng.randint(2, 3)
    made: list[tuple[SOp, bool]] = [(x == c, True), (x < c, True), (x != c, True), (x + c, False), (x % m, False)]
    made += [(m * x, False), (c - x, False), (x >= c, True)]
    return rng.choice(made)


def _sequence_map(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    if pool.bools and rng.random() < 0.5:
        if len(pool.bools) > 1 and rng.random() < 0.6:
            a, b = pool.take(rng, "b", "b")
            return rng.choice([a & b, a | b]), True
        a, y = pool.take(rng, "b", "n")
        return rasp.where(a, y, rng.randint(0, 3)), False
    x, y = pool.take(rng, "n", "n")
    made: list[tuple[SOp, bool]] = [(x == y, True), (x < y, True), (x <= y, True), (x + y, False), (x - y, False)]
    made += [(x * y, False), (rasp.where(x < y, x, y), False), (rasp.where(x > y, x, y), False)]
    return rng.choice(made)


def _linear(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    x, y = pool.take(rng, "n", "n")
    return LinearSequenceMap(x, y, rng.choice((1, 2, 3, -1)), rng.choice((1, 2, -1, -2))), False


def _selected(rng: random.Random, pool: _Pool) -> Selector:
    keys, queries = pool.take(rng, "n", "n")
    return rasp.select(keys, queries, rng.choice(_ORDERS))


def _average(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    """The mean of a bool, or of a number, over what is selected; 0 where nothing is."""
    selector = _selected(rng, pool)
    (value,) = pool.take(rng, rng.choice("nb") if pool.bools else "n")
    return rasp.aggregate(selector, value, 0), False


def _copy(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    """What stands at a position that a number gives; 0 where there is none."""
    queries, value = pool.take(rng, "n", "n")
    return rasp.aggregate(rasp.select(rasp.indices, queries, Comparison.EQ), value, 0), False


def _width(rng: random.Random, pool: _Pool) -> tuple[SOp, bool]:
    return rasp.selector_width(_selected(rng, pool)), False


_Maker = Callable[[random.Random, _Pool], tuple[SOp, bool]]
_MAKERS: tuple[tuple[_Maker, float], ...] = (
    (_map, 1.0),
    (_sequence_map, 0.8),
    (_linear, 0.3),
    (_average, 0.6),
    (_copy, 0.6),
    (_width, 0.8),
)
