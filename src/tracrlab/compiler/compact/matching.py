"""Attention scores from features of codes.

A head that compares m pairs of nodes scores an even number where all match, and at least 2 less elsewhere; BOS scores 1
less than a match, so that it is attended where nothing is selected, or as much as one, to be counted with them. Two
ways to compare:

- *classes*: a feature for each class of keys, or of queries, that the predicate tells apart: 2 where it holds, 0
  elsewhere (Tracr paper, appendix D.1);
- *parabola*: where every query selects at most one class of keys, classes have integer codes c, and
  ``4 q c - 2 c² = 2 q² - 2 (q - c)²`` is 2 q² where the codes are equal and at most 2 q² - 2 elsewhere. This needs two
  features whatever the number of classes; the row's own 2 q² only matters to BOS. Large codes are split into two
  digits, each with a parabola of its own, and where even these are too large into bits, with a feature for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.compact.carriers import Feature
from tracrlab.compiler.ir.matches import equality_codes
from tracrlab.compiler.ir.nodes import IRNode, Match, Pattern
from tracrlab.craft.neurons import distinct_rows
from tracrlab.shapes import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class MatchFeatures:
    """One comparison: features of queries and keys, whose product is ``score`` plus that of ``bos`` for a match.

    ``bos`` is a feature of the query, or ``None``. ``parabola``: the features are codes, each beside its square or the
    factor of that.
    """

    queries: Feature
    keys: Feature
    score: float
    bos: Feature | None
    parabola: bool = False


@dataclass(frozen=True, eq=False)
class PatternFeatures:
    """All comparisons of a pattern, and the score of BOS apart from the comparisons' ``bos`` features.

    ``total``: every position selects some position.
    """

    comparisons: tuple[MatchFeatures, ...]
    bos: float
    total: bool

    @property
    def features(self) -> list[Feature]:
        """Everything that is read."""
        each = [(match.queries, match.keys, match.bos) for match in self.comparisons]
        return [feature for three in each for feature in three if feature is not None]


@dataclass(frozen=True)
class Limits:
    """The largest codes that are compared by one parabola, and by a parabola for each of two digits.

    Beyond the second, codes are compared bit by bit; without codes, values are by classes. ``of_keys``: codes of
    queries, which are not squared, may be larger.
    """

    whole: float
    digits: float
    of_keys: bool = False


BY_CLASSES = Limits(0.0, 0.0)
BY_BITS = Limits(1.0, 1.0)


def pattern_features(pattern: Pattern, total: bool, limits: Sequence[Limits]) -> PatternFeatures:
    """The features that a pattern's head reads, each match within its limits.

    ``total``: every position selects some position.
    """
    if pattern.latest is not None:
        return _latest_features(pattern.latest)
    measured = pattern.counts or not total
    comparisons = tuple(
        _match_features(match, measured, limit) for match, limit in zip(pattern.matches, limits, strict=True)
    )
    score = sum(match.score for match in comparisons) if comparisons else 2.0
    bos = score if pattern.counts else score - 1 if measured else score - 2
    return PatternFeatures(comparisons, bos, total)


def _latest_features(positions: IRNode) -> PatternFeatures:
    """Scores that grow with the position by 2, BOS below all of them."""
    assert positions.numbers is not None
    numbers = positions.numbers[:, None]
    alike = Feature(positions, np.ones_like(numbers), exact=False)
    return PatternFeatures(
        (MatchFeatures(alike, Feature(positions, 2 * numbers), 0.0, None, parabola=True),), -2.0, True
    )


def _match_features(match: Match, measured: bool, limits: Limits) -> MatchFeatures:
    codes = equality_codes(match) if limits != BY_CLASSES else None
    if codes is None:
        return _class_features(match)
    largest = max(float(np.abs(code).max()) for code in (codes[1:] if limits.of_keys else codes))
    if largest > max(limits.whole, limits.digits):
        return _bit_features(match, measured, *code_bits(*codes))
    pairs = [codes] if largest <= limits.whole else _code_digits(*codes)
    queries = [column for query, _ in pairs for column in (4 * query, np.full(len(query), -2.0))]
    keys = [column for _, key in pairs for column in (key, key * key)]
    squares = np.sum([2 * query * query for query, _ in pairs], axis=0)
    return MatchFeatures(
        Feature(match.queries, np.stack(queries, axis=1), exact=measured),
        Feature(match.keys, np.stack(keys, axis=1)),
        0.0,
        Feature(match.queries, squares[:, None]) if measured else None,
        parabola=True,
    )


def _code_digits(
    queries: Float[np.ndarray, " query"], keys: Float[np.ndarray, " key"]
) -> list[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]]:
    """Two digits of each code, centred; codes are equal where both digits are."""
    lowest = min(queries.min(), keys.min())
    base = np.ceil(np.sqrt(max(queries.max(), keys.max()) - lowest + 1))
    middle = np.floor(base / 2)
    leading = [(codes - lowest) // base - middle for codes in (queries, keys)]
    last = [(codes - lowest) % base - middle for codes in (queries, keys)]
    return [(leading[0], leading[1]), (last[0], last[1])]


def code_bits(
    queries: Float[np.ndarray, " query"], keys: Float[np.ndarray, " key"]
) -> tuple[Int[np.ndarray, "query bit"], Int[np.ndarray, "key bit"]]:
    """The bits of integer codes, from their lowest on; codes are equal where all bits are."""
    lowest = min(queries.min(), keys.min())
    whole = [np.round(codes - lowest).astype(int) for codes in (queries, keys)]
    places = np.arange(max(int(max(codes.max() for codes in whole)).bit_length(), 1))
    query_bits, key_bits = (codes[:, None] >> places & 1 for codes in whole)
    return query_bits, key_bits


def _bit_features(
    match: Match, measured: bool, queries: Int[np.ndarray, "query bit"], keys: Int[np.ndarray, "key bit"]
) -> MatchFeatures:
    """2 for each bit that is the same: ``2 q k + 2 (1 - q) (1 - k)``, of which ``2 (1 - q)`` is the same for all keys.

    So ``(4 q - 2) k`` is read of keys, and the rest only moves the score of BOS.
    """
    signs = 4.0 * queries - 2
    return MatchFeatures(
        Feature(match.queries, signs),
        Feature(match.keys, keys.astype(float)),
        0.0,
        Feature(match.queries, 2.0 * queries.sum(axis=1, keepdims=True)) if measured else None,
    )


def _class_features(match: Match) -> MatchFeatures:
    columns, key_class = _classes(match.matrix.T)
    rows, query_class = _classes(match.matrix)
    if len(columns) <= len(rows):
        queries, keys = 2.0 * columns.T, key_class
    else:
        queries, keys = 2.0 * query_class, rows.T.astype(float)
    return MatchFeatures(Feature(match.queries, queries), Feature(match.keys, keys), 2.0, None)


def _classes(
    rows: Bool[np.ndarray, "row column"],
) -> tuple[Bool[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]:
    """The distinct rows that are not empty, and which row is which."""
    first, which = distinct_rows(rows)
    filled = rows[first].any(axis=1)
    member = (which[:, None] == np.arange(len(first))).astype(float)
    return rows[first][filled], member[:, filled]
