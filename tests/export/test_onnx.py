"""ONNX files run in the ONNX runtime and answer as NumPy does; they say what is where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import tracrlab
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import CASES, inputs_of, model_of
from tracrlab import CompiledModel, rasp
from tracrlab.errors import ExportError, ModelFileError
from tracrlab.export import onnx as export
from tracrlab.export.agreement import n_disagreements
from tracrlab.export.onnx import onnx_model
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.json_values import value_from_json

pytestmark = pytest.mark.frameworks


def runner(model: CompiledModel, logits: Any = "classes") -> Callable[[np.ndarray], np.ndarray]:
    session = onnxruntime.InferenceSession(onnx_model(model, model.readout(logits)).SerializeToString())
    return lambda ids: session.run(["logits"], {"ids": ids})[0]


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library_models_answer_as_in_numpy(name: str, mode: Any, causal: bool) -> None:
    model = library_model(name, mode, causal)
    assert n_disagreements(model, model.readout(), runner(model), library_inputs(name)) == 0


@pytest.mark.parametrize("logits", ["classes", "raw"])
@pytest.mark.parametrize("name", CASES)
def test_other_values_answer_as_in_numpy(name: str, logits: Any) -> None:
    model = model_of(name)
    assert n_disagreements(model, model.readout(logits), runner(model, logits), inputs_of(name, seed=4)) == 0


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_a_model_without_heads_answers(mode: Any) -> None:
    model = tracrlab.compile(
        rasp.elementwise_map(lambda token, place: token * place, rasp.tokens, rasp.indices), "ab", 3
    )
    assert n_disagreements(model, model.readout(), runner(model), ["aba", ""]) == 0


@pytest.mark.parametrize("name", ["steps", "causal induction", "double"])
def test_residuals_and_patterns_are_outputs(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    ids = model.encode(inputs_of(name, seed=6))
    found = dict(zip([each.name for each in session.get_outputs()], session.run(None, {"ids": ids}), strict=True))
    own = forward_with_activations(model.config, model.weights, ids)
    at_tokens = ids != model.config.pad_id
    names = ["blocks.0.hook_resid_pre"]
    for layer in range(model.config.n_layers):
        names += [f"blocks.{layer}.hook_resid_{place}" for place in ("mid", "post")]
        pattern = found.pop(f"blocks.{layer}.attn.hook_pattern").transpose(0, 2, 1, 3)[at_tokens]
        assert np.allclose(pattern, own.patterns[layer].transpose(0, 2, 1, 3)[at_tokens], rtol=0, atol=1e-6)
    for output, residual in zip(names, own.residuals, strict=True):
        assert np.allclose(found.pop(output)[at_tokens], residual[at_tokens], rtol=0, atol=1e-5)
    assert list(found) == ["logits"]
    assert found["logits"].dtype == model.readout().dtype


def test_the_metadata_say_what_is_what(tmp_path: Path) -> None:
    model = model_of("sort")
    model.to_onnx(tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    found = {each.key: json.loads(each.value) for each in proto.metadata_props}
    assert tuple(map(value_from_json, found["vocab"])) == model.config.vocab
    assert tuple(map(value_from_json, found["classes"])) == model.readout().classes
    assert found["residual_labels"] == list(map(str, model.labels.dimensions))
    assert (found["bos_id"], found["pad_id"], found["max_seq_len"]) == (3, 4, 4)
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
    assert np.array_equal(weights["blocks.0.attn.W_Q"], model.weights.W_Q[0])


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match=r"cannot write .*there is no folder"):
        model_of("hist").to_onnx(tmp_path / "nowhere" / "model.onnx")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelFileError, match=r"cannot write .*folder"):
        model_of("hist").to_onnx(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError, match="cannot write a file: the path is empty"):
        model_of("hist").to_onnx("")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_model_too_large_for_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_LARGEST_FILE", 1000)
    with pytest.raises(ExportError, match="more than 2 GiB"):
        onnx_model(model_of("hist"), model_of("hist").readout())
