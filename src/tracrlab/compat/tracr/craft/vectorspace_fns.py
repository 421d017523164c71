"""Linear and bilinear functions of vectors over labelled directions."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

import numpy as np

from tracrlab.compat.tracr.craft.bases import (
    BasisDirection,
    VectorInBasis,
    VectorSpaceWithBasis,
    join_vector_spaces,
)

__all__ = ["BasisDirection", "Linear", "ScalarBilinear", "VectorFunction", "VectorInBasis", "VectorSpaceWithBasis"]


class VectorFunction(abc.ABC):
    """A function from one labelled space to another."""

    input_space: VectorSpaceWithBasis
    output_space: VectorSpaceWithBasis

    @abc.abstractmethod
    def __call__(self, x: VectorInBasis) -> VectorInBasis:
        """The value at a vector of the input space."""


class Linear(VectorFunction):
    """``x @ matrix``; ``matrix`` has shape ``[input direction, output direction]``."""

    def __init__(
        self, input_space: VectorSpaceWithBasis, output_space: VectorSpaceWithBasis, matrix: np.ndarray
    ) -> None:
        if matrix.shape != (input_space.num_dims, output_space.num_dims):
            raise ValueError(
                f"a matrix from {input_space.num_dims} to {output_space.num_dims} directions cannot be {matrix.shape}"
            )
        self.input_space = input_space
        self.output_space = output_space
        self.matrix = matrix

    def __call__(self, x: VectorInBasis) -> VectorInBasis:
        """The value at a vector of the input space.

        Raises:
            TypeError: the vector is of another space.
        """
        if x not in self.input_space:
            raise TypeError(f"x={x} not in self.input_space={self.input_space}")
        return self.output_space.make_vector(x.magnitudes @ self.matrix)

    @classmethod
    def from_action(
        cls,
        input_space: VectorSpaceWithBasis,
        output_space: VectorSpaceWithBasis,
        action: Callable[[BasisDirection], VectorInBasis],
    ) -> Linear:
        """The linear function that does this to the directions of its input."""
        rows = [action(direction).project(output_space).magnitudes for direction in input_space.basis]
        return cls(input_space, output_space, np.array(rows).reshape(input_space.num_dims, output_space.num_dims))

    @classmethod
    def combine_in_parallel(cls, fns: Sequence[Linear]) -> Linear:
        """The sum of linear functions, each read from its own part of the joint input."""
        joint_input = join_vector_spaces(*(fn.input_space for fn in fns))
        joint_output = join_vector_spaces(*(fn.output_space for fn in fns))
        rows, columns = joint_input.index_by_direction, joint_output.index_by_direction
        matrix = np.zeros((joint_input.num_dims, joint_output.num_dims))
        for fn in fns:
            where = np.ix_([rows[d] for d in fn.input_space.basis], [columns[d] for d in fn.output_space.basis])
            matrix[where] += fn.matrix
        return cls(joint_input, joint_output, matrix)


def project(from_space: VectorSpaceWithBasis, to_space: VectorSpaceWithBasis) -> Linear:
    """The projection of one space to another: directions in both are kept, others dropped.

    A direction in only one of them is taken for the direction of the other that prints alike, so that a space parsed
    from labels, in which ``"1"`` has become ``1``, is still the space it was.
    """
    exact = to_space.index_by_direction
    known = from_space.basis_set
    by_text = {str(direction): place for direction, place in exact.items() if direction not in known}
    matrix = np.zeros((from_space.num_dims, to_space.num_dims))
    for row, direction in enumerate(from_space.basis):
        column = exact.get(direction, by_text.get(str(direction)))
        if column is not None:
            matrix[row, column] = 1
    return Linear(from_space, to_space, matrix)


class ScalarBilinear:
    """``x @ matrix @ y``; ``matrix`` has shape ``[left direction, right direction]``."""

    def __init__(self, left_space: VectorSpaceWithBasis, right_space: VectorSpaceWithBasis, matrix: np.ndarray) -> None:
        if matrix.shape != (left_space.num_dims, right_space.num_dims):
            raise ValueError(
                f"a form on {left_space.num_dims} and {right_space.num_dims} directions cannot be {matrix.shape}"
            )
        self.left_space = left_space
        self.right_space = right_space
        self.matrix = matrix

    def __call__(self, x: VectorInBasis, y: VectorInBasis) -> np.ndarray:
        """The value at a left and a right vector.

        Raises:
            TypeError: a vector is of another space.
        """
        if x not in self.left_space:
            raise TypeError(f"x={x} not in self.left_space={self.left_space}")
        if y not in self.right_space:
            raise TypeError(f"y={y} not in self.right_space={self.right_space}")
        return np.asarray(x.magnitudes @ self.matrix @ y.magnitudes)

    @classmethod
    def from_action(
        cls,
        left_space: VectorSpaceWithBasis,
        right_space: VectorSpaceWithBasis,
        action: Callable[[BasisDirection, BasisDirection], float],
    ) -> ScalarBilinear:
        """The bilinear form with these values at pairs of directions."""
        values = [[action(left, right) for right in right_space.basis] for left in left_space.basis]
        return cls(left_space, right_space, np.array(values, float).reshape(left_space.num_dims, right_space.num_dims))
