"""Labelled pieces of the residual stream: variables, their dimensions, and linear reads of them.

A *variable* owns an orthogonal block of dimensions. It is laid out one-hot (a dimension a value; all zero means
``None``), as a scalar (one dimension holding the number, and, if it can be ``None``, a second one holding 1 where
there is a value), or as a code (a few dimensions holding numbers that depend on the value, ``None`` being a value too).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tracrlab.craft.precision import Noise, NotSeparable
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Float, Int

_SHOWN = 8  # of the values that a code does not tell apart


class Layout(enum.Enum):
    """How a variable occupies dimensions."""

    ONE_HOT = "one-hot"
    SCALAR = "scalar"
    CODE = "code"


class Mark(enum.Enum):
    """What a dimension holds when it does not stand for a value."""

    NUMBER = "number"  # the number itself
    PRESENT = "present"  # 1 where a scalar has a value, 0 where it is None


@dataclass(frozen=True)
class Feature:
    """What a dimension of a code holds: a number that depends on the value, such as ``code²``."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class OneOf:
    """One of several values that a code does not tell apart, because nobody asks which; prints as ``1|2|3``."""

    values: tuple[Value, ...]

    def __repr__(self) -> str:
        shown = [repr(value) for value in self.values[:_SHOWN]]
        return "|".join(shown if len(self.values) <= _SHOWN else [*shown, f"… ({len(self.values)})"])


@dataclass(frozen=True)
class Dimension:
    """The label of one residual-stream dimension; prints as ``is_x:True``, or as ``is_x`` for a number."""

    variable: str
    value: Value | Mark | Feature = Mark.NUMBER

    def __str__(self) -> str:
        if self.value is Mark.NUMBER:
            return self.variable
        return f"{self.variable}:{self.value.value if isinstance(self.value, Mark) else self.value}"


@dataclass(frozen=True, eq=False)
class Variable:
    """A named value in the residual stream.

    Attributes: ``values`` the values it can take, in dimension order (one-hot) or ascending with equal numbers merged
    (scalar); ``nullable`` whether it can be ``None``; ``dimensions`` one label a dimension; ``at_bos`` the vector that
    stands in its dimensions at the BOS position; ``noise`` a bound on how far the stored vector is from the ideal one;
    ``codes``, for a code, the ideal vector of each value; ``ground``, where there is one, what its dimensions hold
    before it is written, as part of all vectors (see :mod:`tracrlab.craft.grounds`).
    """

    name: str
    layout: Layout
    values: tuple[Value, ...]
    nullable: bool
    dimensions: tuple[Dimension, ...]
    at_bos: Float[np.ndarray, " width"]
    noise: Noise = field(default_factory=Noise)
    codes: Float[np.ndarray, "values width"] | None = None
    ground: Float[np.ndarray, " width"] | None = None

    @property
    def width(self) -> int:
        """The number of dimensions."""
        return len(self.dimensions)

    @cached_property
    def numbers(self) -> Float[np.ndarray, " values"]:
        """The values as numbers; only for variables all of whose values are finite numbers."""
        return np.array([float(value) for value in self.values if is_finite_number(value)])

    @cached_property
    def places(self) -> dict[object, int]:
        """The place of each value in ``values``, by :func:`tracrlab.rasp.values.value_key`."""
        return {value_key(value): place for place, value in enumerate(self.values)}

    def vector(self, value: Value) -> Float[np.ndarray, " width"]:
        """The ideal encoding of a value; all zero for ``None``."""
        if self.codes is not None:
            code: np.ndarray = self.codes[self.places[value_key(value)]]
            return code
        vector = np.zeros(self.width)
        if value is None:
            return vector if self.ground is None else vector + self.ground
        if self.layout is Layout.ONE_HOT:
            vector[self.places[value_key(value)]] = 1
        elif is_finite_number(value):
            vector[0] = value
            vector[1:] = 1
        return vector if self.ground is None else vector + self.ground

    @property
    def table(self) -> Float[np.ndarray, "values width"]:
        """The ideal encodings of all values, in order."""
        if self.codes is not None:
            return self.codes
        if self.layout is Layout.ONE_HOT:
            return np.eye(self.width)
        table = np.ones((len(self.values), self.width))
        table[:, 0] = self.numbers
        return table if self.ground is None else table + self.ground

    def decode(self, vectors: Float[np.ndarray, "position width"]) -> list[Value]:
        """The value nearest to each stored vector."""
        if not self.values:
            return [None] * len(vectors)
        if self.codes is not None:
            distances = ((vectors[:, None, :] - self.codes) ** 2).sum(axis=2)
            return [self.values[place] for place in distances.argmin(axis=1).tolist()]
        if self.layout is Layout.ONE_HOT:
            places, present = vectors.argmax(axis=1), vectors.max(axis=1) > 0.5
        else:
            vectors = vectors if self.ground is None else vectors - self.ground
            places = nearest(self.numbers, vectors[:, 0])
            present = vectors[:, 1] > 0.5 if self.nullable else np.ones(len(vectors), bool)
        return [
            self.values[place] if there or not self.nullable else None
            for place, there in zip(places.tolist(), present.tolist(), strict=True)
        ]


