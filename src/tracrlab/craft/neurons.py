"""Exact MLP constructions: lookups of one-hot variables, step functions of a number, linear maps.

Each returns the two weight matrices of an MLP over labelled variables. ``constant`` stands for reads that give 1 at
every position except BOS, so that no neuron fires at BOS and nothing is written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tracrlab.craft.formats import COARSEST, NumberFormat, grain, is_power_of_two
from tracrlab.craft.precision import SAFETY, Noise, NotSeparable, roundings, unit_roundoff
from tracrlab.craft.ramps import anchored_ramps, narrow_ramps, ramps, whole_ramps
from tracrlab.craft.spaces import Read, Variable
from tracrlab.shapes import Bool, Float, Int

_UNITS = 4  # roundings that an error between the measured ones may bring
_SMALL, _SEVERAL = 32.0, 8.0
_HIDDEN_ENTRIES = 2**24  # of the hidden activations that are held at once
_SUMS = 2**10  # sums whose rounding is measured
_SAME = 1e-9  # numbers that differ by less than this share of their size are the same


@dataclass(frozen=True, eq=False)
class Neurons:
    """Hidden neurons: what they read and what each adds to the output when it is 1; ``noise`` of what they write."""

    reads: tuple[Read, ...]
    output: Float[np.ndarray, "neuron width"]
    noise: Noise


@dataclass(frozen=True, eq=False)
class Box:
    """A set of input combinations that is a product of sets, all of which give the same result.

    ``sets[axis]`` says for each place of that axis whether it belongs.
    """

    sets: tuple[Bool[np.ndarray, " _"], ...]
    result: int


def box_cover(places: Int[np.ndarray, "..."], most: int) -> list[Box]:
    """Disjoint boxes that cover a table's entries (negative ones left out), few of them.

    Rows that hold a result in the same columns are joined; of the two orders of a two-way table the better is taken.
    More than ``most`` boxes are not looked for: ``most + 1`` of them say that there are more.
    """
    if not places.size:
        return []
    boxes = list(islice(_boxes(places), most + 1))
    if places.ndim == 2:
        turned = [Box(box.sets[::-1], box.result) for box in islice(_boxes(places.T), most + 1)]
        boxes = min(boxes, turned, key=len)
    return boxes


def _boxes(places: Int[np.ndarray, "..."]) -> Iterator[Box]:
    """The boxes of each result in turn; the work is in how many entries there are, not in how many results besides."""
    flat = places.reshape(-1)
    ascending = np.argsort(flat, kind="stable")
    results, starts = np.unique(flat[ascending], return_index=True)
    for result, cells in zip(results.tolist(), np.split(ascending, starts[1:]), strict=True):
        if result >= 0:
            yield from (Box(sets, result) for sets in _cover(cells, places.shape))


def _cover(cells: Int[np.ndarray, " cell"], shape: tuple[int, ...]) -> Iterator[tuple[Bool[np.ndarray, " _"], ...]]:
    """The sets of disjoint boxes that hold these cells of a table, given by their places in it as a vector."""
    rows, columns = np.divmod(cells, shape[-1])
    used, row = np.unique(rows, return_inverse=True)
    hits = np.zeros((len(used), shape[-1]), bool)
    hits[row.reshape(-1), columns] = True
    if len(shape) == 1:
        yield (hits[0],)
        return
    first, which = distinct_rows(hits)
    ascending = np.argsort(which, kind="stable")
    members = np.split(used[ascending], np.searchsorted(which[ascending], np.arange(1, len(first))))
    for pattern, alike in zip(hits[first], members, strict=True):
        for sets in _cover(alike, shape[:-1]):
            yield (*sets, pattern)


def distinct_rows(
    rows: Bool[np.ndarray, "row column"],
) -> tuple[Int[np.ndarray, " class"], Int[np.ndarray, " row"]]:
    """The first row of each kind, and which kind each row is; rows are compared as strings of bytes."""
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    as_bytes = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    return first, which.reshape(-1)


def lookup_neurons(
    inputs: Sequence[Variable],
    boxes: Sequence[Box],
    results: Float[np.ndarray, "result width"],
    constant: Sequence[tuple[Variable, float]],
    dtype: NumberFormat,
) -> Neurons:
    """A lookup table of one-hot variables: a neuron for each box (Tracr paper, appendix D.1, with fewer neurons).

    A neuron computes ``relu(sum of the memberships - (k - 1))`` over the ``k`` inputs that the box restricts: 1 inside
    the box, 0 outside, since each membership is a sum of one-hot entries and so 0 or 1. Where the inputs carry noise, a
    pair of neurons ``relu(2s - 1/2) - relu(2s - 3/2)`` takes its place, which is flat within 1/4 of ``s`` = 0 and 1 and
    so stops the noise. A set with one place more than the variable has values says by that last place whether ``None``
    (an all-zero variable) belongs: the membership is then read from 1 minus the entries left out.

    Raises:
        NotSeparable: noise exceeds an eighth, which leaves room for rounding.
    """
    boxes = [box for box in boxes if results[box.result].any()]
    if not boxes:
        return Neurons((), np.zeros((0, results.shape[1])), Noise())
    exact = all(variable.noise.is_exact for variable in inputs)
    n_boxes = len(boxes)
    bias = np.ones(n_boxes)
    masks: list[tuple[Variable, Float[np.ndarray, "_ box"]]] = []
    for axis, variable in enumerate(inputs):
        sets = np.array([box.sets[axis] for box in boxes], float).reshape(n_boxes, -1).T  # [place, box]
        restricts = (sets.min(axis=0) == 0) | (variable.nullable and len(sets) == variable.width)
        none_belongs = sets[variable.width] if len(sets) > variable.width else np.zeros(n_boxes)
        bias -= np.where(restricts, 1 - none_belongs, 0)
        masks.append((variable, np.where(restricts, sets[: variable.width] - none_belongs, 0)))
    error = sum(variable.noise.of_read(mask) for variable, mask in masks)
    slope, shifts, signs = cleaning(error, dtype, exact=exact)
    reads = [
        Read(variable, np.concatenate([slope * mask] * len(shifts), axis=1)) for variable, mask in masks if mask.any()
    ]
    biases = np.concatenate([slope * bias - shift for shift in shifts])
    reads += [Read(variable, coefficient * biases[None, :]) for variable, coefficient in constant]
    chosen = results[[box.result for box in boxes]]
    output = np.concatenate([sign * chosen for sign in signs])
    return Neurons(tuple(reads), output, _lookup_noise(inputs, masks, exact, results, dtype))


def cleaning(error: float, dtype: NumberFormat, *, exact: bool) -> tuple[float, list[float], list[float]]:
    """Slope, shifts and signs of neurons that make 0 and 1 of memberships ``s`` that are off by at most ``error``.

    Without errors ``relu(s)``, otherwise ``relu(2s - 1/2) - relu(2s - 3/2)``, or a ramp of half the width where the
    former would not be flat far enough around 0 and 1.

    Raises:
        NotSeparable: the error is too large: it exceeds an eighth, or, where a half format adds up exactly, 5/16.
    """
    if exact:
        return 1.0, [0.0], [1.0]
    if error <= 1 / 8:
        return 2.0, [0.5, 1.5], [1.0, -1.0]
    if not (dtype.is_half and error <= 5 / 16):
        raise NotSeparable(0, 1)
    return 4.0, [1.5, 2.5], [1.0, -1.0]


def _lookup_noise(
    inputs: Sequence[Variable],
    masks: Sequence[tuple[Variable, Float[np.ndarray, "_ box"]]],
    exact: bool,
    results: Float[np.ndarray, "result width"],
    dtype: NumberFormat,
) -> Noise:
    """Exact for 0/1 results of exact inputs, and of single entries of one noisy input (see ``lookup_neurons``).

    In the latter case ``2x``, ``2x - 1/2`` and ``2x - 3/2`` are all exact in floating point near ``x`` = 1.
    """
    zero_one = bool(np.isin(results, (0, 1)).all())
    single_entries = len(inputs) == 1 and all((mask != 0).sum(axis=0).max(initial=0) <= 1 for _, mask in masks)
    if zero_one and (exact or single_entries):
        return Noise()
    return Noise(relative=roundings(dtype, 2 if exact else 16))


@dataclass(frozen=True, eq=False)
class Number:
    """A number read from the residual stream: its reads (one feature), values in ascending order, and error at each.

    ``constant`` are the reads that give 1, up to ``constant_error``, where the number has a value.
    """

    reads: tuple[Read, ...]
    constant: tuple[tuple[Variable, Float[np.ndarray, " _"]], ...]
    values: Float[np.ndarray, " value"]
    error: Float[np.ndarray, " value"]
    constant_error: float = 0.0


def step_neurons(number: Number, results: Float[np.ndarray, "value width"], dtype: NumberFormat) -> Neurons:
    """Any function of a number with finitely many values (Tracr paper, appendix D.1).

    Between two neighbouring values with different results stands a step ``relu(z + 1/2) - relu(z - 1/2)``, where
    ``z = L (x - t)``, ``t`` is the middle of the gap and ``L`` the power of two that makes the ramp a quarter to a half
    of the gap wide: then ``|z| >= 1`` at both values, and the step is flat around each. Turned the other way round,
    ``z = L (t - x)``, the step is subtracted from a constant instead. In floating point a step errs with the size of
    ``z``, so each is turned towards the side on which the values are nearer.

    The noise of the result is measured by running the neurons, in ``dtype``, on all values and on both ends of each
    value's error. In a half format the ramps are those of :func:`narrow_ramps`, and the noise is bounded.

    Raises:
        NotSeparable: a gap is too narrow for the error of the number or for the number format.
    """
    x = number.values
    if not len(x):  # always None
        return Neurons((), np.zeros((0, results.shape[1])), Noise())
    changes = np.flatnonzero((results[1:] != results[:-1]).any(axis=1))
    everything = np.arange(len(x))
    steps = placed_steps(number, everything, changes, dtype)
    signs, slopes = steps.signs, steps.slopes
    differences = results[changes + 1] - results[changes]
    base = results[0] + differences[signs < 0].sum(axis=0)
    offsets = -signs * slopes * steps.middles
    # the two neurons of a step stand side by side, so that sums in this order cancel at once and stay small
    slope_in = np.append(np.repeat(signs * slopes, 2), 0.0)
    offset_in = np.append(np.stack([offsets + 0.5, offsets - 0.5], axis=1), 1.0)
    signed = np.repeat(signs[:, None] * differences, 2, axis=0)
    signed[1::2] *= -1
    output = np.concatenate([signed, base[None, :]])
    used = output.any(axis=1)
    slope_in, offset_in, output = slope_in[used], offset_in[used], output[used]
    reads = [Read(read.variable, read.matrix * slope_in) for read in number.reads]
    reads += [Read(variable, column[:, None] * offset_in) for variable, column in number.constant]
    if dtype.is_half and number.error.any():
        bound = step_rounding(number, everything, steps, differences, dtype)
        bound = bound + roundings(dtype, 4, half=1) * np.abs(results).max(axis=0)
        return Neurons(tuple(reads), output, Noise(number.constant_error, np.diag(bound) / SAFETY))
    if _nothing_rounds(number, slope_in, offset_in, output, dtype):
        return Neurons(tuple(reads), output, Noise())
    samples = _step_errors(number, slope_in, offset_in, output, results, dtype)
    return Neurons(tuple(reads), output, Noise(number.constant_error, samples))


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps between values of a number: ``relu(signs * slopes * (x - middles) ± 1/2)``.

    Neurons of ``rounding`` steps round in a half format.
    """

    signs: Float[np.ndarray, " step"]
    slopes: Float[np.ndarray, " step"]
    middles: Float[np.ndarray, " step"]
    rounding: Bool[np.ndarray, " step"]


