"""What is known of the residual stream: for each variable its ideal contents, and how far the stored ones can be off.

This is the state that the induction over sublayers carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.claims import Quantity
from tracrlab.model.labels import ModelVariable
from tracrlab.shapes import Bool, Float, Int

_SAME = 1e-12  # ideal numbers that differ by less, relatively, are the same number rounded in different ways


class Unproven(Exception):
    """A component cannot be shown to do what it is claimed to do; ``args[0]`` says why."""


class Violated(Unproven):
    """A component's weights do not do what is claimed."""


@dataclass(frozen=True, eq=False)
class Deviation:
    """How far the stored contents of a variable can be from the ideal ones, dimension by dimension.

    For ideal contents in ``rows`` it is at most the row of ``errors``; if there are rows, nothing else is ever
    stored. Without them it is at most ``base`` plus ``relative`` times the size of the ideal.
    """

    base: Float[np.ndarray, " width"]
    relative: Float[np.ndarray, " width"]
    rows: Float[np.ndarray, "row width"] | None = None
    errors: Float[np.ndarray, "row width"] | None = None

    def at(self, contents: Float[np.ndarray, "value width"]) -> Float[np.ndarray, "value width"]:
        """The bound for each of several ideal contents."""
        if self.rows is None or self.errors is None:
            uniform: np.ndarray = self.base + self.relative * np.abs(contents)
            return uniform
        which = _nearest_rows(self.rows, contents)
        errors = np.where(which[:, None] < 0, self.base, self.errors[which])
        differences = np.where(which[:, None] < 0, 0.0, np.abs(self.rows[which] - contents))
        bounds: np.ndarray = errors + differences
        return bounds

    def at_number(self, numbers: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """The bound for the first dimension where it holds these numbers."""
        if self.rows is None or self.errors is None:
            uniform: np.ndarray = self.base[0] + self.relative[0] * np.abs(numbers)
            return uniform
        bounds = np.full(len(numbers), self.base[0])
        order = np.argsort(self.rows[:, 0], kind="stable")
        firsts, errors = self.rows[order, 0], self.errors[order, 0]
        starts, ends = np.searchsorted(firsts, numbers, "left"), np.searchsorted(firsts, numbers, "right")
        for place in np.flatnonzero(ends > starts).tolist():
            bounds[place] = errors[starts[place] : ends[place]].max()
        return bounds

    def covers(self, contents: Float[np.ndarray, "value width"]) -> bool:
        """Whether everything that can be stored is among these contents."""
        return self.rows is None or bool((_nearest_rows(contents, self.rows) >= 0).all())


def table_deviation(rows: Float[np.ndarray, "row width"], errors: Float[np.ndarray, "row width"]) -> Deviation:
    """The deviation of a variable that holds one of some rows; rows that are equal have the larger error."""
    worst: dict[bytes, np.ndarray] = {}
    first: dict[bytes, np.ndarray] = {}
    for key, row, error in zip(_keys(rows), rows, errors, strict=True):
        worst[key] = np.maximum(worst[key], error) if key in worst else error
        first.setdefault(key, row)
    width = rows.shape[1]
    distinct, bounds = np.array(list(first.values())), np.array(list(worst.values()))
    shape = (len(first), width)
    bounds = bounds.reshape(shape)
    return Deviation(bounds.max(axis=0, initial=0.0), np.zeros(width), distinct.reshape(shape), bounds)


def _nearest_rows(
    rows: Float[np.ndarray, "row width"], others: Float[np.ndarray, "other width"]
) -> Int[np.ndarray, " other"]:
    """For each of the other rows the place of the same one among ``rows``, or of one equal up to rounding; -1: none."""
    known = {key: place for place, key in enumerate(_keys(rows))}
    which = np.array([known.get(key, -1) for key in _keys(others)], int)
    scale = float(max(np.abs(rows).max(initial=0), np.abs(others).max(initial=0)))
    for place in np.flatnonzero(which < 0).tolist() if len(rows) else []:
        distances = np.abs(rows - others[place]).max(axis=1, initial=0)
        nearest = int(distances.argmin())
        if distances[nearest] <= _SAME * scale:
            which[place] = nearest
    return which


def _keys(rows: Float[np.ndarray, "row width"]) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(rows + 0.0)]  # -0.0 is 0.0


@dataclass(frozen=True, eq=False)
class Held:
    """A variable that has been written.

    ``constant`` is its content if that is the same at all positions but BOS; ``at_bos`` what it holds there, up to
    ``bos_error``. ``proven`` is false if nothing is known of it. ``imbalance``, with a layer norm: how far the sum of
    what is stored and of what is written to the balance can be from zero. ``exact_at_bos``: in which dimensions exactly
    ``at_bos`` was written at BOS, before any norm.
    """

    entry: ModelVariable
    deviation: Deviation
    at_bos: Float[np.ndarray, " width"]
    bos_error: Float[np.ndarray, " width"]
    constant: Float[np.ndarray, " width"] | None = None
    proven: bool = True
    imbalance: float = 0.0
    exact_at_bos: Bool[np.ndarray, " width"] | None = None


