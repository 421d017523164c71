"""Programs written for Tracr, of the kinds that published collections hold, each with an oracle in plain Python.

They import ``tracr``: Tracr Lab's, once :func:`tracrlab.compat.install` has been called, or the original.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tracr.compiler import lib
from tracr.rasp import rasp

SMALL = (0, 1, 2, 3)
INTS = tuple(range(11))
LETTERS = ("a", "b", "c")
WORDS = ("a", "Be", "cat", "Dog", "spam", "offer", "level")
BRACKETS = ("(", ")", "{", "}", "x")


@dataclass(frozen=True)
class TracrProgram:
    """A program and what it should answer: ``expected(tokens)`` is a value for each token.

    ``least_length`` is that of the shortest input on which Tracr's interpreter has a value.
    """

    name: str
    build: Callable[[], Any]
    expected: Callable[[list[Any]], list[Any]]
    vocab: tuple[Any, ...]
    max_seq_len: int
    causal: bool
    least_length: int

    def random_inputs(self, count: int) -> list[list[Any]]:
        """Inputs of all lengths, the same in every run."""
        rng = random.Random(self.name)
        lengths = range(self.least_length, self.max_seq_len + 1)
        return [[rng.choice(self.vocab) for _ in range(rng.choice(lengths))] for _ in range(count)]


PROGRAMS: dict[str, TracrProgram] = {}


def program(
    expected: Callable[[list[Any]], list[Any]],
    vocab: Sequence[Any],
    max_seq_len: int = 6,
    *,
    causal: bool = False,
    least_length: int = 1,
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Enter the decorated function into ``PROGRAMS``."""

    def register(build: Callable[[], Any]) -> Callable[[], Any]:
        name = build.__name__
        PROGRAMS[name] = TracrProgram(name, build, expected, tuple(vocab), max_seq_len, causal, least_length)
        return build

    return register


def everywhere(f: Callable[[list[Any]], Any]) -> Callable[[list[Any]], list[Any]]:
    """The oracle of a program with one answer for the whole input."""
    return lambda x: [f(x)] * len(x)


def each(f: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    """The oracle of an elementwise program."""
    return lambda x: [f(token) for token in x]


def get(x: list[Any], i: int, default: Any = None) -> Any:
    """The element, or the default outside the list."""
    return x[i] if 0 <= i < len(x) else default


def all_pairs() -> Any:
    return rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)


def length() -> Any:
    return rasp.SelectorWidth(all_pairs())


def at(index: Any, sop: Any) -> Any:
    return rasp.Aggregate(rasp.Select(rasp.indices, index, rasp.Comparison.EQ), sop)


# The library ---------------------------------------------------------------------------------------------------------


@program(everywhere(len), LETTERS)
def lib_length() -> Any:
    return lib.make_length()


@program(lambda x: x[::-1], LETTERS)
def lib_reverse() -> Any:
    return lib.make_reverse(rasp.tokens)


@program(lambda x: [sum(t == "x" for t in x[: i + 1]) / (i + 1) for i in range(len(x))], "wxyz", causal=True)
def lib_frac_prevs() -> Any:
    return lib.make_frac_prevs(rasp.tokens == "x")


@program(
    lambda x: [(x[: i + 1].count("(") - x[: i + 1].count(")")) / (i + 1) for i in range(len(x))], BRACKETS, causal=True
)
def lib_pair_balance() -> Any:
    return lib.make_pair_balance(rasp.tokens, "(", ")")


def _balanced(x: list[Any]) -> bool:
    return all(
        all(x[:i].count(left) >= x[:i].count(right) for i in range(len(x))) and x.count(left) == x.count(right)
        for left, right in ("()", "{}")
    )


@program(everywhere(_balanced), BRACKETS)
def lib_shuffle_dyck2() -> Any:
    return lib.make_shuffle_dyck2()


@program(lambda x: [x.count(t) for t in x], LETTERS)
def lib_hist() -> Any:
    return lib.make_hist()


@program(sorted, SMALL)
def lib_sort() -> Any:
    return lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=6, min_key=1)


@program(lambda x: sorted(x, key=lambda t: -x.count(t)), LETTERS)
def lib_sort_freq() -> Any:
    return lib.make_sort_freq(6)


@program(lambda x: [get(x, i - 2) for i in range(len(x))], LETTERS, causal=True)
def lib_shift_by() -> Any:
    return lib.shift_by(2, rasp.tokens)


