"""The functional spelling of RASP: ``select``, ``aggregate`` and their companions, and the primitive s-ops."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tracrlab.rasp import operations as op
from tracrlab.rasp.expressions import (
    Aggregate,
    Encoding,
    Full,
    Indices,
    Length,
    Predicate,
    Select,
    Selector,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    elementwise,
)
from tracrlab.rasp.expressions import Map as _Map
from tracrlab.rasp.values import Value


def _primitive(sop: SOp, name: str) -> SOp:
    """A primitive of the language: it has a name and no place in anybody's source."""
    primitive = sop.named(name)
    primitive.location = None
    return primitive


tokens = _primitive(Tokens(), "tokens")
indices = _primitive(Indices(), "indices")
length = _primitive(Length(), "length")


def select(keys: Any, queries: Any, predicate: Predicate) -> Selector:
    """The selector of the pairs with ``predicate(key, query)``; keys and queries are s-ops or constants."""
    return Select(keys, queries, predicate)


def aggregate(selector: Selector, sop: Any, default: Value = None) -> SOp:
    """The mean of ``sop`` over what ``selector`` selects, ``default`` where it selects nothing."""
    return Aggregate(selector, sop, default)


def selector_width(selector: Selector) -> SOp:
    """How many positions ``selector`` selects."""
    return SelectorWidth(selector)


def elementwise_map(f: Callable[..., Any], *sops: Any) -> SOp:
    """``f`` applied position by position to one or more s-ops."""
    if not sops:
        raise TypeError("elementwise_map needs at least one s-op")
    return _Map(f, sops[0]) if len(sops) == 1 else SequenceMap(f, *sops)


def where(condition: Any, x: Any, y: Any) -> SOp:
    """``x`` where ``condition`` is true, else ``y``; each may be an s-op or a constant.

    As in every elementwise operation, the result is ``None`` where any s-op operand is ``None``; a constant ``None``
    may be chosen freely.
    """
    if not any(isinstance(operand, SOp) for operand in (condition, x, y)):
        return Full(x if condition else y)
    return elementwise(op.WHERE, condition, x, y)


def constant(value: Value) -> SOp:
    """The s-op that is ``value`` at every position."""
    return Full(value)


def numerical(sop: SOp) -> SOp:
    """A copy of ``sop`` that the compiler stores as one number in one dimension."""
    return _encoded(sop, Encoding.NUMERICAL)


def categorical(sop: SOp) -> SOp:
    """A copy of ``sop`` that the compiler stores one-hot, a dimension a value."""
    return _encoded(sop, Encoding.CATEGORICAL)


def _encoded(sop: SOp, encoding: Encoding) -> SOp:
    if not isinstance(sop, SOp):
        raise TypeError(f"only s-ops have an encoding, not {sop!r}")
    encoded = copy.copy(sop)
    encoded.encoding = encoding
    return encoded
