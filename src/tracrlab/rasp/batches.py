"""The interpreter for many inputs at once: every expression as one integer array of coded values.

It means what :mod:`tracrlab.rasp.interpreter` means, function for function. A function of a program is called once for
each combination of values that occurs anywhere, so that it is the faster the more inputs there are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Any

import numpy as np

from tracrlab.errors import EvaluationError
from tracrlab.rasp.expressions import (
    Aggregate,
    Expression,
    Full,
    Indices,
    Length,
    Map,
    MeanAggregate,
    Select,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
)
from tracrlab.rasp.semantics import FunctionFailure, apply_function, apply_predicate
from tracrlab.rasp.text import titled_text
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import Ratio, Value, exact_number, is_finite_number, mean_of_numbers, mean_value, value_key
from tracrlab.shapes import Bool, Int

_EXACT_TOTAL = 2**40  # sums of a few thousand such integers fit in int64


@dataclass(frozen=True, eq=False)
class Coded:
    """The values of an s-op on a batch: ``values[codes[input, position]]``; codes beyond an input's end are 0."""

    values: tuple[Value, ...]
    codes: Int[np.ndarray, "input position"]

    def __getitem__(self, place: tuple[int, int]) -> Value:
        value: Value = self.values[int(self.codes[place])]
        return value


@dataclass(frozen=True, eq=False)
class _Selection:
    """A selector's truth values on a batch; a pair that is neither has a ``None`` key or query."""

    true: Bool[np.ndarray, "input query key"]
    false: Bool[np.ndarray, "input query key"]


