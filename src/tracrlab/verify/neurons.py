"""What the neurons of an MLP write for given contents of the stream, against what they should write.

Errors pass through neurons by their linearity. A neuron that is active whatever the errors are passes them on linearly,
so what all such neurons make of one input's error is added up before its size is taken: the two ramps of a step cancel,
and nothing passes where the step is flat. A neuron that may or may not be active adds at most its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.precision import SAFETY
from tracrlab.shapes import Float, Int
from tracrlab.verify.formats import COARSEST, NumberFormat, grain
from tracrlab.verify.residual import Contents, Part, Violated, linear_parts

_CHUNK = 2**21  # entries of the largest intermediate array
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
    """A bound on the error of what is written, for each combination, and how rounding was accounted for."""

    errors: Float[np.ndarray, "combination width"]
    measured: bool


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
        return Written(error + rounding, False)
    least = _FEWEST if len(index) * outputs.size > _MUCH else _LEAST
    n_random = max(least, _SAMPLES // len(index)) if any(each.any() for _, each, _ in hidden.sources) else 0
    measured = SAFETY * np.concatenate(
        [
            _measured_rounding(hidden, index[start : start + rows], outputs, number_format, n_random)
            for start in range(0, len(index), rows)
        ]
    )
    return Written(error + np.minimum(rounding, measured), bool((measured < rounding).any()))


@dataclass(frozen=True, eq=False)
class _ErrorClass:
    """Neurons that weigh the uncertain inputs in the same ratio: ``scales`` times a direction.

    ``errors`` gives for each part how far the inputs' errors move the direction.
    """

    neurons: Int[np.ndarray, " neuron"]
    scales: Float[np.ndarray, " neuron"]
    errors: tuple[Float[np.ndarray, " _"], ...]


def _error_classes(hidden: Hidden) -> list[_ErrorClass]:
    uncertain = [(error > 0).any(axis=0) for _, error, _ in hidden.sources]
    if not any(each.any() for each in uncertain):
        return []
    stacked = np.concatenate([weights[each] for (_, _, weights), each in zip(hidden.sources, uncertain, strict=True)])
    touched = np.flatnonzero(stacked.any(axis=0))
    first = (stacked[:, touched] != 0).argmax(axis=0)
    scales = stacked[first, touched]
    directions = stacked[:, touched] / scales
    # in the rare case that a quotient rounds, neurons of one direction land in two classes, which is only less sharp
    exact = directions * scales == stacked[:, touched]
    scales = np.where(exact.all(axis=0), scales, 1.0)
    directions = np.where(exact.all(axis=0), directions, stacked[:, touched])
    distinct, which = np.unique(directions, axis=1, return_inverse=True)
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


def _chunk_errors(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    ideal: Float[np.ndarray, "combination width"],
    outputs: Float[np.ndarray, "neuron width"],
    classes: Sequence[_ErrorClass],
    number_format: NumberFormat,
) -> tuple[Float[np.ndarray, "combination width"], Float[np.ndarray, "combination width"]]:
    """The errors apart from rounding, and a bound on what rounding adds."""
    before, noise, rounding = (
        sum(getattr(part, name)[index[:, place]] for place, part in enumerate(hidden.parts))
        for name in ("values", "error", "rounding")
    )
    reach = noise + rounding
    active, uncertain = before > reach, (np.abs(before) <= reach) & (reach > 0)
    after, absolute = np.maximum(before, 0), np.abs(outputs)
    errors = np.abs(after @ outputs - ideal)
    if classes:
        errors += np.where(uncertain, noise, 0) @ absolute
        for each in classes:
            moved = sum(error[index[:, place]] for place, error in enumerate(each.errors))
            slope = np.abs((active[:, each.neurons] * each.scales) @ outputs[each.neurons])
            errors += moved[:, None] * slope
    terms = ((active | uncertain) & (outputs != 0).any(axis=1)).sum(axis=1, keepdims=True)
    largest = np.where(active | uncertain, np.maximum(before, 0) + reach, 0) @ absolute
    if not largest.max(initial=0) < number_format.largest / 4:
        raise Violated(f"what it computes overflows {number_format.name}")
    exact = not reach.any() and _exact_outputs(after, outputs, largest, number_format)
    summing = 0.0 if exact else (terms + 1) * number_format.roundoff * largest + terms * number_format.smallest
    return errors, np.where(active | uncertain, rounding, 0) @ absolute + summing


def _exact_outputs(
    after: Float[np.ndarray, "combination neuron"],
    outputs: Float[np.ndarray, "neuron width"],
    largest: Float[np.ndarray, "combination width"],
    number_format: NumberFormat,
) -> bool:
    """Whether the sums of the output are exact: multiples of a power of two that the format holds."""
    grains = grain(after).min(axis=0, initial=COARSEST)[:, None] + grain(outputs)
    finest = int(grains.min(initial=2 * COARSEST))
    return bool(largest.max(initial=0) <= 2.0 ** min(finest + number_format.precision, 1000))


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