@program(lambda x: [None if i < 2 else x[i - 2 : i + 1] == list("abc") for i in range(len(x))], LETTERS, causal=True)
def lib_detect_pattern() -> Any:
    return lib.detect_pattern(rasp.tokens, "abc")


@program(everywhere(lambda x: sum(x.count(t) <= 2 for t in x)), LETTERS)
def lib_count_less_freq() -> Any:
    return lib.make_count_less_freq(2)


@program(everywhere(lambda x: x.count("a")), LETTERS)
def lib_count() -> Any:
    return lib.make_count(rasp.tokens, "a")


@program(lambda x: [t * i + len(x) for i, t in enumerate(x)], SMALL, 5)
def lib_nary_sequencemap() -> Any:
    return lib.make_nary_sequencemap(lambda t, i, n: t * i + n, rasp.tokens, rasp.indices, lib.length)


# One token at a time -------------------------------------------------------------------------------------------------


@program(each(lambda t: t * t), INTS, causal=True)
def square() -> Any:
    return rasp.Map(lambda t: t * t, rasp.tokens)


@program(each(lambda t: 3 * t - 2), INTS, causal=True)
def affine() -> Any:
    return 3 * rasp.tokens - 2


@program(
    each(lambda t: "fizzbuzz" if t % 15 == 0 else "fizz" if t % 3 == 0 else "buzz" if t % 5 == 0 else t), range(16)
)
def fizzbuzz() -> Any:
    return rasp.Map(
        lambda t: "fizzbuzz" if t % 15 == 0 else "fizz" if t % 3 == 0 else "buzz" if t % 5 == 0 else t, rasp.tokens
    )


@program(each(lambda t: t > 5), INTS)
def threshold() -> Any:
    return (rasp.tokens > 5).named("above")


@program(each(lambda t: min(max(t, 3), 7)), INTS)
def clip() -> Any:
    return rasp.Map(lambda t: min(max(t, 3), 7), rasp.tokens)


@program(each(lambda t: t in (2, 3, 5, 7)), INTS)
def is_prime() -> Any:
    return (rasp.tokens == 2) | (rasp.tokens == 3) | (rasp.tokens == 5) | (rasp.tokens == 7)


@program(each(lambda t: bin(t)[2:]), INTS)
def to_binary() -> Any:
    return rasp.Map(lambda t: format(t, "b"), rasp.tokens)


@program(each(len), WORDS, causal=True)
def word_length() -> Any:
    return rasp.Map(len, rasp.tokens)


@program(each(lambda t: t == t[::-1]), WORDS)
def word_is_palindrome() -> Any:
    return rasp.Map(lambda t: t == t[::-1], rasp.tokens)


@program(each(str.swapcase), WORDS)
def swap_case() -> Any:
    return rasp.Map(lambda t: t.swapcase(), rasp.tokens)


@program(each(lambda t: t if t[0].isupper() else None), WORDS)
def keep_capitalised() -> Any:
    return rasp.Map(lambda t: t if t[0].isupper() else None, rasp.tokens)


@program(each(lambda t: "spam" if t in ("spam", "offer") else "ham"), WORDS)
def spam_filter() -> Any:
    hits = rasp.Map(lambda t: sum(t == word for word in ("spam", "offer")), rasp.tokens)
    return rasp.Map(lambda n: "spam" if n > 0 else "ham", hits)


@program(each(lambda t: t is not None and t >= 0.5), (0.0, 0.25, 0.5, 0.75, float("inf"), -1.5))
def float_threshold() -> Any:
    return rasp.tokens >= 0.5


@program(each(lambda t: {"🙂": 1, "🙁": -1}.get(t, 0)), ("🙂", "🙁", "😐"))
def emoji_sentiment() -> Any:
    return rasp.Map(lambda t: {"🙂": 1, "🙁": -1}.get(t, 0), rasp.tokens)


@program(each(lambda t: int(t) + 1), ("0", "1", "2", "10", "11"))
def parse_digits() -> Any:
    return rasp.Map(lambda t: int(t) + 1, rasp.tokens)


@program(each(lambda t: str(12 - int(t))), ("1", "2", "3", "10", "11"))
def string_of_number() -> Any:
    return rasp.Map(lambda t: str(12 - int(t)), rasp.tokens)


# Tokens and positions ------------------------------------------------------------------------------------------------


@program(lambda x: [t if i % 2 else None for i, t in enumerate(x)], INTS, causal=True)
def every_other() -> Any:
    return rasp.SequenceMap(lambda t, i: t if i % 2 else None, rasp.tokens, rasp.indices)


