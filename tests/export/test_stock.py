"""GPT-2 and BERT compute compiled programs with their own code; what they would get wrong is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tracrlab
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import CASES, CAUSAL, inputs_of, model_of
from tests.oracles import ORACLES
from tracrlab import rasp
from tracrlab.errors import ExportError, PrecisionError
from tracrlab.export import stock
from tracrlab.export.agreement import n_disagreements, random_inputs, share_of_lead
from tracrlab.model.forward import forward_with_activations
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library_models_answer_as_in_numpy(name: str, mode: Any, causal: bool) -> None:
    model, inputs = library_model(name, mode, causal, grounds=False), library_inputs(name)
    assert n_disagreements(model, model.readout(), model.to_bert().logits, inputs) == 0
    if causal:
        assert n_disagreements(model, model.readout(), model.to_gpt2().logits, inputs) == 0
        assert n_disagreements(model, model.readout(), model.to_gpt2(head="lm").logits, inputs) == 0


@pytest.mark.parametrize("name", CASES)
def test_other_values_answer_as_in_numpy(name: str) -> None:
    model, inputs = model_of(name), inputs_of(name, seed=5)
    assert n_disagreements(model, model.readout(), model.to_bert().logits, inputs) == 0
    if name in CAUSAL:
        assert n_disagreements(model, model.readout(), model.to_gpt2().logits, inputs) == 0


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("margin", [1.0, 300.0])
def test_a_language_model_says_answers_and_never_tokens(name: str, margin: float) -> None:
    model = model_of(name)
    export, inputs = model.to_gpt2(head="lm", margin=margin), inputs_of(name, seed=6)
    ids, labels, n_tokens = model.encode(inputs), export.model.config.id2label, model.config.d_vocab
    logits = export.model(torch.as_tensor(ids)).logits.detach()
    assert type(export.model).__name__ == "GPT2LMHeadModel"
    assert logits.shape[-1] == export.model.config.vocab_size == n_tokens + len(model.readout().classes)
    for row, tokens, expected in zip(logits, inputs, model.run_batch(inputs), strict=True):
        answered = row[1 : len(tokens) + 1]
        assert [labels[place] for place in answered.argmax(dim=-1).tolist()] == [str(value) for value in expected]
        lead = answered[:, n_tokens:].amax(dim=-1) - answered[:, :n_tokens].amax(dim=-1)
        assert (lead >= min(margin, 100)).all()


def test_models_with_grounds_are_refused() -> None:
    grounded = library_model("sort_freq", "compact", False)
    with pytest.raises(PrecisionError, match=r"Compile with grounds=False, or use to_huggingface"):
        grounded.to_bert()


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match='head must be "labels" or "lm", not \'next\''):
        stock.to_gpt2(model_of(CAUSAL[0]), model_of(CAUSAL[0]).readout(), head="next")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["reverse", "hist2", "sort"])
def test_long_compact_models_answer_as_in_numpy(name: str) -> None:
    model = tracrlab.compile(PROGRAMS[name].build(), PROGRAMS[name].vocabulary(10), 30, mode="compact", grounds=False)
    inputs = random_inputs(model, 50, seed=1)
    assert n_disagreements(model, model.readout(), model.to_bert().logits, inputs) == 0


def test_dimensions_of_gpt2_keep_their_numbers() -> None:
    model = model_of("causal induction")
    ids = model.encode(["abab", "ba"])
    own = forward_with_activations(model.config, model.weights, ids)
    found = model.to_gpt2().model(torch.as_tensor(ids), output_hidden_states=True)
    for state, residual in zip(found.hidden_states, own.residuals[::2], strict=True):
        assert np.allclose(state.detach()[..., : model.config.d_model], residual, atol=1e-5)


@pytest.mark.parametrize("target", ["gpt2", "bert"])
def test_heads_keep_their_numbers(target: str) -> None:
    model = model_of("causal fractions")
    ids = model.encode(["xyxzx"])
    module = getattr(model, f"to_{target}")().model
    module.set_attn_implementation("eager")
    own = forward_with_activations(model.config, model.weights, ids).patterns
    found = module(torch.as_tensor(ids), output_attentions=True).attentions
    for attention, pattern in zip(found, own, strict=True):
        assert np.allclose(attention.detach()[:, : model.config.n_heads], pattern, atol=1e-5)


LOADED = """
import json, sys
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
texts, *folders = sys.argv[1:]
found = {}
for folder in folders:
    model = AutoModelForTokenClassification.from_pretrained(folder)
    batch = AutoTokenizer.from_pretrained(folder)(texts.split(), padding=True, return_tensors="pt")
    best = model(**batch).logits.argmax(dim=-1)
    label = pipeline("token-classification", model=folder, ignore_labels=[])
    found[folder] = {
        "class": type(model).__module__ + "." + type(model).__name__,
        "answers": [
            [model.config.id2label[place.item()] for place in row[1 : mask.sum()]]
            for row, mask in zip(best, batch["attention_mask"], strict=True)
        ],
        "pipeline": [[each["entity"] for each in label(text)] for text in texts.split()],
    }
