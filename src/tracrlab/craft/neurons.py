"""Exact MLP constructions: lookups of one-hot variables, step functions of a number, linear maps.

Each returns the two weight matrices of an MLP over labelled variables. ``constant`` stands for reads that give 1 at
every position except BOS, so that no neuron fires at BOS and nothing is written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tracrlab.craft.formats import COARSEST, NumberFormat, content_grain, grain, is_power_of_two
from tracrlab.craft.precision import Noise, NotSeparable, bounded_product, noise_of, roundings, unit_roundoff
from tracrlab.craft.ramps import Grid, anchored_ramps, narrow_ramps, ramps
from tracrlab.craft.spaces import Read, Variable
from tracrlab.shapes import Bool, Float, Int

_HIDDEN_ENTRIES = 2**22  # of the hidden activations that are held at once
_MOST_BOUNDS = 2**22  # entries of the bounds of a variable, beyond which one bound stands for all its values
_STRAIGHT = 1e-9  # bends smaller than this share of the steepest slope are those of rounded quotients


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
    """Exact for results of exact inputs that the format holds, and for single entries of one noisy input.

    In the latter case ``2x``, ``2x - 1/2`` and ``2x - 3/2`` are all exact in floating point near ``x`` = 1.
    """
    if exact:
        return Noise() if (dtype.rounded(results) == results).all() else Noise(relative=roundings(dtype, 2))
    terms = sum(int((mask != 0).sum(axis=0).max(initial=0)) for _, mask in masks)
    if bool(np.isin(results, (0, 1)).all()) and len(inputs) == 1 and terms <= 1:
        return Noise()
    return Noise(relative=roundings(dtype, 16 + 2 * terms))


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

    What rounds is bounded by :func:`rounding_errors`: nothing, where the number lies on a grid. In a half format the
    ramps are those of :func:`narrow_ramps`.

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
    base = results[0] + ordered_sum(differences[signs < 0])
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
        return Neurons(tuple(reads), output, noise_of(bound[None, :], number.constant_error))
    errors = rounding_errors(number, slope_in, offset_in, output, results, dtype)
    return Neurons(tuple(reads), output, noise_of(errors, number.constant_error))


def ordered_sum(rows: Float[np.ndarray, "row width"]) -> Float[np.ndarray, " width"]:
    """The sum of rows, one after the other, which is the same on every machine."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total = total + row
    return total


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
        slopes, middles = ramps(low, high, np.maximum(*errors), number.constant_error, _grid(number, dtype), dtype)
    if np.isnan(slopes).any():
        place = changes[int(np.isnan(slopes).argmax())]
        raise NotSeparable(x[place], x[place + 1])
    return Steps(signs, slopes, middles, rounding)


def _grid(number: Number, dtype: NumberFormat) -> Grid:
    """The grid on which what is read lies, whatever its errors."""
    reached = _reaching(number, np.ones(1), np.zeros(1), dtype)
    return Grid(int(reached.grains[0]) if reached.known[0] else None, float(reached.reach[0]))


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


@dataclass(frozen=True, eq=False)
class _Read:
    """What reaches neurons: for each the power of two of which it is a multiple, if any, and the rounding of the sum.

    ``known`` says where there is such a power; the sum is exact where ``rounding``, a bound for each neuron, is 0.
    ``reach`` bounds partial sums. ``pairs``: all are sums of two terms at most, whose rounding is a share of the sum.
    """

    grains: Int[np.ndarray, " neuron"]
    known: Bool[np.ndarray, " neuron"]
    rounding: Float[np.ndarray, " neuron"]
    reach: Float[np.ndarray, " neuron"]
    pairs: bool