def nearest(
    ascending: Float[np.ndarray, " values"], numbers: Float[np.ndarray, " position"]
) -> Int[np.ndarray, " position"]:
    """The place of the value nearest to each number; midpoints would round, or overflow."""
    above = np.searchsorted(ascending, numbers).clip(max=len(ascending) - 1)
    below = np.maximum(above - 1, 0)
    with np.errstate(over="ignore"):  # an infinite distance is the greater one
        return np.where(numbers - ascending[below] < ascending[above] - numbers, below, above)


def one_hot_variable(
    name: str, values: Sequence[Value], *, nullable: bool, at_bos: Value = None, noise: Noise | None = None
) -> Variable:
    """A variable with a dimension for each value; ``at_bos`` is the value that stands at the BOS position."""
    dimensions = tuple(Dimension(name, value) for value in values)
    variable = Variable(name, Layout.ONE_HOT, tuple(values), nullable, dimensions, np.zeros(len(dimensions)))
    return _finished(variable, at_bos, noise)


def scalar_variable(
    name: str, values: Sequence[Value], *, nullable: bool, at_bos: Value = None, noise: Noise | None = None
) -> Variable:
    """A variable that holds its number in one dimension, and in a second one whether it has a value, if nullable.

    Values that are the same number (``1``, ``1.0``, ``True``) are merged; the first of them stands for all.

    Raises:
        NotSeparable: two different integers are the same float.
    """
    merged: dict[float, Value] = {}
    for value in values:
        if is_finite_number(value) and merged.setdefault(float(value), value) != value:
            raise NotSeparable(merged[float(value)], value)
    ordered = tuple(merged[number] for number in sorted(merged))
    dimensions = (Dimension(name), Dimension(name, Mark.PRESENT)) if nullable else (Dimension(name),)
    variable = Variable(name, Layout.SCALAR, ordered, nullable, dimensions, np.zeros(len(dimensions)))
    return _finished(variable, at_bos, noise)


def code_variable(
    name: str,
    values: Sequence[Value],
    codes: Float[np.ndarray, "values width"],
    labels: Sequence[Value | Mark | Feature],
    at_bos: Float[np.ndarray, " width"],
    noise: Noise | None = None,
) -> Variable:
    """A variable that stores a row of ``codes`` for each value; values with equal rows become :class:`OneOf`."""
    rows, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    members: list[list[Value]] = [[] for _ in rows]
    for value, row in zip(values, which.reshape(-1).tolist(), strict=True):
        members[row].append(value)
    merged = tuple(each[0] if len(each) == 1 else OneOf(tuple(each)) for each in members)
    dimensions = tuple(Dimension(name, label) for label in labels)
    return Variable(name, Layout.CODE, merged, False, dimensions, at_bos, noise or Noise(), codes[first])


def grounded(variable: Variable, ground: Float[np.ndarray, " width"], noise: Noise) -> Variable:
    """The variable with something in its dimensions to which it is added, and the noise that it then has."""
    codes = None if variable.codes is None else variable.codes + ground
    return replace(variable, codes=codes, ground=ground, at_bos=variable.at_bos + ground, noise=noise)


def _finished(variable: Variable, at_bos: Value, noise: Noise | None) -> Variable:
    return Variable(
        variable.name,
        variable.layout,
        variable.values,
        variable.nullable,
        variable.dimensions,
        variable.vector(at_bos),
        noise or Noise(),
    )


@dataclass(frozen=True, eq=False)
class Read:
    """A linear read of a variable: ``vector @ matrix``; what the design calls a view."""

    variable: Variable
    matrix: Float[np.ndarray, "width features"]
