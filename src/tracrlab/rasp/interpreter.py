"""The reference interpreter: what a RASP expression means (Tracr paper, section 2.2 and appendix D.3).

Every distinct subexpression is evaluated once a sequence, in an order found without recursion, so graphs may share
and nest as deeply as memory allows. Functions of the program are taken to be pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tracrlab.errors import EvaluationError, InputError
from tracrlab.rasp.abridged import abridged
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
from tracrlab.rasp.values import Ratio, Value, is_number, mean_of_numbers, mean_value, plain_value, value_key
from tracrlab.shapes import Bool, Int

_EXACT_INTEGER = 2**31  # sums of fewer than 2**31 such integers fit in int64


@dataclass(frozen=True)
class _Selection:
    """A selector's truth values; a pair that is neither true nor false has a ``None`` key or query."""

    true: Bool[np.ndarray, "query key"]
    false: Bool[np.ndarray, "query key"]


class Evaluation:
    """The values of expressions on one sequence: each node is evaluated once, however often and wherever it is used.

    ``predicate_results`` may be shared between the evaluations of one program on many sequences.
    """

    def __init__(
        self,
        sequence: Sequence[Value],
        *,
        causal: bool = False,
        predicate_results: dict[tuple[int, Hashable, Hashable], bool] | None = None,
    ) -> None:
        self.sequence = [plain_value(token) for token in sequence]
        for token in self.sequence:
            if not isinstance(token, Hashable):
                raise InputError(f"a token must be hashable, unlike {abridged(token)}")
        self.causal = causal
        self.predicate_results = {} if predicate_results is None else predicate_results
        self._values: dict[int, Any] = {}
        self._nodes: list[Expression] = []  # kept alive, so that no other node gets the id of one of them

    def value(self, expression: Expression) -> list[Any]:
        """The value of an expression: for an s-op one value a position, for a selector rows of bools.

        Raises:
            EvaluationError: a function of the program raises on a value it meets.
        """
        for node in children_first(expression, known=self._values):
            inputs = [self._values[id(child)] for child in node.children]
            try:
                self._values[id(node)] = _node_value(node, inputs, self)
            except FunctionFailure as failure:
                raise EvaluationError(titled_text(node), node.location, str(failure), failure.remedy) from failure
            self._nodes.append(node)
        result = self._values[id(expression)]
        if isinstance(result, _Selection):
            return _visible(result, self).tolist()  # type: ignore[no-any-return]
        return list(result)


def evaluate(expression: Expression, sequence: Sequence[Value], *, causal: bool = False) -> list[Any]:
    """The value of ``expression`` on ``sequence``; see :meth:`Expression.__call__`."""
    return Evaluation(sequence, causal=causal).value(expression)


def evaluate_batch(
    expression: Expression, sequences: Iterable[Sequence[Value]], *, causal: bool = False
) -> list[list[Any]]:
    """The values of ``expression`` on many sequences; the results of predicates are shared between them."""
    shared: dict[tuple[int, Hashable, Hashable], bool] = {}
    return [Evaluation(s, causal=causal, predicate_results=shared).value(expression) for s in sequences]


def evaluate_all(
    expression: Expression, sequence: Sequence[Value], *, causal: bool = False
) -> list[tuple[SOp, list[Any]]]:
    """Every s-op below ``expression``, children first, with its value on ``sequence``."""
    evaluation = Evaluation(sequence, causal=causal)
    nodes = children_first(expression)
    return [(node, evaluation.value(node)) for node in nodes if isinstance(node, SOp)]