print(json.dumps(found | {"tracrlab": "tracrlab" in sys.modules}))
"""


def test_another_process_needs_only_transformers(tmp_path: Path) -> None:
    texts, folders = ["abcab", "ba", "aabba"], {}
    programs = {"gpt2": "shift_by", "bert": "reverse", "llama": "shift_by"}
    for target, name in programs.items():
        for mode in ("faithful", "compact"):
            folder = tmp_path / f"{target}-{mode}"
            getattr(library_model(name, mode, target != "bert"), f"to_{target}")().save_pretrained(folder)
            folders[str(folder)] = target
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LOADED, " ".join(texts), *folders]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(run.stdout.splitlines()[-1])
    assert not found.pop("tracrlab")
    assert set(found) == set(folders)
    for folder, target in folders.items():
        title = {"gpt2": "GPT2", "bert": "Bert", "llama": "Llama"}[target]
        module = f"{target}.modeling_{target}.{title}"
        assert found[folder]["class"] == f"transformers.models.{module}ForTokenClassification"
        expected = [[str(each) for each in ORACLES[programs[target]](text)] for text in texts]
        assert found[folder]["answers"] == found[folder]["pipeline"] == expected


LOADED_AS_LANGUAGE_MODEL = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, *texts = sys.argv[1:]
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
answers = [
    [model.config.id2label[place] for place in row[1:].argmax(dim=-1).tolist()]
    for text in texts
    for row in model(**tokenizer(text, return_tensors="pt")).logits
]
print(json.dumps({"class": type(model).__name__, "answers": answers, "tracrlab": "tracrlab" in sys.modules}))
"""


def test_another_process_loads_a_language_model_with_transformers_alone(tmp_path: Path) -> None:
    texts = ["abcab", "ba"]
    library_model("shift_by", "compact", True).to_gpt2(head="lm").save_pretrained(tmp_path / "gpt2")
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LOADED_AS_LANGUAGE_MODEL, str(tmp_path / "gpt2"), *texts]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answers = [[str(each) for each in ORACLES["shift_by"](text)] for text in texts]
    assert json.loads(run.stdout) == {"class": "GPT2LMHeadModel", "answers": answers, "tracrlab": False}


def test_a_model_that_sees_later_tokens_is_no_gpt2() -> None:
    with pytest.raises(ExportError, match="GPT-2 is causal, and this model is not; compile with causal=True"):
        model_of("hist").to_gpt2()


def test_values_that_the_layer_norm_would_notice_are_refused() -> None:
    far = rasp.numerical(rasp.elementwise_map({"a": 2**40, "b": 0}.get, rasp.tokens)).named("far")
    with pytest.raises(PrecisionError, match="far: its values are too large for a layer norm that does nothing"):
        tracrlab.compile(far, "ab", 3).to_bert()


def test_an_ordinary_layer_norm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "EPSILON", 1e-5)
    with pytest.raises(PrecisionError, match="the norms of BERT round too much"):
        model_of("hist").to_bert()


def test_the_share_of_the_lead_tells_right_from_wrong() -> None:
    model = model_of("sort")
    readout, inputs = model.readout(), inputs_of("sort", seed=1)
    right = model.to_torch()
    found = share_of_lead(model, readout, lambda ids: right(torch.as_tensor(ids)).detach().numpy(), inputs)
    assert found == pytest.approx(1, abs=1e-4)
    assert share_of_lead(model, readout, lambda ids: np.zeros((*ids.shape, len(readout.classes))), inputs) == 0
    assert share_of_lead(model, readout, lambda ids: -right(torch.as_tensor(ids)).detach().numpy(), inputs) < 0


def test_a_wider_format_can_be_chosen() -> None:
    model = model_of("fractions")
    export = model.to_bert(dtype=torch.float64)
    assert export.model.dtype == torch.float64
    assert n_disagreements(model, model.readout(), export.logits, inputs_of("fractions", seed=2)) == 0


def test_the_card_promises_no_more_than_was_checked() -> None:
    promise = "the program's value there, on every input"
    assert promise in model_of("hist").to_huggingface().card
    assert promise not in model_of("hist").to_bert().card


def test_a_format_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(PrecisionError, match="float16"):
        model_of("hist").to_bert(dtype=torch.float16)
