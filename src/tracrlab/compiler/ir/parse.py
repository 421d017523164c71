"""Reading the text of the intermediate representation (see :mod:`tracrlab.compiler.ir.text`)."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

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
    Share,
    Source,
    Total,
)
from tracrlab.rasp.values import Ratio, Value
from tracrlab.shapes import Bool

_GRAMMAR = r"""
    start: line* "answer" NODE "," INT "tokens at most" ["," CAUSAL]
    ?line: node | pattern
    pattern: PATTERN ":" compared ("," trait)*
    compared: "all" -> everything
            | "last" "of" NODE -> latest
            | match ("&" match)* -> matches
    match: NODE "~" NODE bits
    bits: "[" BITS? "]"
    trait: COUNTS | ALWAYS | "most" INT -> most
    node: NODE STRING "@" INT ":" operation "->" values
    operation: "tokens" -> tokens
             | "positions" [table] -> positions
             | KIND NODE* table -> elementwise
             | "sum" factor ("+" factor NODE)* -> affine
             | "copy" PATTERN NODE table ["else" INT] -> copied
             | "mean" PATTERN NODE "else" [ODD] value -> mean
             | "total" PATTERN [NODE] -> total
             | "share" PATTERN -> share
             | "clean" NODE ["unless" NODE table] -> cleaned
    ?table: INT -> place
          | "." -> impossible
          | "[" (table ","?)* "]" -> rows
    factor: SIGNED ["/" INT]
    values: (item ("," item)*)?
    ?item: SIGNED ".." SIGNED -> run | value
    ?value: SIGNED -> whole
          | FLOAT -> real
          | STRING -> string
          | "none" -> nothing
          | "true" -> yes
          | "false" -> no
          | "ratio" factor -> ratio
          | "(" (value ("," value)*)? ")" -> group
          | "{" (value ("," value)*)? "}" -> set

    NODE: "%" INT
    PATTERN: "&" INT
    KIND: "map" | "rough"
    BITS: /[01\/]+/
    COUNTS: "counts"
    ALWAYS: "always"
    ODD: "odd"
    CAUSAL: "causal"
    SIGNED: /-?\d+/
    INT: /\d+/
    FLOAT.2: /-?(\d+\.\d+([eE][+-]?\d+)?|\d+[eE][+-]?\d+|inf|nan)/
    STRING: /"(\\.|[^"\\])*"/
    %ignore /\s+/
