"""What every program of the library should compute, in plain Python that knows nothing of RASP.

``ORACLES[name](tokens, **parameters)`` is the expected output of the program ``name`` on a list of tokens;
``SMALL_VOCABS[name]`` are at most four tokens that exercise it, for tests on every input; ``random_input`` draws longer
inputs that are not hopelessly far from what the program looks for.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

Oracle = Callable[..., list[Any]]
ORACLES: dict[str, Oracle] = {}
SMALL_VOCABS: dict[str, str] = {}


def agree(expected: Sequence[Any], actual: Sequence[Any]) -> bool:
    """Whether two outputs are equal: floats up to rounding, everything else in value and type."""
    return len(expected) == len(actual) and all(map(_agree, expected, actual))


def _agree(expected: Any, actual: Any) -> bool:
    if isinstance(expected, float):
        return isinstance(actual, float | int) and math.isclose(expected, actual, rel_tol=1e-6, abs_tol=1e-6)
    return type(expected) is type(actual) and bool(expected == actual)


def every_input(vocab: str, max_length: int) -> Iterator[list[str]]:
    """All sequences over ``vocab`` of length 0 to ``max_length``."""
    for length in range(max_length + 1):
        yield from map(list, product(vocab, repeat=length))


def random_input(name: str, vocab: Sequence[str], length: int, rng: random.Random) -> list[str]:
    """``length`` random tokens of ``vocab``, half of the time arranged into something that the program looks for."""
    tokens = rng.choices(vocab, k=length)
    arranged = _arranged(name, tokens, rng) if length and rng.random() < 0.5 else tokens
    return arranged if set(arranged) <= set(vocab) else tokens


def _arranged(name: str, tokens: list[str], rng: random.Random) -> list[str]:
    length = len(tokens)
    if name == "addition":
        operands = rng.choices("0123459999", k=length)
        operands[rng.randrange(length)] = "+"
        return operands
    if name in ("dyck", "dyck_ptf", "shuffle_dyck"):
        brackets = _balanced(length, rng, interleaved=name == "shuffle_dyck")
        if rng.random() < 0.5:
            brackets[rng.randrange(length)] = rng.choice(tokens)
        return brackets
    if name == "palindrome":
        return tokens[: (length + 1) // 2] + tokens[: length // 2][::-1]
    if name in ("frac_prevs", "frac", "majority"):
        return ["x" if rng.random() < 0.5 else token for token in tokens]
    return tokens


def _balanced(length: int, rng: random.Random, interleaved: bool) -> list[str]:
    tokens: list[str] = []
    pending: list[str] = []
    while len(tokens) < length:
        if pending and (len(pending) >= length - len(tokens) or rng.random() < 0.5):
            tokens.append(pending.pop(rng.randrange(len(pending)) if interleaved else -1))
        else:
            opening, closing = rng.choice(["()", "{}"])
            tokens.append(opening)
            pending.append(closing)
    return tokens


def _oracle(small_vocab: str) -> Callable[[Oracle], Oracle]:
    def register(function: Oracle) -> Oracle:
        name = function.__name__.removesuffix("_")
        ORACLES[name] = function
        SMALL_VOCABS[name] = small_vocab
        return function

    return register


@_oracle("abc")
def length(tokens: list[str]) -> list[int]:
    return [len(tokens) for _ in tokens]


@_oracle("wxy")
def count(tokens: list[str], token: str = "x") -> list[int]:
    return [tokens.count(token) for _ in tokens]


@_oracle("wxy")
def count_prevs(tokens: list[str], token: str = "x") -> list[int]:
    return [tokens[: i + 1].count(token) for i in range(len(tokens))]


@_oracle("wxy")
def contains(tokens: list[str], token: str = "x") -> list[bool]:
    return [token in tokens for _ in tokens]


@_oracle("wxy")
def frac(tokens: list[str], token: str = "x") -> list[float]:
    return [tokens.count(token) / len(tokens) for _ in tokens]


@_oracle("wxy")
def frac_prevs(tokens: list[str], token: str = "x") -> list[float]:
    return [tokens[: i + 1].count(token) / (i + 1) for i in range(len(tokens))]


@_oracle("01")
def parity(tokens: list[str], token: str = "1") -> list[int]:
    odd = False
    for symbol in tokens:
        if symbol == token:
            odd = not odd
    return [int(odd) for _ in tokens]


@_oracle("wxy")
def majority(tokens: list[str], token: str = "x") -> list[bool]:
    others = sum(symbol != token for symbol in tokens)
    return [len(tokens) - others > others for _ in tokens]


@_oracle("abc")
def hist(tokens: list[str]) -> list[int]:
    counts = Counter(tokens)
    return [counts[token] for token in tokens]


@_oracle("abcd")
def hist2(tokens: list[str]) -> list[int]:
    counts = Counter(tokens)
    sizes = Counter(counts.values())
    return [sizes[counts[token]] for token in tokens]


@_oracle("abc")
def count_less_freq(tokens: list[str], n: int = 2) -> list[int]:
    rare = sum(occurrences for occurrences in Counter(tokens).values() if occurrences <= n)
    return [rare for _ in tokens]


@_oracle("abc")
def reverse(tokens: list[str]) -> list[str]:
    return tokens[::-1]


@_oracle("abc")
def shift_by(tokens: list[str], offset: int = 1, default: Any = None) -> list[Any]:
    return [tokens[i - offset] if 0 <= i - offset < len(tokens) else default for i in range(len(tokens))]


@_oracle("4312")
def sort_unique(tokens: list[str]) -> list[str | None]:
    result: list[str | None] = [None] * len(tokens)
    for token in tokens:
        result[sorted(tokens).index(token)] = token
    return result


@_oracle("4312")
def sort(tokens: list[str]) -> list[str]:
    return sorted(tokens)


@_oracle("abcd")
def sort_freq(tokens: list[str]) -> list[str]:
    counts = Counter(tokens)
    return sorted(tokens, key=lambda token: -counts[token])


@_oracle("abcd")
def most_freq(tokens: list[str]) -> list[str | None]:
    ranked: list[str | None] = [token for token, _ in Counter(tokens).most_common()]
    return ranked + [None] * (len(tokens) - len(ranked))


@_oracle("abc")
def palindrome(tokens: list[str]) -> list[bool]:
    return [tokens == tokens[::-1] for _ in tokens]


@_oracle("abc")
def detect_pattern(tokens: list[str], pattern: str = "ab") -> list[bool]:
    return [i + 1 >= len(pattern) and tokens[i + 1 - len(pattern) : i + 1] == list(pattern) for i in range(len(tokens))]


@_oracle("abc")
def induction(tokens: list[str]) -> list[str | None]:
    follower: dict[str, str] = {}
    result = []
    for i, token in enumerate(tokens):
        result.append(follower.get(token))
        if i + 1 < len(tokens):
            follower[token] = tokens[i + 1]
    return result


@_oracle("()a")
def pair_balance(tokens: list[str], open_token: str = "(", close_token: str = ")") -> list[float]:
    prefixes = [tokens[: i + 1] for i in range(len(tokens))]
    return [(prefix.count(open_token) - prefix.count(close_token)) / len(prefix) for prefix in prefixes]


@_oracle("(){}")
def shuffle_dyck(tokens: list[str], pairs: Sequence[str] = ("()", "{}")) -> list[bool]:
    balanced = all(
        _is_nested([token for token in tokens if token in (opening, closing)], [opening + closing])
        for opening, closing in pairs
    )
    return [balanced for _ in tokens]


@_oracle("(){}")
def dyck(tokens: list[str], pairs: Sequence[str] = ("()", "{}")) -> list[bool]:
    return [_is_nested(tokens, pairs) for _ in tokens]


@_oracle("(){}")
def dyck_ptf(tokens: list[str], pairs: Sequence[str] = ("()", "{}")) -> list[str]:
    statuses = []
    for i in range(len(tokens)):
        pending = _open_brackets(tokens[: i + 1], pairs)
        statuses.append("F" if pending is None else "P" if pending else "T")
    return statuses


def _is_nested(tokens: list[str], pairs: Sequence[str]) -> bool:
    return _open_brackets(tokens, pairs) == []


def _open_brackets(tokens: list[str], pairs: Sequence[str]) -> list[str] | None:
    """The closing brackets still awaited, or ``None`` if a wrong one came."""
    awaited: list[str] = []
    for token in tokens:
        for opening, closing in pairs:
            if token == opening:
                awaited.append(closing)
            elif token == closing and (not awaited or awaited.pop() != closing):
                return None
    return awaited


@_oracle("19+")
def addition(tokens: list[str]) -> list[int]:
    split = tokens.index("+") if "+" in tokens else len(tokens)
    total = _number(tokens[:split]) + _number(tokens[split + 1 :])
    return [total // 10**place % 10 for place in reversed(range(len(tokens)))]


def _number(digits: list[str]) -> int:
    return sum(
        10**place * "0123456789".index(digit)
        for place, digit in enumerate(reversed(digits))
        if len(digit) == 1 and digit in "0123456789"
    )
