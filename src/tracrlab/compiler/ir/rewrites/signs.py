"""Means of which only the sign matters, as sums.

The mean of w > 0 numbers has the sign of their sum, and where nothing is selected the sum is 0. So where every row
selects something, or the default is 0, and whatever reads a mean does not tell two means of one sign apart,

    mean(selected)  may be replaced by any value of the sign of  sum(selected).

Means of numbers out of a set are many fractions; sums of whole numbers are few whole numbers, which moreover can be
added up from several heads, so that other rewrites can split what they select.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracrlab.compiler.ir.nodes import IR, Elementwise, IRNode, Mean, Total
from tracrlab.compiler.ir.pool import Pool, rewritten
from tracrlab.compiler.ir.widths import most_selected, possible_sums
from tracrlab.rasp.values import exact_number
from tracrlab.shapes import Float, Int


def signs_by_sums(ir: IR) -> IR:
    """The same program with sums in the place of means whose sign alone is read."""
    readers: dict[IRNode, list[IRNode]] = {}
    for node in ir.nodes:
        for each in dict.fromkeys(node.inputs):
            readers.setdefault(each, []).append(node)
    chosen = {
        node
        for node in ir.nodes
        if isinstance(node, Mean) and node is not ir.output and _sign_suffices(node, readers.get(node, []))
    }

    def rewrite(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        sign = _sign(pool, renewed, ir.longest) if node in chosen and isinstance(renewed, Mean) else None
        return sign or renewed

    return rewritten(ir, rewrite)


def _sign_suffices(mean: Mean, readers: Sequence[IRNode]) -> bool:
    numbers = mean.source.numbers
    if numbers is None or (numbers != np.round(numbers)).any() or mean.odd_default:
        return False
    if not mean.pattern.never_empty and exact_number(mean.default) != 0:
        return False
    return bool(readers) and all(_reads_sign(each, mean) for each in readers)


def _reads_sign(reader: IRNode, mean: Mean) -> bool:
    """Whether a node is a function of the sign of a mean that it reads, and of other things."""
    if not isinstance(reader, Elementwise):
        return False
    signs = _signs(mean)
    for axis, operand in enumerate(reader.operands):
        if operand is mean:
            slices = np.moveaxis(reader.places, axis, 0)
            if not all((slices[signs == sign] == slices[signs == sign][0]).all() for sign in np.unique(signs)):
                return False
    return True


def _signs(mean: Mean) -> Float[np.ndarray, " value"]:
    return np.sign([float(value) for value in mean.values])  # type: ignore[arg-type]


def _sign(pool: Pool, mean: Mean, longest: int) -> IRNode | None:
    """A value of the sign that the mean has, by way of the sum; ``None`` if that can have too many values."""
    most = most_selected(mean.pattern.matches, longest)
    assert mean.source.numbers is not None
    sums = possible_sums(list(map(int, mean.source.numbers)), most)
    if sums is None:
        return None
    pattern = pool.pattern(mean.pattern.matches, range(most + 1), counts=True)
    total = pool.add(Total(mean.place, f"{mean.name}.sum", sums, pattern, mean.source))
    return Elementwise(mean.place, mean.name, mean.values, (total,), _nearest_places(_signs(mean), sums))


def _nearest_places(signs: Float[np.ndarray, " value"], sums: Sequence[int]) -> Int[np.ndarray, " sum"]:
    """For each sum the place of the first value of its sign; signs that do not occur are taken for 0."""
    place = {sign: int(np.flatnonzero(signs == sign)[0]) for sign in np.unique(signs).tolist()}
    nearest = place.get(0.0, 0)
    return np.array([place.get(float((total > 0) - (total < 0)), nearest) for total in sums])