def placed_steps(
    number: Number, places: Int[np.ndarray, " value"], changes: Int[np.ndarray, " step"], dtype: NumberFormat
) -> Steps:
    """Steps of a number that has some of its values, those at ``places``: after each of the ``changes`` among these.

    Raises:
        NotSeparable: a gap is too narrow.
    """
    x, error = number.values[places], number.error[places]
    low, high = x[changes], x[changes + 1]
    errors = error[changes], error[changes + 1]
    falling = (low + high) / 2 - x[0] < x[-1] - (low + high) / 2
    signs, rounding = np.where(falling, -1.0, 1.0), np.ones(len(changes), bool)
    if dtype.is_half:
        fine = all(is_power_of_two(read.matrix[read.matrix != 0]).all() for read in number.reads)
        largest = float((np.abs(number.values) + number.error).max())
        low, high = low + errors[0], high - errors[1]
        slopes, middles = narrow_ramps(low, high, number.constant_error, largest, dtype, bits=5 if fine else 1)
        if fine and len(number.reads) == 1 and not number.constant_error:
            anchored = anchored_ramps(low, high, largest, dtype)
            rounding = np.isnan(anchored[0])
            slopes, middles = (np.where(rounding, *pair) for pair in zip((slopes, middles), anchored, strict=True))
            signs = np.where(rounding, signs, np.where(middles < 0, -1.0, 1.0))
    else:
        slopes, middles = ramps(low, high, np.maximum(*errors), number.constant_error, dtype)
        if (x == np.round(x)).all() and not number.constant_error:
            whole = whole_ramps(low, high, np.maximum(*errors))
            kept = np.isnan(slopes) | np.isnan(whole[0])
            slopes, middles = (np.where(kept, *pair) for pair in zip((slopes, middles), whole, strict=True))
    if np.isnan(slopes).any():
        place = changes[int(np.isnan(slopes).argmax())]
        raise NotSeparable(x[place], x[place + 1])
    return Steps(signs, slopes, middles, rounding)


