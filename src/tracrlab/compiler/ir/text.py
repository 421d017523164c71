"""The intermediate representation as text, a line for each node and pattern of attention; it prints and parses.

    %0 "tokens" @0: tokens -> "a", "b"
    %1 "indices" @1: positions -> 0..4
    &0: %0 ~ %0 [10/01], counts, always, most 5
    %2 "hist" @3: total &0 -> 0..5
    answer %2, 5 tokens at most

``%`` are nodes and ``&`` patterns, by number; ``@`` is the place of the expression that a node serves, in the program's
graph; after the arrow stand its values. Tables hold places in that list, ``.`` for what cannot occur, and bits say
which keys (columns) each query (row) selects. :mod:`tracrlab.compiler.ir.parse` reads the text again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from tracrlab.compiler.ir.nodes import (
    IR,
    Affine,
    Cleaned,
    Copied,
    Elementwise,
    IRNode,
    Mean,
    Pattern,
    Rough,
    Share,
    Source,
    Total,
)
from tracrlab.rasp.values import Ratio, Value
from tracrlab.shapes import Bool, Int

_RUN = 3  # whole numbers in a row that are worth an abbreviation


def ir_text(ir: IR, *, widest: int | None = None) -> str:
    """The text of a program's nodes; lines longer than ``widest`` are cut, and then it can no longer be parsed."""
    printer = _Printer()
    for node in ir.nodes:
        printer.add(node)
    lines = [*printer.lines, f"answer {printer.name(ir.output)}, {ir.longest} tokens at most" + ", causal" * ir.causal]
    return "\n".join(line if widest is None or len(line) <= widest else line[: widest - 2] + " …" for line in lines)


class _Printer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._nodes: dict[IRNode, int] = {}
        self._patterns: dict[Pattern, int] = {}

    def name(self, node: IRNode) -> str:
        """What a node that has been added is called."""
        return f"%{self._nodes[node]}"

    def add(self, node: IRNode) -> None:
        """Add the line of a node whose inputs have been added."""
        what = self._operation(node)
        values = ", ".join(_runs(node.values))
        self._nodes[node] = len(self._nodes)
        self.lines.append(f"{self.name(node)} {json.dumps(node.name)} @{node.place}: {what} -> {values}")

    def _operation(self, node: IRNode) -> str:
        match node:
            case Source():
                if node.by_token:
                    return "tokens"
                return "positions" if node.digits is None else f"positions {_table(node.digits)}"
            case Elementwise():
                kind = "rough" if isinstance(node, Rough) else "map"
                return " ".join([kind, *map(self.name, node.operands), _table(node.places)])
            case Affine():
                terms = [
                    f"{factor} {self.name(each)}" for factor, each in zip(node.factors, node.operands, strict=True)
                ]
                return " + ".join(["sum " + str(node.offset), *terms])
            case Copied():
                default = "" if node.default is None else f" else {node.default}"
                return f"copy {self._pattern(node.pattern)} {self.name(node.source)} {_table(node.slots)}{default}"
            case Mean():
                default = f"{'odd ' if node.odd_default else ''}{value_text(node.default)}"
                return f"mean {self._pattern(node.pattern)} {self.name(node.source)} else {default}"
            case Share():
                return f"share {self._pattern(node.pattern)}"
            case Total():
                source = f" {self.name(node.source)}" if node.source else ""
                return f"total {self._pattern(node.pattern)}{source}"
            case Cleaned():
                gate = f" unless {self.name(node.gate)} {_table(np.array(node.instead))}" if node.gate else ""
                return f"clean {self.name(node.rough)}{gate}"
        raise AssertionError(f"no text for {type(node).__name__}")

    def _pattern(self, pattern: Pattern) -> str:
        if pattern not in self._patterns:
            self._patterns[pattern] = len(self._patterns)
            compared = [
                f"{self.name(match.queries)} ~ {self.name(match.keys)} {_bits(match.matrix)}"
                for match in pattern.matches
            ]
            if pattern.latest is not None:
                compared = [f"last of {self.name(pattern.latest)}"]
            traits = ["counts"] * pattern.counts + ["always"] * pattern.never_empty + [f"most {pattern.longest}"]
            self.lines.append(f"&{self._patterns[pattern]}: {', '.join([' & '.join(compared) or 'all', *traits])}")
        return f"&{self._patterns[pattern]}"


def value_text(value: Value) -> str:
    """A value as the text has it; the ``repr`` of one that has no text of its own, which cannot be parsed."""
    if value is None:
        return "none"
    if isinstance(value, Ratio):
        return f"ratio {value.exact}"
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) is str:
        return json.dumps(value)
    if type(value) is tuple:
        return f"({', '.join(map(value_text, value))})"
    if type(value) is frozenset:
        return f"{{{', '.join(sorted(map(value_text, value)))}}}"
    return repr(value)


def _runs(values: Sequence[Value]) -> list[str]:
    """The values, with whole numbers in a row as ``first..last``."""
    texts: list[str] = []
    start = 0
    while start < len(values):
        end, first = start + 1, values[start]
        while (
            type(first) is int and end < len(values) and type(values[end]) is int and values[end] == first + end - start
        ):
            end += 1
        if end - start >= _RUN:
            texts.append(f"{first}..{values[end - 1]}")
        else:
            end = start + 1
            texts.append(value_text(first))
        start = end
    return texts


def _table(places: Int[np.ndarray, "..."]) -> str:
    if not places.ndim:
        return str(int(places)) if places >= 0 else "."
    separator = " " if places.ndim == 1 else ", "
    return f"[{separator.join(_table(np.asarray(row)) for row in places)}]"


def _bits(matrix: Bool[np.ndarray, "query key"]) -> str:
    return f"[{'/'.join(''.join('01'[int(bit)] for bit in row) for row in matrix)}]"
