"""Functions of several nodes as functions of one number: sums, differences and lexicographic codes.

An MLP computes any function of a number by steps, two neurons each, so a function of several nodes is cheap where some
number made linearly from them determines it, and few neighbouring values of that number give different results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from tracrlab.compiler.compact.demands import Feature
from tracrlab.compiler.compact.expand import Expansion
from tracrlab.compiler.compact.ir import IRNode
from tracrlab.shapes import Float, Int

_MAX_SPREAD = 2.0**17  # the range of a number over its smallest gap, in single precision


@dataclass(frozen=True, eq=False)
class Form:
    """A number that determines the result: what it is read from, its values ascending, and the result for each."""

    features: tuple[Feature, ...]
    numbers: Float[np.ndarray, " number"]
    places: Int[np.ndarray, " number"]

    @property
    def n_steps(self) -> int:
        """How many neighbouring values have different results."""
        return int((self.places[1:] != self.places[:-1]).sum())


def best_form(expansion: Expansion, analog: Sequence[bool], spread: float) -> Form | None:
    """The form with the fewest steps, if there is one that is precise enough.

    ``analog`` says of which atoms only the quantity that attention leaves can be read, with ``spread`` the number of
    values that such a quantity may at most tell apart.
    """
    shape = expansion.places.shape
    best: Form | None = None
    for codes in _candidates(expansion, analog):
        total = np.zeros(())
        for code in codes:
            total = np.add.outer(total, code)
        numbers, first, group = np.unique(total.reshape(-1), return_index=True, return_inverse=True)
        if len(numbers) > 1 and any(analog):
            numbers, first, group = _merged(numbers, first, group.reshape(-1))
        places = expansion.places.reshape(-1)[first]
        if not (places[group.reshape(-1)] == expansion.places.reshape(-1)).all():
            continue
        changes = np.flatnonzero(places[1:] != places[:-1])
        gap = float(np.diff(numbers)[changes].min(initial=np.inf))
        if float(np.abs(numbers).max(initial=0)) > (spread if any(analog) else _MAX_SPREAD) * gap:
            continue
        if best is None or len(changes) < best.n_steps:
            features = tuple(
                Feature(atom, code[:, None], exact=not raw)
                for atom, code, raw in zip(expansion.atoms, codes, analog, strict=True)
            )
            best = Form(features, numbers, places)
    assert best is None or len(shape) == len(best.features)
    return best


def _merged(
    numbers: Float[np.ndarray, " number"], first: Int[np.ndarray, " number"], group: Int[np.ndarray, " entry"]
) -> tuple[Float[np.ndarray, " number"], Int[np.ndarray, " number"], Int[np.ndarray, " entry"]]:
    """Sums of fractions that differ by rounding only are one number."""
    apart = np.concatenate([[True], np.diff(numbers) > 1e-12 * max(1.0, float(np.abs(numbers).max()))])
    return numbers[apart], first[apart], (np.cumsum(apart) - 1)[group]


def _candidates(expansion: Expansion, analog: Sequence[bool]) -> Iterator[list[Float[np.ndarray, " value"]]]:
    atoms = expansion.atoms
    numbers = [_quantity(atom, raw) for atom, raw in zip(atoms, analog, strict=True)]
    present = [each for each in numbers if each is not None]
    if len(present) == len(atoms) and len(atoms) <= 4:
        for signs in product((1.0, -1.0), repeat=len(atoms) - 1):
            yield [sign * number for sign, number in zip((1.0, *signs), present, strict=True)]
    if len(atoms) > 4:
        return
    codes = [
        number if raw and number is not None else _classes(expansion.places, axis)
        for axis, (number, raw) in enumerate(zip(numbers, analog, strict=True))
    ]
    for order in permutations(range(len(atoms))):
        yield _lexicographic(codes, order)


def _quantity(atom: IRNode, raw: bool) -> Float[np.ndarray, " value"] | None:
    if not raw:
        return atom.numbers
    table = atom.raw_table()
    return table[:, 0] if table is not None and table.shape[1] == 1 else None


def _classes(places: Int[np.ndarray, "..."], axis: int) -> Float[np.ndarray, " value"]:
    """A number for each value of an axis, the same for values that make no difference, similar ones near each other."""
    slices = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    return np.unique(slices, axis=0, return_inverse=True)[1].reshape(-1).astype(float)


def _lexicographic(
    codes: Sequence[Float[np.ndarray, " value"]], order: Sequence[int]
) -> list[Float[np.ndarray, " value"]]:
    """The codes with weights, powers of two, that make their sum compare by the last of ``order`` first."""
    weighted = list(codes)
    extent, smallest = 0.0, 1.0
    for number, axis in enumerate(order):
        distinct = np.unique(codes[axis])
        gap = float(np.diff(distinct).min(initial=1.0))
        weight = 1.0 if not number else 2.0 ** np.ceil(np.log2((extent + smallest) / gap))
        smallest = gap if not number else smallest
        weighted[axis] = weight * codes[axis]
        extent += weight * float(distinct[-1] - distinct[0])
    return weighted