Stream = Mapping[str, Held]


@dataclass(frozen=True, eq=False)
class AddedUp:
    """Sums of several dimensions: the total ``sizes`` of their terms, and how many there are at most.

    All terms are multiples of 2 to the ``grain``, which may be unknown; ``powers``: the weights on them are powers of
    two, so that products do not round.
    """

    sizes: Float[np.ndarray, "value dimension"]
    count: int
    grain: int
    powers: bool


@dataclass(frozen=True, eq=False)
class Contents:
    """Some dimensions of the stream, their ideal contents for each value of a quantity, and bounds on the errors.

    They are numbers of the format but where they stand for sums that are only formed as they are read: ``added_up``.
    """

    dimensions: Int[np.ndarray, " dimension"]
    ideal: Float[np.ndarray, "value dimension"]
    error: Float[np.ndarray, "value dimension"]
    added_up: AddedUp | None = None


def contents_read(
    stream: Stream, quantities: Sequence[Quantity], matrix: Float[np.ndarray, "d_model feature"]
) -> tuple[Contents, ...]:
    """The contents of the dimensions that a matrix reads: by quantity, and last those that never change.

    Raises:
        Unproven: some dimension is of a variable about which nothing is known.
    """
    found: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in (*quantities, None)]
    needed = _read_dimensions(matrix)
    covered = np.zeros_like(needed)
    for name, held in stream.items():
        own = held.entry.dimensions
        covered[own] = True
        inside = needed[own]
        if not inside.any():
            continue
        if not held.proven:
            raise Unproven(f"it reads {name}, which is not proven")
        place, ideal = _determined(name, held, quantities)
        dimensions = np.arange(own.start, own.stop)[inside]
        found[place].append((dimensions, ideal[:, inside], held.deviation.at(ideal)[:, inside]))
    if (needed & ~covered).any():
        raise Violated(f"it reads dimension {int((needed & ~covered).argmax())} while nothing is kept there")
    sizes = [*(quantity.size for quantity in quantities), 1]
    return tuple(_joined(parts, size) for parts, size in zip(found, sizes, strict=True))


def contents_at_bos(stream: Stream, matrix: Float[np.ndarray, "d_model feature"]) -> Contents:
    """The contents of the dimensions that a matrix reads, at the BOS position."""
    needed, parts = _read_dimensions(matrix), []
    for held in stream.values():
        own = held.entry.dimensions
        inside = needed[own]
        if inside.any():
            dimensions = np.arange(own.start, own.stop)[inside]
            parts.append((dimensions, held.at_bos[None, inside], held.bos_error[None, inside]))
    return _joined(parts, 1)


def _read_dimensions(matrix: Float[np.ndarray, "d_model feature"]) -> Bool[np.ndarray, " d_model"]:
    read: np.ndarray = np.asarray((matrix != 0).any(axis=1))
    return read


def _determined(name: str, held: Held, quantities: Sequence[Quantity]) -> tuple[int, np.ndarray]:
    """Which quantity determines a variable (the last place: none, it never changes), and its ideal contents."""
    places = [place for place, quantity in enumerate(quantities) if name in quantity.contents]
    if len(places) > 1:
        raise Unproven(f"its claim says twice what {name} holds")
    if places:
        ideal = np.asarray(quantities[places[0]].contents[name], float)
        if not held.deviation.covers(ideal):
            raise Unproven(f"its claim leaves out something that {name} can hold")
        return places[0], ideal
    if held.constant is None:
        raise Unproven(f"it reads {name}, about which its claim says nothing")
    return len(quantities), held.constant[None, :]


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], size: int) -> Contents:
    if not parts:
        return Contents(np.zeros(0, int), np.zeros((size, 0)), np.zeros((size, 0)))
    dimensions, ideal, error = zip(*parts, strict=True)
    return Contents(np.concatenate(dimensions), np.concatenate(ideal, axis=1), np.concatenate(error, axis=1))


def without_repeats(quantities: Sequence[Quantity]) -> tuple[tuple[Quantity, ...], tuple[int, ...]]:
    """The quantities, those that hold the same once, and for each its place among them."""
    distinct: list[Quantity] = []
    places = []
    for quantity in quantities:
        same = [place for place, other in enumerate(distinct) if _same(quantity, other)]
        places.append(same[0] if same else len(distinct))
        if not same:
            distinct.append(quantity)
    return tuple(distinct), tuple(places)


def _same(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities have the same values: some variable tells all of them apart, and is the same in both."""
    if one.size != other.size or one.contents.keys() != other.contents.keys() or not one.contents:
        return one is other
    equal = all(np.array_equal(table, other.contents[name]) for name, table in one.contents.items())
    return equal and any(len(set(_keys(table))) == one.size for table in one.contents.values())
