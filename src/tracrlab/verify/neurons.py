"""What the neurons of an MLP write for given contents of the stream, against what they should write.

Errors pass through neurons by their linearity. A neuron that is active whatever the errors are passes them on linearly,
so what all such neurons make of one input's error is added up before its size is taken: the two ramps of a step cancel,
and nothing passes where the step is flat. A neuron that may or may not be active adds at most its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import COARSEST, NumberFormat, grain
from tracrlab.craft.precision import SAFETY
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.residual import UNKNOWN, Contents, Part, Violated, linear_parts

SATURATED = 1000.0  # inputs beyond this an activation takes for infinite, in any format
_CHUNK = 2**18  # entries of an intermediate array: few enough to stay in a cache
_MOST_TURNS = 2**21  # entries of that of all turning points
_SAMPLES, _LEAST = 2**10, 2**4  # errors drawn at random, in all and for each combination, at least
_MUCH, _FEWEST = 2**30, 2**2  # products of the output weights with which a few random errors must do


@dataclass(frozen=True, eq=False)
class Hidden:
    """What reaches neurons before the nonlinearity: parts to be added up, and the contents that they come from.

    ``sources`` are for each part the ideal contents, their errors, and the weights on them.
    """

    parts: tuple[Part, ...]
    sources: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]


@dataclass(frozen=True, eq=False)
class Written:
    """A bound on the error of what is written, for each combination, whether there was rounding, and was measured."""

    errors: Float[np.ndarray, "combination width"]
    measured: bool
    rounded: bool


def hidden_of(contents: Sequence[Contents], matrix: Float[np.ndarray, "d_model neuron"], fmt: NumberFormat) -> Hidden:
    """What reaches neurons from these contents."""
    sources = tuple((each.ideal, each.error, matrix[each.dimensions]) for each in contents)
    return Hidden(linear_parts(contents, matrix, fmt), sources)


def written_errors(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    ideal: Float[np.ndarray, "combination width"],
    outputs: Float[np.ndarray, "neuron width"],
    number_format: NumberFormat,
    *,
    measure: bool,
) -> Written:
    """How far what the neurons write can be from ``ideal``.

    Arguments:
        hidden: what reaches the neurons.
        index: for each combination and part, the place of its value.
        ideal: what they should write.
        outputs: the neurons' output weights.
        number_format: the format they compute in.
        measure: whether to measure rounding where that gives less than the bound.
    """
    classes = _error_classes(hidden)
    rows = max(1, _CHUNK // max(1, sum(outputs.shape)))
    errors, roundings = [], []
    for start in range(0, len(index), rows):
        own, goal = index[start : start + rows], ideal[start : start + rows]
        error, rounding = _chunk_errors(hidden, own, goal, outputs, classes, number_format)
        errors.append(error)
        roundings.append(rounding)
    error = np.concatenate(errors) if errors else np.zeros_like(ideal)
    rounding = np.concatenate(roundings) if roundings else np.zeros_like(ideal)
    if not (measure and rounding.any()):
        return Written(error + rounding, False, bool(rounding.any()))
    least = _FEWEST if len(index) * outputs.size > _MUCH else _LEAST
    n_random = max(least, _SAMPLES // len(index)) if any(each.any() for _, each, _ in hidden.sources) else 0
    measured = SAFETY * np.concatenate(
        [
            _measured_rounding(hidden, index[start : start + rows], outputs, number_format, n_random)
            for start in range(0, len(index), rows)
        ]
    )
    return Written(error + np.minimum(rounding, measured), bool((measured < rounding).any()), True)


@dataclass(frozen=True, eq=False)
class _ErrorClass:
    """Neurons that weigh the uncertain inputs, or one of them, in the same ratio: ``scales`` times a direction.

    ``errors`` gives for each part how far the inputs' errors move the direction.
    """

    neurons: Int[np.ndarray, " neuron"]
    scales: Float[np.ndarray, " neuron"]
    errors: tuple[Float[np.ndarray, " _"], ...]


def _error_classes(hidden: Hidden) -> list[_ErrorClass]:
    uncertain: list[np.ndarray] = [np.asarray((error > 0).any(axis=0)) for _, error, _ in hidden.sources]
    if not any(each.any() for each in uncertain):
        return []
    stacked = np.concatenate([weights[each] for (_, _, weights), each in zip(hidden.sources, uncertain, strict=True)])
    touched = np.flatnonzero(stacked.any(axis=0))
    if not len(touched):
        return []
    first = (stacked[:, touched] != 0).argmax(axis=0)
    scales = stacked[first, touched]
    directions = stacked[:, touched] / scales
    # in the rare case that a quotient rounds, neurons of one direction land in two classes, which is only less sharp
    exact = directions * scales == stacked[:, touched]
    scales = np.where(exact.all(axis=0), scales, 1.0)
    directions = np.where(exact.all(axis=0), directions, stacked[:, touched])
    distinct, which = np.unique(directions, axis=1, return_inverse=True)
    if len(stacked) <= distinct.shape[1]:
        return _single_inputs(hidden, uncertain)
    ends = np.cumsum([int(each.sum()) for each in uncertain])[:-1]
    per_part = [
        error[:, each] @ np.abs(rows)
        for (_, error, _), each, rows in zip(hidden.sources, uncertain, np.split(distinct, ends), strict=True)
    ]
    order = np.argsort(which.reshape(-1), kind="stable")
    members = np.split(order, np.searchsorted(which.reshape(-1)[order], np.arange(1, distinct.shape[1])))
    return [
        _ErrorClass(touched[own], scales[own], tuple(part[:, number] for part in per_part))
        for number, own in enumerate(members)
    ]


def _single_inputs(hidden: Hidden, uncertain: Sequence[np.ndarray]) -> list[_ErrorClass]:
    """A class for each uncertain input, where they are few: no bound on linear effects is sharper."""
    classes = []
    for place, (_, error, weights) in enumerate(hidden.sources):
        for dimension in np.flatnonzero(uncertain[place]).tolist():
            neurons = np.flatnonzero(weights[dimension])
            errors = [np.zeros(len(other)) for _, other, _ in hidden.sources]
            errors[place] = error[:, dimension]
            classes.append(_ErrorClass(neurons, weights[dimension, neurons], tuple(errors)))
    return classes


def _chunk_errors(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    ideal: Float[np.ndarray, "combination width"],
    outputs: Float[np.ndarray, "neuron width"],
    classes: Sequence[_ErrorClass],
    number_format: NumberFormat,
) -> tuple[Float[np.ndarray, "combination width"], Float[np.ndarray, "combination width"]]:
    """The errors apart from rounding, and a bound on what rounding adds."""
    before, noise, rounding, grains = _summed(hidden, index, number_format)
    reach = noise + rounding
    active, uncertain = before > reach, (np.abs(before) <= reach) & (reach > 0)
    after, absolute = np.maximum(before, 0), np.abs(outputs)
    errors = np.abs(after @ outputs - ideal)
    if number_format.gap:
        saturated = (before - reach > SATURATED) | (before + reach < -SATURATED) | ((before == 0) & (reach == 0))
        errors += number_format.gap * (~saturated @ absolute)
    # a neuron that several errors move is followed where it is linear; where it may bend, all of them count in full
    count = np.bincount(np.concatenate([each.neurons for each in classes]), minlength=len(outputs)) if classes else 0
    bending = uncertain & (np.asarray(count) > 1)
    errors += np.where(bending, noise, 0.0) @ absolute
    for each in classes:
        moved = np.asarray(sum(error[index[:, place]] for place, error in enumerate(each.errors)))
        alone = (uncertain & ~bending)[:, each.neurons]
        own = _Moved(before[:, each.neurons], active[:, each.neurons], alone, moved)
        errors += _class_errors(own, each.scales, outputs[each.neurons])
    terms = ((active | uncertain) & (outputs != 0).any(axis=1)).sum(axis=1, keepdims=True)
    largest = np.where(active | uncertain, np.maximum(before, 0) + reach, 0) @ absolute
    if not largest.max(initial=0) < number_format.largest / 4:
        raise Violated(f"what it computes overflows {number_format.name}")
    wide = number_format.wide
    grains = np.where(reach == 0, grain(after), np.where(rounding == 0, grains, UNKNOWN))
    grains = np.where(active | uncertain, grains, COARSEST)
    exact, finest = _exact_outputs(grains, outputs, largest, wide)
    rounded = np.where(active | uncertain, rounding, 0) @ absolute
    rounded += np.where(exact, 0.0, (terms + 1) * wide.roundoff * largest + terms * wide.smallest)
    if number_format.is_half:
        kept = exact & _fits(np.abs(ideal) + errors, finest, number_format)
        rounded += np.where(kept, 0.0, _storing(ideal, errors + rounded, number_format))
    return errors, rounded


@dataclass(frozen=True, eq=False)
class _Moved:
    """The neurons of an error class before their nonlinearity, which can be off by their scales times ``moved``.

    Those that are ``uncertain``, whether they are active or not, are moved by nothing else.
    """

    before: Float[np.ndarray, "combination neuron"]
    active: Bool[np.ndarray, "combination neuron"]
    uncertain: Bool[np.ndarray, "combination neuron"]
    moved: Float[np.ndarray, " combination"]


def _class_errors(
    own: _Moved, scales: Float[np.ndarray, " neuron"], outputs: Float[np.ndarray, "neuron width"]
) -> Float[np.ndarray, "combination width"]:
    """What a class's errors make of the output: all its neurons see the same error, times their scales.

    Where all are sure to be active or not, that is linear. Elsewhere it is linear between the errors at which some
    neuron begins to be active, so that it is largest at one of these or at an end; where there are too many of them,
    each neuron that is not sure adds its own.
    """
    errors: np.ndarray = own.moved[:, None] * np.abs((own.active * scales) @ outputs)
    unsure = np.flatnonzero(own.uncertain.any(axis=1))
    if len(unsure) * len(scales) ** 2 > _MOST_TURNS:
        errors += own.moved[:, None] * (own.uncertain @ (np.abs(scales)[:, None] * np.abs(outputs)))
    elif len(unsure):
        before, moved = own.before[unsure], own.moved[unsure, None]
        turns = np.clip(-before / np.where(scales == 0, 1.0, scales), -moved, moved)
        steps = np.concatenate([turns, moved, -moved], axis=1)[:, :, None]
        relevant = (own.active | own.uncertain)[unsure, None, :]
        change = np.maximum(before[:, None, :] + steps * scales, 0) - np.maximum(before, 0)[:, None, :]
        errors[unsure] = np.abs(np.where(relevant, change, 0.0) @ outputs).max(axis=1)
    return errors


def _summed(
    hidden: Hidden, index: Int[np.ndarray, "combination part"], number_format: NumberFormat
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What reaches the neurons for each combination, bounds on its error and on rounding, and its grain."""
    before, noise, size, rounding, storing = (
        sum(getattr(part, name)[index[:, place]] for place, part in enumerate(hidden.parts))
        for name in ("values", "error", "size", "rounding", "storing")
    )
    grains = np.min([part.grain[index[:, place]] for place, part in enumerate(hidden.parts)], axis=0)
    grains = np.where((grains > UNKNOWN) & _fits(size, grains, number_format.wide), grains, UNKNOWN)
    rounding = np.where(grains > UNKNOWN, 0.0, rounding)
    if number_format.is_half:
        kept = (grains > UNKNOWN) & _fits(np.abs(before) + noise, grains, number_format)
        storing = np.minimum(storing, np.where(kept, 0.0, _storing(before, noise + rounding, number_format)))
        rounding = rounding + storing
    return before, noise, rounding, grains


