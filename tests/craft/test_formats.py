"""Rounding to number formats, and the grain of numbers, against the definitions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS, grain, is_power_of_two

numbers = st.floats(-1e4, 1e4)


@given(numbers.filter(lambda x: x != 0))
def test_the_grain_is_the_largest_power_of_two_that_divides(number: float) -> None:
    exponent = int(grain(np.array([number]))[0])
    multiple = Fraction(number) / Fraction(2) ** exponent
    assert multiple.denominator == 1
    assert multiple.numerator % 2 == 1


@given(numbers.filter(lambda x: x != 0))
def test_powers_of_two_have_one_bit(number: float) -> None:
    fraction = Fraction(abs(number))
    one_bit = bin(fraction.numerator).count("1") == bin(fraction.denominator).count("1") == 1
    assert bool(is_power_of_two(np.array([number]))[0]) == one_bit


@pytest.mark.parametrize("name", FORMATS)
@given(number=numbers)
def test_rounding_gives_a_number_of_the_format_and_none_is_nearer(name: str, number: float) -> None:
    number_format = FORMATS[name]
    if 0 < abs(number) < number_format.smallest:
        return
    rounded = float(number_format.rounded(np.array([number]))[0])
    assert abs(rounded - number) <= 2.0**-number_format.precision * abs(number)
    if rounded:
        mantissa = Fraction(rounded) / Fraction(2) ** int(grain(np.array([rounded]))[0])
        assert abs(mantissa.numerator).bit_length() <= number_format.precision


def test_bfloat16_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    samples = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.random.default_rng(1).uniform(-5, 5, 2000)
    samples = samples.astype(np.float32).astype(float)
    expected = torch.tensor(samples, dtype=torch.float32).to(torch.bfloat16).to(torch.float64).numpy()
    assert np.array_equal(FORMATS["bfloat16"].rounded(samples), expected)


@pytest.mark.parametrize("name", FORMATS)
def test_products_of_small_whole_numbers_are_exact(name: str) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(-3, 4, (5, 6)).astype(float), rng.integers(-2, 3, (6, 4)).astype(float)
    assert np.array_equal(FORMATS[name].product(left, right), left @ right)


@pytest.mark.parametrize(("name", "count", "stored"), [("bfloat16", 257, 256), ("float16", 2049, 2048)])
def test_half_formats_add_up_in_single_precision_and_round_once(name: str, count: int, stored: int) -> None:
    ones = np.ones((1, count))
    assert FORMATS[name].product(ones, ones.T) == stored
    assert FORMATS[name].product(np.append(ones, ones, axis=1), np.append(ones, ones, axis=1).T) == 2 * count - 2
    assert FORMATS["float32"].product(ones, ones.T) == count


@given(numbers)
def test_rounding_down_gives_the_next_number_below(number: float) -> None:
    number_format = FORMATS["bfloat16"]
    below = float(number_format.rounded_down(np.array([number]))[0])
    assert below <= number
    assert float(number_format.rounded(np.array([below]))[0]) == below
    assert number - below <= 2.0 ** (1 - number_format.precision) * max(abs(number), number_format.smallest)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_what_is_stored_is_what_is_rounded(name: str) -> None:
    rng = np.random.default_rng(0)
    samples = (rng.normal(size=2000) * 2.0 ** rng.integers(-12, 12, 2000)).astype(np.float32)
    samples = np.append(samples, np.array([0, -0.0, -np.inf, np.inf, 1.00390625, 1.01171875], np.float32))
    stored = FORMATS[name].stored(samples)
    assert stored.dtype == np.float32
    assert np.array_equal(stored.astype(float), FORMATS[name].rounded(samples))
