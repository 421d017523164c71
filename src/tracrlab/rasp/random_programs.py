"""Random well-typed RASP programs over the whole language, for testing one implementation against another.

A program is grown from typed pools of s-ops: numbers, bools, strings and mixed values. Everything the language offers
occurs: sources, constants, operators with constants on either side and between s-ops, maps and sequence maps of
arbitrary functions, linear maps, ``where``, both encodings, selectors by comparison or function and all their
combinations, aggregates with any default, widths, and ``None`` from aggregates that select nothing and from functions.

Vocabularies are of every kind that a user may bring: the same number in several types, strings that look like numbers
or like special tokens, tuples whose order is not that of what they print, numbers that are far apart. Functions may
return anything for anything, ``None`` and several types among it.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracrlab import rasp
from tracrlab.rasp import Comparison, Selector, SOp

_VOCABULARIES: tuple[tuple[Any, ...], ...] = (
    ("a", "b", "c"),
    ("x", "y"),
    ("a",),
    tuple("abcdefg"),
    (0, 1, 2),
    (-1, 2, 5),
    (-1, 1),
    (True, False),
    (0.5, 1.0, 2.0),
    ("a", 1, 2.5),
    ((1, "p"), (2, "q")),
    ((9, 1), (10, 1), (10, 2)),
    (1, True, 1.0),
    (0, False, 0.0, -0.0),
    (1, "1", "1.0", 1.0, True, "True"),
    ("None", "bos", "pad", ""),
    ((1, "p"), "a", 3, frozenset({1, 2})),
    (math.inf, 0, -1),
    (0.001, 1000),
    (0.1, 0.2, 0.3),
    (-5, 0, 7, 10**5),
    (10, 9, "10", "9", 2),
    (0.1 + 0.2, 0.3, 1),
    (1 / 3, 2 / 3, 1),
    (2**53, 2**53 + 1),
    (1e-30, 0),
    (1e308, -1e308, 1),
    (math.nan, 1),
    ((1,), (1.0,), (True,)),
    ((None,), (), ((),)),
    tuple(range(12)),
)
_ORDERS = (Comparison.EQ, Comparison.NEQ, Comparison.LT, Comparison.LEQ, Comparison.GT, Comparison.GEQ)


_DEFAULTS: tuple[Hashable, ...] = (None, None, 0, 1, -1, 0.5, "none", True, (1, 2), -0.0, 1.0, 1 / 3, math.inf)
_RESULTS: tuple[Hashable, ...] = (0, 1, 2, -1, 0.5, 1.0, True, False, "a", "1", "big", (1, 2), None, None)
_FACTORS = (1, -1, 2, 3, 0.5, 1 / 3, -2 / 3, 0.1)
_LARGE = (0.1, 3, 100.1, 1e4, 2e7, 1e9, 1e15)  # what is added and taken away again is rounded


@dataclass(frozen=True)
class RandomProgram:
    """A program with the vocabulary, length and causal flag to compile it for."""

    program: SOp
    vocabulary: tuple[Any, ...]
    max_length: int
    causal: bool

    @property
    def special_tokens(self) -> dict[str, str]:
        """BOS and PAD tokens that are not in the vocabulary, as arguments of ``compile``."""
        taken = {"bos", "pad"} & {token for token in self.vocabulary if isinstance(token, str)}
        return {"bos": "<s>", "pad": "<p>"} if taken else {}


@dataclass
class _Pools:
    """The s-ops built so far by the kind of values they hold, and the selectors."""

    numbers: list[SOp]
    bools: list[SOp]
    others: list[SOp]
    selectors: list[Selector] = field(default_factory=list)

    def any_sop(self, rng: random.Random) -> SOp:
        return _recent(rng, rng.choice([pool for pool in (self.numbers, self.bools, self.others) if pool]))

    def number(self, rng: random.Random) -> SOp:
        return _recent(rng, rng.choice([pool for pool in (self.numbers, self.numbers, self.bools) if pool]))


def _recent(rng: random.Random, pool: list[SOp]) -> SOp:
    """One of the pool, rather a recent one, so that programs grow deep."""
    return rng.choice(pool[-2:] if rng.random() < 0.6 else pool)


def random_program(seed: int) -> RandomProgram:
    """The program of this seed."""
    rng = random.Random(seed)
    vocabulary = rng.choice(_VOCABULARIES)
    causal = rng.random() < 0.3
    pools = _Pools([rasp.indices], [], [])
    if not causal:
        pools.numbers.append(rasp.length)
    numeric = all(isinstance(token, int | float) and math.isfinite(token) for token in vocabulary)
    (pools.numbers if numeric else pools.others).append(rasp.tokens)
    pools.bools.append(rasp.tokens == rng.choice(vocabulary))
    for _ in range(rng.randint(2, 12)):
        _grow(rng, pools)
    program = rng.choice([pool[-1] for pool in (pools.numbers, pools.bools, pools.others) if pool])
    return RandomProgram(program, vocabulary, rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 8)), causal)


def _grow(rng: random.Random, pools: _Pools) -> None:
    """Add a selector or an s-op made from what is there."""
    builders: list[Callable[[random.Random, _Pools], None]] = [
        _add_arithmetic,
        _add_comparison,
        _add_logic,
        _add_map,
        _add_sequence_map,
        _add_where,
        _add_aggregate,
        _add_aggregate,
        _add_width,
        _add_width,
        _add_linear,
        _add_any_function,
        _add_any_aggregate,
        _add_choices,
        _add_there_and_back,
        _add_mean_of_anything,
        _add_type,
    ]
    rng.choice(builders)(rng, pools)


def _annotated(rng: random.Random, sop: SOp, *, numeric: bool) -> SOp:
    if rng.random() < 0.15:
        sop = rasp.categorical(sop)
    elif numeric and rng.random() < 0.15:
        sop = rasp.numerical(sop)
    return sop.named(f"v{rng.randrange(10**6)}") if rng.random() < 0.2 else sop


def _constant(rng: random.Random) -> int | float:
    return rng.choice((-2, -1, 0, 1, 2, 3, 0.5, 1.5, 1 / 3, 0.1, 1.0, -0.0))


def _add_arithmetic(rng: random.Random, pools: _Pools) -> None:
    x = pools.number(rng)
    y: Any = pools.number(rng) if rng.random() < 0.5 else _constant(rng)
    if rng.random() < 0.3:
        x, y = y, x
    if not isinstance(x, SOp) and not isinstance(y, SOp):
        return
    divisor = rng.choice((1, 2, 3, -2))
    operations: list[Callable[[], SOp]] = [
        lambda: x + y,
        lambda: x - y,
        lambda: x * y,
        lambda: pools.number(rng) / divisor,
        lambda: pools.number(rng) // divisor,
        lambda: pools.number(rng) % divisor,
        lambda: pools.number(rng) ** 2,
        lambda: -pools.number(rng),
        lambda: abs(pools.number(rng)),
    ]
    pools.numbers.append(_annotated(rng, rng.choice(operations)(), numeric=True))


def _add_comparison(rng: random.Random, pools: _Pools) -> None:
    x = pools.number(rng)
    y: Any = pools.number(rng) if rng.random() < 0.5 else _constant(rng)
    comparisons = [lambda: x < y, lambda: x <= y, lambda: x > y, lambda: x >= y, lambda: x == y, lambda: x != y]
    if pools.others and rng.random() < 0.4:
        z, w = _recent(rng, pools.others), pools.any_sop(rng)
        comparisons = [lambda: z == w, lambda: z != w]
    pools.bools.append(_annotated(rng, rng.choice(comparisons)(), numeric=True))


def _add_logic(rng: random.Random, pools: _Pools) -> None:
    if not pools.bools:
        return
    x, y = _recent(rng, pools.bools), _recent(rng, pools.bools)
    operations: list[Callable[[], SOp]] = [lambda: x & y, lambda: x | y, lambda: ~x]
    pools.bools.append(_annotated(rng, rng.choice(operations)(), numeric=True))


def _add_map(rng: random.Random, pools: _Pools) -> None:
    kind = rng.randrange(4)
    x = _recent(rng, pools.others) if pools.others and rng.random() < 0.5 else pools.number(rng)
    if kind == 0:
        pools.numbers.append(_annotated(rng, rasp.Map(_rounded_bucket(rng.randint(2, 4)), x), numeric=True))
    elif kind == 1:
        threshold = rng.choice((0, 0.4, 1, 1.5))
        pools.bools.append(rasp.Map(lambda v: v > threshold, pools.number(rng)))
    elif kind == 2:
        pools.others.append(_annotated(rng, rasp.Map(lambda v: "hi" if _size(v) > 1 else "lo", x), numeric=False))
    else:
        pools.numbers.append(rasp.Map(lambda v: None if v > 1 else v, pools.number(rng)))


def _size(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float(len(repr(value)) % 3)


def _rounded_bucket(n: int) -> Callable[[Any], int]:
    return lambda value: int(abs(_size(value)) * 2) % n


def _add_sequence_map(rng: random.Random, pools: _Pools) -> None:
    count = rng.choice((2, 2, 3))
    inputs = [pools.any_sop(rng) for _ in range(count)]
    n = rng.randint(2, 4)
    if rng.random() < 0.6:

        def mixed(*values: Any) -> int:
            return int(sum((k + 1) * abs(_size(value)) * 2 for k, value in enumerate(values))) % n

        pools.numbers.append(_annotated(rng, rasp.SequenceMap(mixed, *inputs), numeric=True))
    else:

        def labelled(*values: Any) -> Any:
            total = sum(_size(value) for value in values)
            return None if total > 3 else ("big" if total > 1 else "small")

        pools.others.append(_annotated(rng, rasp.SequenceMap(labelled, *inputs), numeric=False))


def _add_linear(rng: random.Random, pools: _Pools) -> None:
    x, y = pools.number(rng), pools.number(rng)
    factors = rng.choice(((1, -1), (1, 1), (2, -1), (0.5, 0.5), (-1, 3), rng.sample(_FACTORS, 2)))
    pools.numbers.append(_annotated(rng, rasp.LinearSequenceMap(x, y, *factors), numeric=True))


def _any_function(rng: random.Random, results: Sequence[Hashable]) -> Callable[..., Any]:
    """A function that gives some of the results, as if at random; equal numbers of two types give one result."""
    salt = rng.randrange(2**16)
    chosen = rng.sample(results, rng.randint(1, min(4, len(results))))

    def function(*values: Any) -> Any:
        texts = [repr(float(value)) if isinstance(value, int | float) else repr(value) for value in values]
        return chosen[zlib.crc32(" ".join([str(salt), *map(_unordered, texts)]).encode()) % len(chosen)]

    return function


def _unordered(text: str) -> str:
    """A text whose signs are in order: sets print their items in an order that depends on the hash seed."""
    return "".join(sorted(text))


def _add_any_function(rng: random.Random, pools: _Pools) -> None:
    """A function of one to three inputs that may return anything, or numbers, or ``None``."""
    numeric = rng.random() < 0.4
    results = [each for each in _RESULTS if each is None or type(each) in (int, float)] if numeric else _RESULTS
    function = _any_function(rng, results)
    inputs = [pools.any_sop(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    sop: SOp = rasp.Map(function, inputs[0]) if len(inputs) == 1 else rasp.SequenceMap(function, *inputs)
    (pools.numbers if numeric else pools.others).append(_annotated(rng, sop, numeric=numeric))


def _add_any_aggregate(rng: random.Random, pools: _Pools) -> None:
    """What one position at most holds, of any type, with a default of any other."""
    chosen = pools.any_sop(rng)
    sop = rasp.aggregate(_unique_selector(rng, pools), chosen, rng.choice(_DEFAULTS))
    pools.others.append(_annotated(rng, sop, numeric=False))


def _add_choices(rng: random.Random, pools: _Pools) -> None:
    """Choices within choices, on conditions of any type."""
    x, y, z = (pools.any_sop(rng) for _ in range(3))
    condition = rasp.SequenceMap(_any_function(rng, (True, False, 1, 0, "")), x, y)
    inner = rasp.where(_recent(rng, pools.bools) if pools.bools else x, z, rng.choice((x, rng.choice(_DEFAULTS))))
    pools.others.append(_annotated(rng, rasp.where(condition, y, inner), numeric=False))


def _add_there_and_back(rng: random.Random, pools: _Pools) -> None:
    """A number that is another one in exact arithmetic, and in floats only nearly."""
    x, large = pools.number(rng), rng.choice(_LARGE)
    steps: list[Callable[[], SOp]] = [
        lambda: (x + large) - large,
        lambda: (x - large) + large,
        lambda: (x * large) / large,
        lambda: x / 3 * 3,
        lambda: 1 - (1 - x),
        lambda: rasp.Map(float, x),
    ]
    pools.numbers.append(_annotated(rng, rng.choice(steps)(), numeric=True))


def _add_mean_of_anything(rng: random.Random, pools: _Pools) -> None:
    """An average of numbers, with a default of any type."""
    default = rng.choice(_DEFAULTS)
    is_number = default is None or (isinstance(default, int | float) and math.isfinite(default))
    sop = rasp.aggregate(_selector(rng, pools), pools.number(rng), default)
    (pools.numbers if is_number else pools.others).append(_annotated(rng, sop, numeric=is_number))


def _add_type(rng: random.Random, pools: _Pools) -> None:
    """Of what type a value is, which tells apart what is equal."""
    x = pools.any_sop(rng)
    pools.others.append(rasp.Map(lambda value: (type(value).__name__, value), x) if rng.random() < 0.5 else _wrapped(x))


def _wrapped(sop: SOp) -> SOp:
    return rasp.Map(lambda value: (value,), sop)


def _add_where(rng: random.Random, pools: _Pools) -> None:
    condition = _recent(rng, pools.bools) if pools.bools else rasp.indices > 0
    if pools.others and rng.random() < 0.4:
        x = _recent(rng, pools.others)
        y: Any = rng.choice(("z", None, pools.any_sop(rng)))
        pools.others.append(_annotated(rng, rasp.where(condition, x, y), numeric=False))
    else:
        x = pools.number(rng)
        y = rng.choice((_constant(rng), None, pools.number(rng)))
        pools.numbers.append(_annotated(rng, rasp.where(condition, x, y), numeric=True))


def _selector(rng: random.Random, pools: _Pools, depth: int = 2) -> Selector:
    if depth and rng.random() < 0.35:
        first, second = _selector(rng, pools, depth - 1), _selector(rng, pools, depth - 1)
        combinations: list[Callable[[], Selector]] = [lambda: first & second, lambda: first | second, lambda: ~first]
        return rng.choice(combinations)()
    kind = rng.randrange(7)
    if kind == 5:
        compared: list[Any] = [rng.choice((True, 3, "a", 0, 1.0)), pools.any_sop(rng)]
        rng.shuffle(compared)
        return rasp.select(compared[0], compared[1], rng.choice((Comparison.EQ, Comparison.NEQ)))
    if kind == 6:
        compared = [rng.choice((3, pools.any_sop(rng))), pools.any_sop(rng)]
        return rasp.select(compared[0], compared[1], _any_function(rng, (True, False)))
    if kind == 4:
        keys = _by_cases(rng, pools)
        queries = keys if rng.random() < 0.6 else _by_cases(rng, pools)
        return rasp.select(keys, queries, rng.choice(_ORDERS))
    if kind == 0 and pools.others:
        same = _recent(rng, pools.others)
        return rasp.select(same, same, rng.choice((Comparison.EQ, Comparison.NEQ)))
    if kind == 1:
        n = rng.randint(2, 3)
        return rasp.select(
            pools.any_sop(rng),
            pools.any_sop(rng),
            lambda key, query: int(abs(_size(key)) + 2 * abs(_size(query))) % n == 0,
        )
    if kind == 2:
        return rasp.select(pools.any_sop(rng), pools.any_sop(rng), rng.choice((Comparison.TRUE, Comparison.FALSE)))
    keys, queries = pools.number(rng), pools.number(rng)
    if rng.random() < 0.4:
        keys = rasp.indices
    return rasp.select(keys, queries if rng.random() < 0.8 else _constant(rng), rng.choice(_ORDERS))


def _by_cases(rng: random.Random, pools: _Pools) -> SOp:
    """A number that is one thing at some positions and another elsewhere, so that it depends on both and on where."""
    condition = rng.choice((rasp.indices == rng.randrange(3), rasp.indices > 0, *pools.bools[-2:]))
    size = rasp.Map(_size, rasp.tokens).named("size")
    x = rng.choice((size, pools.number(rng)))
    y: Any = rng.choice((_constant(rng), -1, rasp.indices, pools.number(rng)))
    return rasp.where(condition, y, x)


def _unique_selector(rng: random.Random, pools: _Pools) -> Selector:
    """A selector that selects one position at most: by index, or by rank in an order that includes the index."""
    i = rasp.indices
    if rng.random() < 0.6:
        return rasp.select(i, pools.number(rng), Comparison.EQ)
    x = _recent(rng, pools.others) if pools.others else rasp.indices
    rank = rasp.selector_width(rasp.select(x, x, Comparison.EQ) & rasp.select(i, i, Comparison.LT))
    return rasp.select(x, x, Comparison.EQ) & rasp.select(rank, rank - 1, Comparison.EQ)


def _default(rng: random.Random, *, numeric: bool) -> Any:
    return rng.choice((None, None, 0, 1, -1, 0.5)) if numeric else rng.choice((None, "none", 0, True))


def _add_aggregate(rng: random.Random, pools: _Pools) -> None:
    if pools.others and rng.random() < 0.3:
        chosen = _recent(rng, pools.others)
        selector = _unique_selector(rng, pools)
        pools.others.append(
            _annotated(rng, rasp.aggregate(selector, chosen, _default(rng, numeric=False)), numeric=False)
        )
        return
    numeric = rng.random() < 0.9
    sop = rasp.aggregate(_selector(rng, pools), pools.number(rng), _default(rng, numeric=numeric))
    (pools.numbers if numeric else pools.others).append(_annotated(rng, sop, numeric=numeric))


def _add_width(rng: random.Random, pools: _Pools) -> None:
    pools.numbers.append(_annotated(rng, rasp.selector_width(_selector(rng, pools)), numeric=True))
