"""What is sure to be selected: itself by every query, or the first position; and what the first position holds.

The mean of ``indicator(indices == 0)`` over a selector that always selects position 0 is one over its width, and so
never 0. Such means count, in programs of the RASP paper. Both positions are there for every query, causal or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction

from tracrlab.compiler.graph import Graph
from tracrlab.compiler.selections import predicate_matrix
from tracrlab.compiler.value_sets import Domain, TooManyValues
from tracrlab.rasp.expressions import Full, Indices, Map, Select, SelectorAnd, SelectorNot, SequenceMap
from tracrlab.rasp.semantics import apply_function
from tracrlab.rasp.values import Value, exact_number, value_key

_MOST_SUMS = 2**14  # of the numbers beside a sure one; more are not followed


class Where(Enum):
    """A position that exists for every query."""

    ITSELF = "itself"
    FIRST = "first"


def surely_selects(graph: Graph, domains: Mapping[int, Domain], selector: int, where: Where) -> bool:
    """Whether every query is sure to select the position.

    Raises:
        FunctionFailure, TooManyValues: a predicate fails, or has too many pairs of values.
    """
    return _is_sure(graph, domains, selector, True, where)


def _is_sure(graph: Graph, domains: Mapping[int, Domain], place: int, holds: bool, where: Where) -> bool:
    """Whether a selector is sure to hold, or is sure not to, between every query and the position."""
    node = graph.nodes[place]
    if isinstance(node.expression, Select):
        return _select_is_sure(graph, domains, place, holds, where)
    if isinstance(node.expression, SelectorNot):
        return _is_sure(graph, domains, node.inputs[0], not holds, where)
    each = [_is_sure(graph, domains, child, holds, where) for child in node.inputs]
    return all(each) if isinstance(node.expression, SelectorAnd) == holds else any(each)


def _select_is_sure(graph: Graph, domains: Mapping[int, Domain], place: int, holds: bool, where: Where) -> bool:
    node = graph.nodes[place]
    keys, queries = node.inputs
    assert isinstance(node.expression, Select)
    if domains[keys].nullable or domains[queries].nullable:
        return False
    matrix = predicate_matrix(node.expression.predicate, domains[keys], domains[queries]) == holds
    if where is Where.ITSELF and keys == queries:
        return bool(matrix.diagonal().all())
    values = position_values(graph, domains, keys)
    if where is Where.FIRST and values is not None:
        return bool(matrix[:, domains[keys].places[value_key(values[0])]].all())
    return bool(matrix.all())


def position_values(graph: Graph, domains: Mapping[int, Domain], place: int) -> list[Value] | None:
    """The value of an s-op at each position, if it depends on the position alone and is defined at each."""
    node = graph.nodes[place]
    n_positions = len(domains[graph.indices])
    if isinstance(node.expression, Indices):
        return list(range(n_positions))
    if isinstance(node.expression, Full):
        return [node.expression.fill] * n_positions
    if not isinstance(node.expression, Map | SequenceMap):
        return None
    operands = [position_values(graph, domains, child) for child in node.inputs]
    known = [each for each in operands if each is not None]
    if len(known) < len(operands):
        return None
    return [apply_function(node.expression.f, values) for values in zip(*known, strict=True)]


def numbers_by_position(values: Sequence[Value] | None) -> tuple[Fraction, tuple[Fraction, ...]] | None:
    """The number that the first position holds, and those that others may hold, if all are numbers."""
    numbers = [exact_number(value) for value in values or [None]]
    if any(number is None for number in numbers):
        return None
    first, *others = [number for number in numbers if number is not None]
    return first, tuple(sorted(set(others)))


def means_with(first: Fraction, others: Sequence[Fraction], widths: range) -> list[Fraction]:
    """Every mean of the sure number and of ``w - 1`` others, repetition allowed, for every ``w`` in ``widths``.

    Raises:
        TooManyValues: there are more than ``_MOST_SUMS`` sums.
    """
    sums, means = {first}, set[Fraction]()
    for width in range(1, widths.stop):
        if width in widths:
            means |= {total / width for total in sums}
        sums = {total + other for total in sums for other in others}
        if len(sums) > _MOST_SUMS:
            raise TooManyValues(f"it averages {len(others)} numbers beside one that is sure, which have too many sums")
    return sorted(means)
