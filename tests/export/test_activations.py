"""Smooth activations are as near to ReLU as is said, and the verifier's bounds on norms enclose what norms do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.activations import ACT2FN

from tests.library_models import library_model
from tracrlab.craft.formats import FORMATS
from tracrlab.export.activations import ACTIVATIONS, SILU, sharpened
from tracrlab.export.layer_norm import EPSILON, GAIN
from tracrlab.verify.neurons import SATURATED
from tracrlab.verify.norms import read_blur

pytestmark = pytest.mark.frameworks

FLOAT32 = FORMATS["float32"]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gap_to_relu_is_as_large_as_is_said_and_not_much_smaller(name: str, dtype: torch.dtype) -> None:
    inputs = torch.linspace(-30, 30, 300_001, dtype=dtype)
    gaps = (ACT2FN[name](inputs) - inputs.relu()).abs()
    assert float(gaps.max()) <= ACTIVATIONS[name].gap <= 1.002 * float(gaps.max()) + 1e-12


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_beyond_saturation_activations_are_relu_to_the_last_bit(name: str, dtype: torch.dtype) -> None:
    sizes = torch.tensor(np.geomspace(SATURATED, 1e30, 2000), dtype=dtype)
    for inputs in (sizes, -sizes, torch.zeros(3, dtype=dtype)):
        assert torch.equal(ACT2FN[name](inputs), inputs.relu())


def test_sharpened_weights_are_scaled_by_powers_of_two() -> None:
    model = library_model("induction", "faithful", True)
    W_in, W_out = sharpened(model, SILU, "float32")
    for before, after, sharper, weaker in zip(model.weights.W_in, model.weights.W_out, W_in, W_out, strict=True):
        if before.any():
            scale = np.unique(sharper[before != 0] / before[before != 0])
            assert len(scale) == 1
            assert np.frexp(scale)[0] == 0.5
            assert np.array_equal(weaker * scale, after)


@given(st.integers(0, 2**32), st.integers(2, 40), st.floats(0, 1))
def test_what_a_layer_norm_leaves_is_within_the_bound(seed: int, d_model: int, mean: float) -> None:
    """Balance is off, so that there is a mean; reading makes up for it."""
    rng = np.random.default_rng(seed)
    width = d_model + 2
    stream = np.concatenate([rng.integers(-2, 3, d_model), [0.0, 0.0]])
    stream[d_model] = mean * width - stream.sum()
    weights = rng.normal(size=(width, 4)).astype(np.float32).astype(float)
    weights[d_model] = 0
    weights[d_model + 1] = -weights[:d_model].sum(axis=0)
    stored = torch.tensor(stream, dtype=torch.float32)
    gain = torch.full((width,), GAIN)
    normed = torch.nn.functional.layer_norm(stored, (width,), gain, torch.zeros(width), EPSILON)
    read = (normed @ torch.tensor(weights, dtype=torch.float32)).double().numpy()
    blur = read_blur(float(stored.double().mean().abs()) * (1 + 1e-5) + 1e-6, d_model, FLOAT32)
    own = stream[:d_model]
    size = np.abs(weights[:d_model])
    allowed = (blur.relative * np.abs(own) + blur.absolute) @ size + d_model * FLOAT32.roundoff * (np.abs(own) @ size)
    assert (np.abs(read - own @ weights[:d_model]) <= allowed).all()
