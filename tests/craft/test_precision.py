"""Bounds on noise hold for everything that can be stored, for averages of that, and for sums in any order."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS
from tracrlab.craft.precision import (
    Noise,
    bounded_product,
    few_bits,
    number_noise,
    summing_alike,
    unit_roundoff,
)

seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Noisy:
    """What describes the noise of a one-hot variable, and error vectors that it allows for."""

    relative: float
    bounds: np.ndarray | None
    errors: np.ndarray
    rng: np.random.Generator

    @property
    def noise(self) -> Noise:
        return Noise(self.relative, self.bounds)


@st.composite
def noisy_variables(draw: st.DrawFn) -> Noisy:
    """Errors are averages, over one or more positions, of parts of bounds plus a fraction of the entry that is one."""
    rng = np.random.default_rng(draw(seeds))
    width, n_samples = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    relative = draw(st.sampled_from([0.0, 2.0**-20, 0.1, 1.0]))
    sizes = 10.0 ** rng.integers(-6, 1, (n_samples, 1))
    bounds = np.abs(rng.normal(size=(n_samples, width))) * sizes if n_samples else None
    errors = []
    for _ in range(20):
        n_positions = int(rng.integers(1, 5))
        weights = rng.dirichlet(np.full(n_positions, 0.3))
        positions = rng.uniform(-relative, relative, (n_positions, 1)) * np.eye(width)[rng.integers(width)]
        if bounds is not None:
            parts = rng.choice([-1, -0.5, 0, 1], size=(n_positions, width))
            positions = positions + parts * bounds[rng.integers(n_samples, size=n_positions)]
        errors.append(weights @ positions)
    return Noisy(relative, bounds, np.array(errors), rng)


@given(noisy_variables(), st.integers(0, 4))
def test_reads_err_by_no_more_than_their_bound(noisy: Noisy, n_features: int) -> None:
    matrix = noisy.rng.normal(size=(noisy.errors.shape[1], n_features))
    off = np.abs(noisy.errors @ matrix)
    slack = 1e-12
    assert off.max(initial=0) <= noisy.noise.of_read(matrix) + slack
    assert off.sum(axis=1).max(initial=0) <= noisy.noise.of_read_total(matrix) + slack
    least, most = noisy.noise.of_read(matrix), noisy.noise.of_read_total(matrix) * (1 + 2**-16)
    assert least <= most <= n_features * least * (1 + 2**-15)


@given(noisy_variables(), st.integers(1, 3), st.sampled_from([0.0, 0.25]))
def test_noise_passes_through_a_linear_map(noisy: Noisy, width: int, extra: float) -> None:
    """What copies entries (or drops them) copies their errors, and may add a fraction of its own."""
    columns = noisy.rng.integers(noisy.errors.shape[1], size=width)
    matrix = np.eye(noisy.errors.shape[1])[:, columns]
    read = noisy.rng.normal(size=(width, 2))
    own = extra * (np.eye(width)[noisy.rng.integers(width, size=len(noisy.errors))])
    through = noisy.noise.through(matrix, extra)
    if len(set(columns.tolist())) == width:  # else an entry that is one stands in several places
        assert np.abs((noisy.errors @ matrix + own) @ read).max() <= through.of_read(read) + 1e-12
    assert through.is_exact == (noisy.noise.is_exact and not extra)


@given(noisy_variables())
def test_only_exact_variables_are_called_exact(noisy: Noisy) -> None:
    everything = np.eye(noisy.errors.shape[1])
    assert (noisy.noise.of_read(everything) == 0) == noisy.noise.is_exact
    assert not noisy.noise.is_exact or not noisy.errors.any()


@given(st.floats(0, 10), st.none() | st.floats(0, 10), seeds)
def test_the_noise_of_a_number_bounds_its_error(error: float, presence: float | None, seed: int) -> None:
    noise = number_noise(error, presence)
    errors = np.array([error] if presence is None else [error, presence])
    for column, expected in enumerate(errors):
        read = np.eye(len(errors))[:, [column]]
        assert expected <= noise.of_read(read) <= expected * (1 + 2**-18)
        assert 3 * expected <= noise.of_read(-3 * read) <= 3 * expected * (1 + 2**-18)
    assert noise.is_exact == (not errors.any())


def test_unit_roundoff_is_half_the_distance_from_one_to_the_next_number() -> None:
    assert unit_roundoff(FORMATS["float32"]) == 2**-24
    assert unit_roundoff(FORMATS["float64"]) == 2**-53


@given(seeds, st.integers(1, 6), st.integers(1, 5000), st.integers(1, 3))
@settings(deadline=None)
def test_a_bounded_product_is_no_less_than_the_product_and_the_same_in_any_order(
    seed: int, rows: int, inner: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.exponential(size=(rows, inner)), rng.exponential(size=(inner, columns))
    left *= rng.random((rows, inner)) < 0.5
    bound = bounded_product(left, right)
    exact = [[sum(map(Fraction, own * other)) for other in right.T] for own in left]  # products of floats, rounded
    assert all(
        b >= float(e) * (1 - 1e-15)
        for bs, es in zip(bound.tolist(), exact, strict=True)
        for b, e in zip(bs, es, strict=True)
    )
    assert (bound <= (left @ right) * (1 + 1e-3) + inner * 2**-18 * left.max() * right.max()).all()
    order = rng.permutation(inner)
    assert np.array_equal(bounded_product(left[:, order], right[order]), bound) or inner > 2**12


@given(st.integers(1, 300), seeds)
def test_sums_of_terms_of_one_size_are_off_by_no_more_than_said_in_any_order(count: int, seed: int) -> None:
    """Added up as random trees, among them one after the other, with every sum rounded."""
    rng = np.random.default_rng(seed)
    terms = [Fraction(float(term)) for term in np.float32(rng.uniform(0.9, 1, count))]
    rounded = [np.float32(float(term)) for term in terms]
    while len(rounded) > 1:
        one = rounded.pop(0) if seed % 2 else rounded.pop(int(rng.integers(len(rounded))))
        place = 0 if seed % 2 else int(rng.integers(len(rounded)))
        rounded[place] = np.float32(one + rounded[place])
    off = abs(Fraction(float(rounded[0])) - sum(terms))
    assert off <= Fraction(summing_alike(count, FORMATS["float32"]))


def test_the_rounding_of_a_long_sum_of_ones_is_what_adding_one_after_the_other_can_lose() -> None:
    assert summing_alike(1, FORMATS["float32"]) == 0
    assert summing_alike(4, FORMATS["float32"]) == (2 + 2 + 4) * 2**-24
    assert summing_alike(4096, FORMATS["bfloat16"]) < 0.34  # accumulated in float32


@given(st.floats(1e-300, 1e300))
def test_few_bits_are_nearest_and_do_not_depend_on_the_last_ones(number: float) -> None:
    assert abs(few_bits(number) - number) <= number * 2**-24
    assert few_bits(few_bits(number)) == few_bits(number)