class Batch:
    """Inputs over a vocabulary, side by side.

    Attributes: ``tokens`` coded; ``inside`` which positions an input has; ``causal`` whether selectors are masked.
    """

    def __init__(
        self, vocabulary: Sequence[Value], codes: Int[np.ndarray, "input position"], *, causal: bool = False
    ) -> None:
        """Arguments: ``codes`` are places in ``vocabulary``, -1 beyond an input's end."""
        self.inside: Bool[np.ndarray, "input position"] = codes >= 0
        self.tokens = Coded(tuple(vocabulary), np.where(self.inside, codes, 0))
        self.lengths: Int[np.ndarray, " input"] = self.inside.sum(axis=1)
        self.causal = causal
        visible = self.inside[:, :, None] & self.inside[:, None, :]
        self.visible: Bool[np.ndarray, "input query key"] = np.tril(visible) if causal else visible
        self._values: dict[int, Any] = {}
        self._nodes: list[Expression] = []  # kept alive, so that no other node gets the id of one of them

    def value(self, sop: SOp) -> Coded:
        """The values of an s-op; those of its parts are kept for the next one.

        Raises:
            EvaluationError: a function of the program raises on a value it meets.
        """
        for node in children_first(sop, known=self._values):
            inputs = [self._values[id(child)] for child in node.children]
            try:
                self._values[id(node)] = self._node_value(node, inputs)
            except FunctionFailure as failure:
                raise EvaluationError(titled_text(node), node.location, str(failure), failure.remedy) from failure
            self._nodes.append(node)
        found: Coded = self._values[id(sop)]
        return found

    def assume(self, sop: SOp, coded: Coded) -> None:
        """Take these for the values of an s-op, whatever it is."""
        self._values[id(sop)] = coded
        self._nodes.append(sop)

    def answers(self, sop: SOp) -> list[list[Value]]:
        """The values of an s-op, a list for each input."""
        coded = self.value(sop)
        rows = zip(coded.codes.tolist(), self.lengths.tolist(), strict=True)
        return [[coded.values[code] for code in row[:length]] for row, length in rows]

    def _node_value(self, node: Expression, inputs: list[Any]) -> Any:
        match node:
            case Tokens():
                return self.tokens
            case Indices():
                size = self.inside.shape[1]
                return Coded(tuple(range(size)), np.where(self.inside, np.arange(size), 0))
            case Length():
                codes = np.broadcast_to(self.lengths[:, None], self.inside.shape)
                return Coded(tuple(range(self.inside.shape[1] + 1)), codes)
            case Full():
                return Coded((node.fill,), np.zeros(self.inside.shape, int))
            case Map() | SequenceMap():
                return self._mapped(node, inputs)
            case Select():
                return self._selected(node, *inputs)
            case SelectorAnd():
                return _Selection(inputs[0].true & inputs[1].true, inputs[0].false | inputs[1].false)
            case SelectorOr():
                return _Selection(inputs[0].true | inputs[1].true, inputs[0].false & inputs[1].false)
            case SelectorNot():
                return _Selection(inputs[0].false, inputs[0].true)
            case SelectorWidth():
                widths = (inputs[0].true & self.visible).sum(axis=2)
                return Coded(tuple(range(self.inside.shape[1] + 1)), widths)
            case Aggregate():
                return self._aggregated(node, *inputs)
            case _:
                raise TypeError(f"the interpreter does not know {type(node).__name__}")

    def _mapped(self, node: Map | SequenceMap, inputs: Sequence[Coded]) -> Coded:
        codes = np.zeros_like(inputs[0].codes)
        for coded in inputs:
            codes = codes * len(coded.values) + coded.codes
        occurring, places = occurring_codes(codes, self.inside)
        sizes = [len(coded.values) for coded in inputs]
        results = []
        for each in zip(*np.unravel_index(occurring, sizes), strict=True):
            operands = [coded.values[code] for coded, code in zip(inputs, each, strict=True)]
            results.append(apply_function(node.f, operands))
        return _coded(results, places)

    def _selected(self, node: Select, keys: Coded, queries: Coded) -> _Selection:
        """The predicate is called once for each pair of values that meet, then spread over the positions."""
        codes = queries.codes[:, :, None] * len(keys.values) + keys.codes[:, None, :]
        meeting = np.zeros(len(queries.values) * len(keys.values), bool)
        meeting[codes[self.inside[:, :, None] & self.inside[:, None, :]]] = True
        true, false = np.zeros_like(meeting), np.zeros_like(meeting)
        for code in np.flatnonzero(meeting).tolist():
            query, key = queries.values[code // len(keys.values)], keys.values[code % len(keys.values)]
            if key is not None and query is not None:
                true[code] = apply_predicate(node.predicate, key, query)
                false[code] = not true[code]
        return _Selection(true[codes], false[codes])

    def _aggregated(self, node: Aggregate, selection: _Selection, sop: Coded) -> Coded:
        selected = selection.true & self.visible
        codes, size = sop.codes[:, None, :], len(sop.values)
        lowest = np.where(selected, codes, size).min(axis=2, initial=size)
        highest = np.where(selected, codes, -1).max(axis=2, initial=-1)
        widths = selected.sum(axis=2)
        averaged = (lowest < highest) & (widths > 0)
        if isinstance(node, MeanAggregate):
            averaged |= widths > 1
        results, places = [*sop.values, node.default], np.where(averaged, 0, lowest)
        if averaged.any():
            means, own = _means(node, sop.values, selected[averaged], np.broadcast_to(codes, selected.shape)[averaged])
            places[averaged] = own + len(results)
            results += means
        occurring, places = occurring_codes(places, self.inside)
        return _coded([results[place] for place in occurring.tolist()], places)


def every_input(n_tokens: int, max_length: int, min_length: int = 1) -> Int[np.ndarray, "input position"]:
    """All inputs of these lengths over ``n_tokens`` tokens as codes, shorter ones filled up with -1."""
    blocks = []
    for length in range(min_length, max_length + 1):
        block = np.full((n_tokens**length, max_length), -1)
        block[:, :length] = np.array(list(product(range(n_tokens), repeat=length))).reshape(-1, length)
        blocks.append(block)
    return np.concatenate(blocks)


def coded_inputs(
    vocabulary: Sequence[Value], sequences: Iterable[Sequence[Value]], max_length: int
) -> Int[np.ndarray, "input position"]:
    """Sequences over a vocabulary as codes, filled up with -1.

    Raises:
        KeyError: a token is not in the vocabulary.
    """
    places = {value_key(token): place for place, token in enumerate(vocabulary)}
    rows = [[places[value_key(token)] for token in sequence] for sequence in sequences]
    codes = np.full((len(rows), max_length), -1)
    for own, row in zip(codes, rows, strict=True):
        own[: len(row)] = row
    return codes


def occurring_codes(
    codes: Int[np.ndarray, "*shape"], inside: Bool[np.ndarray, "*shape"]
) -> tuple[Int[np.ndarray, " distinct"], Int[np.ndarray, "*shape"]]:
    """The distinct codes inside, ascending, and for every place the number of its own; 0 outside."""
    places = np.zeros(codes.shape, int)
    own = codes[inside]
    top = int(own.max(initial=0)) + 1
    if top <= max(4 * own.size, 1024):  # counting is faster than sorting
        is_there = np.zeros(top, bool)
        is_there[own] = True
        occurring = np.flatnonzero(is_there)
        places[inside] = (np.cumsum(is_there) - 1)[own]
    else:
        occurring, places[inside] = np.unique(own, return_inverse=True)
    return occurring, places


def _coded(results: Sequence[Value], places: Int[np.ndarray, "input position"]) -> Coded:
    """Results as distinct values, where ``places`` says which result stands where."""
    number: dict[Hashable, int] = {}
    distinct: list[Value] = []
    merged = np.zeros(max(len(results), 1), int)
    for place, result in enumerate(results):
        merged[place] = number.setdefault(value_key(result), len(distinct))
        if merged[place] == len(distinct):
            distinct.append(result)
    return Coded(tuple(distinct) or (None,), merged[places])


def _means(
    node: Aggregate,
    values: Sequence[Any],
    selected: Bool[np.ndarray, "row key"],
    codes: Int[np.ndarray, "row key"],
) -> tuple[list[Value], Int[np.ndarray, " row"]]:
    """The means of rows of selected values: the distinct ones, and which belongs to each row."""
    occurring = np.unique(codes[selected])
    exact: dict[int, Fraction] = {}
    if not isinstance(node, MeanAggregate) and all(is_finite_number(values[code]) for code in occurring.tolist()):
        exact = {code: exact_number(values[code]) or Fraction(0) for code in occurring.tolist()}
    denominator = lcm(*(number.denominator for number in exact.values()))
    if exact and all(abs(number * denominator) < _EXACT_TOTAL for number in exact.values()):
        numerators = np.zeros(int(occurring.max()) + 1, np.int64)
        for code, number in exact.items():
            numerators[code] = int(number * denominator)
        totals = np.where(selected, numerators[np.where(selected, codes, 0)], 0).sum(axis=1)
        pairs, own = np.unique(np.stack([totals, selected.sum(axis=1)], axis=1), axis=0, return_inverse=True)
        means: list[Value] = [Ratio(Fraction(total, width * denominator)) for total, width in pairs.tolist()]
        return means, own.reshape(-1)
    rows = np.sort(np.where(selected, codes, -1), axis=1)
    distinct, own = np.unique(rows, axis=0, return_inverse=True)
    return [_mean(node, [values[code] for code in row if code >= 0]) for row in distinct.tolist()], own.reshape(-1)


def _mean(node: Aggregate, values: list[Any]) -> Value:
    try:
        if not isinstance(node, MeanAggregate):
            return mean_value(values)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"several values are selected, and only numbers have a mean, unlike {value!r}")
        return mean_of_numbers(values)
    except (TypeError, OverflowError) as error:
        raise FunctionFailure(str(error), "Select fewer positions, such as by index, or aggregate numbers") from error
