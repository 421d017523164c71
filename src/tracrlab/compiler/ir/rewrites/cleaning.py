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
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.ir.expand import filled
from tracrlab.compiler.ir.matches import equality_codes
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
    Rough,
    Source,
    Total,
)
from tracrlab.compiler.ir.pool import Pool, rewritten
from tracrlab.craft.neurons import distinct_rows
from tracrlab.shapes import Bool, Int

_FEW = 64  # codes that are one digit
_CASES = 3  # in which a function is constant


def with_clean_counts(ir: IR, counts: Collection[str], most: int = _FEW) -> IR:
    """The same program with clean digits in the place of what some nodes compare, told by their names.

    ``most`` codes are one digit; more are two, unless these are ``most`` as well.
    """
    noisy: set[IRNode] = set()
    for node in ir.nodes:
        if not isinstance(node, Source | Elementwise | Affine) or not noisy.isdisjoint(node.inputs):
            noisy.add(node)
    patterns = [node.pattern for node in ir.nodes if isinstance(node, Copied | Mean | Total) and node.name in counts]
    compared = {
        _key(match)
        for pattern in patterns
        for match in pattern.matches
        if not noisy.isdisjoint((match.queries, match.keys))
    }

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(node, Copied | Mean | Total) or not any(
            _key(each) in compared for each in node.pattern.matches
        ):
            return renewed
        assert isinstance(renewed, Copied | Mean | Total)
        cleaner = _Cleaner(pool, noisy, most)
        matches = [
            clean
            for old, new in zip(node.pattern.matches, renewed.pattern.matches, strict=True)
            for clean in (cleaner.by_digits(old, new) if _key(old) in compared else (new,))
        ]
        return replace(renewed, pattern=pool.known(replace(renewed.pattern, matches=tuple(matches))))

    return rewritten(ir, rewrite)


def _key(match: Match) -> Hashable:
    return match.queries, match.keys, np.packbits(match.matrix).tobytes()


@dataclass(frozen=True, eq=False)
class _Cleaner:
    """Adds clean nodes to the pool: ``noisy`` are the nodes, as they were, that carry errors."""

    pool: Pool
    noisy: Collection[IRNode]
    most: int

    def by_digits(self, old: Match, new: Match) -> tuple[Match, ...]:
        """A comparison, as it was and of what its nodes have become, by clean digits."""
        codes = equality_codes(old)
        if codes is None:
            (query_first, query_class), (key_first, key_class) = (
                distinct_rows(np.ascontiguousarray(rows)) for rows in (old.matrix, old.matrix.T)
            )
            matrix = old.matrix[np.ix_(query_first, key_first)]
            return (self._between(old, new, query_class, key_class, "class", matrix),)
        lowest = min(codes[0].min(), codes[1].min())
        queries, keys = (np.round(each - lowest).astype(int) for each in codes)
        return tuple(
            self._between(old, new, query, key, name, np.eye(size, dtype=bool))
            for name, query, key, size in self._digits("", queries, keys)
        )

    def _digits(
        self, prefix: str, queries: Int[np.ndarray, " query"], keys: Int[np.ndarray, " key"]
    ) -> list[tuple[str, Int[np.ndarray, " query"], Int[np.ndarray, " key"], int]]:
        """The digits of codes, how many values each has, and a name: the rest of a division, and how often it goes."""
        largest = int(max(queries.max(), keys.max()))
        base = largest + 1 if largest < self.most else max(2, min(int(np.ceil(np.sqrt(largest + 1))), self.most))
        digits = [(f"{prefix}rest", _folded(queries, base), _folded(keys, base), base)]
        if largest < base:
            return digits
        times = queries // base, keys // base
        if largest // base < self.most or self.most == _FEW:
            return [*digits, (f"{prefix}times", *times, largest // base + 1)]
        return [*digits, *self._digits(f"{prefix}times.", *times)]

    def _between(
        self,
        old: Match,
        new: Match,
        queries: Int[np.ndarray, " query"],
        keys: Int[np.ndarray, " key"],
        name: str,
        matrix: Bool[np.ndarray, "query_class key_class"],
    ) -> Match:
        n_queries, n_keys = matrix.shape
        return Match(
            self._clean(old.queries, new.queries, queries, n_queries, name),
            self._clean(old.keys, new.keys, keys, n_keys, name),
            matrix,
        )

    def _clean(self, old: IRNode, node: IRNode, places: Int[np.ndarray, " value"], size: int, name: str) -> IRNode:
        """A function of a node; one that has no errors needs no cleaning."""
        values, title = tuple(range(size)), f"{node.name}.{name}"
        if old not in self.noisy:
            return self.pool.add(Elementwise(node.place, title, values, (node,), places))
        gated = self._gated(old, node, places, title, values)
        return gated or self.pool.add(Cleaned(node.place, title, values, self._rough(node, places, title, values)))

    def _rough(self, node: IRNode, places: Int[np.ndarray, " value"], title: str, values: tuple[int, ...]) -> Rough:
        rough = self.pool.add(Rough(node.place, f"{title}.rough", values, (node,), places))
        assert isinstance(rough, Rough)
        return rough

    def _gated(
        self, old: IRNode, new: IRNode, places: Int[np.ndarray, " value"], title: str, values: tuple[int, ...]
    ) -> IRNode | None:
        """For a function that depends on its noisy operand in one case only, told by the others, and is constant else.

        Then the rough number need not know the case.
        """
        if not isinstance(old, Elementwise) or not isinstance(new, Elementwise) or len(old.operands) < 2:
            return None
        noisy = [axis for axis, operand in enumerate(old.operands) if operand in self.noisy]
        if len(noisy) != 1:
            return None
        others = [operand for axis, operand in enumerate(new.operands) if axis not in noisy]
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
        shape, choices = tuple(len(operand.values) for operand in others), tuple(range(len(instead) + 1))
        gate = self.pool.add(Elementwise(old.place, f"{title}.gate", choices, tuple(others), gates.reshape(shape)))
        rough = self._rough(new.operands[noisy[0]], filled(rows[active[0]]), title, values)
        return self.pool.add(Cleaned(old.place, title, values, rough, gate, instead))


def _only(row: Int[np.ndarray, " value"]) -> int | None:
    """The only result that occurs in a row."""
    results = np.unique(row[row >= 0])
    return int(results[0]) if len(results) == 1 else None


def _folded(codes: Int[np.ndarray, " _"], base: int) -> Int[np.ndarray, " _"]:
    """The rest after dividing by a base, counted backwards after every other multiple of it."""
    times, rest = np.divmod(codes, base)
    return np.where(times % 2, base - 1 - rest, rest)
