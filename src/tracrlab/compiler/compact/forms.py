"""Functions of several nodes as functions of one number: sums, differences and lexicographic codes.

An MLP computes any function of a number by steps, two neurons each, so a function of several nodes is cheap where some
number made linearly from them determines it, and few neighbouring values of that number give different results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, permutations, product
from math import prod

import numpy as np

from tracrlab.compiler.compact.carriers import Feature
from tracrlab.compiler.ir.expand import MAX_EXPANDED, Expansion, filled
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Affine, IRNode
from tracrlab.craft.ramps import power_above
from tracrlab.shapes import Float, Int

_MAX_ATOMS = 4
_MOST_GROWTH = 32.0  # of errors of what attention leaves, which are thousandths at short lengths
_PLAIN = 1 / 16  # how much of the precision asked for such sums must have


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

    ``analog`` says of which atoms only the quantity that attention leaves can be read. ``spread`` is how many times the
    smallest gap at a step a number may be.
    """
    if not 1 <= len(expansion.atoms) <= _MAX_ATOMS:
        return None
    table = _by_value(expansion, analog)
    if table is None:
        return None
    best: Form | None = None
    for codes in _candidates(table, analog):
        form = _form(table, codes, analog, spread)
        if form is not None and (best is None or form.n_steps < best.n_steps):
            best = form
    return best


def _by_value(expansion: Expansion, analog: Sequence[bool]) -> Expansion | None:
    """The expansion with every value of analog atoms in a class of its own, in ascending order of its quantity."""
    places, classes = expansion.places, list(expansion.classes)
    shape = [
        len(atom.values) if raw else size for atom, raw, size in zip(expansion.atoms, analog, places.shape, strict=True)
    ]
    if prod(shape) > MAX_EXPANDED:
        return None
    for axis, (atom, raw) in enumerate(zip(expansion.atoms, analog, strict=True)):
        if raw:
            if _quantity(atom) is None:
                return None
            places = np.take(places, classes[axis], axis=axis)
            classes[axis] = np.arange(len(atom.values))
    return Expansion(expansion.atoms, tuple(classes), places)


def _form(
    table: Expansion, codes: Sequence[Float[np.ndarray, " _"]], analog: Sequence[bool], spread: float
) -> Form | None:
    """The form of these codes, if they determine the result with enough precision."""
    total = np.zeros(())
    for code in codes:
        total = np.add.outer(total, code)
    numbers, group = np.unique(total.reshape(-1), return_inverse=True)
    group = group.reshape(-1)
    if len(numbers) > 1 and any(analog):  # sums of fractions that differ by rounding only are one number
        apart = np.concatenate([[True], np.diff(numbers) > 1e-12 * max(1.0, float(np.abs(numbers).max()))])
        numbers, group = numbers[apart], (np.cumsum(apart) - 1)[group]
    entries = table.places.reshape(-1)
    places = np.full(len(numbers), IMPOSSIBLE)
    np.maximum.at(places, group, entries)
    if ((entries != IMPOSSIBLE) & (places[group] != entries)).any():
        return None
    places = filled(places)
    changes = np.flatnonzero(places[1:] != places[:-1])
    gap = float(np.diff(numbers)[changes].min(initial=np.inf))
    grown = _growth(table, codes, analog)
    if grown > _MOST_GROWTH:
        return None
    adding = max(1.0, len(changes) / 4)  # each step adds its rounding, but between whole numbers
    if (numbers == np.round(numbers)).all() and grown <= 1:
        # for a sum that is too large for a table there is no other way
        large = any(isinstance(atom, Affine) and raw for atom, raw in zip(table.atoms, analog, strict=True))
        adding = _PLAIN if large else 1.0
    if float(np.abs(numbers).max(initial=0)) * adding > spread * gap:
        return None
    features = tuple(
        Feature(atom, code[classes][:, None], exact=not raw)
        for atom, classes, code, raw in zip(table.atoms, table.classes, codes, analog, strict=True)
    )
    return Form(features, numbers, places)


def _growth(table: Expansion, codes: Sequence[Float[np.ndarray, " _"]], analog: Sequence[bool]) -> float:
    """By how much errors grow in what attention leaves, where it is read."""
    grown = 0.0
    for atom, code in compress(zip(table.atoms, codes, strict=True), analog):
        quantity = _quantity(atom)
        size = 0.0 if quantity is None else float(np.ptp(quantity))
        grown = max(grown, float(np.ptp(code)) / size if size else 0.0)
    return grown


def _candidates(table: Expansion, analog: Sequence[bool]) -> Iterator[list[Float[np.ndarray, " _"]]]:
    whole = [size == len(atom.values) for atom, size in zip(table.atoms, table.places.shape, strict=True)]
    numbers = [_quantity(atom) if raw else atom.numbers for atom, raw in zip(table.atoms, analog, strict=True)]
    ordered = [
        _by_class(number, classes) if number is not None and each else _similar(table.places, axis)
        for axis, (number, classes, each) in enumerate(zip(numbers, table.classes, whole, strict=True))
    ]
    if any(number is not None and each for number, each in zip(numbers, whole, strict=True)):
        for signs in product((1.0, -1.0), repeat=len(ordered) - 1):
            yield [sign * number for sign, number in zip((1.0, *signs), ordered, strict=True)]
    codes = [
        number if raw and number is not None else _similar(table.places, axis)
        for axis, (number, raw) in enumerate(zip(numbers, analog, strict=True))
    ]
    for order in permutations(range(len(codes))):
        yield _lexicographic(codes, order)


def _by_class(numbers: Float[np.ndarray, " value"], classes: Int[np.ndarray, " value"]) -> Float[np.ndarray, " class"]:
    arranged = np.empty(len(numbers))
    arranged[classes] = numbers
    return arranged


def _quantity(atom: IRNode) -> Float[np.ndarray, " value"] | None:
    """What attention leaves for each value, if it is one number."""
    table = atom.raw_table()
    if table is None and isinstance(atom, Affine):
        return atom.numbers
    return table[:, 0] if table is not None and table.shape[1] == 1 else None


def _similar(places: Int[np.ndarray, "..."], axis: int) -> Float[np.ndarray, " class"]:
    """A number for each class of an axis, such that similar ones are near each other."""
    slices = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    return np.unique(slices, axis=0, return_inverse=True)[1].reshape(-1).astype(float)


def _lexicographic(codes: Sequence[Float[np.ndarray, " _"]], order: Sequence[int]) -> list[Float[np.ndarray, " _"]]:
    """The codes with weights, powers of two, that make their sum compare by the last of ``order`` first."""
    weighted = list(codes)
    extent, smallest = 0.0, 1.0
    for number, axis in enumerate(order):
        distinct = np.unique(codes[axis])
        gap = float(np.diff(distinct).min(initial=1.0))
        weight = 1.0 if not number else power_above((extent + smallest) / gap)
        smallest = gap if not number else smallest
        weighted[axis] = weight * codes[axis]
        extent += weight * float(distinct[-1] - distinct[0])
    return weighted