@program(lambda x: [t * (i + 1) for i, t in enumerate(x)], LETTERS, causal=True)
def cascade() -> Any:
    return rasp.SequenceMap(lambda t, i: t * (i + 1), rasp.tokens, rasp.indices)


@program(lambda x: [t + i % 2 for i, t in enumerate(x)], INTS, causal=True)
def increment_odd_positions() -> Any:
    odd = rasp.Map(lambda i: i % 2, rasp.indices).named("odd")
    return rasp.SequenceMap(lambda t, mark: t + mark, rasp.tokens, odd)


@program(lambda x: [(t, i) for i, t in enumerate(x)], LETTERS, causal=True)
def pair_with_index() -> Any:
    return rasp.SequenceMap(lambda t, i: (t, i), rasp.tokens, rasp.indices)


@program(lambda x: [t / i if i else None for i, t in enumerate(x)], SMALL, causal=True, least_length=1)
def divide_by_index() -> Any:
    return rasp.SequenceMap(lambda t, i: t / i if i else None, rasp.tokens, rasp.indices)


@program(lambda x: [i == len(x) - 1 for i in range(len(x))], LETTERS)
def is_last() -> Any:
    return rasp.SequenceMap(lambda i, n: i + 1 == n, rasp.indices, length())


# Neighbours ----------------------------------------------------------------------------------------------------------


@program(lambda x: [None] + [t != s for s, t in pairwise(x)], LETTERS, causal=True)
def changes() -> Any:
    return rasp.SequenceMap(lambda t, s: t != s, rasp.tokens, lib.shift_by(1, rasp.tokens))


def _trend(t: Any, following: Any) -> str:
    return "up" if t < following else "down" if t > following else "same"


@program(lambda x: [_trend(t, s) for t, s in pairwise(x)] + [None], SMALL)
def trend() -> Any:
    return rasp.SequenceMap(_trend, rasp.tokens, lib.shift_by(-1, rasp.tokens))


@program(lambda x: [get(x, i + 1, t) - t for i, t in enumerate(x)], INTS)
def difference_to_next() -> Any:
    successor = rasp.SequenceMap(lambda i, n: min(i + 1, n - 1), rasp.indices, length())
    return at(successor, rasp.tokens) - rasp.tokens


@program(lambda x: [None] + [s + t for s, t in pairwise(x)], SMALL, causal=True)
def bigrams() -> Any:
    return lib.shift_by(1, rasp.tokens) + rasp.tokens


@program(
    lambda x: [None if i in (0, len(x) - 1) else x[i - 1] < x[i] > x[i + 1] for i in range(len(x))],
    SMALL,
)
def peaks() -> Any:
    before = rasp.SequenceMap(lambda s, t: s < t, lib.shift_by(1, rasp.tokens), rasp.tokens)
    after = rasp.SequenceMap(lambda s, t: s < t, lib.shift_by(-1, rasp.tokens), rasp.tokens)
    return before & after


@program(lambda x: [x[i ^ 1] if i ^ 1 < len(x) else t for i, t in enumerate(x)], INTS)
def swap_neighbours() -> Any:
    partner = rasp.SequenceMap(
        lambda i, n: i if i == n - 1 and n % 2 else i + 1 if i % 2 == 0 else i - 1, rasp.indices, length()
    )
    return at(partner, rasp.tokens)


@program(lambda x: x[1:] + x[:1], LETTERS)
def rotate_left() -> Any:
    return at(rasp.SequenceMap(lambda i, n: (i + 1) % n if n else 0, rasp.indices, length()), rasp.tokens)


@program(lambda x: [x[-1], *x[1:-1], x[0]] if len(x) > 1 else x, INTS)
def swap_first_and_last() -> Any:
    target = rasp.SequenceMap(lambda i, n: n - 1 if i == 0 else 0 if i + 1 == n else i, rasp.indices, length())
    return rasp.Aggregate(rasp.Select(target, rasp.indices, rasp.Comparison.EQ), rasp.tokens)


@program(everywhere(lambda x: int(x[-1] == x[-2]) if len(x) > 1 else None), SMALL)
def last_two_equal() -> Any:
    n = length()
    return rasp.SequenceMap(lambda x, y: 1 if x == y else 0, at(n - 1, rasp.tokens), at(n - 2, rasp.tokens))


# Counting ------------------------------------------------------------------------------------------------------------


@program(lambda x: [sum(s < t for s in x) for t in x], INTS)
def rank() -> Any:
    return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT))


