"""MLPs that look one-hot values up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracrlab.compat.tracr.craft import bases, transformers, vectorspace_fns

ONE_SPACE = bases.VectorSpaceWithBasis.from_names(["one"])


def map_categorical_mlp(
    input_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    operation: Callable[[bases.BasisDirection], bases.BasisDirection | None],
) -> transformers.MLP:
    """An MLP that takes each direction to another; to none where ``operation`` gives none of the output's.

    One neuron a direction of the output.
    """

    def action(direction: bases.BasisDirection) -> bases.VectorInBasis:
        image = operation(direction)
        if image is None or image not in output_space:
            return output_space.null_vector()
        return output_space.vector_from_basis_direction(image)

    fst = vectorspace_fns.Linear.from_action(input_space, output_space, action)
    return transformers.MLP(fst, vectorspace_fns.project(output_space, output_space))


def map_categorical_to_numerical_mlp(
    input_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    operation: Callable[[Any], float],
) -> transformers.MLP:
    """An MLP that writes a number for each value: one neuron for the positive numbers, one for the negative.

    Raises:
        ValueError: the output has more than one direction.
    """
    bases.ensure_dims(output_space, 1, "output_space")
    numbers = np.array([[float(operation(direction.value))] for direction in input_space.basis])
    hidden = bases.VectorSpaceWithBasis.from_values("__hidden__", [0, 1])
    fst = vectorspace_fns.Linear(input_space, hidden, np.hstack([numbers, -numbers]))
    return transformers.MLP(fst, vectorspace_fns.Linear(hidden, output_space, np.array([[1.0], [-1.0]])))


def sequence_map_categorical_mlp(
    input1_space: bases.VectorSpaceWithBasis,
    input2_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    operation: Callable[[bases.BasisDirection, bases.BasisDirection], bases.BasisDirection | None],
    one_space: bases.VectorSpaceWithBasis = ONE_SPACE,
    hidden_name: bases.Name = "__hidden__",
) -> transformers.MLP:
    """An MLP with a neuron for each pair of directions, which fires where both are 1.

    Raises:
        ValueError: the inputs share a direction.
    """
    if input1_space.basis_set & input2_space.basis_set:
        raise ValueError(f"Input spaces to a SequenceMap must be disjoint, but {input1_space} and {input2_space} meet")
    bases.ensure_dims(one_space, 1, "one_space")
    pairs = [(fst, snd) for fst in input1_space.basis for snd in input2_space.basis]
    hidden = bases.VectorSpaceWithBasis.from_values(hidden_name, range(len(pairs)))
    input_space = bases.direct_sum(input1_space, input2_space, one_space)
    rows, columns = input_space.index_by_direction, output_space.index_by_direction
    reads, writes = np.zeros((input_space.num_dims, len(pairs))), np.zeros((len(pairs), output_space.num_dims))
    reads[rows[one_space.basis[0]]] = -1
    for neuron, pair in enumerate(pairs):
        reads[[rows[direction] for direction in pair], neuron] = 1
        image = operation(*pair)
        if image in columns:
            writes[neuron, columns[image]] = 1
    fst = vectorspace_fns.Linear(input_space, hidden, reads)
    return transformers.MLP(fst, vectorspace_fns.Linear(hidden, output_space, writes))
