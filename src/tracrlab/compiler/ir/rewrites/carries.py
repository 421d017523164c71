"""Positions named by a sum of the length and the position, found digit by digit with a carry.

``reverse`` attends position ``length - 1 - indices``. A head that compares such a number n as a whole needs scores as
large as n², more than single precision holds from a few thousand on; and a length that attention has counted carries
an error. Both go away with digits. The last position knows the length: a head that attends it copies the digits of its
index, exactly. Then

    low  = (a · low(length - 1) + b · low(indices) + low(offset)) mod base
    carry = (a · low(length - 1) + b · low(indices) + low(offset)) div base
    high = a · high(length - 1) + b · high(indices) + high(offset) + carry

are small whole numbers of small whole numbers, which an MLP of a few neurons computes without any error, whatever the
length, and two comparisons of digits below the square root of the length take the place of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from tracrlab.compiler.ir.expand import is_length, is_positions
from tracrlab.compiler.ir.matches import is_equality
from tracrlab.compiler.ir.nodes import IR, Affine, Copied, Elementwise, IRNode, Match, Mean, Pattern, Source
from tracrlab.compiler.ir.pool import Pool, rewritten
from tracrlab.shapes import Int

_FEW = 128  # positions that a head tells apart by their numbers as they are


def by_carries(ir: IR) -> IR:
    """The same program with many positions that sums name found by digits; a causal program has no last position."""
    if ir.causal:
        return ir

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(renewed, Copied | Mean) or len(renewed.pattern.matches) != 1:
            return renewed
        (match,) = renewed.pattern.matches
        named = named_position(match, ir.longest)
        if named is None:
            return renewed
        matches = _digit_matches(pool, renewed, match.keys, named, ir.longest)
        return replace(renewed, pattern=pool.pattern(matches, range(1, 2), counts=False))

    return rewritten(ir, rewrite)


def _digit_matches(pool: Pool, reader: IRNode, positions: IRNode, named: NamedPosition, longest: int) -> list[Match]:
    """The comparison of all positions with one that is named, as comparisons of their digits."""
    tables, places = digit_tables(named, longest), np.arange(longest)
    high = _position_digit(pool, positions, "high", places // tables.base)
    low = _position_digit(pool, positions, "low", places % tables.base)
    last_high, last_low = (_at_last(pool, positions, digit) for digit in (high, low))
    named_low = _of_low_digits(pool, reader, "low", (last_low, low), tables.low)
    carry = _of_low_digits(pool, reader, "carry", (last_low, low), tables.carry)
    factors = tuple(map(Fraction, (named.of_last, named.of_position, 1)))
    offset, values = Fraction(tables.high_offset), tuple(range(tables.n_high))
    title, operands = f"{reader.name}.high", (last_high, high, carry)
    named_high = pool.add(Affine(reader.place, title, values, operands, factors, offset))
    return [digit_match(named_high, high), digit_match(named_low, low)]


def _position_digit(pool: Pool, positions: IRNode, name: str, digits: Int[np.ndarray, " position"]) -> IRNode:
    """A digit of the position, embedded by itself."""
    values = tuple(range(int(digits.max()) + 1))
    return pool.add(Source(positions.place, f"{positions.name}.{name}", values, False, digits))


def _at_last(pool: Pool, positions: IRNode, source: IRNode) -> IRNode:
    """What the last position holds."""
    pattern = pool.known(Pattern((), False, True, 1, positions))
    slots = np.arange(len(source.values))
    return pool.add(Copied(positions.place, f"last.{source.name}", source.values, pattern, source, slots, None))


def _of_low_digits(
    pool: Pool, reader: IRNode, name: str, operands: tuple[IRNode, IRNode], table: Int[np.ndarray, "last own"]
) -> IRNode:
    values, places = np.unique(table, return_inverse=True)
    title = f"{reader.name}.{name}"
    return pool.add(Elementwise(reader.place, title, tuple(values.tolist()), operands, places.reshape(table.shape)))


@dataclass(frozen=True, eq=False)
class NamedPosition:
    """The position ``of_last · (length - 1) + of_position · indices + offset``, which exists in every input."""

    of_last: int
    of_position: int
    offset: int


@dataclass(frozen=True, eq=False)
class DigitTables:
    """The digits of a named position from those of the last one and the own one.

    Attributes: ``base``; ``low`` and ``carry`` for each pair of low digits; ``high_offset`` what is added to the high
    digits besides the carry; ``n_high`` how many high digits there are.
    """

    base: int
    low: Int[np.ndarray, "last own"]
    carry: Int[np.ndarray, "last own"]
    high_offset: int
    n_high: int


def named_position(match: Match, longest: int) -> NamedPosition | None:
    """What position a comparison of all positions with a sum names, if there are many and it is sure to exist."""
    node = match.queries
    if longest <= _FEW or not isinstance(node, Affine) or not is_positions(match.keys) or not is_equality(match):
        return None
    if any(factor.denominator > 1 for factor in (*node.factors, node.offset)):
        return None
    factors = {"length": 0, "position": 0}
    for operand, factor in zip(node.operands, node.factors, strict=True):
        if not is_length(operand) and not is_positions(operand):
            return None
        factors["length" if is_length(operand) else "position"] += int(factor)
    named = NamedPosition(factors["length"], factors["position"], int(node.offset) + factors["length"])
    return named if named.of_last and _exists(named, longest) else None


def _exists(named: NamedPosition, longest: int) -> bool:
    """Whether it lies between the first and the last position, whatever the last and the own one are.

    Both bounds are linear in the last position l and the own one i, so it is enough that they hold at the corners of
    the triangle ``0 <= i <= l < longest``.
    """
    corners = ((0, 0), (longest - 1, 0), (longest - 1, longest - 1))
    places = [named.of_last * last + named.of_position * own + named.offset for last, own in corners]
    return all(0 <= place <= last for place, (last, _) in zip(places, corners, strict=True))


def digit_base(longest: int) -> int:
    """The base in which two digits are enough for all positions, and are about equally many."""
    return int(np.ceil(np.sqrt(longest)))


def digit_tables(named: NamedPosition, longest: int) -> DigitTables:
    """The digits of a named position."""
    base = digit_base(longest)
    digits = np.arange(base)
    high_offset, low_offset = divmod(named.offset, base)
    total = named.of_last * digits[:, None] + named.of_position * digits[None, :] + low_offset
    return DigitTables(base, total % base, total // base, high_offset, -(-longest // base))


def digit_match(queries: IRNode, keys: IRNode) -> Match:
    """The equality of two digits."""
    return Match(queries, keys, np.equal.outer(np.array(queries.values), np.array(keys.values)))