def step_rounding(
    number: Number,
    places: Int[np.ndarray, " value"],
    steps: Steps,
    output: Float[np.ndarray, "step width"],
    dtype: NumberFormat,
) -> Float[np.ndarray, " width"]:
    """A bound on what storing the activations of steps in a half format makes of what they write.

    ``output`` is what each step adds; the number has one of its values at ``places``.
    """
    ends = np.stack([number.values[places] - number.error[places], number.values[places] + number.error[places]])
    z = steps.signs * steps.slopes * (ends[:, :, None] - steps.middles)
    hidden = (np.maximum(z + 1 / 2, 0) + np.maximum(z - 1 / 2, 0)).max(axis=0) * steps.rounding
    bound: np.ndarray = unit_roundoff(dtype) * (hidden @ np.abs(output)).max(axis=0, initial=0)
    return bound


def _nothing_rounds(
    number: Number,
    slopes: Float[np.ndarray, " neuron"],
    offsets: Float[np.ndarray, " neuron"],
    output: Float[np.ndarray, "neuron width"],
    dtype: NumberFormat,
) -> bool:
    """Whether steps on a stored number far from 0, and exact whole ones, are exact in whatever order they are added up.

    The number is then a multiple of the spacing of the format at its least size, and the format holds all the sums.
    """
    stored = [read for read in number.reads if not read.variable.noise.is_exact]
    factors = np.concatenate([read.matrix[read.matrix != 0] for read in stored]) if stored else np.zeros(0)
    added = [read.variable.table * read.matrix[:, 0] for read in number.reads if read.variable.noise.is_exact]
    if any((each != np.round(each)).any() for each in added):
        return False
    beside = sum(float(np.abs(each).sum(axis=1).max(initial=0)) for each in added)
    least, most = (np.abs(number.values) - number.error).min() - beside, (np.abs(number.values) + number.error).max()
    if dtype.is_half or number.constant_error or len(factors) != 1 or not is_power_of_two(factors).all() or least <= 0:
        return False
    used = slopes != 0
    spacing = int(np.frexp(least)[1]) - dtype.precision
    if not is_power_of_two(slopes[used]).all():
        return False
    fine = np.where(used, grain(slopes) + spacing, COARSEST)
    fine = np.minimum(fine, grain(offsets))
    size = np.maximum(np.abs(slopes) * (most + beside), np.abs(offsets))
    active = np.maximum(np.maximum(slopes * number.values.min(), slopes * number.values.max()) + offsets, 0) + 1
    total = (active @ np.abs(output)).max(initial=0.0)
    finest = int((fine[:, None] + grain(output))[output != 0].min(initial=COARSEST))
    fits = np.log2(size.max(initial=1.0)) <= fine.min(initial=COARSEST) + dtype.precision
    return bool(fits and np.log2(max(total, 1.0)) <= finest + dtype.precision)