@program(everywhere(lambda x: sum(t == "a" for t in x) % 2), LETTERS)
def parity() -> Any:
    is_a = rasp.Select(rasp.tokens, rasp.tokens, lambda key, query: key == "a")
    return rasp.Map(lambda n: n % 2, rasp.SelectorWidth(is_a))


@program(everywhere(lambda x: 2 * x.count("a") > len(x)), LETTERS)
def majority() -> Any:
    return rasp.SequenceMap(lambda count, n: 2 * count > n, lib.make_count(rasp.tokens, "a"), length())


@program(lambda x: [x.count(t) / len(x) for t in x], LETTERS)
def relative_frequency() -> Any:
    return rasp.SequenceMap(lambda count, n: count / n, lib.make_hist(), length()).named("frequency")


@program(everywhere(lambda x: len(set(x)) == 1), SMALL)
def all_equal() -> Any:
    return rasp.SequenceMap(lambda count, n: count == n, lib.make_hist(), length())


@program(everywhere(lambda x: int(all(t % 2 == 0 for t in x))), INTS)
def all_even() -> Any:
    even = rasp.Map(lambda t: 1 if t % 2 == 0 else 0, rasp.tokens)
    zero = rasp.Map(lambda i: 0, rasp.indices)
    return rasp.Map(lambda n: 0 if n else 1, rasp.SelectorWidth(rasp.Select(even, zero, rasp.Comparison.EQ)))


@program(everywhere(lambda x: len(set(x))), SMALL)
def distinct_tokens() -> Any:
    earlier = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ) & rasp.Select(
        rasp.indices, rasp.indices, rasp.Comparison.LT
    )
    is_first = (rasp.SelectorWidth(earlier) == 0).named("is_first")
    return rasp.SelectorWidth(rasp.Select(is_first, rasp.Map(lambda i: True, rasp.indices), rasp.Comparison.EQ))


@program(lambda x: [len({t for t in x if t != s}) > 0 for s in x], LETTERS)
def has_other_token() -> Any:
    return rasp.SelectorWidth(~rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)) > 0


@program(lambda x: [x[: i + 1].count(t) for i, t in enumerate(x)], LETTERS, causal=True)
def running_count() -> Any:
    return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))


@program(lambda x: [sum(t > 5 for t in x[: i + 1]) for i in range(len(x))], INTS, causal=True)
def running_threshold_count() -> Any:
    above = (rasp.tokens > 5).named("above")
    return rasp.SelectorWidth(rasp.Select(above, above, lambda key, query: key))


@program(everywhere(lambda x: Counter(x).most_common()[0][1]), LETTERS)
def highest_count() -> Any:
    hist = lib.make_hist()
    more = rasp.SelectorWidth(rasp.Select(hist, hist, rasp.Comparison.GT))
    is_top = rasp.Map(lambda n: n == 0, more)
    top = rasp.Select(is_top, rasp.Map(lambda i: True, rasp.indices), rasp.Comparison.EQ)
    return rasp.Aggregate(top, hist)


# Sorting and selecting -----------------------------------------------------------------------------------------------


@program(sorted, INTS)
def sort_by_small_offsets() -> Any:
    keys = rasp.SequenceMap(lambda t, i: t + i * 0.00001, rasp.tokens, rasp.indices).named("unique_keys")
    position = rasp.SelectorWidth(rasp.Select(keys, keys, rasp.Comparison.LT)).named("sorted_position")
    return rasp.Aggregate(rasp.Select(position, rasp.indices, rasp.Comparison.EQ), rasp.tokens)


@program(lambda x: sorted(x, key=len), WORDS)
def sort_by_word_length() -> Any:
    return lib.make_sort(rasp.tokens, rasp.Map(len, rasp.tokens), max_seq_len=10, min_key=1)


@program(lambda x: sorted(x, reverse=True), SMALL)
def sort_descending() -> Any:
    return lib.make_sort(rasp.tokens, rasp.Map(lambda t: -t, rasp.tokens), max_seq_len=6, min_key=1)


@program(everywhere(max), SMALL)
def maximum() -> Any:
    greater = rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.GT))
    is_maximum = (greater == 0).named("is_maximum")
    chosen = rasp.Select(is_maximum, rasp.Map(lambda i: True, rasp.indices), rasp.Comparison.EQ)
    return rasp.Aggregate(chosen, rasp.tokens)


@program(everywhere(lambda x: x[0]), LETTERS, causal=True)
def first_token() -> Any:
    return rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, lambda key, query: key == 0), rasp.tokens)


