"""The meaning of the intermediate representation: what every node holds at every position of an input.

Written to be obviously right rather than fast: rewrites are checked against it, and it is checked against the
interpreter. It speaks of values by their places, as the nodes do, and computes sums and means as fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tracrlab.compiler.ir.nodes import (
    IMPOSSIBLE,
    IR,
    Affine,
    Cleaned,
    Copied,
    Elementwise,
    IRNode,
    Mean,
    Pattern,
    Source,
    Total,
)
from tracrlab.rasp.values import Value, exact_number, value_key
from tracrlab.shapes import Bool, Int

_NEAR = Fraction(1, 10**9)  # by which share of itself a sum may miss the float that stands for it


class Undefined(Exception):
    """A node has none of its values on this input; the text says which node, and where."""


def evaluate(ir: IR, tokens: Sequence[Value]) -> list[Value]:
    """The program's value at each of the tokens, which are values of the node that holds them.

    Raises:
        Undefined: some node has none of its values, so the representation is wrong.
    """
    places = node_places(ir, tokens)[ir.output]
    return [ir.output.values[place] for place in places]


def node_places(ir: IR, tokens: Sequence[Value]) -> dict[IRNode, Int[np.ndarray, " position"]]:
    """The place of the value that each node has at each position.

    Raises:
        Undefined: some node has none of its values.
    """
    run = _Run(tokens, ir.causal)
    for node in ir.nodes:
        run.add(node)
    return run.places


class _Run:
    """An input, and what has been found of it so far."""

    def __init__(self, tokens: Sequence[Value], causal: bool) -> None:
        self._tokens = tokens
        self._causal = causal
        self.places: dict[IRNode, Int[np.ndarray, " position"]] = {}

    def add(self, node: IRNode) -> None:
        """Find the places of a node whose inputs have been added."""
        places = self._computed(node)
        bad = (places < 0) | (places >= len(node.values))
        if bad.any():
            raise Undefined(f"{node.name} has none of its values at position {int(bad.argmax())}")
        self.places[node] = places

    def _computed(self, node: IRNode) -> Int[np.ndarray, " position"]:
        match node:
            case Source():
                return self._source(node)
            case Elementwise():
                index = tuple(self.places[operand] for operand in node.operands)
                return np.broadcast_to(node.places[index], len(self._tokens)).astype(int)
            case Affine():
                return self._affine(node)
            case Copied():
                return self._copied(node)
            case Mean():
                return self._mean(node)
            case Total():
                return self._total(node)
            case Cleaned():
                rough = self.places[node.rough]
                if node.gate is None:
                    return rough
                gates = self.places[node.gate]
                return np.where(gates > 0, np.array([0, *node.instead])[gates], rough)
        raise AssertionError(f"no meaning of {type(node).__name__}")

    def _source(self, node: Source) -> Int[np.ndarray, " position"]:
        if node.by_token:
            of_value = {value_key(value): place for place, value in enumerate(node.values)}
            return np.array([of_value.get(value_key(token), IMPOSSIBLE) for token in self._tokens], int)
        positions = np.arange(len(self._tokens))
        return positions if node.digits is None else node.digits[positions]

    def _affine(self, node: Affine) -> Int[np.ndarray, " position"]:
        known: dict[tuple[int, ...], int] = {}
        found = []
        for operands in zip(*(self.places[operand].tolist() for operand in node.operands), strict=True):
            if operands not in known:
                terms = zip(node.factors, node.operands, operands, strict=True)
                number = node.offset + sum((factor * _number(each, place) for factor, each, place in terms), Fraction())
                known[operands] = _place_of(node, number)
            found.append(known[operands])
        return np.array(found if node.operands else [_place_of(node, node.offset)] * len(self._tokens), int)

    def _selected(self, pattern: Pattern) -> Bool[np.ndarray, "query key"]:
        length = len(self._tokens)
        if pattern.latest is not None:  # causal attention has no last position, and such a pattern is never made for it
            return np.broadcast_to(np.arange(length) == length - 1, (length, length))
        selected = np.tril(np.ones((length, length), bool)) if self._causal else np.ones((length, length), bool)
        for match in pattern.matches:
            selected = selected & match.matrix[self.places[match.queries][:, None], self.places[match.keys][None, :]]
        return selected

    def _copied(self, node: Copied) -> Int[np.ndarray, " position"]:
        read, found = node.slots[self.places[node.source]], []
        for row in self._selected(node.pattern):
            values = set(read[row].tolist())
            if len(values) > 1:
                raise Undefined(f"{node.name} copies different values at once")
            found.append(values.pop() if values else IMPOSSIBLE if node.default is None else node.default)
        return np.array(found, int)

    def _mean(self, node: Mean) -> Int[np.ndarray, " position"]:
        read, found = self.places[node.source], []
        for row in self._selected(node.pattern):
            if not row.any():
                default = exact_number(node.default)
                odd = node.odd_default or default is None
                found.append(len(node.values) - 1 if odd else _place_of(node, Fraction(default or 0)))
                continue
            counts = np.bincount(read[row]).tolist()
            total = sum(
                (count * _number(node.source, place) for place, count in enumerate(counts) if count), Fraction()
            )
            found.append(_place_of(node, total / sum(counts)))
        return np.array(found, int)

    def _total(self, node: Total) -> Int[np.ndarray, " position"]:
        selected = self._selected(node.pattern)
        if node.source is None:
            return np.array([_place_of(node, Fraction(int(row.sum()))) for row in selected], int)
        read, found = self.places[node.source], []
        for row in selected:
            total = sum((_number(node.source, place) for place in read[row].tolist()), Fraction())
            found.append(_place_of(node, total))
        return np.array(found, int)


def _number(node: IRNode, place: int) -> Fraction:
    number = exact_number(node.values[place])
    if number is None:
        raise Undefined(f"{node.name} is summed, and one of its values is no finite number")
    return number


def _place_of(node: IRNode, number: Fraction) -> int:
    """The place of a number among a node's values, which may be floats near it."""
    nearest, distance = IMPOSSIBLE, abs(number) * _NEAR
    for place, value in enumerate(node.values):
        own = exact_number(value)
        if own is not None and abs(own - number) <= distance:
            nearest, distance = place, abs(own - number)
    return nearest


def _place_of_sign(node: IRNode, number: Fraction) -> int:
    """The place of the first value of a node that has the sign of a number."""
    signs = [own and (own > 0) - (own < 0) for own in map(exact_number, node.values)]
    sign = (number > 0) - (number < 0)
    return signs.index(sign) if sign in signs else IMPOSSIBLE