def rounding_errors(
    number: Number,
    slopes: Float[np.ndarray, " neuron"],
    offsets: Float[np.ndarray, " neuron"],
    output: Float[np.ndarray, "neuron width"],
    results: Float[np.ndarray, "value width"],
    dtype: NumberFormat,
) -> Float[np.ndarray, "row width"]:
    """How far rounding puts neurons ``relu(slope x + offset)`` off for values of the number, in any order of sums.

    A row for each value, or one for all where that would be too many.
    """
    wide, u = dtype.wide, unit_roundoff(dtype.wide)
    reached = _reaching(number, slopes, offsets, dtype)
    sizes = np.abs(output)
    grains = np.where((output != 0) & reached.known[:, None], reached.grains[:, None] + grain(output), COARSEST)
    unheld = np.abs(dtype.rounded(output) - output)
    rows = max(1, _HIDDEN_ENTRIES // max(1, sum(output.shape)))
    found = []
    for start in range(0, len(number.values), rows):
        x, error = number.values[start : start + rows, None], number.error[start : start + rows, None]
        before = slopes * x + offsets
        spread = np.abs(slopes) * error
        own = np.minimum(reached.rounding, u * (np.abs(before) + spread)) if reached.pairs else reached.rounding
        hidden = np.maximum(before + spread + own, 0)
        live = hidden > 0
        fits = reached.known & (own == 0)
        if dtype.is_half:  # what is stored is rounded once more, unless the format holds it
            kept = fits & (hidden <= np.ldexp(1.0, np.minimum(reached.grains + dtype.precision, 1000)))
            own = own + np.where(kept, 0.0, unit_roundoff(dtype) * hidden)
            fits = fits & kept
        total = bounded_product(hidden, sizes)
        terms = live.astype(float) @ (output != 0)
        unknown = (live & ~fits).astype(float) @ (output != 0)
        finest = _finest(live, grains)
        whole = np.ldexp(1.0, np.clip(finest + wide.precision, -1000, 1000))
        exact = (unknown == 0) & (total <= whole)
        rounding = np.where(exact, 0.0, (terms + 1) * u * total) + bounded_product(np.where(live, own, 0.0), sizes)
        rounding += bounded_product(hidden, unheld)
        if dtype.is_half:
            ideal = np.abs(results[start : start + rows])
            held = exact & (total <= np.ldexp(1.0, np.clip(finest + dtype.precision, -1000, 1000)))
            rounding += np.where(held, 0.0, unit_roundoff(dtype) * (ideal + rounding))
        found.append(rounding if len(number.values) * rounding.shape[1] <= _MOST_BOUNDS else rounding.max(axis=0)[None])
    return np.concatenate(found)


def _finest(
    live: Bool[np.ndarray, "value neuron"], grains: Int[np.ndarray, "neuron width"]
) -> Int[np.ndarray, "value width"]:
    """The least grain of what live neurons add to each dimension; most neurons have one grain in all dimensions."""
    finest = np.full((len(live), grains.shape[1]), COARSEST)
    for each in np.unique(grains).tolist()[::-1]:
        if each < COARSEST:
            touched = live.astype(np.float32) @ (grains == each).astype(np.float32) > 0
            finest = np.where(touched, each, finest)
    return finest


def _reaching(
    number: Number, slopes: Float[np.ndarray, " neuron"], offsets: Float[np.ndarray, " neuron"], dtype: NumberFormat
) -> _Read:
    """What reading a number and a constant rounds, neuron by neuron."""
    wide = dtype.wide
    stored_offsets = dtype.rounded(offsets)
    grains = np.where(stored_offsets != 0, grain(stored_offsets), COARSEST)
    known, exact_products = np.ones(len(slopes), bool), np.ones(len(slopes), bool)
    above, below, terms = np.maximum(stored_offsets, 0), np.maximum(-stored_offsets, 0), 1
    unheld = np.abs(stored_offsets - offsets)
    used = slopes != 0
    for read in number.reads:
        factors = read.matrix[:, 0]
        table = np.concatenate([read.variable.table, read.variable.at_bos[None] * 0][: 1 + read.variable.nullable])
        terms += _most_terms(read.variable, table, factors)
        for place in np.flatnonzero(factors).tolist():
            unit = np.zeros((len(factors), 1))
            unit[place] = 1
            error, column = read.variable.noise.of_read(unit), table[:, place]
            content = content_grain(column, error, dtype)
            weights = factors[place] * slopes
            stored = dtype.rounded(weights)
            unheld = unheld + np.abs(stored - weights) * (np.abs(column).max(initial=0.0) + error)
            own = np.where(used, grain(stored) + (0 if content is None else content), COARSEST)
            grains = np.minimum(grains, own)
            known &= (content is not None) | ~used
            exact_products &= is_power_of_two(stored) | ~used | (error == 0 and bool(_are_powers(column)))
            ends = np.stack([stored * (column.min(initial=0.0) - error), stored * (column.max(initial=0.0) + error)])
            if len(column) and column.min() > error:
                ends = np.stack([stored * (column.min() - error), stored * (column.max() + error)])
            above, below = above + np.maximum(ends, 0).max(axis=0), below + np.maximum(-ends, 0).max(axis=0)
    fits = known & (np.maximum(above, below) <= np.ldexp(1.0, np.clip(grains + wide.precision, -1000, 1000)))
    count = max(terms - 1, 0) + ~exact_products * (not dtype.is_half)
    rounding = np.where(fits, 0.0, count * unit_roundoff(wide) * (above + below)) + unheld
    reach = np.maximum(above, below)
    return _Read(grains, known, rounding, reach, bool(terms <= 2 and exact_products.all() and not unheld.any()))


def _most_terms(
    variable: Variable, table: Float[np.ndarray, "value width"], factors: Float[np.ndarray, " width"]
) -> int:
    """How many terms that are not zero a read can have."""
    if variable.noise.is_exact:
        return int(((table != 0) & (factors != 0)).sum(axis=1).max(initial=0))
    return int((factors != 0).sum())


def _are_powers(numbers: Float[np.ndarray, " number"]) -> bool:
    return bool((is_power_of_two(numbers) | (numbers == 0)).all())


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
    bounds = [part.noise.bounds.max(axis=0) for part in parts if part.noise.bounds is not None]
    noise = Noise(sum(part.noise.relative for part in parts), np.sum(bounds, axis=0)[None, :] if bounds else None)
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
    bends = np.where(np.abs(bends) > _STRAIGHT * size, bends, 0.0)
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
    bends = np.where(np.abs(bends) > _STRAIGHT * np.abs(slopes).max(initial=1e-300), bends, 0.0)
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
    """The neurons that write anything, with what rounds as noise, and what the number's errors make of the slopes."""
    used = output.any(axis=1)
    slopes, offsets, output = slopes[used], offsets[used], output[used]
    reads = [Read(read.variable, read.matrix * slopes) for read in number.reads]
    reads += [Read(variable, column[:, None] * offsets) for variable, column in number.constant]
    errors = rounding_errors(number, slopes, offsets, output, results, dtype)
    steep = np.abs(np.diff(results, axis=0)) / np.diff(number.values)[:, None]
    if (number.error >= np.diff(number.values).min()).any():
        steep = np.broadcast_to(steep.max(axis=0), steep.shape)
    beside = np.maximum(np.concatenate([steep, steep[-1:]]), np.concatenate([steep[:1], steep]))
    passed = beside * number.error[:, None]
    errors = errors + (passed if len(errors) == len(passed) else passed.max(axis=0))
    # bends so small that they were left out, and what they add up to
    errors = (
        errors
        + _STRAIGHT
        * np.abs(steep).max(axis=0)
        * np.ptp(number.values)
        * (number.values != np.round(number.values)).any()
    )
    return Neurons(tuple(reads), output, noise_of(errors, number.constant_error))