def _node_value(node: Expression, inputs: list[Any], state: Evaluation) -> Any:
    sequence = state.sequence
    match node:
        case Tokens():
            return sequence
        case Indices():
            return list(range(len(sequence)))
        case Length():
            return [len(sequence)] * len(sequence)
        case Full():
            return [node.fill] * len(sequence)
        case Map() | SequenceMap():
            return [apply_function(node.f, operands) for operands in zip(*inputs, strict=True)]
        case Select():
            return _select(node, inputs[0], inputs[1], state)
        case SelectorAnd():
            return _Selection(inputs[0].true & inputs[1].true, inputs[0].false | inputs[1].false)
        case SelectorOr():
            return _Selection(inputs[0].true | inputs[1].true, inputs[0].false & inputs[1].false)
        case SelectorNot():
            return _Selection(inputs[0].false, inputs[0].true)
        case SelectorWidth():
            return _visible(inputs[0], state).sum(axis=1).tolist()
        case Aggregate():
            return _aggregate(node, _visible(inputs[0], state), inputs[1])
        case _:
            raise TypeError(f"the interpreter does not know {type(node).__name__}")


def _visible(selection: _Selection, state: Evaluation) -> Bool[np.ndarray, "query key"]:
    return np.tril(selection.true) if state.causal else selection.true


def _select(node: Select, keys: list[Value], queries: list[Value], state: Evaluation) -> _Selection:
    """The predicate is called once for each pair of distinct values, then spread over the positions."""
    key_values, key_codes = _distinct(keys)
    query_values, query_codes = _distinct(queries)
    table = np.zeros((len(query_values), len(key_values)), bool)
    defined = np.zeros_like(table)
    for i, query in enumerate(query_values):
        for j, key in enumerate(key_values):
            if key is not None and query is not None:
                defined[i, j] = True
                table[i, j] = _predicate_result(node, key, query, state)
    pairs = np.ix_(query_codes, key_codes)
    return _Selection(table[pairs], (defined & ~table)[pairs])


def _predicate_result(node: Select, key: Value, query: Value, state: Evaluation) -> bool:
    memo = (id(node), value_key(key), value_key(query))
    if memo not in state.predicate_results:
        state.predicate_results[memo] = apply_predicate(node.predicate, key, query)
    return state.predicate_results[memo]


def _distinct(values: list[Value]) -> tuple[list[Value], Int[np.ndarray, " position"]]:
    """The distinguishable values in order of appearance, and which of them stands at each position."""
    codes: dict[Hashable, int] = {}
    distinct: list[Value] = []
    positions = np.empty(len(values), int)
    for position, value in enumerate(values):
        key = value_key(value)
        if key not in codes:
            codes[key] = len(distinct)
            distinct.append(value)
        positions[position] = codes[key]
    return distinct, positions


def _aggregate(node: Aggregate, selected: Bool[np.ndarray, "query key"], values: list[Value]) -> list[Value]:
    distinct, codes = _distinct(values)
    widths = selected.sum(axis=1)
    lowest = np.where(selected, codes, len(distinct)).min(axis=1, initial=len(distinct))
    highest = np.where(selected, codes, -1).max(axis=1, initial=-1)
    small_integers = all(isinstance(value, int) and abs(value) < _EXACT_INTEGER for value in distinct)
    totals = selected @ np.array(values, np.int64) if small_integers and values else None
    result: list[Value] = []
    for row, width in enumerate(widths.tolist()):
        if width == 0:
            result.append(node.default)
        elif width == 1 or (lowest[row] == highest[row] and not isinstance(node, MeanAggregate)):
            result.append(distinct[lowest[row]])
        elif totals is not None and not isinstance(node, MeanAggregate):
            result.append(Ratio(Fraction(int(totals[row]), width)))
        else:
            result.append(_mean(node, [values[position] for position in np.flatnonzero(selected[row])]))
    return result


def _mean(node: Aggregate, values: list[Value]) -> Value:
    try:
        if not isinstance(node, MeanAggregate):
            return mean_value(values)
        for value in values:
            if isinstance(value, bool) or not is_number(value):
                raise TypeError(f"several values are selected, and only numbers have a mean, unlike {abridged(value)}")
        return mean_of_numbers([value for value in values if is_number(value)])
    except (TypeError, OverflowError) as error:
        remedy = "Select fewer positions, such as by index, or aggregate numbers"
        raise FunctionFailure(str(error), remedy) from error