def _step_errors(
    number: Number,
    slopes: Float[np.ndarray, " neuron"],
    offsets: Float[np.ndarray, " neuron"],
    output: Float[np.ndarray, "neuron width"],
    results: Float[np.ndarray, "value width"],
    dtype: NumberFormat,
) -> Float[np.ndarray, "sample width"]:
    """What the neurons give beyond the ideal results, at each value and some of its errors, where it is anything.

    Steps are often exact there; at other errors they may round, so some units in the last place are added.
    """
    wide = dtype.wide.name
    # the ends of an error may be round numbers, which hide what others round
    errors = np.outer([0.0, -1.0, 1.0], number.error)
    errors = np.concatenate([errors, np.random.default_rng(0).uniform(-1, 1, (2, len(number.error))) * number.error])
    x = (number.values + errors).reshape(-1).astype(wide)
    slopes, offsets, output = (
        slopes.astype(wide),
        dtype.rounded(offsets).astype(wide),
        dtype.rounded(output).astype(wide),
    )
    written = np.empty((len(x), output.shape[1]))
    rows = max(1, _HIDDEN_ENTRIES // max(1, len(slopes)))
    for start in range(0, len(x), rows):
        hidden = x[start : start + rows, None] * slopes
        hidden += offsets
        with np.errstate(over="ignore"):
            product = dtype.stored(np.maximum(hidden, 0, out=hidden)) @ output
        written[start : start + rows] = dtype.rounded(product)
    off: np.ndarray = written - np.tile(results, (len(errors), 1))
    in_sums = _errors_of_sums(number, slopes, offsets, output, results, dtype)
    # sums in another order may leave a unit in the last place of the largest term, or several where there are many
    active = np.maximum(np.maximum(slopes * x.min(), slopes * x.max()) + offsets, 0) * (slopes != 0)
    largest = (active[:, None] * np.abs(output)).max(axis=0, initial=0.0)
    largest *= np.clip(largest / _SMALL, 1.0, _SEVERAL) / SAFETY
    units = np.diag(np.maximum(_UNITS * np.abs(results).max(axis=0, initial=0.0), largest) * unit_roundoff(dtype))
    off = np.concatenate([off, in_sums])
    return np.concatenate([off[off.any(axis=1)], units])


def _errors_of_sums(
    number: Number,
    slopes: Float[np.ndarray, " neuron"],
    offsets: Float[np.ndarray, " neuron"],
    output: Float[np.ndarray, "neuron width"],
    results: Float[np.ndarray, "value width"],
    dtype: NumberFormat,
) -> Float[np.ndarray, "sample width"]:
    """The same for a number that is a sum of several dimensions, for contents of these drawn at random.

    Adding up terms rounds differently in the two neurons of a step, wherever a power of two lies between their sums.
    """
    nothing = np.zeros((0, output.shape[1]))
    if sum(int((read.matrix != 0).sum()) for read in number.reads) < 2 or dtype.is_half:
        return nothing
    wide, rng = dtype.wide.name, np.random.default_rng(0)
    size = max(1, min(_SUMS, _HIDDEN_ENTRIES // max(1, len(slopes))))
    present = {variable: column[0] > 0 for variable, column in number.constant}
    factors, contents, errors = [], [], []
    for read in number.reads:
        table = read.variable.table
        rows = table[rng.integers(0, len(table), size)] if len(table) else np.zeros((size, read.variable.width))
        if read.variable in present:
            rows = np.full((size, 1), float(present[read.variable]))
        for place in np.flatnonzero(read.matrix[:, 0]).tolist():
            unit = np.zeros((read.variable.width, 1))
            unit[place] = 1
            factors.append(read.matrix[place, 0])
            contents.append(rows[:, place])
            errors.append(rng.uniform(-1, 1, size) * read.variable.noise.of_read(unit))
    total = np.array(factors) @ contents
    # errors of the terms go together in no more than that of the number
    strayed = np.abs(np.array(factors) @ errors)
    share = np.minimum(1.0, number.error.max() / np.maximum(strayed, 1e-300))
    hidden = np.tile(offsets, (size, 1))
    for factor, content, error in zip(factors, contents, errors, strict=True):
        hidden += (content + share * error).astype(wide)[:, None] * (factor * slopes).astype(wide)
    above = np.searchsorted(number.values, total).clip(0, len(number.values) - 1)
    below = np.maximum(above - 1, 0)
    which = np.where(total - number.values[below] < number.values[above] - total, below, above)
    real = np.abs(number.values[which] - total) <= _SAME * np.maximum(1.0, np.abs(total))
    off: np.ndarray = np.maximum(hidden[real], 0) @ output - results[which[real]]
    return off


def linear_neurons(reads: Sequence[Read], *, noise: Noise) -> Neurons:
    """A number passed through the MLP unchanged: ``relu(x) - relu(-x)``."""
    both = tuple(Read(read.variable, np.concatenate([read.matrix, -read.matrix], axis=1)) for read in reads)
    return Neurons(both, np.array([[1.0], [-1.0]]), noise)


def side_by_side(parts: Sequence[Neurons]) -> Neurons:
    """All the neurons of several constructions in one MLP; what they write adds up."""
    total, start = sum(len(part.output) for part in parts), 0
    reads = []
    for part in parts:
        for read in part.reads:
            matrix = np.zeros((len(read.matrix), total))
            matrix[:, start : start + len(part.output)] = read.matrix
            reads.append(Read(read.variable, matrix))
        start += len(part.output)
    samples = [len(parts) * part.noise.samples for part in parts if part.noise.samples is not None]
    noise = Noise(sum(part.noise.relative for part in parts), np.concatenate(samples) if samples else None)
    return Neurons(tuple(reads), np.concatenate([part.output for part in parts]), noise)


def interpolation_neurons(number: Number, results: Float[np.ndarray, "value width"], dtype: NumberFormat) -> Neurons:
    """A function of a number as a polygon through its points: a neuron ``relu(x - x_i)`` for each bend.

    Half as many neurons as steps where the function is different at every value, but errors of the number are not
    stopped: they come out multiplied with the slope. Neurons are turned towards the side on which values are nearer, so
    that no large terms cancel: for widths, a convex function of ``1 / (1 + w)``, all of them have the same sign.
    """
    x = number.values
    if len(x) < 2:
        return step_neurons(number, results, dtype)
    slopes = np.diff(results, axis=0) / np.diff(x)[:, None]
    falling = bool(np.median(x) - x[0] < x[-1] - np.median(x))
    if falling:
        bends = np.diff(np.concatenate([slopes, np.zeros((1, slopes.shape[1]))]), axis=0)
        knots, base, sign = x[1:], results[-1], -1.0
    else:
        bends = np.diff(np.concatenate([np.zeros((1, slopes.shape[1])), slopes]), axis=0)
        knots, base, sign = x[:-1], results[0], 1.0
    size = np.abs(slopes).max(axis=0, initial=1e-300)
    bends = np.where(np.abs(bends) > 1e-9 * size, bends, 0.0)
    slope_in = np.append(np.full(len(knots), sign), 0.0)
    offset_in = np.append(-sign * knots, 1.0)
    output = np.concatenate([bends, base[None, :]])
    return _polygon(number, slope_in, offset_in, output, results, dtype)


def outward_neurons(number: Number, results: Float[np.ndarray, "value width"], dtype: NumberFormat) -> Neurons:
    """A polygon like that of :func:`interpolation_neurons`, with bends counted from the middle value to both sides.

    Neurons are off on the other side of the middle, so that half of the terms, at most half as large, add up.
    """
    x = number.values
    if len(x) < 2:
        return step_neurons(number, results, dtype)
    middle = int(np.abs(x - (x[0] + x[-1]) / 2).argmin())
    slopes = np.diff(results, axis=0) / np.diff(x)[:, None]
    nothing = np.zeros((1, results.shape[1]))
    rising = np.diff(np.concatenate([nothing, slopes[middle:]]), axis=0)
    falling = np.diff(np.concatenate([nothing, -slopes[:middle][::-1]]), axis=0)
    knots = np.concatenate([x[middle:-1], x[1 : middle + 1][::-1]])
    signs = np.repeat([1.0, -1.0], [len(rising), len(falling)])
    bends = np.concatenate([rising, falling])
    bends = np.where(np.abs(bends) > 1e-9 * np.abs(slopes).max(initial=1e-300), bends, 0.0)
    slope_in, offset_in = np.append(signs, 0.0), np.append(-signs * knots, 1.0)
    output = np.concatenate([bends, results[[middle]]])
    return _polygon(number, slope_in, offset_in, output, results, dtype)


def _polygon(
    number: Number,
    slopes: Float[np.ndarray, " neuron"],
    offsets: Float[np.ndarray, " neuron"],
    output: Float[np.ndarray, "neuron width"],
    results: Float[np.ndarray, "value width"],
    dtype: NumberFormat,
) -> Neurons:
    """The neurons that write anything, with what they give beyond the results as noise."""
    used = output.any(axis=1)
    slopes, offsets, output = slopes[used], offsets[used], output[used]
    reads = [Read(read.variable, read.matrix * slopes) for read in number.reads]
    reads += [Read(variable, column[:, None] * offsets) for variable, column in number.constant]
    samples = _step_errors(number, slopes, offsets, output, results, dtype)
    return Neurons(tuple(reads), output, Noise(number.constant_error, samples))
