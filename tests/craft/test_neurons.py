"""MLP constructions compute their tables and functions on every encoding, noise included, and nothing at BOS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS, NumberFormat
from tracrlab.craft.neurons import (
    Box,
    Neurons,
    NotSeparable,
    Number,
    box_cover,
    linear_neurons,
    lookup_neurons,
    outward_neurons,
    side_by_side,
    step_neurons,
)
from tracrlab.craft.precision import Noise
from tracrlab.craft.spaces import Read, Variable, one_hot_variable, scalar_variable

ONE = scalar_variable("one", [1], nullable=False, at_bos=1)
BOS = scalar_variable("bos", [0, 1], nullable=False, at_bos=1)
CONSTANT = ((ONE, 1.0), (BOS, -1.0))
CONSTANT_COLUMNS = ((ONE, np.array([1.0])), (BOS, np.array([-1.0])))
ORDINARY = {ONE: [1.0], BOS: [0.0]}  # what stands at a token
AT_BOS = {ONE: [1.0], BOS: [1.0]}
SINGLE, DOUBLE = FORMATS["float32"], FORMATS["float64"]
dtypes = st.sampled_from([SINGLE, DOUBLE])
seeds = st.integers(0, 2**32 - 1)


def written(neurons: Neurons, stored: Mapping[Variable, Any], dtype: NumberFormat = DOUBLE) -> np.ndarray:
    """What an MLP with these neurons writes where ``stored`` stands in the residual stream."""
    before = np.zeros(len(neurons.output), dtype.name)
    for read in neurons.reads:
        before += np.asarray(stored[read.variable], dtype.name) @ read.matrix.astype(dtype.name)
    return np.where(before > 0, before, 0) @ neurons.output.astype(dtype.name)


# Boxes ---------------------------------------------------------------------------------------------------------------

tables = (
    st.lists(st.integers(1, 5), min_size=1, max_size=3)
    .flatmap(lambda shape: st.tuples(st.just(shape), st.lists(st.integers(-1, 3), min_size=math.prod(shape))))
    .map(lambda drawn: np.array(drawn[1][: math.prod(drawn[0])]).reshape(drawn[0]))
)


@given(tables)
def test_boxes_cover_each_filled_cell_once_with_its_result_and_no_empty_cell(places: np.ndarray) -> None:
    boxes = box_cover(places, 2**10)
    assert all(tuple(map(len, box.sets)) == places.shape for box in boxes)
    for cell in np.ndindex(places.shape):
        around = [box.result for box in boxes if all(box.sets[axis][place] for axis, place in enumerate(cell))]
        assert around == ([] if places[cell] < 0 else [places[cell]])


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=6), st.integers(1, 6))
def test_a_table_of_one_input_takes_a_box_for_each_result(column: list[int], others: int) -> None:
    n_results = len(set(column) - {-1})
    places = np.repeat(np.array(column)[:, None], others, axis=1)
    assert len(box_cover(places[:, 0], 2**10)) == n_results
    assert len(box_cover(places, 2**10)) == n_results
    assert len(box_cover(places.T, 2**10)) == n_results


def test_the_better_order_of_a_two_way_table_is_taken() -> None:
    """Joined by rows this takes 6 boxes, by columns 4; either way round 4 must be found."""
    places = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]])
    by_rows = sum(len({tuple(row == result) for row in places if (row == result).any()}) for result in (0, 1))
    by_columns = sum(len({tuple(row == result) for row in places.T if (row == result).any()}) for result in (0, 1))
    assert by_rows != by_columns
    assert len(box_cover(places, 2**10)) == len(box_cover(places.T, 2**10)) == min(by_rows, by_columns)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (2, 0, 3)])
def test_an_empty_table_takes_no_boxes(shape: tuple[int, ...]) -> None:
    assert box_cover(np.zeros(shape, int), 2**10) == []


# Lookups -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lookup:
    """A random table: ``None`` is the place after the last value of an axis, which the table may or may not have."""

    widths: list[int]
    nullable: list[bool]
    places: np.ndarray
    results: np.ndarray
    joined: bool

    @cached_property
    def inputs(self) -> list[Variable]:
        described = enumerate(zip(self.widths, self.nullable, strict=True))
        return [one_hot_variable(f"x{axis}", range(width), nullable=nullable) for axis, (width, nullable) in described]

    @property
    def boxes(self) -> list[Box]:
        return box_cover(self.places, 2**10) if self.joined else singletons(self.places)

    def neurons(self, dtype: NumberFormat, inputs: list[Variable] | None = None) -> Neurons:
        return lookup_neurons(inputs or self.inputs, self.boxes, self.results, CONSTANT, dtype)

    def cells(self) -> list[tuple[int, ...]]:
        """All combinations of places, ``None`` included where it can occur."""
        return list(np.ndindex(*(width + nullable for width, nullable in zip(self.widths, self.nullable, strict=True))))

    def expected(self, cell: tuple[int, ...]) -> np.ndarray:
        inside = all(place < size for place, size in zip(cell, self.places.shape, strict=True))
        place = self.places[cell] if inside else -1
        return self.results[place] if place >= 0 else np.zeros(self.results.shape[1])

    def one_hots(self, cell: tuple[int, ...]) -> list[np.ndarray]:
        return [
            np.array([float(number == place) for number in range(width)])
            for width, place in zip(self.widths, cell, strict=True)
        ]

    def stored(self, cell: tuple[int, ...]) -> dict[Variable, Any]:
        return dict(zip(self.inputs, self.one_hots(cell), strict=True))


@st.composite
def lookups(draw: st.DrawFn) -> Lookup:
    axes = draw(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=3))
    shape = [width + (nullable and extra) for width, nullable, extra in axes]
    n_results, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(seeds))
    places = rng.integers(-1, n_results, shape)
    results = rng.integers(-3, 4, (n_results, width)).astype(float)
    return Lookup([axis[0] for axis in axes], [axis[1] for axis in axes], places, results, draw(st.booleans()))


def singletons(places: np.ndarray) -> list[Box]:
    """A box for each cell."""
    return [
        Box(tuple(np.arange(size) == place for size, place in zip(places.shape, cell, strict=True)), int(places[cell]))
        for cell in np.ndindex(places.shape)
        if places[cell] >= 0
    ]


@given(lookups(), dtypes)
def test_a_lookup_of_exact_inputs_equals_its_table(lookup: Lookup, dtype: NumberFormat) -> None:
    neurons = lookup.neurons(dtype)
    for cell in lookup.cells():
        stored = ORDINARY | lookup.stored(cell)
        assert written(neurons, stored, dtype).tolist() == lookup.expected(cell).tolist()


@given(lookups())
def test_a_lookup_writes_nothing_at_bos(lookup: Lookup) -> None:
    for noise in (None, Noise(2**-8)):
        inputs = [replace(variable, noise=noise or Noise()) for variable in lookup.inputs]
        neurons = lookup.neurons(SINGLE, inputs)
        stored = AT_BOS | {variable: np.zeros(variable.width) for variable in inputs}
        assert not written(neurons, stored).any()


@given(lookups(), st.booleans(), seeds, dtypes)
def test_a_lookup_stops_noise_up_to_an_eighth(lookup: Lookup, spread: bool, seed: int, dtype: NumberFormat) -> None:
    """Each input is off by vectors whose entries add up to an eighth over all inputs, half of it as a fraction."""
    rng = np.random.default_rng(seed)
    budget = (1 - 2**-10) / 8 / len(lookup.inputs)  # bounds on sums are rounded up a little
    inputs, samples = [], {}
    for variable in lookup.inputs:
        vectors = rng.uniform(-1, 1, (6, variable.width)) if spread else np.sign(rng.normal(size=(6, variable.width)))
        vectors *= budget / 2 / np.abs(vectors).sum(axis=1, keepdims=True)
        noisy = replace(variable, noise=Noise(budget / 2, np.abs(vectors)))
        inputs.append(noisy)
        samples[noisy] = vectors
    neurons = lookup.neurons(dtype, inputs)
    tolerance = 64 * np.finfo(dtype.name).eps * (1 + np.abs(lookup.results).max())
    for cell in lookup.cells():
        stored: dict[Variable, Any] = dict(ORDINARY)
        for variable, one_hot in zip(inputs, lookup.one_hots(cell), strict=True):
            off = samples[variable][rng.integers(6)] * rng.choice([-1, 1])
            stored[variable] = one_hot * (1 + rng.choice([-1, 1]) * budget / 2) + off
        error = np.abs(written(neurons, stored, dtype) - lookup.expected(cell)).max()
        assert error <= tolerance


@given(st.integers(1, 6), seeds, dtypes)
def test_a_lookup_of_single_noisy_entries_gives_exact_zeros_and_ones(
    width: int, seed: int, dtype: NumberFormat
) -> None:
    rng = np.random.default_rng(seed)
    noisy = one_hot_variable("x", range(width), nullable=True, noise=Noise(bounds=np.full((1, width), 1 / 8)))
    rows = [np.arange(width) == place for place in range(width)]
    boxes = [Box((row,), place) for place, row in enumerate(rows)]
    neurons = lookup_neurons([noisy], boxes, np.eye(width), CONSTANT, dtype)
    assert neurons.noise.is_exact
    for ideal in [*np.eye(width), np.zeros(width)]:
        stored = ORDINARY | {noisy: ideal + rng.uniform(-1 / 8, 1 / 8, width)}
        assert written(neurons, stored, dtype).tolist() == ideal.tolist()


def test_noise_above_an_eighth_is_refused() -> None:
    boxes = [Box((np.array([True, False]),), 0)]
    for relative, refused in ((1 / 8, False), (0.126, True)):
        noisy = one_hot_variable("x", "ab", nullable=False, noise=Noise(relative))
        if refused:
            with pytest.raises(NotSeparable):
                lookup_neurons([noisy], boxes, np.eye(1), CONSTANT, SINGLE)
        else:
            assert len(lookup_neurons([noisy], boxes, np.eye(1), CONSTANT, SINGLE).output) == 2


def test_boxes_of_zero_results_take_no_neurons() -> None:
    x = one_hot_variable("x", "abc", nullable=False)
    boxes = box_cover(np.array([0, 1, 0]), 2**10)
    assert len(lookup_neurons([x], boxes, np.array([[0.0], [2.0]]), CONSTANT, SINGLE).output) == 1
    nothing = lookup_neurons([x], boxes, np.zeros((2, 3)), CONSTANT, SINGLE)
    assert nothing.output.shape == (0, 3)
    assert nothing.noise.is_exact


# Steps ---------------------------------------------------------------------------------------------------------------

X = scalar_variable("x", [0], nullable=False)


@dataclass(frozen=True)
class Steps:
    """A random function of a number: gaps between neighbours are at least 1/16, and the error up to 1/16 of them."""

    values: np.ndarray
    error: np.ndarray
    results: np.ndarray

    def number(self) -> Number:
        return Number((Read(X, np.ones((1, 1))),), CONSTANT_COLUMNS, self.values, self.error)

    @property
    def variation(self) -> float:
        """How much the results change altogether, and are."""
        return float(np.abs(np.diff(self.results, axis=0)).sum() + np.abs(self.results).max())


@st.composite
def step_functions(draw: st.DrawFn, *, results: str = "any") -> Steps:
    rng = np.random.default_rng(draw(seeds))
    n_values = draw(st.integers(1, 12))
    gaps = 2.0 ** rng.uniform(-4, 4, n_values - 1)
    values = draw(st.floats(-100, 100, width=32)) + np.concatenate([[0.0], np.cumsum(gaps)])
    room = np.minimum(np.concatenate([[1.0], gaps]), np.concatenate([gaps, [1.0]]))
    if results == "one-hot":
        table = np.eye(n_values)
    else:
        levels = rng.integers(-8, 9, (draw(st.integers(1, 4)), draw(st.integers(1, 3)))).astype(float)
        table = levels[rng.integers(len(levels), size=n_values)]
    return Steps(values, room / draw(st.sampled_from([16, 8.5])), table)  # for wide ramps and for steeper ones


@given(step_functions(), dtypes, st.sampled_from([-1.0, -0.5, -0.1, 0.0, 0.3, 1.0]))
def test_steps_equal_any_function_of_a_number_and_are_flat_around_each_value(
    steps: Steps, dtype: NumberFormat, off: float
) -> None:
    neurons = step_neurons(steps.number(), steps.results, dtype)
    tolerance = (2e-3 if dtype == SINGLE else 1e-11) * steps.variation
    for value, error, result in zip(steps.values, steps.error, steps.results, strict=True):
        stored = ORDINARY | {X: [value + 0.999 * off * error]}  # what rounding adds stays within the error
        assert np.abs(written(neurons, stored, dtype) - result).max() <= tolerance


@given(step_functions(results="one-hot"), st.sampled_from([0.0, 77.7, -1000.3]), dtypes, seeds)
def test_the_noise_of_steps_bounds_their_error(steps: Steps, shift: float, dtype: NumberFormat, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = replace(steps, values=steps.values + shift)
    neurons = step_neurons(steps.number(), steps.results, dtype)
    read = rng.uniform(-1, 1, (len(steps.values), 2))
    rounding = 16 * np.finfo(dtype.name).eps * len(steps.values)  # of the read itself
    for value, error, result in zip(steps.values, steps.error, steps.results, strict=True):
        stored = ORDINARY | {X: [value + rng.uniform(-0.999, 0.999) * error]}
        actual = np.abs((written(neurons, stored, dtype).astype(float) - result) @ read).max()
        assert actual <= neurons.noise.of_read(read) + rounding


@given(step_functions())
def test_steps_write_nothing_at_bos(steps: Steps) -> None:
    neurons = step_neurons(steps.number(), steps.results, SINGLE)
    assert not written(neurons, AT_BOS | {X: [0.0]}).any()


@given(step_functions())
def test_steps_take_two_neurons_a_change(steps: Steps) -> None:
    changes = sum(one != other for one, other in zip(steps.results.tolist(), steps.results[1:].tolist(), strict=False))
    output = step_neurons(steps.number(), steps.results, DOUBLE).output
    assert len(output) - 2 * changes in (0, 1)  # one for the constant that steps are added to
    assert output.any(axis=1).all()


@given(step_functions(results="one-hot"), st.data())
def test_a_gap_too_narrow_for_the_error_is_refused(steps: Steps, data: st.DataObject) -> None:
    if len(steps.values) < 2:
        return
    place = data.draw(st.integers(0, len(steps.values) - 2))
    low, high = steps.values[place : place + 2]
    error = steps.error.copy()
    error[place + data.draw(st.integers(0, 1))] = 0.45 * (high - low)
    with pytest.raises(NotSeparable) as refusal:
        step_neurons(replace(steps, error=error).number(), steps.results, DOUBLE)
    named = refusal.value.args
    assert set(named) <= set(steps.values.tolist())
    assert {low, high} & set(named)


@given(step_functions(), dtypes)
def test_a_polygon_from_the_middle_equals_any_function_of_a_number_and_straight_lines_between(
    steps: Steps, dtype: NumberFormat
) -> None:
    number = replace(steps.number(), error=np.zeros_like(steps.error))
    neurons = outward_neurons(number, steps.results, dtype)
    steepest = 16 * steps.variation  # gaps are at least a sixteenth
    tolerance = (1e-4 if dtype == SINGLE else 1e-10) * (1 + steepest) * (1 + np.ptp(steps.values))
    between = (steps.values[1:] + steps.values[:-1]) / 2
    for value in (*steps.values, *between):
        expected = [np.interp(value, steps.values, column) for column in steps.results.T]
        assert np.abs(written(neurons, ORDINARY | {X: [value]}, dtype) - expected).max() <= tolerance


@given(step_functions(results="one-hot"), dtypes, seeds)
def test_the_noise_of_a_polygon_from_the_middle_bounds_its_error(steps: Steps, dtype: NumberFormat, seed: int) -> None:
    values = steps.values.astype(dtype.name).astype(float)
    number = replace(steps.number(), values=values, error=np.zeros_like(steps.error))
    neurons = outward_neurons(number, steps.results, dtype)
    read = np.random.default_rng(seed).uniform(-1, 1, (len(values), 2))
    rounding = 16 * np.finfo(dtype.name).eps * len(values)  # of the read itself
    for value, result in zip(values, steps.results, strict=True):
        off = written(neurons, ORDINARY | {X: [value]}, dtype).astype(float) - result
        assert np.abs(off @ read).max() <= neurons.noise.of_read(read) + rounding


@given(step_functions())
def test_a_polygon_from_the_middle_adds_up_terms_of_one_side_and_writes_nothing_at_bos(steps: Steps) -> None:
    neurons = outward_neurons(replace(steps.number(), error=np.zeros_like(steps.error)), steps.results, DOUBLE)
    assert not written(neurons, AT_BOS | {X: [0.0]}).any()
    middle = (steps.values[0] + steps.values[-1]) / 2
    nearest = steps.values[np.abs(steps.values - middle).argmin()]
    slopes = sum((read.matrix[0] for read in neurons.reads if read.variable is X), np.zeros(len(neurons.output)))
    offsets = sum(
        (read.matrix[0] * ORDINARY[read.variable][0] for read in neurons.reads if read.variable is not X),
        np.zeros(len(neurons.output)),
    )
    if len(steps.values) > 1:
        for value in steps.values:
            active = slopes[(slopes * value + offsets > 0) & (slopes != 0)]
            assert (active == np.sign(value - nearest)).all()


def test_a_gap_that_no_step_stands_in_may_be_narrow() -> None:
    number = Steps(np.array([0.0, 1e-9, 1.0]), np.full(3, 1e-3), np.zeros((0, 0))).number()
    neurons = step_neurons(number, np.array([[5.0], [5.0], [7.0]]), SINGLE)
    assert written(neurons, ORDINARY | {X: [0.0]}, SINGLE).tolist() == [5]
    with pytest.raises(NotSeparable):
        step_neurons(number, np.array([[5.0], [6.0], [7.0]]), SINGLE)


@pytest.mark.parametrize("middle", [1000.0, -1000.0])
def test_a_gap_too_narrow_for_the_number_format_is_refused_in_that_format(middle: float) -> None:
    number = Steps(np.array([middle, middle + 2**-14]), np.zeros(2), np.zeros((0, 0))).number()
    with pytest.raises(NotSeparable) as refusal:
        step_neurons(number, np.eye(2), SINGLE)
    assert refusal.value.args == (middle, middle + 2**-14)
    neurons = step_neurons(number, np.eye(2), DOUBLE)
    for value, one_hot in zip(number.values, np.eye(2), strict=True):
        assert np.abs(written(neurons, ORDINARY | {X: [value]}) - one_hot).max() < 1e-6


def test_an_error_of_the_constant_counts_too() -> None:
    number = Steps(np.array([1000.0, 1001.0]), np.zeros(2), np.zeros((0, 0))).number()
    assert len(step_neurons(replace(number, constant_error=1e-5), np.eye(2), DOUBLE).output)
    with pytest.raises(NotSeparable):
        step_neurons(replace(number, constant_error=1e-3), np.eye(2), DOUBLE)


def test_a_number_without_values_takes_no_neurons() -> None:
    number = Number((Read(X, np.ones((1, 1))),), CONSTANT_COLUMNS, np.zeros(0), np.zeros(0))
    assert step_neurons(number, np.zeros((0, 4)), SINGLE).output.shape == (0, 4)


def test_a_missing_number_gives_nothing() -> None:
    """A nullable number's constant is its presence dimension: ``None``, zero in both, writes zero."""
    x = scalar_variable("x", [-1, 2, 3], nullable=True)
    number = Number((Read(x, np.array([[1.0], [0.0]])),), ((x, np.array([0.0, 1.0])),), x.numbers, np.zeros(3))
    neurons = step_neurons(number, np.array([[4.0], [5.0], [-6.0]]), SINGLE)
    for value, result in ((-1, 4), (2, 5), (3, -6)):
        assert written(neurons, {x: [value, 1.0]}, SINGLE).tolist() == [result]
    assert written(neurons, {x: [0.0, 0.0]}, SINGLE).tolist() == [0]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("longest", [1, 9, 100, 1000])
