"""The claims of faithful mode: components are functions of the variables that they read."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from tracrlab.craft.claims import IMPOSSIBLE, HeadClaim, MLPClaim, NumberClaim, PredicateClaim, Quantity, View
from tracrlab.craft.heads import Scores
from tracrlab.craft.neurons import Neurons
from tracrlab.craft.spaces import Layout, Variable, nearest
from tracrlab.shapes import Float, Int

MAX_COMBINATIONS = 2**22
_TOLERANCE = 1e-9


def contents(variable: Variable) -> Float[np.ndarray, "value width"]:
    """The ideal contents of a variable for each value, ``None`` last if it can occur."""
    return np.concatenate([variable.table, np.zeros((int(variable.nullable), variable.width))])


def variable_quantity(variable: Variable) -> Quantity:
    """The quantity that a variable holds."""
    return Quantity(len(variable.values) + variable.nullable, {variable.name: contents(variable)})


def same_value_claim(source: Variable, target: Variable) -> MLPClaim:
    """That an MLP writes the value of one variable, in another layout, to another."""
    places = np.arange(len(source.values) + source.nullable)
    return MLPClaim(target.name, (variable_quantity(source),), View((0,), places), contents(target))


def table_claim(
    target: Variable,
    inputs: Sequence[Sequence[Variable]],
    places: Int[np.ndarray, "..."],
    results: Float[np.ndarray, "result width"],
    neurons: Neurons,
) -> MLPClaim | None:
    """That an MLP writes the row of ``results`` at ``places`` for each combination of values of its inputs.

    ``inputs`` are, for each axis, variables in any layout that hold it; those that are read count. The last row of
    ``results`` is for ``None``.
    """
    read = {each.variable.name for each in neurons.reads}
    quantities = []
    for axis, variables in enumerate(inputs):
        sizes = {len(variable.values) + variable.nullable for variable in variables}
        missing = max(sizes) - places.shape[axis]
        places = np.pad(
            places, [(0, missing if other == axis else 0) for other in range(places.ndim)], constant_values=-1
        )
        held = {variable.name: contents(variable) for variable in variables if variable.name in read}
        quantities.append(Quantity(places.shape[axis], held))
    if places.size > MAX_COMBINATIONS:
        return None
    numbers = tuple(range(len(inputs)))
    return MLPClaim(
        target.name, tuple(quantities), View(numbers, np.where(places < 0, len(results) - 1, places)), results
    )


def linear_claim(
    target: Variable, inputs: Sequence[Variable], factors: Sequence[float], offset: float
) -> MLPClaim | NumberClaim:
    """That an MLP writes a sum of numbers with factors, plus an offset; sums that are no value of it do not occur.

    Where there are too many combinations of terms, the claim is about the sum alone.
    """
    sizes = [len(variable.values) for variable in inputs]
    if prod(sizes) > MAX_COMBINATIONS:
        reads: dict[str, Float[np.ndarray, " _"]] = {}
        for variable, factor in zip(inputs, factors, strict=True):
            column = variable.numbers if variable.layout is Layout.ONE_HOT else np.eye(variable.width)[0]
            reads[variable.name] = reads.get(variable.name, 0.0) + factor * column
        return NumberClaim(target.name, tuple(reads.items()), target.numbers - offset, target.table)
    total = np.array(offset)
    for variable, factor in zip(inputs, factors, strict=True):
        total = np.add.outer(total, factor * variable.numbers)
    places = nearest(target.numbers, total.reshape(-1)).reshape(total.shape)
    off = np.abs(target.numbers[places] - total) > _TOLERANCE * np.maximum(1.0, np.abs(total))
    view = View(tuple(range(len(inputs))), np.where(off, IMPOSSIBLE, places))
    return MLPClaim(target.name, tuple(map(variable_quantity, inputs)), view, target.table)


def head_claim(
    target: Variable,
    kind: Literal["copy", "mean", "total", "share"],
    scores: Scores,
    source: Variable | None,
    results: Float[np.ndarray, "result width"],
    default: Float[np.ndarray, " width"],
    widths: range,
) -> HeadClaim:
    """That a head attends where its predicates hold and writes ``results`` of the value of ``source`` there."""
    queries = tuple(variable_quantity(predicate.queries) for predicate in scores.predicates)
    keys = tuple(variable_quantity(predicate.keys) for predicate in scores.predicates)
    claims = []
    for number, predicate in enumerate(scores.predicates):
        matrix = np.zeros((queries[number].size, keys[number].size), bool)  # None selects nothing, and is not selected
        matrix[: predicate.matrix.shape[0], : predicate.matrix.shape[1]] = predicate.matrix
        rows, columns = (View((number,), np.arange(size)) for size in matrix.shape)
        claims.append(PredicateClaim(rows, columns, matrix))
    values = () if source is None else (variable_quantity(source),)
    value = View((0,), np.arange(len(results))) if values else View((), np.zeros((), int))
    return HeadClaim(
        target.name, kind, queries, keys, tuple(claims), values, value, results, default, widths[0] >= 1, widths[-1]
    )
