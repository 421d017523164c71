"""MLPs that read a number: sums of steps, and linear combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np

from tracrlab.compat.tracr.craft import bases, transformers, vectorspace_fns
from tracrlab.compat.tracr.utils import errors


def map_numerical_mlp(
    f: Callable[[float], float],
    input_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    input_value_set: Iterable[float],
    one_space: bases.VectorSpaceWithBasis,
    large_number: float = 100,
    hidden_name: bases.Name = "__hidden__",
) -> transformers.MLP:
    """An MLP that writes ``f`` of a number, which is one of ``input_value_set``; 0 where ``f`` divides by zero.

    Between two values there is a step of slope ``large_number``, so values must lie further apart than its inverse.

    Raises:
        ValueError: the input, output or ``one`` has more than one direction.
    """
    bases.ensure_dims(output_space, 1, "output_space")

    def write(number: float | None) -> np.ndarray:
        return np.array([0.0 if number is None else float(number)])

    return _steps(f, write, input_space, output_space, input_value_set, one_space, large_number, hidden_name)


def map_numerical_to_categorical_mlp(
    f: Callable[[float], float],
    input_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    input_value_set: Iterable[float],
    one_space: bases.VectorSpaceWithBasis,
    large_number: float = 100,
    hidden_name: bases.Name = "__hidden__",
) -> transformers.MLP:
    """The same for an output with a direction for each value of ``f``; values without a direction write nothing."""
    place = {direction.value: number for number, direction in enumerate(output_space.basis)}

    def write(value: float | None) -> np.ndarray:
        written = np.zeros(output_space.num_dims)
        if value in place:
            written[place[value]] = 1
        return written

    return _steps(f, write, input_space, output_space, input_value_set, one_space, large_number, hidden_name)


def linear_sequence_map_numerical_mlp(
    input1_basis_direction: bases.BasisDirection,
    input2_basis_direction: bases.BasisDirection,
    output_basis_direction: bases.BasisDirection,
    input1_factor: float,
    input2_factor: float,
    hidden_name: bases.Name = "__hidden__",
) -> transformers.MLP:
    """An MLP that writes ``input1_factor * input1 + input2_factor * input2``: two neurons for each, one a sign."""
    terms = ((input1_basis_direction, input1_factor), (input2_basis_direction, input2_factor))
    input_space = bases.join_vector_spaces(*(bases.VectorSpaceWithBasis([direction]) for direction, _ in terms))
    hidden = bases.VectorSpaceWithBasis.from_values(hidden_name, range(4))
    reads, writes = np.zeros((input_space.num_dims, 4)), np.zeros((4, 1))
    for number, (direction, factor) in enumerate(terms):
        reads[input_space.index_by_direction[direction], [2 * number, 2 * number + 1]] = 1, -1
        writes[[2 * number, 2 * number + 1], 0] = factor, -factor
    output_space = bases.VectorSpaceWithBasis([output_basis_direction])
    fst = vectorspace_fns.Linear(input_space, hidden, reads)
    return transformers.MLP(fst, vectorspace_fns.Linear(hidden, output_space, writes))


def _steps(
    f: Callable[[float], float],
    write: Callable[[float | None], np.ndarray],
    input_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    values: Iterable[float],
    one_space: bases.VectorSpaceWithBasis,
    slope: float,
    hidden_name: bases.Name,
) -> transformers.MLP:
    """The first result, held by a neuron that is always 1, and a step of two neurons to each result after it."""
    bases.ensure_dims(input_space, 1, "input_space")
    bases.ensure_dims(one_space, 1, "one_space")
    ordered = sorted(values)
    results = [write(errors.ignoring_arithmetic_errors(f)(value)) for value in ordered]
    thresholds = [(low + high) / 2 for low, high in pairwise(ordered)]
    n_neurons = 1 + 2 * len(thresholds)
    hidden = bases.VectorSpaceWithBasis.from_values(hidden_name, range(n_neurons))
    from_number, from_one, writes = _step_weights(results, thresholds, slope)
    joint = bases.direct_sum(input_space, one_space)
    reads = np.zeros((2, n_neurons))
    reads[joint.index_by_direction[input_space.basis[0]]] = from_number
    reads[joint.index_by_direction[one_space.basis[0]]] = from_one
    fst = vectorspace_fns.Linear(joint, hidden, reads)
    return transformers.MLP(fst, vectorspace_fns.Linear(hidden, output_space, writes))


def _step_weights(
    results: Sequence[np.ndarray], thresholds: Sequence[float], slope: float
) -> tuple[list[float], list[float], np.ndarray]:
    """What each neuron reads from the number and from the constant 1, and what it writes.

    A step is ``relu(slope * (x - t) + 1/2) - relu(slope * (x - t) - 1/2)``.
    """
    from_number, from_one, writes = [0.0], [1.0], [results[0]]
    for threshold, before, after in zip(thresholds, results, results[1:], strict=False):
        from_number += [slope, slope]
        from_one += [0.5 - slope * threshold, -0.5 - slope * threshold]
        writes += [after - before, before - after]
    return from_number, from_one, np.array(writes)
