"""Sums of whole numbers, followed without tables.

An s-op that is a sum, with whole factors, of several s-ops of whole numbers has as its values the sums of theirs, and
what else the compiler asks about a function (is it injective? where does its sign change?) follows from the factors. A
table of it would have an entry for each combination, sixteen million for ``length - indices`` at length 4096. The same
goes for a comparison of two of them, which is a function of their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.value_sets import Domain, domain_of
from tracrlab.rasp.expressions import LinearSequenceMap, Map, SequenceMap
from tracrlab.rasp.operations import COMPARISONS, Affine, affine_function, is_one_of
from tracrlab.rasp.semantics import apply_function
from tracrlab.rasp.values import Value, exact_number
from tracrlab.shapes import Int

_FEW = 2**14  # combinations of which comparisons are tabulated
_EXACT = 2**53  # whole numbers up to this are their own floats
_MOST = 2**22  # numbers between the smallest sum and the largest


@dataclass(frozen=True, eq=False)
class WholeSum:
    """A function of the sum ``offset + Σ factors[i] · inputs[i]`` of whole numbers.

    Attributes: ``inputs`` places of two or more s-ops in the graph, none of them ``None`` ever; ``factors``, none zero;
    ``numbers`` all the sums, ascending; ``comparison`` what is made of a sum, by comparing it with 0, or ``None``
    where the sum itself is the value; ``is_injective`` whether different inputs give different sums.
    """

    inputs: tuple[int, ...]
    factors: tuple[int, ...]
    offset: int
    numbers: Int[np.ndarray, " number"]
    comparison: Callable[[int, int], bool] | None
    is_injective: bool

    def value_of(self, total: int) -> Value:
        """The value where the sum is ``total``."""
        return total if self.comparison is None else self.comparison(total, 0)

    def domain(self) -> Domain:
        """The values of the function."""
        totals = self.numbers.tolist()
        return Domain(tuple(totals)) if self.comparison is None else domain_of(map(self.value_of, totals))


def node_affine_function(node: Node) -> Affine | None:
    """The affine function of its inputs that an elementwise node computes, if it is one."""
    expression = node.expression
    if isinstance(expression, LinearSequenceMap):
        factors = exact_number(expression.fst_fac), exact_number(expression.snd_fac)
        return None if None in factors else Affine(tuple(factor for factor in factors if factor is not None))
    return affine_function(expression.f) if isinstance(expression, Map | SequenceMap) else None


def whole_sum(node: Node, domains: Mapping[int, Domain]) -> WholeSum | None:
    """The sum that an elementwise node is a function of, if it is one of two s-ops or more.

    Comparisons of few combinations are left to tables, whose neurons may be fewer.
    """
    expression = node.expression
    assert isinstance(expression, Map | SequenceMap)
    operands = [domains[place] for place in node.inputs]
    if len(set(node.inputs)) < 2 or not all(map(_is_whole, operands)):
        return None
    affine, comparison = node_affine_function(node), None
    if (
        isinstance(expression, SequenceMap)
        and is_one_of(expression.f, *COMPARISONS)
        and prod(map(len, operands)) > _FEW
    ):
        affine, comparison = Affine((Fraction(1), Fraction(-1))), expression.f
    if affine is None or any(each.denominator > 1 for each in (*affine.coefficients, affine.offset)):
        return None
    # a factor like 1.0 makes floats of whole numbers, whichever they are
    if comparison is None and type(apply_function(expression.f, [each.values[0] for each in operands])) is not int:
        return None
    factors: dict[int, int] = {}
    for place, coefficient in zip(node.inputs, affine.coefficients, strict=True):
        factors[place] = factors.get(place, 0) + int(coefficient)
    factors = {place: factor for place, factor in factors.items() if factor}
    addends = [factor * _numbers(domains[place]) for place, factor in factors.items()]
    numbers = sums_of(addends, int(affine.offset))
    if len(factors) < 2 or numbers is None:
        return None
    is_injective = len(numbers) == prod(map(len, addends))
    return WholeSum(tuple(factors), tuple(factors.values()), int(affine.offset), numbers, comparison, is_injective)


def sums_of(addends: list[Int[np.ndarray, " _"]], offset: int) -> Int[np.ndarray, " number"] | None:
    """All sums of one number of each of the sets, ascending; ``None`` if they spread too far to be found."""
    spread = sum(int(each.max()) - int(each.min()) for each in addends)
    if spread >= _MOST or sum(int(np.abs(each).max()) for each in addends) + abs(offset) >= _EXACT:
        return None
    occurs, lowest = np.ones(1, bool), offset
    for addend in sorted(addends, key=len, reverse=True):
        ascending = np.sort(addend) - addend.min()
        wider = np.zeros(len(occurs) + int(ascending[-1]), bool)
        if len(np.flatnonzero(occurs)) < len(ascending):
            for place in np.flatnonzero(occurs).tolist():
                wider[place + ascending] = True
        else:
            for step in ascending.tolist():
                wider[step : step + len(occurs)] |= occurs
        occurs, lowest = wider, lowest + int(addend.min())
    return np.flatnonzero(occurs) + lowest


def _is_whole(domain: Domain) -> bool:
    """Whether the values are Python's whole numbers, none of them so large that floats lose it."""
    return (
        bool(domain.values)
        and not domain.nullable
        and all(type(value) is int and abs(value) < _EXACT for value in domain.values)
    )


def _numbers(domain: Domain) -> Int[np.ndarray, " value"]:
    return np.array(domain.values, np.int64)
