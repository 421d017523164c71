"""Nodes under construction, each meaning once (hash-consing), for building a representation and for rewriting it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tracrlab.compiler.ir.nodes import (
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
from tracrlab.rasp.values import value_key

Rewriter = Callable[["Pool", IRNode, IRNode], IRNode]


class Pool:
    """The nodes so far, inputs first; what means the same as one of them is that one."""

    def __init__(self) -> None:
        self.nodes: list[IRNode] = []
        self._known: dict[Hashable, IRNode] = {}
        self._patterns: dict[Hashable, Pattern] = {}

    def add(self, node: IRNode) -> IRNode:
        """The node that means the same as this one: this one, if none does so far."""
        node = _flat(node) if isinstance(node, Affine) else node
        key = (_meaning(node), tuple(map(value_key, node.values)))
        if key not in self._known:
            self._known[key] = node
            self.nodes.append(node)
        return self._known[key]

    def pattern(
        self, matches: Sequence[Match], widths: range, *, counts: bool, latest: IRNode | None = None
    ) -> Pattern:
        """The pattern that selects what satisfies all matches; rows may select ``widths`` positions."""
        return self.known(Pattern(tuple(matches), counts, widths[0] >= 1, widths[-1], latest))

    def known(self, pattern: Pattern) -> Pattern:
        """The pattern that means the same as this one: this one, if none does so far."""
        compared = tuple((match.queries, match.keys, match.matrix.tobytes()) for match in pattern.matches)
        return self._patterns.setdefault((compared, pattern.counts, pattern.latest), pattern)


def rewritten(ir: IR, rewrite: Rewriter) -> IR:
    """The same program with some nodes replaced; itself if none is.

    ``rewrite`` gets each node, as it was and in terms of what its inputs have become, and returns the one to take its
    place, which has the same values in the same order; it adds what that one reads to the pool.
    """
    pool, new = Pool(), dict[IRNode, IRNode]()
    for node in ir.nodes:
        new[node] = pool.add(rewrite(pool, node, _renewed(pool, node, new)))
    if all(old is each for old, each in new.items()) and len(pool.nodes) == len(ir.nodes):
        return ir
    return needed(replace(ir, nodes=tuple(pool.nodes), output=new[ir.output]))


def in_turn(first: Rewriter, second: Rewriter) -> Rewriter:
    """Both rewrites node by node: the second also of what the first adds, before anything reads it."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        return second(pool, node, first(_Through(pool, second), node, renewed))

    return rewrite


class _Through(Pool):
    """A pool to which what is added is rewritten."""

    def __init__(self, pool: Pool, rewrite: Rewriter) -> None:
        self._pool = pool
        self._rewrite = rewrite

    def add(self, node: IRNode) -> IRNode:
        return self._pool.add(self._rewrite(self._pool, node, node))

    def known(self, pattern: Pattern) -> Pattern:
        return self._pool.known(pattern)


def needed(ir: IR) -> IR:
    """The same program without nodes that nothing reads; the tokens and positions stay."""
    used = {ir.output, *(node for node in ir.nodes if isinstance(node, Source) and node.digits is None)}
    for node in reversed(ir.nodes):
        if node in used:
            used.update(node.inputs)
    return replace(ir, nodes=tuple(node for node in ir.nodes if node in used))


def _renewed(pool: Pool, node: IRNode, new: dict[IRNode, IRNode]) -> IRNode:
    """The node in terms of what its inputs have become; itself if none has changed."""
    if isinstance(node, Copied | Mean | Total):
        pattern = pool.known(_renewed_pattern(node.pattern, new))
        node = node if pattern is node.pattern else replace(node, pattern=pattern)
    match node:
        case Elementwise() | Affine() if any(new[each] is not each for each in node.operands):
            return replace(node, operands=tuple(new[each] for each in node.operands))
        case Copied() | Mean() | Total() if node.source is not None and new[node.source] is not node.source:
            return replace(node, source=new[node.source])
        case Cleaned() if any(new[each] is not each for each in node.inputs):
            rough = new[node.rough]
            assert isinstance(rough, Rough)
            return replace(node, rough=rough, gate=new[node.gate] if node.gate else None)
    return node


def _renewed_pattern(pattern: Pattern, new: dict[IRNode, IRNode]) -> Pattern:
    if all(new[each] is each for each in pattern.inputs):
        return pattern
    matches = tuple(replace(each, queries=new[each.queries], keys=new[each.keys]) for each in pattern.matches)
    return replace(pattern, matches=matches, latest=new[pattern.latest] if pattern.latest else None)


def _flat(node: Affine) -> Affine:
    """Sums of sums as one sum."""
    total: dict[IRNode, Fraction] = {}
    offset = node.offset
    for operand, factor in zip(node.operands, node.factors, strict=True):
        inner = {operand: Fraction(1)}
        if isinstance(operand, Affine):
            inner = dict(zip(operand.operands, operand.factors, strict=True))
            offset += factor * operand.offset
        for addend, share in inner.items():
            total[addend] = total.get(addend, Fraction(0)) + factor * share
    if offset == node.offset and tuple(total) == node.operands:
        return node
    return replace(node, operands=tuple(total), factors=tuple(total.values()), offset=offset)


def _meaning(node: IRNode) -> Hashable:
    match node:
        case Source():
            return "source", node.by_token, None if node.digits is None else node.digits.tobytes()
        case Elementwise():
            return type(node), node.operands, node.places.shape, node.places.astype(np.int64).tobytes()
        case Affine():
            return "sum", node.operands, node.factors, node.offset
        case Copied():
            return "copy", node.pattern, node.source, node.slots.tobytes(), node.default
        case Mean():
            return "mean", node.pattern, node.source, value_key(node.default), node.odd_default
        case Total():
            return type(node), node.pattern, node.source
        case Cleaned():
            return "clean", node.rough, node.gate, node.instead
    raise AssertionError(f"no meaning of {type(node).__name__}")
