"""What the neurons of an MLP write for given contents of the stream, against what they should write.

Errors pass through neurons by their linearity. A neuron that is active whatever the errors are passes them on linearly,
so what all such neurons make of one input's error is added up before its size is taken: the two ramps of a step cancel,
and nothing passes where the step is flat. A neuron that may or may not be active adds at most its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from tracrlab.craft.formats import COARSEST, NumberFormat, grain
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.reads import UNKNOWN, Part, Read, linear_reads
from tracrlab.verify.residual import Contents, Violated

SATURATED = 1000.0  # inputs beyond this an activation takes for infinite, in any format
_CHUNK = 2**18  # entries of an intermediate array: few enough to stay in a cache
_MOST_TURNS = 2**21  # entries of that of all turning points


@dataclass(frozen=True, eq=False)
class Hidden:
    """What reaches neurons before the nonlinearity: parts to be added up, and the contents that they come from.

    ``sources`` are for each part the ideal contents, their errors, and the weights on them.
    """

    parts: tuple[Part | Read, ...]
    sources: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]


def hidden_of(contents: Sequence[Contents], matrix: Float[np.ndarray, "d_model neuron"], fmt: NumberFormat) -> Hidden:
    """What reaches neurons from these contents."""
    sources = tuple((each.ideal, each.error, matrix[each.dimensions]) for each in contents)
    return Hidden(linear_reads(contents, matrix, fmt), sources)


def written_errors(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    ideal: Float[np.ndarray, "combination width"],
    outputs: Float[np.ndarray, "neuron width"],
    number_format: NumberFormat,
) -> Float[np.ndarray, "combination width"]:
    """A bound on how far what the neurons write can be from ``ideal``, for each combination.

    Arguments:
        hidden: what reaches the neurons.
        index: for each combination and part, the place of its value.
        ideal: what they should write.
        outputs: the neurons' output weights.
        number_format: the format they compute in.
    """
    classes, parts = _error_classes(hidden), _ready(hidden, index)
    rows = max(1, _CHUNK // max(1, sum(outputs.shape)))
    errors = np.zeros_like(ideal)
    for start in range(0, len(index), rows):
        own, goal = index[start : start + rows], ideal[start : start + rows]
        reached = _reached(parts, own, number_format)
        error, rounding = _chunk_errors(reached, own, goal, outputs, classes, number_format)
        errors[start : start + rows] = error + rounding
    return errors


def _ready(hidden: Hidden, index: Int[np.ndarray, "combination part"]) -> tuple[Part | Read, ...]:
    """The parts, computed but for those whose values come in ascending order: they are needed once, and made then."""
    in_order = [bool((np.diff(places) >= 0).all()) for places in index.T]
    return tuple(
        part.at(slice(None)) if isinstance(part, Read) and not later else part
        for part, later in zip(hidden.parts, in_order, strict=True)
    )


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
    reached: _Reached,
    index: Int[np.ndarray, "combination part"],
    ideal: Float[np.ndarray, "combination width"],
    outputs: Float[np.ndarray, "neuron width"],
    classes: Sequence[_ErrorClass],
    number_format: NumberFormat,
) -> tuple[Float[np.ndarray, "combination width"], Float[np.ndarray, "combination width"]]:
    """The errors apart from rounding, and a bound on what rounding adds."""
    gap = np.zeros_like(ideal)
    if number_format.gap:
        gap = number_format.gap * (~_saturated(reached) @ np.abs(outputs))
    # neurons that are active for none of the combinations have no part in anything else
    live = np.any(reached.live, axis=0)
    reached, outputs = reached.only(live), outputs[live]
    active, uncertain, absolute = reached.active, reached.uncertain, np.abs(outputs)
    after = np.maximum(reached.before, 0)
    errors = np.abs(after @ outputs - ideal) + gap
    # a neuron that several errors move is followed where it is linear; where it may bend, all of them count in full
    moving = np.concatenate([np.zeros(0, int), *(each.neurons for each in classes)])
    several = np.bincount(moving, minlength=len(live))[live] > 1
    if several.any():
        errors += np.where(uncertain & several, reached.noise, 0.0) @ absolute
        uncertain = uncertain & ~several
    place = np.cumsum(live) - 1
    for each in classes:
        inside = live[each.neurons]
        neurons = place[each.neurons[inside]]
        columns = slice(None) if len(neurons) == len(outputs) else neurons
        moved = np.asarray(sum(error[index[:, number]] for number, error in enumerate(each.errors)))
        own = _Moved(reached.before[:, columns], active[:, columns], uncertain[:, columns], moved, len(inside))
        errors += _class_errors(own, each.scales[inside], outputs[columns])
    return errors, _output_rounding(reached, after, outputs, ideal, errors, number_format)


def _output_rounding(
    reached: _Reached,
    after: Float[np.ndarray, "combination neuron"],
    outputs: Float[np.ndarray, "neuron width"],
    ideal: Float[np.ndarray, "combination width"],
    errors: Float[np.ndarray, "combination width"],
    number_format: NumberFormat,
) -> Float[np.ndarray, "combination width"]:
    """A bound on what rounding adds to ``errors``, before the neurons and after them."""
    live, absolute, wide = reached.live, np.abs(outputs), number_format.wide
    terms = (live & (outputs != 0).any(axis=1)).sum(axis=1, keepdims=True)
    largest = np.where(live, after + reached.reach, 0) @ absolute
    if not largest.max(initial=0) < number_format.largest / 4:
        raise Violated(f"what it computes overflows {number_format.name}")
    exact, finest = _exact_outputs(reached, after, outputs, largest, wide)
    rounded: np.ndarray = np.where(live, reached.rounding, 0) @ absolute
    rounded += np.where(exact, 0.0, (terms + 1) * wide.roundoff * largest + terms * wide.smallest)
    if number_format.is_half:
        kept = exact & _fits(np.abs(ideal) + errors, finest, number_format)
        rounded += np.where(kept, 0.0, _storing(ideal, errors + rounded, number_format))
    return rounded


@dataclass(frozen=True, eq=False)
class _Reached:
    """What reaches neurons for some combinations: how far off it can be before rounding, and with it.

    Attributes: ``before`` the nonlinearity; ``noise`` bounds its error apart from ``rounding``, ``reach`` all of it;
    ``grain`` as that of parts; which neurons are sure to be ``active``, and of which that is ``uncertain``.
    """

    before: Float[np.ndarray, "combination neuron"]
    noise: Float[np.ndarray, "combination neuron"]
    rounding: Float[np.ndarray, "combination neuron"]
    reach: Float[np.ndarray, "combination neuron"]
    grain: Int[np.ndarray, "row neuron"]
    active: Bool[np.ndarray, "combination neuron"]
    uncertain: Bool[np.ndarray, "combination neuron"]

    @property
    def live(self) -> Bool[np.ndarray, "combination neuron"]:
        """Which neurons may be active."""
        live: np.ndarray = self.active | self.uncertain
        return live

    def only(self, neurons: Bool[np.ndarray, " _"]) -> _Reached:
        """The same for some of the neurons."""
        return self if neurons.all() else _Reached(*(getattr(self, each.name)[:, neurons] for each in fields(self)))


def _saturated(reached: _Reached) -> Bool[np.ndarray, "combination neuron"]:
    """Where an activation takes its input for infinite, or it is exactly 0."""
    before, reach = reached.before, reached.reach
    saturated: np.ndarray = (np.abs(before) - reach > SATURATED) | ((before == 0) & (reach == 0))
    return saturated


@dataclass(frozen=True, eq=False)
class _Moved:
    """The neurons of an error class before their nonlinearity, which can be off by their scales times ``moved``.

    Those that are ``uncertain``, whether they are active or not, are moved by nothing else. ``size`` of the class,
    with neurons that are never active.
    """

    before: Float[np.ndarray, "combination neuron"]
    active: Bool[np.ndarray, "combination neuron"]
    uncertain: Bool[np.ndarray, "combination neuron"]
    moved: Float[np.ndarray, " combination"]
    size: int


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
    if len(unsure) * own.size**2 > _MOST_TURNS:
        errors += own.moved[:, None] * (own.uncertain @ (np.abs(scales)[:, None] * np.abs(outputs)))
    elif len(unsure):
        before, moved = own.before[unsure], own.moved[unsure, None]
        turns = np.clip(-before / np.where(scales == 0, 1.0, scales), -moved, moved)
        steps = np.concatenate([turns, moved, -moved], axis=1)[:, :, None]
        relevant = (own.active | own.uncertain)[unsure, None, :]
        change = np.maximum(before[:, None, :] + steps * scales, 0) - np.maximum(before, 0)[:, None, :]
        errors[unsure] = np.abs(np.where(relevant, change, 0.0) @ outputs).max(axis=1)
    return errors


def _reached(
    parts: Sequence[Part | Read], index: Int[np.ndarray, "combination part"], number_format: NumberFormat
) -> _Reached:
    """What reaches the neurons for each combination."""
    own = [_part_at(part, index[:, place]) for place, part in enumerate(parts)]
    before, noise, rounding = (sum(getattr(each, name) for each in own) for name in ("values", "error", "rounding"))
    grains = reduce(np.minimum, [each.grain for each in own])
    known = grains > UNKNOWN
    if known.any():
        # partial sums lie between the sum of the negative terms and that of the positive ones
        size = sum((each.size for each in own), np.zeros(1))
        known = known & _fits((size + np.abs(before) + noise) / 2, grains, number_format.wide)
        rounding = np.where(known, 0.0, rounding)
        grains = np.where(known, grains, UNKNOWN)
    if number_format.is_half:
        storing = sum(each.storing for each in own)
        kept = known & _fits(np.abs(before) + noise, grains, number_format)
        storing = np.minimum(storing, np.where(kept, 0.0, _storing(before, noise + rounding, number_format)))
        rounding = rounding + storing
    shape = (len(index), before.shape[1])
    before, noise, rounding = (np.broadcast_to(each, shape) for each in (before, noise, rounding))
    reach = noise + rounding
    active = before > reach
    return _Reached(before, noise, rounding, reach, grains, active, (np.abs(before) <= reach) & (reach > 0))


def _part_at(part: Part | Read, places: Int[np.ndarray, " combination"]) -> Part:
    """A part for these values; a single row if they are all the same."""
    if isinstance(part, Part) and (places != places[0]).any():
        return part.at(places)
    distinct, which = np.unique(places, return_inverse=True)
    own = part.at(distinct)
    return own if len(distinct) in (1, len(places)) else own.at(which.reshape(-1))


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
    reached: _Reached,
    after: Float[np.ndarray, "combination neuron"],
    outputs: Float[np.ndarray, "neuron width"],
    largest: Float[np.ndarray, "combination width"],
    number_format: NumberFormat,
) -> tuple[Bool[np.ndarray, "combination width"], Int[np.ndarray, " width"]]:
    """Which sums of the output are exact, being of multiples of a power of two that the format holds, and the power."""
    live, precise = reached.live, reached.reach == 0
    unknown = live & ~precise & ((reached.rounding > 0) | (reached.grain == UNKNOWN))
    known = ~(unknown.astype(np.float32) @ (outputs != 0).astype(np.float32) > 0)
    if not known.any():
        return known, np.zeros(outputs.shape[1], int)
    grains = np.where(live & ~unknown, reached.grain, COARSEST)
    known_fully = live & precise
    grains[known_fully] = grain(after[known_fully])
    finest = grains.min(axis=0, initial=COARSEST)[:, None] + grain(outputs)
    finest = finest.min(axis=0, initial=2 * COARSEST)
    return known & _fits(largest, finest, number_format), finest
