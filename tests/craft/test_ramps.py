"""Ramps between whole numbers: steps that do not round, in whatever order sums are added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracrlab.craft.ramps import whole_ramps

ERROR = 3 / 16  # that so wide a ramp bears


@dataclass(frozen=True)
class Sum:
    """Whole numbers, how far the stored ones are off, altogether by ``ERROR`` at most, and the order of adding up.

    The last place of the ``order`` is that of the threshold.
    """

    whole: list[int]
    errors: list[float]
    order: list[int]


@st.composite
def sums(draw: st.DrawFn) -> Sum:
    """Terms that are near whole numbers but not near 0, or are 0 exactly."""
    whole = draw(st.lists(st.one_of(st.integers(-3, 3), st.integers(-2000, 2000)), min_size=1, max_size=6))
    part = st.floats(-1, 1).map(lambda part: part * ERROR / len(whole))
    errors = [draw(part) if number else 0.0 for number in whole]
    return Sum(whole, errors, draw(st.permutations(range(len(whole) + 1))))


def neurons(added: Sum, middle: float, sign: int) -> tuple[float, float]:
    """Both neurons of the step at ``middle``, before ReLU, every operation rounded to float32."""
    stored = [np.float32(number + error) for number, error in zip(added.whole, added.errors, strict=True)]
    both = []
    for shift in (0.5, -0.5):
        terms = [*(np.float32(2 * sign) * term for term in stored), np.float32(-2 * sign * middle + shift)]
        total = np.float32(0)
        for place in added.order:
            total = np.float32(total + terms[place])
        both.append(float(total))
    return both[0], both[1]


@given(sums(), st.integers(-3, 3), st.sampled_from([-1, 1]))
@example(Sum([1], [2**-24], [0, 1]), 0, 1)
@example(Sum([4, 1, -1], [2**-9, -(2**-24), 2**-10], [1, 3, 2, 0]), 0, -1)
@settings(max_examples=300)
def test_a_step_on_a_sum_of_whole_numbers_is_0_or_1_in_any_order_of_its_terms(added: Sum, away: int, sign: int) -> None:
    """The step stands ``away`` from the sum, just below it where this is 0; turned round it counts what is below."""
    total = sum(added.whole)
    place = total + away
    slopes, middles = whole_ramps(np.array([place - 1.0]), np.array([float(place)]), np.array([ERROR]))
    assert (slopes[0], middles[0]) == (2, place - 0.5)
    first, second = neurons(added, middles[0], sign)
    assert first - second == 1
    above = total > middles[0] if sign > 0 else total < middles[0]
    assert max(first, 0) - max(second, 0) == above


@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_a_ramp_rises_between_its_numbers_and_is_flat_within_their_errors(low: int, gap: int) -> None:
    high = low + gap
    slopes, middles = whole_ramps(np.array([float(low)]), np.array([float(high)]), np.array([ERROR]))
    assert (middles[0] - 1 / 2).is_integer()  # at a half
    assert slopes[0] * (low + ERROR - middles[0]) <= -1 / 2
    assert slopes[0] * (high - ERROR - middles[0]) >= 1 / 2


@pytest.mark.parametrize(("error", "size"), [(0.19, 5.0), (0.0, 2.0**16), (0.0, -(2.0**16) - 1)])
def test_there_is_no_such_ramp_for_large_errors_or_numbers(error: float, size: float) -> None:
    low = np.array([0.0, size])
    slopes, _ = whole_ramps(low, low + 1, np.array([0.0, error]))
    assert np.isnan(slopes).tolist() == [False, True]
