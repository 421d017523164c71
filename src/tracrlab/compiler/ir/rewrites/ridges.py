"""Functions of two numbers as a function of their sum plus one of their difference.

Products are of this kind, since ``x y = (x + y)² / 4 - (x - y)² / 4``: two functions of about 2 n values each instead
of a table of n².
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tracrlab.compiler.ir.nodes import IR, Affine, Elementwise, IRNode, Rough
from tracrlab.compiler.ir.pool import Pool, rewritten
from tracrlab.shapes import Float

_SMALLEST = 256  # entries of a table for which it is worth it
_LARGEST = 2**20
_QUARTER = 4.0


def by_ridges(ir: IR) -> IR:
    """The same program with tables of two whole numbers as sums of two functions, where they are."""

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        if not isinstance(renewed, Elementwise) or isinstance(renewed, Rough) or len(renewed.operands) != 2:
            return renewed
        x, y = (operand.numbers for operand in renewed.operands)
        results = renewed.numbers
        if x is None or y is None or results is None or (renewed.places < 0).any():
            return renewed
        whole = (x == np.round(x)).all() and (y == np.round(y)).all()
        found = ridges(x, y, results[renewed.places]) if whole else None
        return renewed if found is None else _added_up(pool, renewed, found)

    return rewritten(ir, rewrite)


def _added_up(pool: Pool, node: Elementwise, found: Ridges) -> Affine:
    """The sum of a function of the operands' sum and one of their difference."""
    parts = (
        _function_of_sum(pool, node, 1, "sum", found.sums, found.of_sum),
        _function_of_sum(pool, node, -1, "difference", found.differences, found.of_difference),
    )
    return Affine(node.place, node.name, node.values, parts, (Fraction(1), Fraction(1)), Fraction(0))


def _function_of_sum(
    pool: Pool,
    node: Elementwise,
    sign: int,
    name: str,
    numbers: Float[np.ndarray, " number"],
    function: Float[np.ndarray, " number"],
) -> IRNode:
    """A function of the first operand plus, or minus, the second one."""
    factors, values = (Fraction(1), Fraction(sign)), tuple(map(int, numbers.tolist()))
    inner = pool.add(Affine(node.place, f"{node.name}.{name}", values, node.operands, factors, Fraction(0)))
    distinct, which = np.unique(function, return_inverse=True)
    results = tuple(distinct.tolist())
    return pool.add(Elementwise(node.place, f"{node.name}.of_{name}", results, (inner,), which.reshape(-1)))


@dataclass(frozen=True, eq=False)
class Ridges:
    """Two functions whose sum is the table: their values at each ``sums`` and each ``differences``, ascending."""

    sums: Float[np.ndarray, " sum"]
    of_sum: Float[np.ndarray, " sum"]
    differences: Float[np.ndarray, " difference"]
    of_difference: Float[np.ndarray, " difference"]


def ridges(x: Float[np.ndarray, " x"], y: Float[np.ndarray, " y"], table: Float[np.ndarray, "x y"]) -> Ridges | None:
    """The functions, if there are any, in quarters of whole numbers, which floats hold exactly."""
    if not _SMALLEST <= table.size <= _LARGEST or (table != np.round(table)).any():
        return None
    sums, sum_of = np.unique(np.add.outer(x, y).reshape(-1), return_inverse=True)
    differences, difference_of = np.unique(np.subtract.outer(x, y).reshape(-1), return_inverse=True)
    unknowns = len(sums) + len(differences)
    if unknowns > table.size // 8:
        return None
    border = np.zeros(table.shape, bool)  # it has every sum and difference, scattered entries tie them together
    border[[0, -1], :] = border[:, [0, -1]] = True
    sample = np.array(random.Random(0).sample(range(table.size), min(4 * unknowns, table.size)))  # the same everywhere
    chosen = np.union1d(np.flatnonzero(border), sample)
    system = np.zeros((len(chosen), unknowns))
    system[np.arange(len(chosen)), sum_of.reshape(-1)[chosen]] = 1
    system[np.arange(len(chosen)), len(sums) + difference_of.reshape(-1)[chosen]] = 1
    solution = np.linalg.lstsq(system, table.reshape(-1)[chosen], rcond=None)[0]
    of_sum, of_difference = _anchored(sums, differences, solution, len(sums))
    whole = of_sum[sum_of.reshape(-1)] + of_difference[difference_of.reshape(-1)]
    if (whole != table.reshape(-1)).any():
        return None
    return Ridges(sums, of_sum, differences, of_difference)


def _anchored(
    sums: Float[np.ndarray, " sum"],
    differences: Float[np.ndarray, " difference"],
    solution: Float[np.ndarray, " unknown"],
    n_sums: int,
) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]:
    """The solution moved by what the two functions can exchange, to quarters.

    What a function of the sum may give to one of the difference is a + b p for each parity class p of whole numbers
    alone: fixed so that the function of the sum is 0 at the first sum of each class.
    """
    of_sum, of_difference = solution[:n_sums].copy(), solution[n_sums:].copy()
    for parity in (0, 1):
        of_class = (np.round(sums) % 2) == parity
        other = (np.round(differences) % 2) == parity
        if of_class.any():
            start = of_sum[of_class][0]
            of_sum[of_class] -= start
            of_difference[other] += start
    return np.round(of_sum * _QUARTER) / _QUARTER, np.round(of_difference * _QUARTER) / _QUARTER
