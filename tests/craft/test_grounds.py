"""Grounds: beside them errors are rounded away, and what is left is never more than is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS
from tracrlab.craft.grounds import errors_beside, grounds, noise_beside, spacing_beside
from tracrlab.craft.precision import Noise, noise_of, number_noise
from tracrlab.craft.spaces import grounded, scalar_variable

SINGLE = FORMATS["float32"]
parts = st.lists(st.floats(-1, 1), min_size=1, max_size=20)


def stored(ground: float, written: np.ndarray) -> np.ndarray:
    """What single precision makes of adding what a head writes to a ground."""
    return (np.float32(ground) + written.astype(np.float32)).astype(float)


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=20), st.floats(1e-7, 0.39), parts)
def test_whole_numbers_with_errors_are_stored_exactly(numbers: list[int], error: float, off: list[float]) -> None:
    table = np.array(numbers, float)[:, None]
    ground = grounds(table, number_noise(error), SINGLE)
    assert ground.all()
    assert noise_beside(table, number_noise(error), ground, SINGLE).is_exact
    for part in off:
        assert np.array_equal(stored(ground[0], table[:, 0] + part * error), ground[0] + table[:, 0])


@given(st.lists(st.integers(1, 100), min_size=2, max_size=12, unique=True), st.floats(1e-8, 1e-6), parts)
def test_fractions_lie_on_a_grid_and_are_off_by_no_more_than_said(
    denominators: list[int], error: float, off: list[float]
) -> None:
    table = np.array([1 / each for each in denominators])[:, None]
    ground = grounds(table, number_noise(error), SINGLE)
    spacing = float(spacing_beside(ground, SINGLE)[0])
    bound = noise_beside(table, number_noise(error), ground, SINGLE).of_read(np.ones((1, 1)))
    for part in off:
        there = stored(ground[0], table[:, 0] + part * error)
        assert (np.abs(there - ground[0] - table[:, 0]) <= bound + 1e-7 * table[:, 0]).all()
        assert (there / spacing == np.round(there / spacing)).all()


@given(
    st.floats(-3e6, 3e6), st.floats(0, 2), st.floats(-1, 1), st.sampled_from([0.0, 48.0, 6144.0, 786432.0, 3 * 2.0**22])
)
def test_errors_beside_a_ground_are_bounded_even_where_it_is_too_small(
    number: float, error: float, part: float, ground: float
) -> None:
    """What is written is a number of the format itself."""
    written = float(np.float32(number + part * error))
    ideal = np.array([[number]])
    bound = errors_beside(ideal, np.array([[max(error, abs(written - number))]]), np.array([ground]), SINGLE)
    slack = 2.0**-23 * (abs(number) + error)  # beyond the binade
    assert abs(stored(ground, np.array([written]))[0] - ground - number) <= bound[0, 0] + slack * (
        ground == 0 or abs(number) > ground / 4
    )


def test_what_has_no_error_needs_no_ground() -> None:
    table = np.arange(5.0)[:, None]
    assert not grounds(table, Noise(), SINGLE).any()
    assert not grounds(np.array([[0.1], [0.1 + 1e-9]]), number_noise(1e-3), SINGLE).any()  # nor can it be helped
    both = grounds(np.array([[0.0, 1.0], [3.0, 1.0]]), noise_of(np.array([[0.01, 0.0]])), SINGLE)
    assert both[0] > 0
    assert both[1] == 0


def test_a_grounded_variable_decodes_its_values() -> None:
    plain = scalar_variable("x", [0, 1, 2], nullable=True, at_bos=1)
    variable = grounded(plain, np.array([384.0, 0.0]), Noise())
    assert variable.decode(variable.table) == [0, 1, 2]
    assert variable.decode(variable.vector(None)[None]) == [None]
    assert variable.at_bos.tolist() == [385, 1]
