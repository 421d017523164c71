"""What the neurons of an MLP write for given contents of the stream, against what they should write.

Errors pass through neurons by their linearity. A neuron that is active whatever the errors are passes them on linearly,
so what all such neurons make of one input's error is added up before its size is taken: the two ramps of a step cancel,
and nothing passes where the step is flat. A neuron that may or may not be active adds at most its range.

Neurons that see some quantities only are followed for the values of these, not for all combinations with others: what
groups of neurons write that share no quantity adds up, and so do their errors.
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

    def of(self, neurons: Int[np.ndarray, " _"]) -> Hidden:
        """What reaches some of the neurons."""
        sources = tuple((ideal, error, weights[:, neurons]) for ideal, error, weights in self.sources)
        return Hidden(tuple(part.of(neurons) for part in self.parts), sources)


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
    groups = []
    for neurons, first, which in _independent(hidden, index):
        own = hidden.of(neurons) if len(neurons) < len(outputs) else hidden
        groups.append((_written(own, index[first], outputs[neurons], number_format), which))
    rows = max(1, _CHUNK // max(1, outputs.shape[1]))
    errors = np.zeros_like(ideal)
    for start in range(0, len(index), rows):
        place = slice(start, start + rows)
        errors[place] = _sum([each.at(which[place]) for each, which in groups]).off(ideal[place], number_format)
    return errors


def _independent(
    hidden: Hidden, index: Int[np.ndarray, "combination part"]
) -> list[tuple[Int[np.ndarray, " neuron"], Int[np.ndarray, " case"], Int[np.ndarray, " combination"]]]:
    """Groups of neurons that see no part in common, but those that are always the same.

    For each group its neurons, combinations in which it sees all that it can see, and which of them each one is.
    """
    reads = np.array([weights.any(axis=0) for _, _, weights in hidden.sources])
    reads &= (index != index[:1]).any(axis=0)[:, None]
    groups: list[np.ndarray] = []
    for own in np.unique(reads.T, axis=0):  # the parts that some neurons see; groups that overlap become one
        apart = [each for each in groups if not (each & own).any()]
        groups = [*apart, reduce(np.logical_or, [each for each in groups if (each & own).any()], own)]
    seeing = [each for each in groups if each.any()]
    if len(seeing) < 2:
        everything = np.arange(len(index))
        return [(np.arange(reads.shape[1]), everything, everything)]
    found = []
    for number, each in enumerate(seeing):
        neurons = reads[each].any(axis=0) | (~reads.any(axis=0) & (number == 0))
        columns = np.flatnonzero(each)
        places = np.ravel_multi_index(tuple(index[:, columns].T), tuple(index[:, columns].max(axis=0) + 1))
        _, first, which = np.unique(places, return_index=True, return_inverse=True)
        found.append((np.flatnonzero(neurons), first, which.reshape(-1)))
    return found


@dataclass(frozen=True, eq=False)
class _Written:
    """What neurons write for some combinations, and what it takes to bound how far that can be off.

    Attributes: ``value`` ideally; ``error`` bounds what errors of the inputs make of it, ``rounding`` what rounding
    before the neurons does; ``terms`` how many are added up, ``largest`` the size of all of them; ``known`` whether
    they are multiples of two to the power ``finest``.
    """

    value: Float[np.ndarray, "combination width"]
    error: Float[np.ndarray, "combination width"]
    rounding: Float[np.ndarray, "combination width"]
    terms: Int[np.ndarray, "combination 1"]
    largest: Float[np.ndarray, "combination width"]
    known: Bool[np.ndarray, "combination width"]
    finest: Int[np.ndarray, "combination width"]

    def at(self, places: Int[np.ndarray, " _"]) -> _Written:
        """The same for some of the combinations."""
        return _Written(*(getattr(self, each.name)[places] for each in fields(self)))

    def off(
        self, ideal: Float[np.ndarray, "combination width"], number_format: NumberFormat
    ) -> Float[np.ndarray, "combination width"]:
        """A bound on how far it can be from the ideal, with what rounding after the neurons adds.

        Raises:
            Violated: it overflows the format.
        """
        if not self.largest.max(initial=0) < number_format.largest / 4:
            raise Violated(f"what it computes overflows {number_format.name}")
        wide, errors = number_format.wide, np.abs(self.value - ideal) + self.error
        exact = self.known & _fits(self.largest, self.finest, wide)
        rounded: np.ndarray = (self.terms + 1) * wide.roundoff * self.largest + self.terms * wide.smallest
        rounded = self.rounding + np.where(exact, 0.0, rounded)
        if number_format.is_half:
            kept = exact & _fits(np.abs(ideal) + errors, self.finest, number_format)
            rounded += np.where(kept, 0.0, _storing(ideal, errors + rounded, number_format))
        result: np.ndarray = errors + rounded
        return result


def _sum(groups: Sequence[_Written]) -> _Written:
    """What groups of neurons write together."""
    if len(groups) == 1:
        return groups[0]
    value, error, rounding, terms, largest = (
        np.sum([getattr(each, name) for each in groups], axis=0)
        for name in ("value", "error", "rounding", "terms", "largest")
    )
    known = np.logical_and.reduce([each.known for each in groups])
    return _Written(value, error, rounding, terms, largest, known, np.minimum.reduce([each.finest for each in groups]))


def _written(
    hidden: Hidden,
    index: Int[np.ndarray, "combination part"],
    outputs: Float[np.ndarray, "neuron width"],
    number_format: NumberFormat,
) -> _Written:
    """What neurons write for each combination."""
    classes, parts = _error_classes(hidden), _ready(hidden, index)
    rows = max(1, _CHUNK // max(1, sum(outputs.shape)))
    chunks = [
        _chunk_written(_reached(parts, own, number_format), own, outputs, classes, number_format)
        for own in (index[start : start + rows] for start in range(0, len(index), rows))
    ]
    if len(chunks) == 1:
        return chunks[0]
    return _Written(*(np.concatenate([getattr(own, each.name) for own in chunks]) for each in fields(_Written)))


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


def _chunk_written(
    reached: _Reached,
    index: Int[np.ndarray, "combination part"],
    outputs: Float[np.ndarray, "neuron width"],
    classes: Sequence[_ErrorClass],
    number_format: NumberFormat,
) -> _Written:
    """The same for a few combinations."""
    errors = np.zeros((len(index), outputs.shape[1]))
    if number_format.gap:
        errors += number_format.gap * (~_saturated(reached) @ np.abs(outputs))
    # neurons that are active for none of the combinations have no part in anything else
    live = np.any(reached.live, axis=0)
    reached, outputs = reached.only(live), outputs[live]
    active, uncertain, absolute = reached.active, reached.uncertain, np.abs(outputs)
    after = np.maximum(reached.before, 0)
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
    known, finest = _known_grains(reached, after, outputs)
    return _Written(
        after @ outputs,
        errors,
        np.where(reached.live, reached.rounding, 0) @ absolute,
        (reached.live & (outputs != 0).any(axis=1)).sum(axis=1, keepdims=True),
        np.where(reached.live, after + reached.reach, 0) @ absolute,
        known,
        np.broadcast_to(finest, known.shape),
    )


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


def _known_grains(
    reached: _Reached, after: Float[np.ndarray, "combination neuron"], outputs: Float[np.ndarray, "neuron width"]
) -> tuple[Bool[np.ndarray, "combination width"], Int[np.ndarray, " width"]]:
    """For which sums of the output all terms are multiples of a power of two that is known, and the power."""
    live, precise = reached.live, reached.reach == 0
    unknown = live & ~precise & ((reached.rounding > 0) | (reached.grain == UNKNOWN))
    known = ~(unknown.astype(np.float32) @ (outputs != 0).astype(np.float32) > 0)
    if not known.any():
        return known, np.zeros(outputs.shape[1], int)
    grains = np.where(live & ~unknown, reached.grain, COARSEST)
    known_fully = live & precise
    grains[known_fully] = grain(after[known_fully])
    finest = grains.min(axis=0, initial=COARSEST)[:, None] + grain(outputs)
    return known, finest.min(axis=0, initial=2 * COARSEST)
