"""The function of JAX answers as NumPy does, compiled or not, mapped or not."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.library_models import library_inputs, library_model
from tests.model.cases import inputs_of, model_of
from tracrlab.errors import PrecisionError
from tracrlab.export.agreement import n_disagreements

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", ["reverse", "hist2"])
def test_library_models_answer_as_in_numpy(name: str, mode: Any) -> None:
    model = library_model(name, mode, False)
    apply, params = model.to_jax()
    compiled = jax.jit(apply)
    assert n_disagreements(model, model.readout(), lambda ids: compiled(params, ids), library_inputs(name)) == 0


@pytest.mark.parametrize("name", ["sort", "causal induction", "steps", "double", "nothing"])
def test_other_values_answer_as_in_numpy(name: str) -> None:
    model = model_of(name)
    with jax.enable_x64(model.readout().dtype == "float64"):
        apply, params = model.to_jax()
        compiled = jax.jit(apply)
        inputs = inputs_of(name, seed=4)
        assert compiled(params, model.encode(inputs)).dtype == model.readout().dtype
        assert n_disagreements(model, model.readout(), lambda ids: compiled(params, ids), inputs) == 0


def test_one_sequence_a_batch_and_a_map_give_the_same() -> None:
    model = model_of("reverse")
    apply, params = model.to_jax()
    ids = model.encode(["abc", "b"])
    batch = jax.jit(apply)(params, ids)
    assert np.allclose(batch, jax.jit(jax.vmap(apply, in_axes=(None, 0)))(params, ids), atol=1e-4)
    assert np.allclose(batch[0], jax.jit(apply)(params, ids[0]), atol=1e-4)


def test_raw_logits_are_those_of_numpy() -> None:
    model = model_of("fractions")
    apply, params = model.to_jax(logits="raw")
    ids = model.encode(["xyzzx"])
    assert np.allclose(jax.jit(apply)(params, ids), model.forward(ids), atol=1e-5)


def test_the_parameters_are_a_tree_with_the_names_of_transformer_lens() -> None:
    model = model_of("steps")
    _, params = model.to_jax()
    for layer, block in enumerate(params["blocks"]):
        assert np.array_equal(block["attn"]["W_Q"], model.weights.W_Q[layer])
        assert np.array_equal(block["mlp"]["W_in"], model.weights.W_in[layer])
    assert set(params) == {"embed", "pos_embed", "blocks", "unembed"}


def test_it_can_be_differentiated() -> None:
    model = model_of("fractions")
    apply, params = model.to_jax(logits="raw")
    ids = model.encode(["xyx"])
    gradient = jax.jit(jax.grad(lambda each: apply(each, ids)[0, 3, 0]))(params)  # two thirds: a share of the attention
    assert gradient["unembed"]["b_U"].tolist() == [1]
    assert any(np.any(block["attn"]["W_V"]) for block in gradient["blocks"])


def test_float64_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(PrecisionError, match=r"needs? float64.*jax_enable_x64"):
        model_of("double").to_jax()
