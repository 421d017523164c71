"""Both generations of TransformerLens answer as NumPy does, padded or not; hooks show and change what happens.

One version fits into an environment: ``make test-frameworks`` runs these tests with each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tracrlab
from tests.compress.compressions import random_compression
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import inputs_of, model_of
from tracrlab import CompiledModel
from tracrlab.errors import MissingDependencyError
from tracrlab.export.wordlevel import word_tokenizer
from tracrlab.model.forward import forward_with_activations
from tracrlab.rasp.library import PROGRAMS

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # not ours
]
try:
    GENERATION = 3 if int(version("transformer-lens").partition(".")[0]) < 4 else 4
except PackageNotFoundError:
    GENERATION = None

installed = pytest.mark.skipif(GENERATION is None, reason="TransformerLens is not installed: make test-frameworks")
only_hooked = pytest.mark.skipif(GENERATION != 3, reason="for TransformerLens before version 4: make test-frameworks")
only_bridge = pytest.mark.skipif(GENERATION != 4, reason="for TransformerLens from version 4: make test-frameworks")


def answers(model: CompiledModel, lens: Any, inputs: list[Any], logits: Any = "classes") -> list[list[Any]]:
    ids = model.encode(inputs)
    with torch.no_grad():
        found = lens(torch.as_tensor(ids))
    return model.readout(logits).decode(found.numpy(), ids)


@installed
@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library_models_answer_as_in_numpy(name: str, mode: Any, causal: bool) -> None:
    model, inputs = library_model(name, mode, causal), library_inputs(name)
    expected = model.run_batch(inputs)
    assert answers(model, model.to_transformer_lens(), inputs) == expected
    assert answers(model, model.to_transformer_lens(logits="raw"), inputs, "raw") == expected


@installed
def test_a_compressed_model_has_the_same_logits() -> None:
    model = random_compression(library_model("frac_prevs", "faithful", False), 9, seed=4)
    ids = model.encode(library_inputs("frac_prevs"))
    with torch.no_grad():
        found = model.to_transformer_lens(logits="raw")(torch.as_tensor(ids)).numpy()
    expected = forward_with_activations(model.config, model.weights, ids).logits
    at_tokens = ids != model.config.pad_id
    np.testing.assert_allclose(found[at_tokens], expected[at_tokens], atol=1e-4)


@installed
@pytest.mark.parametrize("name", ["steps", "causal induction", "double"])
def test_the_cache_holds_what_pytorch_holds(name: str) -> None:
    model, ids = model_of(name), torch.as_tensor(model_of(name).encode(inputs_of(name, seed=8)))
    _, own = model.to_torch().run_with_cache(ids)
    _, cache = model.to_transformer_lens().run_with_cache(ids)
    at_tokens = ids != model.config.pad_id
    names = ["hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out", "mlp.hook_post"]
    for layer in range(model.config.n_layers):
        for point in (f"blocks.{layer}.{kind}" for kind in names):
            assert torch.allclose(cache[point][at_tokens], own[point][at_tokens], rtol=0, atol=1e-5)
        pattern = f"blocks.{layer}.attn.hook_pattern"
        found, expected = (patterns.transpose(1, 2)[at_tokens] for patterns in (cache[pattern], own[pattern]))
        assert torch.allclose(found, expected, rtol=0, atol=1e-5)


@installed
def test_weights_are_where_they_are_in_the_model() -> None:
    model = model_of("steps")
    lens = model.to_transformer_lens()
    for name in ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_E", "W_pos"):
        assert np.array_equal(getattr(lens, name).detach().numpy(), getattr(model.weights, name)), name
    assert not any(lens.state_dict()[name].any() for name in lens.state_dict() if "bias" in name or ".b_" in name)


@installed
def test_an_edited_pattern_changes_the_answer() -> None:
    model = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 4)
    lens, (layer, head) = model.to_transformer_lens(), model.circuit().expression("reverse").heads[0]

    def look_at_yourself(pattern: torch.Tensor, hook: Any) -> torch.Tensor:
        pattern[:, head] = torch.eye(pattern.shape[-1])
        return pattern

    with lens.hooks(fwd_hooks=[(f"blocks.{layer}.attn.hook_pattern", look_at_yourself)]):
        assert answers(model, lens, ["abca"]) == [list("abca")]
    assert answers(model, lens, ["abca"]) == [list("acba")]


@installed
def test_padding_is_masked_after_a_reset_of_hooks() -> None:
    model = model_of("hist")
    lens = model.to_transformer_lens()
    lens.reset_hooks()
    assert answers(model, lens, ["aab", "a", ""]) == model.run_batch(["aab", "a", ""])


@installed
def test_a_tokenizer_puts_bos_in_front() -> None:
    model = model_of("sort")
    lens = model.to_transformer_lens(tokenizer=word_tokenizer(model.config))
    ids = lens.to_tokens(["3 1 2.5 1", "2.5"])
    assert ids.tolist() == model.encode([[3, 1, 2.5, 1], [2.5]]).tolist()
    logits = lens(["3 1 2.5 1", "2.5"]).detach().numpy()
    assert model.readout().decode(logits, ids.numpy()) == [[1, 1, 2.5, 3], [2.5]]


@only_hooked
def test_a_head_that_writes_nothing_leaves_nothing() -> None:
    model = model_of("reverse")
    lens, (layer, head) = model.to_transformer_lens(), model.circuit().expression("reverse").heads[0]

    def silenced(result: torch.Tensor, hook: Any) -> torch.Tensor:
        result[:, :, head] = 0
        return result

    with lens.hooks(fwd_hooks=[(f"blocks.{layer}.attn.hook_result", silenced)]):
        assert answers(model, lens, ["abc"]) == [[None] * 3]


@only_hooked
def test_edges_have_hooks() -> None:
    model = model_of("reverse")
    _, cache = model.to_transformer_lens().run_with_cache(torch.as_tensor(model.encode(["abc"])))
    for layer in range(model.config.n_layers):
        for name in ("hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in", "attn.hook_result"):
            assert f"blocks.{layer}.{name}" in cache


@only_bridge
def test_a_bridge_has_no_results_of_heads() -> None:
    with pytest.raises(NotImplementedError):
        model_of("reverse").to_transformer_lens().set_use_attn_result(True)


BOOTED = """
import json, sys
from transformer_lens.model_bridge import TransformerBridge
folder, *texts = sys.argv[1:]
bridge = TransformerBridge.boot_transformers(folder, device="cpu")
bridge.set_use_attn_result(True)
bridge.set_use_split_qkv_input(True)
bridge.set_use_hook_mlp_in(True)
labels = bridge.original_model.config.id2label
answers = [
    [labels[place] for place in bridge(bridge.to_tokens(text))[0, 1:].argmax(dim=-1).tolist()] for text in texts
]
_, cache = bridge.run_with_cache(bridge.to_tokens(texts[0]))
print(json.dumps({"answers": answers, "cached": list(cache), "tracrlab": "tracrlab" in sys.modules}))
"""


@only_bridge
@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_another_process_boots_a_folder_with_the_hooks_of_edges(mode: Any, tmp_path: Path) -> None:
    model, program, texts = (
        library_model("frac_prevs", mode, True),
        PROGRAMS["frac_prevs"].build(),
        ["xwyxx", "x", "yw"],
    )
    model.to_gpt2(head="lm").save_pretrained(tmp_path / "gpt2")
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BOOTED, str(tmp_path / "gpt2"), *texts]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["answers"] == [[str(value) for value in program(text)] for text in texts]
    assert not found["tracrlab"]
    for layer in range(model.config.n_layers):
        for name in ("hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in", "attn.hook_result"):
            assert f"blocks.{layer}.{name}" in found["cached"]


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompiledModel, Any]:
    """A model that copies the previous token, and its folder as TransformerLens 4 boots it."""
    from transformer_lens.model_bridge import TransformerBridge

    model, folder = library_model("shift_by", "faithful", True), tmp_path_factory.mktemp("folder")
    model.to_gpt2(head="lm").save_pretrained(folder)
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    bridge.set_use_attn_result(True)
    bridge.set_use_split_qkv_input(True)
    bridge.set_use_hook_mlp_in(True)
    return model, bridge


def booted_answers(model: CompiledModel, bridge: Any, text: str) -> list[Any]:
    """The last logits are those of the answers."""
    ids, readout = model.encode([text]), model.readout()
    with torch.no_grad():
        logits = bridge(torch.as_tensor(ids))[..., model.config.d_vocab :]
    return readout.decode(logits.numpy(), ids)[0]


@only_bridge
def test_an_unknown_word_is_an_error_of_a_booted_folder(booted: tuple[CompiledModel, Any]) -> None:
    _, bridge = booted
    for text in ("z", "answer", "BOS a"):
        with pytest.raises(IndexError):
            bridge(text)


@only_bridge
def test_the_residual_stream_of_a_booted_folder_is_that_of_the_model(booted: tuple[CompiledModel, Any]) -> None:
    model, bridge = booted
    _, cache = bridge.run_with_cache(torch.as_tensor(model.encode(["abba"])))
    for layer in range(model.config.n_layers):
        found = cache[f"blocks.{layer}.hook_resid_post"][0, :, : model.config.d_model].detach().numpy()
        assert np.allclose(found, model.trace("abba").steps[2 * layer + 2].residual, rtol=0, atol=1e-5)


@only_bridge
@pytest.mark.parametrize("point", ["attn.hook_result", "hook_q_input", "hook_v_input"])
def test_an_edge_of_a_booted_folder_can_be_cut(booted: tuple[CompiledModel, Any], point: str) -> None:
    model, bridge = booted
    layer, head = model.circuit().expression("shift_by").heads[0]

    def cut(activation: torch.Tensor, hook: Any) -> torch.Tensor:
        activation = activation.clone()
        activation[:, :, head] = 0
        return activation

    assert booted_answers(model, bridge, "abba") == [None, "a", "b", "b"]
    with bridge.hooks(fwd_hooks=[(f"blocks.{layer}.{point}", cut)]):
        assert booted_answers(model, bridge, "abba") != [None, "a", "b", "b"]


def test_without_transformer_lens_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['transformer_lens'] = None\n"
        "import tracrlab; from tracrlab.rasp import tokens\n"
        "try: tracrlab.compile(tokens, 'ab', 2).to_transformer_lens()\n"
        f"except tracrlab.errors.{MissingDependencyError.__name__} as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("\n") == 1
    assert run.stdout.endswith("install it with: pip install 'tracrlab[transformer-lens]'\n")
