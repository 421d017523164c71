"""The library of RASP programs, and the registry that lists them.

Each function builds one program and has a default for every argument, so that ``PROGRAMS["sort"].build()`` works
for every name. Importing this module builds nothing.

The programs count with ``selector_width`` where they can, because a count is an exact integer, and they select so
that no aggregate has to average anything but numbers. Each is defined on every input: tokens that a program does not
mention are ignored or treated as its docstring says.

>>> PROGRAMS["reverse"].build()("abc")
['c', 'b', 'a']
>>> PROGRAMS["reverse"].description
'The tokens from last to first.'
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import Any, TypeVar

from tracrlab.rasp import functions as rasp
from tracrlab.rasp.expressions import Comparison, Selector, SOp
from tracrlab.rasp.operations import Formula, IsIn
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class Program:
    """An entry of the library.

    Attributes:
        name: its key in :data:`PROGRAMS`.
        build: returns the program; every argument has a default.
        description: one line that says what it computes.
        example_vocab: single-character tokens on which the default program does something interesting.
        example_input: an input over ``example_vocab``.
        causal_safe: the default program computes the same with ``causal=True``; the others need later tokens.
    """

    name: str
    build: Callable[..., SOp]
    description: str
    example_vocab: str
    example_input: str
    causal_safe: bool

    def vocabulary(self, size: int) -> tuple[str, ...]:
        """``size`` distinct tokens: those of ``example_vocab`` first, then letters and other characters."""
        others = (chr(code) for code in range(ord("A"), ord("A") + size + len(self.example_vocab)))
        return tuple(dict.fromkeys([*self.example_vocab, *others]))[:size]


PROGRAMS: dict[str, Program] = {}
"""Every program of the library by name."""

Builder = TypeVar("Builder", bound=Callable[..., SOp])


def _program(example_vocab: str, example_input: str, *, causal_safe: bool = False) -> Callable[[Builder], Builder]:
    """Enter the decorated function into :data:`PROGRAMS`."""

    def register(build: Builder) -> Builder:
        description = (inspect.getdoc(build) or "").partition("\n")[0]
        name = build.__name__
        PROGRAMS[name] = Program(name, build, description, example_vocab, example_input, causal_safe)
        return build

    return register


# Building blocks -----------------------------------------------------------------------------------------------------


def _everything() -> Selector:
    return rasp.select(rasp.indices, rasp.indices, Comparison.TRUE)


def _up_to_here() -> Selector:
    return rasp.select(rasp.indices, rasp.indices, Comparison.LEQ).named("prevs")


def _before() -> Selector:
    return rasp.select(rasp.indices, rasp.indices, Comparison.LT).named("before")


def _same(sop: SOp) -> Selector:
    return rasp.select(sop, sop, Comparison.EQ)


def _marked(condition: SOp) -> Selector:
    """Selects the positions where ``condition`` is true."""
    return rasp.select(condition, True, Comparison.EQ)


def _nowhere(condition: SOp) -> SOp:
    """Whether ``condition`` is false at all positions; the same at every position."""
    return rasp.selector_width(_marked(condition)) == 0


def _is_last() -> SOp:
    return (rasp.indices == rasp.length - 1).named("is_last")


def _earlier_occurrences(sop: SOp) -> SOp:
    """How many earlier positions hold the same value as this one."""
    return rasp.selector_width(_same(sop) & _before())


def _bracket_pairs(pairs: Sequence[Sequence[Value]]) -> list[tuple[Value, Value]]:
    """The pairs as (open, close) tuples, if they make sense."""
    brackets = [bracket for pair in pairs for bracket in pair]
    if not pairs or any(len(pair) != 2 for pair in pairs) or len(set(brackets)) != len(brackets):
        raise ValueError(f"expected pairs of brackets, all different, such as ('()', '{{}}'), not {pairs!r}")
    return [(pair[0], pair[1]) for pair in pairs]


# Counting ------------------------------------------------------------------------------------------------------------


@_program("abc", "abca")
def length() -> SOp:
    """The length of the input, at every position.

    Every position selects all positions and counts them. (``tracrlab.rasp.length`` is the same as a primitive.)

    >>> length()("abca")
    [4, 4, 4, 4]
    """
    return rasp.selector_width(_everything()).named("length")


@_program("wxyz", "xyxzx")
def count(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """How often ``token`` occurs in the whole input, at every position.

    >>> count("l")("hello")
    [2, 2, 2, 2, 2]
    """
    return rasp.selector_width(rasp.select(sop, token, Comparison.EQ)).named("count")


@_program("wxyz", "xyxzx", causal_safe=True)
def count_prevs(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """How often ``token`` occurs up to and including each position.

    >>> count_prevs("l")("hello")
    [0, 0, 1, 2, 2]
    """
    return rasp.selector_width(rasp.select(sop, token, Comparison.EQ) & _up_to_here()).named("count_prevs")


@_program("wxyz", "wxyz")
def contains(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """Whether ``token`` occurs anywhere in the input, at every position.

    >>> contains("l")("hello"), contains("l")("hey")
    ([True, True, True, True, True], [False, False, False])
    """
    return (count(token, sop) > 0).named("contains")


@_program("wxyz", "xyxzx")
def frac(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """The fraction of the input that is ``token``, at every position.

    The mean of an indicator over all positions. Where the indicator is the same everywhere, the mean is that bool.

    >>> frac("l")("hello")
    [0.4, 0.4, 0.4, 0.4, 0.4]
    """
    is_token = rasp.numerical(sop == token).named(f"is_{token}")
    return rasp.numerical(rasp.aggregate(_everything(), is_token, 0)).named("frac")


@_program("wxyz", "xyxzx", causal_safe=True)
def frac_prevs(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """The fraction of tokens up to and including each position that are ``token``.

    The running example of the Tracr paper (Figure 2): the mean of an indicator over the previous positions. Where the
    indicator is the same on all of them, the mean is that bool.

    >>> frac_prevs()("xaxb")
    [True, 0.5, 0.6666666666666666, 0.5]
    """
    is_token = rasp.numerical(sop == token).named(f"is_{token}")
    return rasp.numerical(rasp.aggregate(_up_to_here(), is_token, 0)).named("frac_prevs")


@_program("01", "10110")
def parity(token: Value = "1", sop: SOp = rasp.tokens) -> SOp:
    """1 if ``token`` occurs an odd number of times in the input, else 0, at every position.

    >>> parity()("1011"), parity()("11")
    ([1, 1, 1, 1], [0, 0])
    """
    return (count(token, sop) % 2).named("parity")


@_program("wxyz", "xyxzx")
def majority(token: Value = "x", sop: SOp = rasp.tokens) -> SOp:
    """Whether ``token`` holds more than half of the positions, at every position.

    >>> majority("l")("hello"), majority("l")("lol")
    ([False, False, False, False, False], [True, True, True])
    """
    return (2 * count(token, sop) > rasp.length).named("majority")


# Histograms ----------------------------------------------------------------------------------------------------------


@_program("abcd", "abacab")
def hist(sop: SOp = rasp.tokens) -> SOp:
    """How often the token at each position occurs in the input.

    >>> hist()("hello")
    [1, 1, 2, 2, 1]
    """
    return rasp.selector_width(_same(sop)).named("hist")


@_program("abcd", "abacdd")
def hist2() -> SOp:
    """How many distinct tokens occur as often as the token at each position.

    Every distinct token is represented by its first occurrence; count the representatives with my frequency.

    >>> hist2()("hello")
    [3, 3, 1, 1, 3]
    """
    frequency = hist()
    is_first = (_earlier_occurrences(rasp.tokens) == 0).named("is_first")
    return rasp.selector_width(_same(frequency) & _marked(is_first)).named("hist2")


@_program("abcd", "aabccc")
def count_less_freq(n: int = 2) -> SOp:
    """How many positions hold a token that occurs at most ``n`` times, at every position.

    >>> count_less_freq(1)("hello"), count_less_freq(2)("hello")
    ([3, 3, 3, 3, 3], [5, 5, 5, 5, 5])
    """
    return rasp.selector_width(rasp.select(hist(), n, Comparison.LEQ)).named("count_less_freq")


# Moving and sorting --------------------------------------------------------------------------------------------------


@_program("abcd", "abcd")
def reverse(vals: SOp = rasp.tokens) -> SOp:
    """The tokens from last to first.

    >>> reverse()("hello")
    ['o', 'l', 'l', 'e', 'h']
    """
    opposite = (rasp.length - rasp.indices - 1).named("opposite")
    flip = rasp.select(rasp.indices, opposite, Comparison.EQ).named("flip")
    return rasp.aggregate(flip, vals).named("reverse")


@_program("abcd", "abcd", causal_safe=True)
def shift_by(offset: int = 1, sop: SOp = rasp.tokens, default: Value = None) -> SOp:
    """The input moved ``offset`` positions to the right, ``default`` where nothing moves in.

    A negative offset moves it to the left, which needs later tokens.

    >>> shift_by(1)("hello"), shift_by(-2, default="-")("hello")
    ([None, 'h', 'e', 'l', 'l'], ['l', 'l', 'o', '-', '-'])
    """
    source = rasp.select(rasp.indices, rasp.indices - offset, Comparison.EQ)
    return rasp.aggregate(source, sop, default).named("shift_by")


@_program("4321", "3142")
def sort_unique(vals: SOp = rasp.tokens, keys: SOp = rasp.tokens) -> SOp:
    """The values in ascending order of their keys, for keys that are all different.

    Figure 5 of the Tracr paper: the number of smaller keys is the position to move to. Equal keys share a target
    position, so there the program leaves ``None`` at the following ones; their values must then be equal too, as they
    are by default. :func:`sort` has no such limits.

    >>> sort_unique()("3142"), sort_unique()("212")
    (['1', '2', '3', '4'], ['1', '2', None])
    """
    smaller = rasp.select(keys, keys, Comparison.LT).named("smaller")
    target_pos = rasp.selector_width(smaller).named("target_pos")
    sel_sort = rasp.select(target_pos, rasp.indices, Comparison.EQ).named("sel_sort")
    return rasp.aggregate(sel_sort, vals).named("sort_unique")


@_program("4321", "31423")
def sort(vals: SOp = rasp.tokens, keys: SOp = rasp.tokens) -> SOp:
    """The values in ascending order of their keys; equal keys keep their order.

    The target position is the number of positions that come first: those with a smaller key, and the earlier ones with
    an equal key. That is a strict total order, so target positions are all different.

    >>> sort()("hello"), sort(keys=-rasp.indices)("hello")
    (['e', 'h', 'l', 'l', 'o'], ['o', 'l', 'l', 'e', 'h'])
    """
    smaller = rasp.select(keys, keys, Comparison.LT).named("smaller")
    target_pos = rasp.selector_width(smaller | (_same(keys) & _before())).named("target_pos")
    sel_sort = rasp.select(target_pos, rasp.indices, Comparison.EQ).named("sel_sort")
    return rasp.aggregate(sel_sort, vals).named("sort")


@_program("abcd", "abbccddd")
def sort_freq() -> SOp:
    """The tokens in decreasing order of how often they occur; equally frequent ones keep their order.

    >>> sort_freq()("hello")
    ['l', 'l', 'h', 'e', 'o']
    """
    return sort(rasp.tokens, (-hist()).named("rarity")).named("sort_freq")


@_program("abcd", "abbccddd")
def most_freq() -> SOp:
    """The distinct tokens in decreasing order of how often they occur, then ``None``; ties by first occurrence.

    Only first occurrences carry a token; the others carry ``None`` and weigh nothing, so they are sorted to the end.

    >>> most_freq()("abbccddd")
    ['d', 'b', 'c', 'a', None, None, None, None]
    """
    is_first = (_earlier_occurrences(rasp.tokens) == 0).named("is_first")
    weight = rasp.where(is_first, hist(), 0).named("weight")
    distinct = rasp.where(is_first, rasp.tokens, None).named("distinct")
    return sort(distinct, (-weight).named("lightness")).named("most_freq")


@_program("abcd", "abcba")
def palindrome() -> SOp:
    """Whether the input reads the same backwards, at every position.

    >>> palindrome()("abba"), palindrome()("abb")
    ([True, True, True, True], [False, False, False])
    """
    return _nowhere((reverse() != rasp.tokens).named("differs")).named("palindrome")


# Patterns ------------------------------------------------------------------------------------------------------------


@_program("abcd", "abcabb", causal_safe=True)
def detect_pattern(pattern: Sequence[Value] = "ab", sop: SOp = rasp.tokens) -> SOp:
    """Whether an occurrence of ``pattern`` ends at each position.

    >>> detect_pattern("ll")("hello")
    [False, False, False, True, False]

    Raises:
        ValueError: the pattern is empty.
    """
    if not pattern:
        raise ValueError("the pattern must not be empty")
    *earlier, last = pattern
    found = sop == last
    for offset, element in enumerate(reversed(earlier), start=1):
        found = found & shift_by(offset, sop == element, default=False)
    return found.named("detect_pattern")


@_program("abcd", "abcab", causal_safe=True)
def induction() -> SOp:
    """The token that followed the last earlier occurrence of the token at each position, ``None`` if there is none.

    What an induction head predicts to come next. The last earlier occurrence of my token is the one with one earlier
    occurrence fewer than I have.

    >>> induction()("abcab")
    [None, None, None, 'b', 'c']
    """
    rank = _earlier_occurrences(rasp.tokens).named("rank")
    last_occurrence = _same(rasp.tokens) & rasp.select(rank, rank - 1, Comparison.EQ)
    previous = rasp.aggregate(last_occurrence, rasp.indices).named("previous")
    follower = rasp.select(rasp.indices, previous + 1, Comparison.EQ)
    return rasp.aggregate(follower, rasp.tokens).named("induction")


# Brackets ------------------------------------------------------------------------------------------------------------


@_program("()ab", "(a)b)(", causal_safe=True)
def pair_balance(open_token: Value = "(", close_token: Value = ")", sop: SOp = rasp.tokens) -> SOp:
    """The fraction of opening minus that of closing tokens up to and including each position.

    Figure 10 of the Tracr paper: the difference of two programs like :func:`frac_prevs`.

    >>> pair_balance()("(())")
    [1, 1, 0.3333333333333333, 0.0]
    """
    opened = frac_prevs(open_token, sop).named("frac_open")
    closed = frac_prevs(close_token, sop).named("frac_close")
    return rasp.numerical(opened - closed).named("pair_balance")


@_program("(){}", "({)}")
def shuffle_dyck(pairs: Sequence[Sequence[Value]] = ("()", "{}")) -> SOp:
    """Whether each kind of bracket is balanced by itself, however the kinds interleave, at every position.

    Appendix G of the Tracr paper: no balance is ever negative, and all are zero at the last position. Other tokens are
    ignored.

    >>> shuffle_dyck()("({)}"), shuffle_dyck()("(){")
    ([True, True, True, True], [False, False, False])

    Raises:
        ValueError: the pairs are not pairs, or not all different.
    """
    balances = [
        pair_balance(opening, closing).named(f"balance_{opening}{closing}")
        for opening, closing in _bracket_pairs(pairs)
    ]
    negative = reduce(or_, (balance < 0 for balance in balances)).named("negative")
    nonzero = reduce(or_, (balance != 0 for balance in balances)).named("nonzero")
    return _nowhere((negative | (_is_last() & nonzero)).named("wrong")).named("shuffle_dyck")


@_program("(){}", "({})")
def dyck(pairs: Sequence[Sequence[Value]] = ("()", "{}")) -> SOp:
    """Whether the brackets are properly nested and all closed, at every position. Other tokens are ignored.

    See :func:`dyck_ptf` for how.

    >>> dyck()("{()}"), dyck()("({)}")
    ([True, True, True, True], [False, False, False, False])

    Raises:
        ValueError: the pairs are not pairs, or not all different.
    """
    depth, violation = _nesting(pairs)
    return _nowhere((violation | (_is_last() & (depth != 0))).named("wrong")).named("dyck")


@_program("(){}", "(){()}", causal_safe=True)
def dyck_ptf(pairs: Sequence[Sequence[Value]] = ("()", "{}")) -> SOp:
    """The status of each prefix: "T" properly nested, "P" can still become so, "F" cannot. Other tokens are ignored.

    A prefix fails when a bracket closes that was not open, or that is of another kind than the last open one.

    >>> dyck_ptf()("(){)")
    ['P', 'T', 'P', 'F']

    Raises:
        ValueError: the pairs are not pairs, or not all different.
    """
    depth, violation = _nesting(pairs)
    failed = (rasp.selector_width(_marked(violation) & _up_to_here()) > 0).named("failed")
    return rasp.where(failed, "F", rasp.where(depth == 0, "T", "P")).named("dyck_ptf")


def _nesting(pairs: Sequence[Sequence[Value]]) -> tuple[SOp, SOp]:
    """How many brackets are open after each position, and whether the position breaks the nesting.

    The second is only meaningful at the first position that breaks it.
    """
    opener_of = {closing: opening for opening, closing in _bracket_pairs(pairs)}
    is_open = rasp.elementwise_map(IsIn(tuple(opener_of.values())), rasp.tokens).named("is_open")
    is_close = rasp.elementwise_map(IsIn(tuple(opener_of)), rasp.tokens).named("is_close")
    opened = rasp.selector_width(_marked(is_open) & _up_to_here()).named("opened")
    closed = rasp.selector_width(_marked(is_close) & _up_to_here()).named("closed")
    depth = (opened - closed).named("depth")
    violation = depth < 0
    if len(opener_of) > 1:  # brackets of a single kind always fit
        partner = _matching_token(depth, is_open, is_close)
        violation = violation | rasp.elementwise_map(_misfit(opener_of), rasp.tokens, partner).named("misfit")
    return depth, violation.named("violation")


def _misfit(opener_of: Mapping[Value, Value]) -> Formula:
    """Whether a token closes another bracket than one that opened: a function of both."""

    def misfit(token: Any, opened: Any) -> Any:
        return reduce(or_, ((token == closing) & (opened != opening) for closing, opening in opener_of.items()))

    return Formula(misfit)


def _matching_token(depth: SOp, is_open: SOp, is_close: SOp) -> SOp:
    """At a closing bracket, the bracket that it closes, as long as no depth before was negative.

    An opening bracket is at the level of the depth after it, a closing one at that of the depth before it, which are
    both positive; other tokens are put at level 0, out of the way. Between a bracket and its partner all brackets are
    at deeper levels, so the partner is the last earlier position at the same level: the one with one predecessor at
    that level fewer.
    """
    level = rasp.where(is_open | is_close, depth + is_close, 0).named("level")
    rank = _earlier_occurrences(level).named("rank")
    last_at_level = _same(level) & rasp.select(rank, rank - 1, Comparison.EQ)
    return rasp.aggregate(last_at_level, rasp.tokens, "").named("partner")


# Arithmetic ----------------------------------------------------------------------------------------------------------


@_program("0123456789+", "123+456")
def addition() -> SOp:
    """The sum of two decimal numbers written as in ``123+456``, right-aligned with leading zeros, digits as ints.

    The first number is moved right to stand over the second, and columns are added. A column receives a carry if the
    nearest column to its right that does not add up to 9 adds up to 10 or more; number every column by how many such
    columns are to its right, and that nearest one is the column numbered one less. So no loop over the columns is
    needed, and the depth is the same for any length.

    The first ``+`` separates the numbers; without one there is only the first number. Any other token that is not a
    digit counts as the digit 0, and a missing number as 0.

    >>> addition()("123+456"), addition()("999+1")
    ([0, 0, 0, 0, 5, 7, 9], [0, 1, 0, 0, 0])
    """
    digit = rasp.elementwise_map(Formula(_digit), rasp.tokens).named("digit")
    plus_seen = (count_prevs("+") > 0).named("plus_seen")
    first_length = rasp.selector_width(rasp.select(plus_seen, False, Comparison.EQ)).named("first_length")
    source = (rasp.indices - (rasp.length - first_length)).named("source")
    first = rasp.aggregate(rasp.select(rasp.indices, source, Comparison.EQ), digit, 0).named("first")
    second = rasp.where(plus_seen, digit, 0).named("second")
    column = (first + second).named("column")

    to_the_right = rasp.select(rasp.indices, rasp.indices, Comparison.GT)
    number = rasp.selector_width(_marked(column != 9) & to_the_right).named("number")
    nearest = rasp.select(number, number - 1, Comparison.EQ)
    carry = (rasp.selector_width(nearest & _marked(column >= 10)) > 0).named("carry")
    return ((column + carry) % 10).named("addition")


def _digit(token: Any) -> Any:
    """The digit that a token is, 0 if it is none."""
    return reduce(add, (digit * (token == str(digit)) for digit in range(1, 10)))
