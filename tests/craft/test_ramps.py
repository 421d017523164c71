"""Ramps: steps that stand between numbers and, on a grid, do not round, in whatever order sums are added up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS
from tracrlab.craft.ramps import Grid, ceil_log2, power_above, ramps

SINGLE = FORMATS["float32"]


@dataclass(frozen=True)
class Sum:
    """Terms that are multiples of ``2**exponent``, and the order in which they and the threshold are added up."""

    terms: list[Fraction]
    exponent: int
    order: list[int]


@st.composite
def sums(draw: st.DrawFn) -> Sum:
    exponent = draw(st.integers(-12, 0))
    multiples = draw(st.lists(st.integers(-(2**18), 2**18), min_size=1, max_size=5))
    order = draw(st.permutations(range(len(multiples) + 1)))
    return Sum([each * Fraction(2) ** exponent for each in multiples], exponent, order)


@given(sums(), st.integers(-3, 3), st.integers(0, 4), st.sampled_from([-1, 1]))
@settings(max_examples=300)
def test_neurons_on_a_grid_do_not_round_in_any_order_of_their_terms(
    added: Sum, away: int, wider: int, sign: int
) -> None:
    """The step stands ``away`` gaps from the sum, just below it where this is 0."""
    total, gap = sum(added.terms), Fraction(2) ** (added.exponent + 4 + wider)
    low, high = total + (away - 1) * gap, total + away * gap
    grid = Grid(added.exponent, float(sum(map(abs, added.terms))))
    slopes, middles = ramps(np.array([float(low)]), np.array([float(high)]), np.zeros(1), 0.0, grid, SINGLE)
    assert not np.isnan(slopes[0])
    slope, middle = Fraction(float(slopes[0])), Fraction(float(middles[0]))
    for shift in (Fraction(1, 2), Fraction(-1, 2)):
        exact = [*(sign * slope * term for term in added.terms), -sign * slope * middle + shift]
        terms = [np.float32(float(term)) for term in exact]
        assert [Fraction(float(term)) for term in terms] == exact
        computed = np.float32(0)
        for place in added.order:
            computed = np.float32(computed + terms[place])
        assert Fraction(float(computed)) == sum(exact)


@given(
    st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.floats(0, 0.3), st.none() | st.integers(-10, 0), st.floats(0, 2**-12)
)
def test_a_ramp_rises_between_its_numbers_and_is_flat_within_their_errors(
    low: float, gap: float, share: float, exponent: int | None, constant_error: float
) -> None:
    high, error = low + gap, share * gap
    slopes, middles = ramps(
        np.array([low]), np.array([high]), np.array([error]), constant_error, Grid(exponent, abs(low) + gap), SINGLE
    )
    if np.isnan(slopes[0]):
        return
    slope, offset = float(slopes[0]), float(slopes[0] * middles[0])
    assert slope == power_above(slope)
    moved = abs(offset) * constant_error
    assert slope * (low + error) - offset <= -1 / 2 - moved + 1e-9 * abs(offset)
    assert slope * (high - error) - offset >= 1 / 2 + moved - 1e-9 * abs(offset)
    for shift in (1 / 2, -1 / 2):
        assert float(np.float32(offset + shift)) == offset + shift


@pytest.mark.parametrize(("error", "fits"), [(0.0, True), (0.4, True), (0.45, False)])
def test_there_is_no_ramp_where_errors_leave_no_room(error: float, fits: bool) -> None:
    slopes, _ = ramps(np.zeros(1), np.ones(1), np.array([error]), 0.0, Grid(0, 2.0), SINGLE)
    assert np.isnan(slopes[0]) != fits


def test_numbers_too_large_for_halves_have_no_ramp() -> None:
    for low, fits in ((2.0**20, True), (2.0**23, False)):
        slopes, _ = ramps(np.array([low]), np.array([low + 1]), np.zeros(1), 0.0, Grid(0, low + 1), SINGLE)
        assert np.isnan(slopes[0]) != fits


@given(st.integers(-100, 100), st.floats(0.5, 1, exclude_min=True))
def test_powers_of_two_are_found_exactly(exponent: int, part: float) -> None:
    assert power_above(2.0**exponent) == 2.0**exponent
    assert ceil_log2(np.array([2.0**exponent * part])).tolist() == [exponent]
