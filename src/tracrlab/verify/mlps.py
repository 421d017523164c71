"""Proofs that neurons compute what an MLP is claimed to compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.claims import MLPClaim, NumberClaim
from tracrlab.craft.formats import COARSEST, NumberFormat, content_grain, grain, is_power_of_two
from tracrlab.shapes import Float, Int
from tracrlab.verify.combinations import combinations, possible, seen
from tracrlab.verify.neurons import Hidden, hidden_of, written_errors
from tracrlab.verify.reads import UNKNOWN, Part
from tracrlab.verify.residual import (
    AddedUp,
    Contents,
    Stream,
    Unproven,
    Violated,
    contents_at_bos,
    contents_read,
    table_deviation,
    without_repeats,
)
from tracrlab.verify.written import WrittenVariable

MAX_WORK = 2**34  # combinations times neurons
_CHUNK = 2**18  # entries of an intermediate array: few enough to stay in a cache


@dataclass(frozen=True, eq=False)
class NeuronWeights:
    """The weights of the neurons that write a variable, as float64, and the format they compute in."""

    W_in: Float[np.ndarray, "d_model neuron"]
    W_out: Float[np.ndarray, "neuron width"]
    number_format: NumberFormat


def prove_mlp(
    claim: MLPClaim | NumberClaim,
    stream: Stream,
    weights: NeuronWeights,
    at_bos: Float[np.ndarray, " width"],
) -> WrittenVariable:
    """Show that neurons write what is claimed for all values of its quantities, and ``at_bos`` at BOS.

    Raises:
        Unproven: they read something that the claim does not speak of, or there is too much to check.
    """
    if isinstance(claim, MLPClaim):
        results, written = _of_quantities(claim, stream, weights)
    else:
        results, written = _of_number(claim, stream, weights)
    here = contents_at_bos(stream, weights.W_in)
    bos = written_errors(
        hidden_of([here], weights.W_in, weights.number_format),
        np.zeros((1, 1), int),
        at_bos[None, :],
        weights.W_out,
        weights.number_format,
    )
    return WrittenVariable(table_deviation(results, written), bos[0], len(results) + 1)


def _of_quantities(
    claim: MLPClaim, stream: Stream, weights: NeuronWeights
) -> tuple[Float[np.ndarray, "result width"], Float[np.ndarray, "result width"]]:
    quantities, places = without_repeats(claim.quantities)
    combined = combinations([quantity.size for quantity in quantities])
    results = seen(claim.view, places, combined)
    can_be = possible([results], len(combined))
    combined, results = combined[can_be], results[can_be]
    contents = contents_read(stream, quantities, weights.W_in)
    index = np.concatenate([combined, np.zeros((len(combined), 1), int)], axis=1)
    if weights.number_format.is_half:
        contents, index, results = _split_at_powers(contents, index, results)
    hidden = hidden_of(contents, weights.W_in, weights.number_format)
    number = _as_number(contents, weights, hidden, index, results)
    if number is not None:
        hidden, index, results = number
    if len(index) * len(weights.W_out) > MAX_WORK:
        raise Unproven(f"{len(index):,} combinations of values are too many for {len(weights.W_out):,} neurons")
    rows = claim.results[results]
    return rows, written_errors(hidden, index, rows, weights.W_out, weights.number_format)


def _split_at_powers(
    contents: Sequence[Contents], index: Int[np.ndarray, "combination part"], results: Int[np.ndarray, " combination"]
) -> tuple[tuple[Contents, ...], Int[np.ndarray, "case part"], Int[np.ndarray, " case"]]:
    """The same with two cases for each number that is stored beside a power of two: below it, and from it on.

    In each of them numbers of the format are as far apart as they are in one binade.
    """
    split = []
    for place, each in enumerate(contents):
        low, high = np.abs(each.ideal) - each.error, np.abs(each.ideal) + each.error
        powers = np.ldexp(0.5, np.frexp(high)[1])
        rows = np.flatnonzero(((low > 0) & (low < powers) & (powers < high)).all(axis=1))
        if each.ideal.shape[1] != 1 or not len(rows):
            split.append(each)
            continue
        ideal, error = (np.concatenate([part, part[rows]]) for part in (each.ideal, each.error))
        for kept, ends in (
            (rows, (low[rows], powers[rows])),
            (slice(len(each.ideal), None), (powers[rows], high[rows])),
        ):
            ideal[kept] = np.sign(each.ideal[rows]) * (ends[0] + ends[1]) / 2
            error[kept] = (ends[1] - ends[0]) / 2
        split.append(Contents(each.dimensions, ideal, error, each.added_up))
        upper = np.full(len(each.ideal), -1)
        upper[rows] = len(each.ideal) + np.arange(len(rows))
        twice = np.flatnonzero(upper[index[:, place]] >= 0)
        more = index[twice].copy()
        more[:, place] = upper[more[:, place]]
        index, results = np.concatenate([index, more]), np.concatenate([results, results[twice]])
    return tuple(split), index, results


def _as_number(
    contents: Sequence[Contents],
    weights: NeuronWeights,
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    results: Int[np.ndarray, " combination"],
) -> tuple[Hidden, Int[np.ndarray, "case 2"], Int[np.ndarray, " case"]] | None:
    """The same with one number for all quantities, if the neurons see nothing but that; then far fewer cases differ."""
    if len(contents) < 2 or not len(index):
        return None
    rows = np.concatenate([weights.W_in[each.dimensions] for each in contents[:-1]])
    if len(rows) < 2:
        return None
    active = np.flatnonzero(rows.any(axis=0))
    if not len(active):
        return None
    scales = np.zeros(rows.shape[1])
    column = np.abs(rows[:, active[0]])
    pivot = int(np.where(column > 0, column, np.inf).argmin())  # the others are often multiples of the least
    direction = rows[:, active[0]] / rows[pivot, active[0]]
    scales[active] = rows[pivot, active]
    if not np.array_equal(direction[:, None] * scales, rows):
        return None
    parts = np.split(direction, np.cumsum([len(each.dimensions) for each in contents[:-1]])[:-1])
    numbers, errors, sizes = (
        sum((table[index[:, place]] for place, table in enumerate(tables)), np.zeros(len(index)))
        for tables in zip(
            *(
                (
                    each.ideal @ own,
                    each.error @ np.abs(own),
                    (np.abs(each.ideal) + each.error) @ np.abs(own),
                )
                for each, own in zip(contents[:-1], parts, strict=True)
            ),
            strict=True,
        )
    )
    _, order = np.unique(numbers, return_inverse=True)
    _, first, which = np.unique(order * (results.max() + 1) + results, return_index=True, return_inverse=True)
    largest, error = np.zeros(len(first)), np.zeros((len(first), 1))
    np.maximum.at(largest, which, sizes)
    np.maximum.at(error[:, 0], which, errors)
    number = numbers[first][:, None]
    absolute = np.abs(scales)
    reach = largest[:, None] * absolute
    factors, grains = _rounding_of(hidden)
    # what rounding to a half format does to the sum is found when all is added up
    storing = np.broadcast_to(np.inf if weights.number_format.is_half else 0.0, reach.shape)
    part = Part(number * scales, error * absolute, reach, reach * factors, storing, grains[None, :])
    places = np.stack([np.arange(len(largest)), np.zeros(len(largest), int)], axis=1)
    sources = ((number, error, scales[None, :]), hidden.sources[-1])
    return Hidden((part, hidden.parts[-1]), sources), places, results[first]


def _rounding_of(hidden: Hidden) -> tuple[Float[np.ndarray, " neuron"], Int[np.ndarray, " neuron"]]:
    """How much rounding makes of the size of the terms, neuron by neuron, and the grain of what all parts add."""
    n_neurons = hidden.sources[0][2].shape[1]
    factors, grains = np.zeros(n_neurons), np.full(n_neurons, COARSEST)
    step = max(1, _CHUNK // max(1, n_neurons))
    for part, (ideal, _, _) in zip(hidden.parts, hidden.sources, strict=True):
        for start in range(0, len(ideal), step):
            own = part.at(slice(start, start + step))
            shares = np.divide(own.rounding, own.size, out=np.zeros_like(own.size), where=own.size > 0)
            factors = np.maximum(factors, shares.max(axis=0, initial=0.0))
            grains = np.minimum(grains, own.grain.min(axis=0, initial=COARSEST))
    return factors, grains


def _of_number(
    claim: NumberClaim, stream: Stream, weights: NeuronWeights
) -> tuple[Float[np.ndarray, "result width"], Float[np.ndarray, "result width"]]:
    """As for quantities, with the number in their place; the neurons must not see its terms in any other ratio."""
    names = {name for name, _ in claim.reads}
    if len(names) < len(claim.reads) or not names <= stream.keys() or not all(any(each) for _, each in claim.reads):
        raise Violated("its claim adds up variables that are not there, or the same one twice")
    if claim.present is not None and (claim.present not in names or stream[claim.present].entry.variable.width < 2):
        raise Violated(f"{claim.present} does not say whether there is a number")
    inputs = weights.W_in.copy()
    leads = np.concatenate(
        [
            np.arange(stream[name].entry.start, stream[name].entry.start + len(each))[each != 0]
            for name, each in claim.reads
        ]
    )
    factors = np.concatenate([each[each != 0] for _, each in claim.reads])
    scales = inputs[leads[0]] / factors[0]
    if not np.array_equal(scales * factors[:, None], inputs[leads]):
        raise Violated("its neurons do not all see the number that its claim speaks of")
    number, error, size = _number_table(claim, stream)
    inputs[leads] = 0
    marks = np.zeros((2, 0)) if claim.present is None else np.array([[1.0], [0.0]])
    dimension = None if claim.present is None else stream[claim.present].entry.start + 1
    rest = inputs.copy()
    mark_error = 0.0
    if dimension is not None and claim.present is not None:
        rest[dimension] = 0
        mark_error = float(stream[claim.present].deviation.at(np.ones((1, 2)))[0, 1])
    (constant,) = contents_read(stream, (), rest)
    # virtual dimensions: the number, whether it is present, and what never changes
    virtual = [
        Contents(np.array([0]), number, error, _added_up(claim, stream, size, weights.number_format)),
        Contents(np.arange(1, 1 + marks.shape[1]), marks, np.full(marks.shape, mark_error)),
        Contents(np.arange(2, 2 + len(constant.dimensions)), constant.ideal, constant.error),
    ]
    matrix = np.concatenate(
        [scales[None, :], inputs[[dimension or 0]] * (dimension is not None), inputs[constant.dimensions]]
    )
    hidden = hidden_of(virtual, matrix, weights.number_format)
    count = len(claim.numbers)
    index = np.zeros((len(number), 3), int)
    index[:, 0] = np.arange(len(number))
    index[count:, 1] = 1
    rows = np.concatenate([claim.results, np.zeros((len(number) - count, claim.results.shape[1]))])
    return rows, written_errors(hidden, index, rows, weights.W_out, weights.number_format)


def _number_table(claim: NumberClaim, stream: Stream) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number, and 0 where it may be absent; bounds on its error and on the size of its terms."""
    absent = [0.0] if claim.present is not None else []
    numbers = np.append(claim.numbers, absent)
    errors, sizes = np.zeros(len(numbers)), np.zeros(len(numbers))
    for name, factors in claim.reads:
        held = stream[name]
        if not held.proven:
            raise Unproven(f"it reads {name}, which is not proven")
        if len(claim.reads) == 1 and not factors[1:].any():
            at = numbers / factors[0]
            bound = held.deviation.at_number(at)
            errors = errors + abs(factors[0]) * bound
            sizes = sizes + abs(factors[0]) * (np.abs(at) + bound)
        else:
            table, absolute = held.entry.variable.table, np.abs(factors)
            bounds = held.deviation.at(table) if held.deviation.rows is None else held.deviation.base[None, :]
            error = float((bounds @ absolute).max(initial=0.0))
            errors = errors + error
            sizes = sizes + float((np.abs(table) @ absolute).max(initial=0.0)) + error
    return numbers[:, None], errors[:, None], sizes


def _added_up(
    claim: NumberClaim, stream: Stream, size: Float[np.ndarray, " number"], number_format: NumberFormat
) -> AddedUp | None:
    """How the number comes about, where it is the sum of several dimensions."""
    count, grains, powers = 0, [], True
    for name, factors in claim.reads:
        held = stream[name]
        table = held.entry.variable.table
        errors = held.deviation.at(table) if held.deviation.rows is None else held.deviation.errors
        rows = table if held.deviation.rows is None else held.deviation.rows
        for place in np.flatnonzero(factors).tolist():
            count += 1
            powers &= bool(is_power_of_two(factors[place : place + 1]).all())
            error = 0.0 if errors is None else float(errors[:, place].max(initial=0.0))
            content = content_grain(rows[:, place] if rows is not None else table[:, place], error, number_format)
            grains.append(UNKNOWN if content is None else content + int(grain(factors[place : place + 1])[0]))
    if count < 2:
        return None
    finest = UNKNOWN if UNKNOWN in grains else min(grains)
    return AddedUp(size[:, None], count, finest, powers)
