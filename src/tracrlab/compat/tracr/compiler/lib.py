"""Tracr's library of programs, built from the same primitives, so that they have the structure that scripts expect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

from tracrlab.compat.tracr.rasp import rasp


def make_length() -> rasp.SOp:
    """The length of the input, at every position.

    >>> make_length()("abc")
    [3, 3, 3]
    """
    everything = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE).named("all_true_selector")
    return rasp.SelectorWidth(everything).named("length")


length = make_length()


def make_reverse(sop: rasp.SOp) -> rasp.SOp:
    """The values from last to first.

    >>> make_reverse(rasp.tokens)("Hello")
    ['o', 'l', 'l', 'e', 'H']
    """
    distance = (length - rasp.indices).named("opp_idx")
    opposite = (distance - 1).named("opp_idx-1")
    mirror = rasp.Select(rasp.indices, opposite, rasp.Comparison.EQ).named("reverse_selector")
    return rasp.Aggregate(mirror, sop).named("reverse")


def make_pair_balance(sop: rasp.SOp, open_token: str, close_token: str) -> rasp.SOp:
    """The fraction of opening minus that of closing tokens up to each position.

    >>> make_pair_balance(rasp.tokens, "(", ")")("(())")
    [1, 1, 0.3333333333333333, 0.0]
    """
    fractions = []
    for token, name in ((open_token, "open"), (close_token, "close")):
        is_token = rasp.numerical(sop == token).named(f"bools_{name}")
        fractions.append(rasp.numerical(make_frac_prevs(is_token)).named("opens" if name == "open" else "closes"))
    opens, closes = fractions
    return rasp.numerical(rasp.LinearSequenceMap(opens, closes, 1, -1)).named("pair_balance")


def make_shuffle_dyck(pairs: list[str]) -> rasp.SOp:
    """Whether every pair of brackets is balanced by itself, however they interleave, at every position.

    >>> make_shuffle_dyck(["()", "{}"])("({)}"), make_shuffle_dyck(["()", "{}"])("(){)}")
    ([True, True, True, True], [False, False, False, False, False])

    Raises:
        ValueError: there is no pair, or one that is none.
    """
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"expected pairs of brackets such as '()', not {pairs!r}")
    balances = [make_pair_balance(rasp.tokens, *pair).named(f"balance_{pair}") for pair in pairs]
    negative = reduce(or_, [balance < 0 for balance in balances])
    any_negative = rasp.numerical(rasp.Map(_same, negative)).named("any_negative")
    select_all = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.TRUE).named("select_all")
    has_neg = rasp.numerical(rasp.Aggregate(select_all, any_negative, default=0)).named("has_neg")
    all_zero = reduce(and_, [balance == 0 for balance in balances])
    select_last = rasp.Select(rasp.indices, length - 1, rasp.Comparison.EQ).named("select_last")
    last_zero: rasp.SOp = rasp.Aggregate(select_last, all_zero).named("last_zero")
    return (last_zero & (~has_neg).named("not_has_neg")).named("shuffle_dyck")


def make_shuffle_dyck2() -> rasp.SOp:
    """``make_shuffle_dyck`` of ``()`` and ``{}``."""
    return make_shuffle_dyck(pairs=["()", "{}"]).named("shuffle_dyck2")


def make_hist() -> rasp.SOp:
    """How often the token at each position occurs.

    >>> make_hist()("abac")
    [2, 1, 2, 1]
    """
    same_token = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ).named("same_tok")
    return rasp.SelectorWidth(same_token).named("hist")


def make_sort_unique(vals: rasp.SOp, keys: rasp.SOp) -> rasp.SOp:
    """The values in ascending order of their keys, which must differ.

    >>> make_sort_unique(rasp.tokens, rasp.tokens)([2, 4, 3, 1])
    [1, 2, 3, 4]
    """
    smaller = rasp.Select(keys, keys, rasp.Comparison.LT).named("smaller")
    target_position = rasp.SelectorWidth(smaller).named("target_pos")
    to_target = rasp.Select(target_position, rasp.indices, rasp.Comparison.EQ)
    return rasp.Aggregate(to_target, vals).named("sort")


def make_sort(vals: rasp.SOp, keys: rasp.SOp, *, max_seq_len: int, min_key: float) -> rasp.SOp:
    """The values in ascending order of their keys, numbers that differ by ``min_key`` or not at all; stable.

    >>> make_sort(rasp.tokens, rasp.tokens, max_seq_len=5, min_key=1)([2, 4, 1, 2])
    [1, 2, 2, 4]
    """
    unique = rasp.SequenceMap(lambda key, index: key + min_key * index / max_seq_len, keys, rasp.indices)
    return make_sort_unique(vals, unique)


def make_sort_freq(max_seq_len: int) -> rasp.SOp:
    """The tokens in descending order of how often they occur; stable.

    >>> make_sort_freq(8)("abbccddd")
    ['d', 'd', 'd', 'b', 'b', 'c', 'c', 'a']
    """
    return make_sort(rasp.tokens, -1 * make_hist(), max_seq_len=max_seq_len, min_key=1).named("sort_freq")


def make_frac_prevs(bools: rasp.SOp) -> rasp.SOp:
    """The fraction of positions up to each one where ``bools`` is true.

    >>> make_frac_prevs(rasp.tokens == "l")("hello")
    [False, False, 0.3333333333333333, 0.5, 0.4]
    """
    previous = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LEQ)
    return rasp.numerical(rasp.Aggregate(previous, rasp.numerical(bools), default=0)).named("frac_prevs")


def shift_by(offset: int, /, sop: rasp.SOp) -> rasp.SOp:
    """The value ``offset`` positions before, ``None`` where there is none.

    >>> shift_by(1, rasp.tokens)("abc"), shift_by(-1, rasp.tokens)("abc")
    ([None, 'a', 'b'], ['b', 'c', None])
    """
    shifted = rasp.Select(rasp.indices, rasp.indices, lambda key, query: query == key + offset)
    return rasp.Aggregate(shifted, sop, default=None).named(f"shift_by({offset})")


def detect_pattern(sop: rasp.SOp, pattern: Sequence[rasp.Value]) -> rasp.SOp:
    """Whether an occurrence of the pattern ends at each position; ``None`` where it would begin before the first.

    >>> detect_pattern(rasp.tokens, "abc")("abcabc")
    [None, None, True, False, False, True]

    Raises:
        ValueError: the pattern is empty.
    """
    if len(pattern) < 1:
        raise ValueError(f"Length of `pattern` must be at least 1. Got {pattern}")
    earliest, *later = [
        shift_by(offset, sop == element) if offset else sop == element
        for offset, element in zip(range(len(pattern) - 1, -1, -1), pattern, strict=True)
    ]
    return reduce(and_, later, earliest).named(f"detect_pattern({pattern})")


def make_count_less_freq(n: int) -> rasp.SOp:
    """How many positions hold a token that occurs ``n`` times at most, at every position.

    >>> make_count_less_freq(2)("aabccc")
    [3, 3, 3, 3, 3, 3]
    """
    hist = make_hist()
    rare = rasp.Select(hist, hist, lambda key, query: key <= n).named("select_less")
    return rasp.SelectorWidth(rare).named("count_less_freq")


def make_count(sop: rasp.SOp, token: rasp.Value) -> rasp.SOp:
    """How often a value occurs, at every position.

    >>> make_count(rasp.tokens, "a")("aab")
    [2, 2, 2]
    """
    return rasp.SelectorWidth(rasp.Select(sop, sop, lambda key, query: key == token)).named(f"count_{token}")


def make_nary_sequencemap(f: Callable[..., Any], *sops: rasp.SOp) -> rasp.SOp:
    """``f`` of any number of s-ops, which are joined into tuples one after the other.

    >>> make_nary_sequencemap(lambda x, y, z: (z, y, x), rasp.tokens, rasp.indices, length)("ab")
    [(2, 0, 'a'), (2, 1, 'b')]

    Raises:
        ValueError: there are no s-ops.
    """
    if not sops:
        raise ValueError("make_nary_sequencemap needs at least one s-op")
    first, *others = sops
    if not others:
        return rasp.Map(f, first)
    joined: rasp.SOp = rasp.SequenceMap(lambda x, y: (x, y), first, others[0])
    for sop in others[1:]:
        joined = rasp.SequenceMap(lambda x, y: (*x, y), joined, sop)
    return rasp.Map(lambda x: f(*x), joined)


def _same(x: Any) -> Any:
    return x
