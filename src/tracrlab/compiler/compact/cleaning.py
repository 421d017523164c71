"""Keys and queries without errors, for heads that count.

An MLP that computes codes from counts leaves rounding errors in them, which grow with the length. A head that copies
bears them, but one that counts multiplies what they do to each score by how many positions it selects. So codes for
such heads are computed by two MLPs. The first writes *rough* numbers with small errors: the code c itself, or, where
there are many, two digits in a base b: how often b goes into c, and the rest, folded so that it goes up and down, 0, 1,
…, b - 1, b - 1, …, 1, 0, 0, …, by 1 at most from one code to the next. Both are polygons or steps with a few neurons
for each multiple of b. The second MLP takes steps on these numbers, which are small, and so exact: rough numbers are
stored with a large offset, which makes their spacing in floating point so coarse that nothing rounds in these neurons
or in what they write.

So a comparison of such nodes becomes one of clean digits, or of classes that the predicate tells apart. This takes a
layer more, and is only done for counts that are not precise enough without it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from tracrlab.compiler.compact.forms import filled
from tracrlab.compiler.compact.matching import equality_codes
from tracrlab.compiler.ir.nodes import (
    IMPOSSIBLE,
    IR,
    Affine,
    Cleaned,
    Copied,
    Elementwise,
    IRNode,
    Match,
    Mean,
    Pattern,
    Rough,
    Source,
    Total,
)
from tracrlab.craft.neurons import distinct_rows
from tracrlab.shapes import Bool, Int

_FEW = 64  # codes that are one digit
_CASES = 3  # in which a function is constant


def with_clean_counts(ir: IR, counts: Collection[str]) -> IR:
    """The same program with clean digits in the place of what is compared for some counts, told by their names."""
    noisy: set[IRNode] = set()
    for node in ir.nodes:
        if not isinstance(node, Source | Elementwise | Affine) or not noisy.isdisjoint(node.inputs):
            noisy.add(node)
    patterns = [node.pattern for node in ir.nodes if isinstance(node, Total) and node.name in counts]
    compared = {
        _key(match)
        for pattern in patterns
        for match in pattern.matches
        if not noisy.isdisjoint((match.queries, match.keys))
    }
    builder = _Builder(noisy, compared)
    for node in ir.nodes:
        builder.add(node)
    return IR(tuple(builder.nodes), builder.new[ir.output], ir.by_cases)


def _key(match: Match) -> Hashable:
    return match.queries, match.keys, np.packbits(match.matrix).tobytes()


@dataclass(eq=False)
class _Builder:
    noisy: set[IRNode]
    compared: set[Hashable]
    nodes: list[IRNode] = field(default_factory=list)
    new: dict[IRNode, IRNode] = field(default_factory=dict)
    _patterns: dict[Pattern, Pattern] = field(default_factory=dict)
    _matches: dict[Hashable, tuple[Match, ...]] = field(default_factory=dict)
    _known: dict[Hashable, IRNode] = field(default_factory=dict)

    def add(self, node: IRNode) -> None:
        """Add a node whose inputs have been added, in terms of what they have become."""
        match node:
            case Elementwise() | Affine():
                changed: IRNode = replace(node, operands=tuple(self.new[each] for each in node.operands))
            case Copied() | Mean():
                changed = replace(node, pattern=self._pattern(node.pattern), source=self.new[node.source])
            case Total():
                source = self.new[node.source] if node.source else None
                changed = replace(node, pattern=self._pattern(node.pattern), source=source)
            case _:
                changed = node
        self.new[node] = changed
        self.nodes.append(changed)

    def _pattern(self, pattern: Pattern) -> Pattern:
        if pattern not in self._patterns:
            matches = tuple(new for match in pattern.matches for new in self._matched(match))
            latest = self.new[pattern.latest] if pattern.latest else None
            self._patterns[pattern] = replace(pattern, matches=matches, latest=latest)
        return self._patterns[pattern]

    def _matched(self, match: Match) -> tuple[Match, ...]:
        """A comparison of what has become of the nodes, by clean digits where some head counts what it selects."""
        key = _key(match)
        if key not in self._matches:
            compare = self._by_digits if key in self.compared else self._as_it_is
            self._matches[key] = compare(match)
        return self._matches[key]

    def _as_it_is(self, match: Match) -> tuple[Match, ...]:
        return (replace(match, queries=self.new[match.queries], keys=self.new[match.keys]),)

    def _by_digits(self, match: Match) -> tuple[Match, ...]:
        codes = equality_codes(match)
        if codes is None:
            (query_first, query_class), (key_first, key_class) = (
                distinct_rows(np.ascontiguousarray(rows)) for rows in (match.matrix, match.matrix.T)
            )
            matrix = match.matrix[np.ix_(query_first, key_first)]
            return (self._between(match, query_class, key_class, "class", matrix),)
        lowest = min(codes[0].min(), codes[1].min())
        queries, keys = (np.round(each - lowest).astype(int) for each in codes)
        largest = int(max(queries.max(), keys.max()))
        base = largest + 1 if largest < _FEW else int(np.ceil(np.sqrt(largest + 1)))
        digits = [("rest", _folded(queries, base), _folded(keys, base), base)]
        if largest >= base:
            digits.append(("times", queries // base, keys // base, largest // base + 1))
        return tuple(
            self._between(match, query, key, name, np.eye(size, dtype=bool)) for name, query, key, size in digits
        )

    def _between(
        self,
        match: Match,
        queries: Int[np.ndarray, " query"],
        keys: Int[np.ndarray, " key"],
        name: str,
        matrix: Bool[np.ndarray, "query_class key_class"],
    ) -> Match:
        sides = [
            self._clean(node, places, size, name)
            for node, places, size in zip((match.queries, match.keys), (queries, keys), matrix.shape, strict=True)
        ]
        return Match(sides[0], sides[1], matrix)

    def _clean(self, old: IRNode, places: Int[np.ndarray, " value"], size: int, name: str) -> IRNode:
        """A function of a node; one that has no errors needs no cleaning."""
        node, values = self.new[old], tuple(range(size))
        key = (node, size, places.tobytes())
        if key not in self._known:
            title = f"{node.name}.{name}"
            made: IRNode = Elementwise(node.place, title, values, (node,), places)
            if old in self.noisy:
                made = self._gated(old, places, title, values) or Cleaned(
                    node.place, title, values, self._rough(node, places, title, values)
                )
            self._known[key] = made
            self.nodes.append(made)
        return self._known[key]

    def _rough(self, node: IRNode, places: Int[np.ndarray, " value"], title: str, values: tuple[int, ...]) -> Rough:
        rough = Rough(node.place, f"{title}.rough", values, (node,), places)
        self.nodes.append(rough)
        return rough

    def _gated(
        self, old: IRNode, places: Int[np.ndarray, " value"], title: str, values: tuple[int, ...]
    ) -> Cleaned | None:
        """For a function that depends on its noisy operand in one case only, told by the others, and is constant else.

        Then the rough number need not know the case.
        """
        if not isinstance(old, Elementwise) or len(old.operands) < 2:
            return None
        noisy = [axis for axis, operand in enumerate(old.operands) if operand in self.noisy]
        if len(noisy) != 1:
            return None
        others = [operand for axis, operand in enumerate(old.operands) if axis not in noisy]
        results = np.where(old.places < 0, IMPOSSIBLE, places[old.places])
        rows = np.moveaxis(results, noisy[0], -1).reshape(-1, results.shape[noisy[0]])
        constants = [_only(row) for row in rows]
        active = [number for number, constant in enumerate(constants) if constant is None]
        if not active or any((rows[number] != rows[active[0]]).any() for number in active):
            return None
        instead = tuple(sorted({constant for constant in constants if constant is not None}))
        if not instead or len(instead) > _CASES:
            return None
        gates = np.array([0 if constant is None else 1 + instead.index(constant) for constant in constants])
        shape = tuple(len(operand.values) for operand in others)
        gate = Elementwise(
            old.place,
            f"{title}.gate",
            tuple(range(len(instead) + 1)),
            tuple(self.new[operand] for operand in others),
            gates.reshape(shape),
        )
        self.nodes.append(gate)
        rough = self._rough(self.new[old.operands[noisy[0]]], filled(rows[active[0]]), title, values)
        return Cleaned(old.place, title, values, rough, gate, instead)


def _only(row: Int[np.ndarray, " value"]) -> int | None:
    """The only result that occurs in a row."""
    results = np.unique(row[row >= 0])
    return int(results[0]) if len(results) == 1 else None


def _folded(codes: Int[np.ndarray, " _"], base: int) -> Int[np.ndarray, " _"]:
    """The rest after dividing by a base, counted backwards after every other multiple of it."""
    times, rest = np.divmod(codes, base)
    return np.where(times % 2, base - 1 - rest, rest)
