"""A compressed model is an ordinary transformer, and knows the way back to the dimensions of the compiled one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import tracrlab
from tests.compress.compressions import every_sequence, frac_prevs, random_compression, sort_unique
from tests.files.crashes import crashes
from tracrlab import CompiledModel
from tracrlab.compress import CompressedModel, Sharing
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.compress.forward import forward, frozen_model, model_parameters
from tracrlab.errors import CompressionError, DrawingError, ModelFileError
from tracrlab.model.forward import forward_with_activations

pytestmark = pytest.mark.frameworks


def read_and_written_through(model: CompressedModel, ids: np.ndarray) -> np.ndarray:
    """The logits by the definition: one sublayer after another reads z Wᵀ and writes δ W."""
    weights, config, places = model.original.weights, model.config, model.sharing.places(model.config.n_layers)
    W = [matrix.astype(float) for matrix in model.matrices]
    z = (weights.W_E[ids] + weights.W_pos[: ids.shape[1]]).astype(float) @ W[places.embedding]
    for layer, place in enumerate(places.layers):
        x, written = z @ W[place].T, np.zeros((*ids.shape, model.original.config.d_model))
        for head in range(config.n_heads):
            q, k, v = (x @ getattr(weights, name)[layer, head] for name in ("W_Q", "W_K", "W_V"))
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(config.d_head)
            scores = np.where((ids == config.pad_id)[:, None, :], -np.inf, scores)
            pattern = np.exp(scores - scores.max(axis=2, keepdims=True))
            written += pattern / pattern.sum(axis=2, keepdims=True) @ v @ weights.W_O[layer, head]
        z = z + written @ W[place]
        z = z + np.maximum(z @ W[place].T @ weights.W_in[layer], 0) @ weights.W_out[layer] @ W[place]
    logits: np.ndarray = z @ W[places.unembedding].T @ weights.W_U
    return logits


@settings(max_examples=30)
@given(d=st.integers(1, 12), seed=st.integers(0, 99), sharing=st.sampled_from(Sharing), sorts=st.booleans())
def test_weights_folded_and_the_definition_and_the_trained_pass_agree(
    d: int, seed: int, sharing: Sharing, sorts: bool
) -> None:
    original = sort_unique() if sorts else frac_prevs()
    soft = replace(original, weights=replace(original.weights, W_Q=original.weights.W_Q / 50))  # no ties to round apart
    model = random_compression(soft, d, seed, sharing)
    ids = model.encode(list(every_sequence(model))[-40:])
    wanted = read_and_written_through(model, ids)
    near = {"rtol": 1e-3, "atol": 1e-3 * np.abs(wanted).max()}
    answered = ids != model.config.pad_id
    np.testing.assert_allclose(model.forward(ids)[answered], wanted[answered], **near)
    run = forward(frozen_model(soft), sharing, model_parameters(model), torch.as_tensor(ids))
    np.testing.assert_allclose(run.logits.numpy()[answered], wanted[answered], **near)


def test_the_identity_changes_nothing() -> None:
    for original in (frac_prevs(), sort_unique()):
        model = compressed_model(original, Sharing.ALL, {"matrices": np.eye(original.config.d_model)[None]})
        inputs = list(every_sequence(original))
        assert model.run_batch(inputs) == original.run_batch(inputs)
        assert model.trace(inputs[-1]).values == original.trace(inputs[-1]).values


def test_trace_reads_the_original_variables_out() -> None:
    original = frac_prevs()
    model = random_compression(original, 5, 0)
    trace = model.trace("xa")
    activations = forward_with_activations(model.config, model.weights, model.encode(["xa"]))
    for step, residual in zip(trace.steps, activations.residuals, strict=True):
        np.testing.assert_allclose(step.residual, residual[0] @ model.W.T, rtol=1e-4, atol=1e-5)
    assert [step.name for step in trace.steps] == [step.name for step in original.trace("xa").steps]
    assert trace.output == model("xa")


def test_exports_like_any_model() -> None:
    model = random_compression(sort_unique(), 9, 1)
    inputs = list(every_sequence(model))[-20:]
    module = model.to_torch(logits="raw")
    ids = module.encode(inputs)
    assert module.config.d_model == 9
    np.testing.assert_allclose(module(ids).detach().numpy(), model.forward(ids.numpy()), rtol=1e-3, atol=1e-3)
    assert module.decode(module(ids), ids) == model.run_batch(inputs)
    apply, parameters = model.to_jax(logits="raw")
    np.testing.assert_allclose(
        np.asarray(apply(parameters, ids.numpy())), model.forward(ids.numpy()), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("sharing", Sharing)
def test_saved_and_loaded_it_is_the_same(tmp_path: Path, sharing: Sharing) -> None:
    original = sort_unique()
    places = sharing.places(original.config.n_layers)
    matrices = np.random.default_rng(0).normal(size=(places.n_matrices, original.config.d_model, 6))
    unfrozen = {"W_in": original.weights.W_in * 2}
    model = compressed_model(original, sharing, {"matrices": matrices.astype(np.float32), **unfrozen})
    model.save_pretrained(tmp_path / "model")
    loaded = tracrlab.load(tmp_path / "model")
    assert isinstance(loaded, CompressedModel)
    for name, array in model.weights.as_dict().items():
        np.testing.assert_array_equal(getattr(loaded.weights, name), array)
    np.testing.assert_array_equal(loaded.unfrozen["W_in"], unfrozen["W_in"])
    assert loaded.sharing is sharing


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    random_compression(frac_prevs(), 4, 0).save_pretrained(tmp_path)
    for name in ("compression.safetensors", "compression.json", "original/config.json"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-9])
        with pytest.raises(ModelFileError):
            tracrlab.load(tmp_path)
        (tmp_path / name).write_bytes(content)
    tracrlab.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("compression.json", "", "compression.json: it is no JSON from line 1, column 1 on; save the model again"),
        ("compression.json", "[]", "compression.json: something in it is not of the kind that should stand there"),
        ("compression.json", "{}", "compression.json: it has no 'format'"),
        ("compression.json", '{"format": 9}', "compression.json: its format is 9, this version reads 1"),
        ("compression.safetensors", "", "compression.safetensors: it is not the one saved with compression.json"),
        ("original/config.json", "{}", "original/config.json: it is not the one saved with compression.json"),
    ],
)
def test_the_refusal_of_a_damaged_folder_says_which_file_is_wrong(
    name: str, text: str, reason: str, tmp_path: Path
) -> None:
    random_compression(frac_prevs(), 4, 0).save_pretrained(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelFileError, match=re.escape(reason)) as refusal:
        tracrlab.load(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_saves_leaves_the_old_or_the_new_model(tmp_path: Path) -> None:
    """Over another compressed model of another program, over a compiled one, and a compiled one over it."""
    models = [random_compression(sort_unique(), 4, 0), random_compression(frac_prevs(), 4, 1), frac_prevs()]

    def content(model: CompiledModel) -> tuple[object, ...]:
        return type(model), model.output_name, *(array.tobytes() for array in model.weights.as_dict().values())

    contents = [content(model) for model in models]

    def found() -> int:
        return contents.index(content(tracrlab.load(tmp_path)))

    for before, after in ((0, 1), (2, 1), (1, 2)):
        models[before].save_pretrained(tmp_path)
        left = set()
        for _ in crashes(partial(models[after].save_pretrained, tmp_path), step=3):
            left.add(found())
            models[before].save_pretrained(tmp_path)
            assert found() == before
        assert left == {before, after}


def test_folders_of_older_versions_load(tmp_path: Path) -> None:
    """They do not say which original they were saved with."""
    model = random_compression(frac_prevs(), 4, 0)
    model.save_pretrained(tmp_path)
    description = json.loads((tmp_path / "compression.json").read_text())
    del description["original_sha256"]
    (tmp_path / "compression.json").write_text(json.dumps(description))
    np.testing.assert_array_equal(tracrlab.load(tmp_path).weights.W_E, model.weights.W_E)


@pytest.mark.parametrize("value", [None, True, 0, 10**400, 1e400, "x", "a" * 10**4, [], {}, [[1]]])
@pytest.mark.parametrize("key", ["format", "sharing", "sha256", "original_sha256"])
def test_a_description_that_says_something_else_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    random_compression(frac_prevs(), 4, 0).save_pretrained(tmp_path)
    description = json.loads((tmp_path / "compression.json").read_text()) | {key: value}
    (tmp_path / "compression.json").write_text(json.dumps(description))
    if key == "original_sha256" and value is None:
        tracrlab.load(tmp_path)
        return
    with pytest.raises(ModelFileError) as refusal:
        tracrlab.load(tmp_path)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("odd", ["nan", "beyond the format", "shape", "bools", "missing", "extra", "truncated"])
def test_matrices_that_do_not_fit_are_refused(odd: str, tmp_path: Path) -> None:
    model = random_compression(frac_prevs(), 4, 0)
    model.save_pretrained(tmp_path)
    matrices = model.matrices.astype(float)
    arrays = {
        "nan": {"matrices": matrices * np.nan},
        "beyond the format": {"matrices": matrices * 1e300},
        "shape": {"matrices": matrices[0]},
        "bools": {"matrices": np.array(True)},
        "missing": {"other": matrices},
        "extra": {"matrices": matrices, "surprise": matrices},
        "truncated": {"matrices": matrices},
    }[odd]
    content = save(arrays)[: -5 if odd == "truncated" else None]
    (tmp_path / "compression.safetensors").write_bytes(content)
    description = json.loads((tmp_path / "compression.json").read_text()) | {"sha256": sha256(content).hexdigest()}
    (tmp_path / "compression.json").write_text(json.dumps(description))
    with pytest.raises(ModelFileError, match="compressed model") as refusal:
        tracrlab.load(tmp_path)
    assert "\n" not in str(refusal.value)


def test_what_is_not_known_is_not_said() -> None:
    model = random_compression(frac_prevs(), 4, 0, Sharing.NOTHING)
    for verb in ("verify", "report", "intervene", "to_huggingface", "to_gpt2", "to_bert", "to_llama", "to_onnx"):
        assert not hasattr(model, verb)
    with pytest.raises(DrawingError, match="belong to no expression"):
        model.plot(kind="cost")
    with pytest.raises(CompressionError, match="4 matrices"):
        _ = model.W
    assert model.circuit() == frac_prevs().circuit()
    with pytest.raises(CompressionError, match="shape"):
        compressed_model(frac_prevs(), Sharing.ALL, {"matrices": np.ones((1, 3, 2))})
