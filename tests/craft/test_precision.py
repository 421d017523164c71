"""Bounds on noise hold for everything that can be stored: samples, averages of them, and relative errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.craft.formats import FORMATS
from tracrlab.craft.precision import Noise, number_noise, unit_roundoff

seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Noisy:
    """What describes the noise of a one-hot variable, and error vectors that it allows for."""

    relative: float
    samples: np.ndarray | None
    errors: np.ndarray
    rng: np.random.Generator

    @property
    def noise(self) -> Noise:
        return Noise(self.relative, self.samples)


@st.composite
def noisy_variables(draw: st.DrawFn) -> Noisy:
    """Errors are averages, over one or more positions, of a sample plus a fraction of the entry that is one."""
    rng = np.random.default_rng(draw(seeds))
    width, n_samples = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    relative = draw(st.sampled_from([0.0, 2.0**-20, 0.1, 1.0]))
    samples = rng.normal(size=(n_samples, width)) * 10.0 ** rng.integers(-6, 1, (n_samples, 1)) if n_samples else None
    errors = []
    for _ in range(20):
        n_positions = int(rng.integers(1, 5))
        weights = rng.dirichlet(np.full(n_positions, 0.3))
        positions = rng.uniform(-relative, relative, (n_positions, 1)) * np.eye(width)[rng.integers(width)]
        if samples is not None:
            positions = positions + rng.choice([-1, 1]) * samples[rng.integers(n_samples, size=n_positions)]
        errors.append(weights @ positions)
    return Noisy(relative, samples, np.array(errors), rng)


@given(noisy_variables(), st.integers(0, 4))
def test_reads_err_by_no_more_than_their_bound(noisy: Noisy, n_features: int) -> None:
    matrix = noisy.rng.normal(size=(noisy.errors.shape[1], n_features))
    off = np.abs(noisy.errors @ matrix)
    slack = 1e-12
    assert off.max(initial=0) <= noisy.noise.of_read(matrix) + slack
    assert off.sum(axis=1).max(initial=0) <= noisy.noise.of_read_total(matrix) + slack
    assert noisy.noise.of_read(matrix) <= noisy.noise.of_read_total(matrix) <= n_features * noisy.noise.of_read(matrix)


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
    assert noisy.noise.is_exact == (not noisy.errors.any())
    assert (noisy.noise.of_read(everything) == 0) == noisy.noise.is_exact


@given(st.floats(0, 10), st.none() | st.floats(0, 10), seeds)
def test_the_noise_of_a_number_bounds_its_error(error: float, presence: float | None, seed: int) -> None:
    noise = number_noise(error, presence)
    errors = np.array([error] if presence is None else [error, presence])
    for column, expected in enumerate(errors):
        read = np.eye(len(errors))[:, [column]]
        assert np.isclose(noise.of_read(read), expected, rtol=1e-12)
        assert np.isclose(noise.of_read(-3 * read), 3 * expected, rtol=1e-12)
    assert noise.is_exact == (not errors.any())


def test_unit_roundoff_is_half_the_distance_from_one_to_the_next_number() -> None:
    assert unit_roundoff(FORMATS["float32"]) == 2**-24
    assert unit_roundoff(FORMATS["float64"]) == 2**-53
