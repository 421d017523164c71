"""How far the values of a sum can be from the sum itself, because Python rounds its floats.

A function such as ``(x + 1e8) - 1e8`` is the sum ``x`` in exact arithmetic, and something else in floats. A node may
only be held as a sum where that makes no difference: then sums of sums can be one sum, and means of sums sums of means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from tracrlab.compiler.ir.nodes import IRNode
from tracrlab.rasp.operations import Affine
from tracrlab.shapes import Float

_ROUNDOFF = 2.0**-53  # of Python's floats
_OPERATIONS = 4  # roundings of a term: of its constant, as a float; of the product; of two sums
_NEARLY = 64 * _ROUNDOFF  # of the largest value: values that are closer are told apart by no construction of any format
_FINEST = 32  # binary places of numbers that are sure to be whole multiples of one power of two


def sum_rounding(operands: Sequence[IRNode], affine: Affine, inherited: Mapping[IRNode, float]) -> float:
    """A bound on the distance of a function's values, as floats, from the exact sum that it is.

    ``inherited`` are the distances of the operands, which all are numbers. Nothing is rounded where everything is a
    multiple of one power of two, and not 2⁵³ times as large.
    """
    factors = [abs(float(factor)) for factor in affine.coefficients]
    distance = inherited_rounding(operands, affine, inherited)
    numbers = [node.numbers for node in operands if node.numbers is not None]
    size = abs(float(affine.offset)) + sum(
        factor * float(np.abs(own).max(initial=0)) for factor, own in zip(factors, numbers, strict=True)
    )
    places = _binary_places(np.concatenate([*numbers, np.zeros(1)]))
    constants = _denominator([*affine.coefficients, affine.offset])
    if places is not None and constants is not None and size * 2.0**places * constants < 1 / _ROUNDOFF:
        return distance
    return distance + _OPERATIONS * _ROUNDOFF * size


def inherited_rounding(operands: Sequence[IRNode], affine: Affine, inherited: Mapping[IRNode, float]) -> float:
    """How far a sum of numbers is from the sum of what they stand for."""
    terms = zip(operands, affine.coefficients, strict=True)
    return sum(abs(float(factor)) * inherited.get(node, 0.0) for node, factor in terms)


def is_nearly_exact(distance: float, largest: float) -> bool:
    """Whether values up to ``largest`` that are off by ``distance`` are the exact ones as far as any model can tell."""
    return distance <= _NEARLY * largest


def _binary_places(numbers: Float[np.ndarray, " number"]) -> int | None:
    """The number of binary places after the point that all of them have at most."""
    if np.abs(numbers).max(initial=0) >= 1 / _ROUNDOFF:
        return None
    for places in range(_FINEST + 1):
        scaled = numbers * 2.0**places
        if (scaled == np.round(scaled)).all():
            return places
    return None


def _denominator(constants: Sequence[Fraction]) -> int | None:
    """The product of their denominators, if these are powers of two."""
    product = 1
    for constant in constants:
        product *= constant.denominator
    return product if product & (product - 1) == 0 else None