def test_selector_widths_are_recovered_in_single_precision(longest: int, sign: int) -> None:
    """``1 / (1 + w)``, a few units in the last place off, gives w back exactly, as a number and as a one-hot.

    So does its negative, where values lie closest at the other end.
    """
    widths = np.arange(longest, -1.0, -1)[::sign]
    shares = sign / (1 + widths)
    error = 4 * np.finfo(np.float32).eps * np.abs(shares)
    number = Number((Read(X, np.ones((1, 1))),), CONSTANT_COLUMNS, shares, error)
    as_number = step_neurons(number, widths[:, None], SINGLE)
    as_one_hot = step_neurons(number, np.eye(longest + 1), SINGLE)
    for ulps in (-4, -1, 0, 1, 4):
        x = (shares.astype(np.float32) * np.float32(1 + ulps * np.finfo(np.float32).eps)).astype(np.float32)
        found = hidden_output(as_number, x)[:, 0]
        assert np.rint(found).tolist() == widths.tolist()
        assert np.abs(found - widths).max() <= as_number.noise.of_read(np.ones((1, 1)))
        assert np.abs(hidden_output(as_one_hot, x) - np.eye(longest + 1)).max() < 1 / 8


def hidden_output(neurons: Neurons, x: np.ndarray) -> np.ndarray:
    """What the neurons write for many numbers at once, all of it in single precision."""
    slopes = sum(read.matrix[0] for read in neurons.reads if read.variable is X).astype(np.float32)
    offsets = sum(read.matrix[0] for read in neurons.reads if read.variable is ONE).astype(np.float32)
    before = x[:, None] * slopes + offsets
    return np.where(before > 0, before, np.float32(0)) @ neurons.output.astype(np.float32)