def _storing(
    ideal: Float[np.ndarray, "..."], error: Float[np.ndarray, "..."], number_format: NumberFormat
) -> Float[np.ndarray, "..."]:
    """What rounding to a format adds to an error: no more than that, if the ideal is a number of the format itself."""
    rounding = number_format.roundoff * (np.abs(ideal) + error) + number_format.smallest
    storing: np.ndarray = np.where(number_format.rounded(ideal) == ideal, np.minimum(error, rounding), rounding)
    return storing


def _fits(
    size: Float[np.ndarray, "..."], grains: Int[np.ndarray, "..."], number_format: NumberFormat
) -> Bool[np.ndarray, "..."]:
    """Whether a format holds all multiples of ``2**grains`` of at most this size."""
    fits: np.ndarray = np.log2(np.maximum(size, 1e-300)) <= grains + number_format.precision
    return fits


def _exact_outputs(
    grains: Int[np.ndarray, "combination neuron"],
    outputs: Float[np.ndarray, "neuron width"],
    largest: Float[np.ndarray, "combination width"],
    number_format: NumberFormat,
) -> tuple[Bool[np.ndarray, "combination width"], Int[np.ndarray, " width"]]:
    """Which sums of the output are exact, being of multiples of a power of two that the format holds, and the power."""
    unknown = grains == UNKNOWN
    finest = np.where(unknown, COARSEST, grains).min(axis=0, initial=COARSEST)[:, None] + grain(outputs)
    finest = finest.min(axis=0, initial=2 * COARSEST)
    known = ~(unknown.astype(float) @ (outputs != 0).astype(float) > 0)
    return known & _fits(largest, finest, number_format), finest


def _measured_rounding(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    outputs: Float[np.ndarray, "neuron width"],
    number_format: NumberFormat,
    n_random: int,
) -> Float[np.ndarray, "combination width"]:
    """The largest difference that computing in the format makes, at the ideal contents and within their errors.

    Beside none and the largest, ``n_random`` errors are drawn at random.
    """
    rng = np.random.default_rng(0)
    weights = np.concatenate([each for _, _, each in hidden.sources])
    ideal, error = (
        np.concatenate([source[kind][index[:, place]] for place, source in enumerate(hidden.sources)], axis=1)
        for kind in (0, 1)
    )
    worst = np.zeros((len(index), outputs.shape[1]))
    for part in (0.0, 1.0, -1.0, *(rng.uniform(-1, 1, error.shape) for _ in range(n_random))):
        inputs = number_format.rounded(ideal + part * error)
        rounded = number_format.product(np.maximum(number_format.product(inputs, weights), 0), outputs)
        precise = np.maximum(inputs @ weights, 0) @ outputs
        worst = np.maximum(worst, np.abs(rounded - precise))
    return worst
