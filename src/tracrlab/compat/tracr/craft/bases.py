"""Labelled directions, and vectors and spaces over them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tracrlab.rasp.values import Ratio, plain_value, value_key

Name = int | str
Value = Any


@dataclass(frozen=True, eq=False)
class BasisDirection:
    """One direction: the ``value`` of a variable called ``name``, or the number it holds if ``value`` is ``None``.

    Directions are ordered by name, then by value: numbers ascending, then everything else by its text. A text that
    reads as a number is ordered as one, and ``"None"`` after all others, so that directions parsed back from labels
    keep their order.
    """

    name: Name
    value: Value | None = None

    def __str__(self) -> str:
        return str(self.name) if self.value is None else f"{self.name}:{self.value}"

    def __lt__(self, other: BasisDirection) -> bool:
        return self._order < other._order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BasisDirection) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> Any:
        return self.name, value_key(float(self.value) if isinstance(self.value, Ratio) else plain_value(self.value))

    @cached_property
    def _order(self) -> tuple[str, int, float, str]:
        text = str(self.value)
        number = _number(text)
        if self.value is None:
            return str(self.name), 0, 0.0, ""
        if text == "None":
            return str(self.name), 3, 0.0, ""
        return (str(self.name), 2, 0.0, text) if number is None else (str(self.name), 1, number, text)


class NoneDirection(BasisDirection):
    """The direction that stands for the answer ``None`` of a variable: ``name:None``, after all its values.

    Its value is ``None``. It is another direction than the one that holds a number, which is called by the bare name.
    """

    def __str__(self) -> str:
        return f"{self.name}:None"

    @cached_property
    def _identity(self) -> Any:
        return self.name, type(self)

    @cached_property
    def _order(self) -> tuple[str, int, float, str]:
        return str(self.name), 4, 0.0, ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


class _Places(dict[BasisDirection, int]):
    """The place of each direction; one that is not there stands for the only one whose value is equal in Python.

    So ``1`` finds ``1.0`` or ``True``, but each of them itself where there are several.
    """

    def __init__(self, directions: Sequence[BasisDirection]) -> None:
        super().__init__((direction, place) for place, direction in enumerate(directions))

    def __contains__(self, direction: object) -> bool:
        return super().__contains__(direction) or len(self._equal(direction)) == 1

    def __missing__(self, direction: BasisDirection) -> int:
        equal = self._equal(direction)
        if len(equal) != 1:
            raise KeyError(direction)
        return equal[0]

    def _equal(self, direction: object) -> list[int]:
        if not isinstance(direction, BasisDirection) or isinstance(direction, NoneDirection):
            return []
        return [
            place
            for own, place in self.items()
            if type(own) is type(direction) and own.name == direction.name and own.value == direction.value
        ]


class VectorInBasis:
    """Vectors over named directions: ``magnitudes`` of shape ``[..., direction]``. Directions are kept sorted."""

    def __init__(
        self, basis_directions: Sequence[BasisDirection], magnitudes: Any, _basis_is_sorted: bool = False
    ) -> None:
        directions = list(basis_directions)
        array = np.asarray(magnitudes)
        if array.shape[-1] != len(directions):
            raise ValueError(
                "Last dimension of magnitudes must be the same as number of basis directions: "
                f"{array.shape} for {len(directions)}"
            )
        order = range(len(directions)) if _basis_is_sorted else sorted_places(directions)
        self.basis_directions = [directions[place] for place in order]
        self.magnitudes = array[..., list(order)]

    @property
    def basis_set(self) -> set[BasisDirection]:
        """The directions as a set."""
        return set(self.basis_directions)

    @cached_property
    def index_by_direction(self) -> dict[BasisDirection, int]:
        """The place of each direction in ``magnitudes``."""
        return _Places(self.basis_directions)

    def copy_with_new_magnitudes(self, new_magnitudes: Any) -> VectorInBasis:
        """Other vectors over the same directions."""
        return VectorInBasis(self.basis_directions, new_magnitudes, _basis_is_sorted=True)

    def project(self, basis_container: VectorSpaceWithBasis | Sequence[BasisDirection]) -> VectorInBasis:
        """The part of the vectors in these directions; zero in directions they do not have."""
        wanted = basis_container.basis if isinstance(basis_container, VectorSpaceWithBasis) else list(basis_container)
        projected = np.zeros((*self.magnitudes.shape[:-1], len(wanted)), self.magnitudes.dtype)
        for place, direction in enumerate(wanted):
            if direction in self.index_by_direction:
                projected[..., place] = self.magnitudes[..., self.index_by_direction[direction]]
        return VectorInBasis(wanted, projected)

    def add_directions(self, vector: VectorInBasis) -> VectorInBasis:
        """The sum with a vector in a subspace.

        Raises:
            TypeError: the other has directions that this one does not have.
        """
        if not vector.basis_set <= self.basis_set:
            raise TypeError(f"Adding incompatible bases: {vector.basis_set - self.basis_set} are no directions here")
        return self + vector.project(self.basis_directions)

    @classmethod
    def sum(cls, vectors: Sequence[VectorInBasis]) -> VectorInBasis:
        """The sum of vectors over the same directions."""
        total, *others = vectors
        for vector in others:
            total = total + vector
        return total

    @classmethod
    def stack(cls, vectors: Sequence[VectorInBasis], axis: int = 0) -> VectorInBasis:
        """Vectors over the same directions, stacked along a new axis."""
        for vector in vectors[1:]:
            vectors[0]._check_same_basis(vector)
        return vectors[0].copy_with_new_magnitudes(np.stack([vector.magnitudes for vector in vectors], axis))

    def __add__(self, other: VectorInBasis) -> VectorInBasis:
        self._check_same_basis(other)
        return self.copy_with_new_magnitudes(self.magnitudes + other.magnitudes)

    def __sub__(self, other: VectorInBasis) -> VectorInBasis:
        self._check_same_basis(other)
        return self.copy_with_new_magnitudes(self.magnitudes - other.magnitudes)

    def __mul__(self, scalar: float) -> VectorInBasis:
        return self.copy_with_new_magnitudes(self.magnitudes * scalar)

    __rmul__ = __mul__

    def __truediv__(self, scalar: float) -> VectorInBasis:
        return self.copy_with_new_magnitudes(self.magnitudes / scalar)

    def __neg__(self) -> VectorInBasis:
        return self.copy_with_new_magnitudes(-self.magnitudes)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, VectorInBasis)
            and self.basis_directions == other.basis_directions
            and np.array_equal(self.magnitudes, other.magnitudes)
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"VectorInBasis({[str(direction) for direction in self.basis_directions]}, {self.magnitudes!r})"

    def _check_same_basis(self, other: VectorInBasis) -> None:
        if self.basis_directions != other.basis_directions:
            raise TypeError(f"Adding incompatible bases: {self} + {other}")


def sorted_places(directions: Sequence[BasisDirection]) -> list[int]:
    """The places of the directions in ascending order of these."""
    return sorted(range(len(directions)), key=lambda place: directions[place])


@dataclass
class VectorSpaceWithBasis:
    """A vector space with a basis of named directions, which is kept sorted."""

    basis: Sequence[BasisDirection]

    def __post_init__(self) -> None:
        self.basis = sorted(self.basis)

    def __contains__(self, item: VectorInBasis | BasisDirection) -> bool:
        if isinstance(item, BasisDirection):
            return item in self.index_by_direction
        return item.basis_set == self.basis_set

    __hash__ = object.__hash__

    @property
    def num_dims(self) -> int:
        """The number of directions."""
        return len(self.basis)

    @property
    def basis_set(self) -> set[BasisDirection]:
        """The directions as a set."""
        return set(self.basis)

    @property
    def index_by_direction(self) -> dict[BasisDirection, int]:
        """The place of each direction in the basis."""
        return _Places(self.basis)

    def issubspace(self, other: VectorSpaceWithBasis) -> bool:
        """Whether all directions of this space are directions of the other."""
        return self.basis_set <= other.basis_set

    def make_vector(self, magnitudes: Any) -> VectorInBasis:
        """Vectors of this space, with magnitudes in the order of the basis."""
        return VectorInBasis(self.basis, magnitudes, _basis_is_sorted=True)

    def basis_vectors(self) -> Sequence[VectorInBasis]:
        """A unit vector for each direction."""
        return [self.make_vector(row) for row in np.eye(self.num_dims)]

    def vector_from_basis_direction(self, basis_direction: BasisDirection) -> VectorInBasis:
        """The unit vector in a direction of this space."""
        return self.make_vector(np.eye(self.num_dims)[self.index_by_direction[basis_direction]])

    def null_vector(self) -> VectorInBasis:
        """The zero vector."""
        return self.make_vector(np.zeros(self.num_dims))

    @classmethod
    def from_names(cls, names: Sequence[Name]) -> VectorSpaceWithBasis:
        """The space of variables that hold a number each."""
        return cls([BasisDirection(name) for name in names])

    @classmethod
    def from_values(cls, name: Name, values: Iterable[Value]) -> VectorSpaceWithBasis:
        """The space of a variable with one direction a value."""
        return cls([BasisDirection(name, value) for value in values])


def direct_sum(*vs: VectorSpaceWithBasis) -> VectorSpaceWithBasis:
    """The space of all directions of disjoint spaces.

    Raises:
        ValueError: two spaces share a direction.
    """
    directions = [direction for space in vs for direction in space.basis]
    if len(set(directions)) < len(directions):
        raise ValueError("Overlapping bases!")
    return VectorSpaceWithBasis(directions)


def join_vector_spaces(*vs: VectorSpaceWithBasis) -> VectorSpaceWithBasis:
    """The space of all directions of some spaces, which may overlap."""
    return VectorSpaceWithBasis(list({direction for space in vs for direction in space.basis}))


def ensure_dims(vs: VectorSpaceWithBasis, num_dims: int, name: str = "vector space") -> None:
    """Check the dimension of a space.

    Raises:
        ValueError: it is another.
    """
    if vs.num_dims != num_dims:
        raise ValueError(f"{name} must have num_dims={num_dims}, but got {vs.num_dims}: {vs.basis}")
