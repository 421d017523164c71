"""Both generations of TransformerLens answer as NumPy does, padded or not; hooks show and change what happens.

One version fits into an environment: ``make test-frameworks`` runs these tests with each.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest
import torch

import tracrlab
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import inputs_of, model_of
from tracrlab import CompiledModel
from tracrlab.errors import MissingDependencyError
from tracrlab.export.wordlevel import word_tokenizer
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # not ours
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