@program(everywhere(lambda x: x == x[::-1]), LETTERS)
def palindrome() -> Any:
    differs = rasp.SequenceMap(lambda s, t: s != t, rasp.tokens, lib.make_reverse(rasp.tokens)).named("differs")
    count = rasp.SelectorWidth(rasp.Select(differs, differs, lambda key, query: key))
    return count == 0


def _first_occurrences(x: list[Any]) -> list[Any]:
    return [t if t not in x[:i] else None for i, t in enumerate(x)]


@program(_first_occurrences, LETTERS, 5)
def first_occurrences() -> Any:
    located = rasp.SequenceMap(lambda t, i: (t, i), rasp.tokens, rasp.indices)
    same = rasp.Select(located, located, lambda key, query: key[0] == query[0] and key[1] <= query[1])
    kept = rasp.SequenceMap(lambda n, i: i if n == 1 else -1, rasp.SelectorWidth(same), rasp.indices)
    return rasp.Aggregate(rasp.Select(kept, rasp.indices, rasp.Comparison.EQ), rasp.tokens, default=None)


@program(lambda x: [get(x, x.index(t) + 1) for t in x], LETTERS)
def follower_of_first_occurrence() -> Any:
    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)
    before = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LT)
    is_first = (rasp.SelectorWidth(same & before) == 0).named("is_first")
    of_first = same & rasp.Select(is_first, rasp.Map(lambda i: True, rasp.indices), rasp.Comparison.EQ)
    place = rasp.Aggregate(of_first, rasp.indices).named("place")
    return at(place + 1, rasp.tokens)


# Values that are None, and several that have no mean -----------------------------------------------------------------


@program(lambda x: [get(x, i - 2) for i in range(len(x))], LETTERS, causal=True)
def shift_twice() -> Any:
    return lib.shift_by(1, lib.shift_by(1, rasp.tokens))


@program(lambda x: [x[i - 1] == "a" if i else None for i in range(len(x))], LETTERS, causal=True)
def previous_is_a() -> Any:
    return lib.shift_by(1, rasp.tokens) == "a"


@program(lambda x: [x.count(get(x, i - 1)) if i else 0 for i in range(len(x))], LETTERS)
def count_of_previous() -> Any:
    return rasp.SelectorWidth(rasp.Select(rasp.tokens, lib.shift_by(1, rasp.tokens), rasp.Comparison.EQ))


@program(everywhere(lambda x: x.index("a") if x.count("a") == 1 else None), LETTERS)
def place_of_the_only_a() -> Any:
    is_a = rasp.Select(rasp.tokens, rasp.tokens, lambda key, query: key == "a")
    place = rasp.Aggregate(is_a, rasp.indices).named("place")
    return rasp.SequenceMap(lambda p, n: p if n == 1 else None, place, lib.make_count(rasp.tokens, "a"))


@program(lambda x: [sum(t == "a" for t in x) / len(x)] * len(x), LETTERS)
def share_of_a() -> Any:
    is_a = rasp.numerical(rasp.Map(lambda t: 1 if t == "a" else 0, rasp.tokens)).named("is_a")
    everything = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.TRUE)
    return rasp.numerical(rasp.Aggregate(everything, is_a, default=0))


@program(
    lambda x: [(2 * x[: i + 1].count("a") - x[: i + 1].count("b")) / (i + 1) for i in range(len(x))],
    LETTERS,
    causal=True,
)
def weighted_shares() -> Any:
    a, b = (lib.make_frac_prevs(rasp.tokens == letter) for letter in "ab")
    return rasp.numerical(rasp.LinearSequenceMap(a, b, 2, -1))


@program(lambda x: [x[: i + 1].count("a") / (i + 1) > 0.5 for i in range(len(x))], LETTERS, causal=True)
def mostly_a_so_far() -> Any:
    return lib.make_frac_prevs(rasp.tokens == "a") > 0.5


@program(everywhere(lambda x: all(x[: i + 1].count("(") >= x[: i + 1].count(")") for i in range(len(x)))), BRACKETS, 5)
def never_closes_too_early() -> Any:
    depth = rasp.SequenceMap(lambda left, right: left - right, *(_up_to_here(bracket) for bracket in "()"))
    negative = (depth < 0).named("negative")
    return rasp.SelectorWidth(rasp.Select(negative, negative, lambda key, query: key)) == 0


def _up_to_here(token: str) -> Any:
    is_token = rasp.Select(rasp.tokens, rasp.tokens, lambda key, query: key == token)
    return rasp.SelectorWidth(is_token & rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LEQ))