# Linear maps and combinations ----------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=4), seeds)
def test_a_number_passes_unchanged(numbers: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = one_hot_variable("y", range(len(numbers)), nullable=False)
    neurons = linear_neurons([Read(X, np.array([[-2.0]])), Read(y, np.array(numbers)[:, None])], noise=Noise(0.5))
    x, place = float(rng.integers(-50, 50)), int(rng.integers(len(numbers)))
    one_hot = [float(number == place) for number in range(len(numbers))]
    assert written(neurons, {X: [x], y: one_hot}).tolist() == [numbers[place] - 2 * x]
    assert neurons.noise.of_read(np.ones((1, 1))) == 0.5


@given(st.lists(lookups(), min_size=1, max_size=3), step_functions(), seeds)
def test_neurons_side_by_side_add_up(parts: Sequence[Lookup], steps: Steps, seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = 2
    built, stored = [], dict(ORDINARY)
    for lookup in parts:
        results = rng.integers(-3, 4, (len(lookup.results), width)).astype(float)
        built.append(lookup_neurons(lookup.inputs, lookup.boxes, results, CONSTANT, DOUBLE))
        cells = lookup.cells()
        stored |= lookup.stored(cells[rng.integers(len(cells))])
    built.append(step_neurons(steps.number(), rng.integers(-3, 4, (len(steps.values), width)).astype(float), DOUBLE))
    stored[X] = [steps.values[0]]
    together = side_by_side(built)
    assert len(together.output) == sum(len(part.output) for part in built)
    expected = sum(written(part, stored) for part in built)
    assert np.allclose(written(together, stored), expected, rtol=0, atol=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=4), seeds)
def test_the_noise_of_neurons_side_by_side_bounds_the_sum_of_their_errors(
    drawn: list[tuple[float, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    noises = [Noise(relative, np.abs(rng.normal(size=(n, 3))) if n else None) for relative, n in drawn]
    parts = [Neurons((Read(X, np.ones((1, 1))),), np.ones((1, 3)), noise) for noise in noises]
    total, matrix = np.zeros(3), rng.normal(size=(3, 2))
    for noise in noises:
        total += noise.relative * np.eye(3)[0]
        if noise.bounds is not None:
            total += rng.choice([-1, 1], size=3) * noise.bounds[rng.integers(len(noise.bounds))]
    assert np.abs(total @ matrix).max() <= side_by_side(parts).noise.of_read(matrix) + 1e-9