"""


def parse_ir(text: str) -> IR:
    """The nodes that a text describes.

    Raises:
        ValueError: the text is malformed, or names what it has not described before.
    """
    try:
        ir: IR = _Reader().transform(_parser().parse(text))
    except UnexpectedInput as error:
        ended = error.line < 0 or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
        where = "the end" if ended else f"line {error.line}, column {error.column}"
        raise ValueError(f"this is no intermediate representation: unexpected text at {where}") from None
    except VisitError as error:
        raise ValueError(f"this is no intermediate representation: {error.orig_exc}") from error.orig_exc
    return ir


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Makes nodes of a tree, of which the first parts come first."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[str, IRNode] = {}
        self._patterns: dict[str, Pattern] = {}

    def start(self, *lines: Any) -> IR:
        *_, output, longest, causal = lines
        return IR(tuple(self._nodes.values()), self._node(output), int(longest), causal is not None)

    def node(self, number: Token, name: Token, place: Token, operation: Any, values: tuple[Value, ...]) -> None:
        kind, fields = operation
        self._nodes[str(number)] = kind(int(place), json.loads(name), values, **fields)

    def _node(self, number: Token) -> IRNode:
        if str(number) not in self._nodes:
            raise ValueError(f"{number} is read before it is described")
        return self._nodes[str(number)]

    def _optional(self, number: Token | None) -> IRNode | None:
        return None if number is None else self._node(number)

    def _pattern(self, number: Token) -> Pattern:
        if str(number) not in self._patterns:
            raise ValueError(f"{number} is used before it is described")
        return self._patterns[str(number)]

    # Patterns ---------------------------------------------------------------------------------------------------------

    def pattern(self, number: Token, compared: dict[str, Any], *traits: tuple[str, Any]) -> None:
        fields = {"matches": (), "counts": False, "never_empty": False, **compared, **dict(traits)}
        self._patterns[str(number)] = Pattern(**fields)

    def everything(self) -> dict[str, Any]:
        return {}

    def latest(self, node: Token) -> dict[str, Any]:
        return {"latest": self._node(node)}

    def matches(self, *matches: Match) -> dict[str, Any]:
        return {"matches": matches}

    def match(self, queries: Token, keys: Token, matrix: Bool[np.ndarray, "query key"]) -> Match:
        return Match(self._node(queries), self._node(keys), matrix)

    def bits(self, rows: Token | None) -> Bool[np.ndarray, "query key"]:
        return np.array([[bit == "1" for bit in row] for row in (rows or "").split("/")], bool)

    def trait(self, name: Token) -> tuple[str, bool]:
        return {"counts": "counts", "always": "never_empty"}[name], True

    def most(self, longest: Token) -> tuple[str, int]:
        return "longest", int(longest)

    # Operations: the class of a node, and its fields -----------------------------------------------------------------

    def tokens(self) -> Any:
        return Source, {"by_token": True}

    def positions(self, digits: list[int] | None) -> Any:
        return Source, {"by_token": False, "digits": None if digits is None else np.array(digits, int)}

    def elementwise(self, kind: Token, *parts: Any) -> Any:
        *operands, table = parts
        places = np.array(table, int)
        return (Rough if kind == "rough" else Elementwise), {"operands": self._operands(operands), "places": places}

    def affine(self, offset: Fraction, *terms: Any) -> Any:
        return Affine, {"operands": self._operands(terms[1::2]), "factors": terms[::2], "offset": offset}

    def copied(self, pattern: Token, source: Token, slots: list[int], default: Token | None) -> Any:
        fields = {"pattern": self._pattern(pattern), "source": self._node(source), "slots": np.array(slots, int)}
        return Copied, {**fields, "default": None if default is None else int(default)}

    def mean(self, pattern: Token, source: Token, odd: Token | None, default: Value) -> Any:
        fields = {"pattern": self._pattern(pattern), "source": self._node(source), "default": default}
        return Mean, {**fields, "odd_default": odd is not None}

    def total(self, pattern: Token, source: Token | None) -> Any:
        return Total, {"pattern": self._pattern(pattern), "source": self._optional(source)}

    def share(self, pattern: Token) -> Any:
        return Share, {"pattern": self._pattern(pattern), "source": None}

    def cleaned(self, rough: Token, gate: Token | None, instead: list[int] | None) -> Any:
        return Cleaned, {"rough": self._node(rough), "gate": self._optional(gate), "instead": tuple(instead or ())}

    def _operands(self, operands: Any) -> tuple[IRNode, ...]:
        return tuple(self._node(each) for each in operands)

    # Tables and values ------------------------------------------------------------------------------------------------

    def place(self, number: Token) -> int:
        return int(number)

    def impossible(self) -> int:
        return IMPOSSIBLE

    def rows(self, *rows: Any) -> list[Any]:
        return list(rows)

    def factor(self, numerator: Token, denominator: Token | None) -> Fraction:
        return Fraction(int(numerator), int(denominator or 1))

    def values(self, *items: Any) -> tuple[Value, ...]:
        return tuple(value for item in items for value in (item if isinstance(item, range) else (item,)))

    def run(self, first: Token, last: Token) -> range:
        return range(int(first), int(last) + 1)

    def whole(self, number: Token) -> int:
        return int(number)

    def real(self, number: Token) -> float:
        return float(number)

    def string(self, text: Token) -> str:
        return str(json.loads(text))

    def nothing(self) -> None:
        return None

    def yes(self) -> bool:
        return True

    def no(self) -> bool:
        return False

    def ratio(self, number: Fraction) -> Ratio:
        return Ratio(number)

    def group(self, *items: Value) -> tuple[Value, ...]:
        return items

    def set(self, *items: Value) -> frozenset[Value]:
        return frozenset(items)
