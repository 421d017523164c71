"""Models in Transformers answer as in NumPy; the saved folder is all that another process needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tracrlab
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import CASES, inputs_of, model_of
from tracrlab import CompiledModel, rasp
from tracrlab.errors import ExportError, ModelFileError
from tracrlab.export import pretrained
from tracrlab.export.agreement import n_disagreements
from tracrlab.model.forward import forward_with_activations
from tracrlab.rasp import Comparison
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library_models_answer_as_in_numpy(name: str, mode: Any, causal: bool) -> None:
    model = library_model(name, mode, causal)
    assert n_disagreements(model, model.readout(), model.to_huggingface().logits, library_inputs(name)) == 0


@pytest.mark.parametrize("name", CASES)
def test_values_of_other_types_answer_as_in_numpy(name: str) -> None:
    model = model_of(name)
    assert n_disagreements(model, model.readout(), model.to_huggingface().logits, inputs_of(name, seed=3)) == 0


def test_hidden_states_and_attentions_are_residuals_and_patterns() -> None:
    model = model_of("causal fractions")
    ids = model.encode(["xyx", "zzxyx"])
    own = forward_with_activations(model.config, model.weights, ids)
    found = model.to_huggingface().model(torch.as_tensor(ids), output_hidden_states=True, output_attentions=True)
    for state, residual in zip(found.hidden_states, own.residuals[::2], strict=True):
        assert np.allclose(state.detach(), residual, atol=1e-6)
    for attention, pattern in zip(found.attentions, own.patterns, strict=True):
        assert np.allclose(attention.detach(), pattern, atol=1e-6)


def test_the_loss_is_the_cross_entropy_of_labelled_positions() -> None:
    model = model_of("hist")
    ids = torch.as_tensor(model.encode(["ab"]))
    output = model.to_huggingface().model(ids, labels=torch.tensor([[-100, 0, 2]]))
    expected = -output.logits[0].double().log_softmax(dim=-1)[[1, 2], [0, 2]].mean()
    assert output.loss.item() == pytest.approx(expected.item())


def test_too_many_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="6 positions with BOS, but the model has 5"):
        model_of("reverse").to_huggingface().model(torch.zeros(1, 6, dtype=torch.long))


LOADED = """
import json, sys
from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer, pipeline
folder, text = sys.argv[1:]
model = AutoModelForTokenClassification.from_pretrained(folder, trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
label = pipeline("token-classification", model=folder, ignore_labels=[], trust_remote_code=True)
logits = model(**tokenizer([text], return_tensors="pt")).logits
print(json.dumps({
    "answers": [model.config.id2label[place] for place in logits[0, 1:].argmax(dim=-1).tolist()],
    "pipeline": [each["entity"] for each in label(text)],
    "words": [each["word"] for each in label(text)],
    "same class": type(model) is type(AutoModel.from_pretrained(folder, trust_remote_code=True)),
    "tracrlab": "tracrlab" in sys.modules,
}))
"""


def loaded(folder: Path, text: str, tmp_path: Path) -> dict[str, Any]:
    """What another process finds that loads the folder and runs it on a text."""
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", LOADED, str(folder), text], capture_output=True, text=True, check=True, env=environment
    )
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_another_process_loads_what_was_saved(tmp_path: Path) -> None:
    model = model_of("sort")
    model.to_huggingface().save_pretrained(tmp_path / "sort")
    found = loaded(tmp_path / "sort", "3 1 2.5", tmp_path)
    expected = [str(value) for value in CASES["sort"].program([3, 1, 2.5])]
    assert found["answers"] == found["pipeline"] == expected
    assert found["words"] == ["3", "1", "2.5"]
    assert found["same class"]
    assert not found["tracrlab"]


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    model_of("hist").to_huggingface().save_pretrained(tmp_path / "new" / "hist")
    names = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in (tmp_path / "new" / "hist").iterdir()} == {*names, "modeling_tracrlab.py"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["hist"]
    config = json.loads((tmp_path / "new" / "hist" / "config.json").read_text())
    assert list(config["id2label"].values()) == [str(each) for each in model_of("hist").readout().classes]
    assert config["residual_labels"] == [str(each) for each in model_of("hist").labels.dimensions]


def test_the_card_says_what_the_model_computes() -> None:
    card = model_of("hist").to_huggingface().card
    assert "# hist\n" in card
    assert "| vocabulary | `a` `b` `c` |" in card
    assert "| longest input | 6 tokens" in card
    assert re.search(r"\| hist \| `selector_width\(.*\)` \| a0\.h0 \| m0\.n0–\d+ \| \[\d+, \d+\) \|", card)
    assert "tokens->a0.h0<q>" in card


def test_the_card_carries_the_certificate() -> None:
    card = model_of("hist").to_huggingface().card
    assert f"```text\n{model_of('hist').verify().summary()}\n```" in card
    assert "It assumes:" in card


def test_a_card_in_a_narrower_format_is_about_that_format() -> None:
    card = model_of("hist").to_huggingface(dtype=torch.bfloat16).card
    assert f"```text\n{model_of('hist').verify(dtype='bfloat16').summary()}\n```" in card


def test_the_card_of_a_large_model_says_that_it_was_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "MOST_PARAMETERS", 1)
    export, certificate = model_of("hist").to_huggingface(), model_of("hist").verify()
    assert "The model was not verified when this card was written" in export.card
    export.save_pretrained(tmp_path, certificate=certificate)
    assert certificate.summary() in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_model_without_claims_has_a_card() -> None:
    export = replace(model_of("hist"), claims=None).to_huggingface()
    assert "The model was not verified when this card was written" in export.card


def test_a_certificate_of_another_model_is_refused(tmp_path: Path) -> None:
    message = "the certificate is of reverse, on inputs of up to 4 of 3 tokens; use that of this model, hist"
    with pytest.raises(ExportError, match=message):
        model_of("hist").to_huggingface().save_pretrained(tmp_path / "hist", certificate=model_of("reverse").verify())
    assert not (tmp_path / "hist").exists()


def test_a_folder_is_replaced_as_a_whole_and_other_files_in_it_stay(tmp_path: Path) -> None:
    """A failure leaves the old one."""
    folder = tmp_path / "model"
    model_of("sort").to_huggingface().save_pretrained(folder)
    (folder / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    export = model_of("hist").to_huggingface()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.tokenizer, "save_pretrained", fail)
        with pytest.raises(ModelFileError, match="No space left on device"):
            export.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    export.save_pretrained(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "config.json").read_bytes() != before["config.json"]
    for path in ("", "a\0b"):
        with pytest.raises(ModelFileError, match="names no folder"):
            export.save_pretrained(path)


def test_a_file_in_the_folders_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ModelFileError, match=r"cannot write a model to .*taken"):
        model_of("hist").to_huggingface().save_pretrained(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert (tmp_path / "taken").read_text() == "mine"


# The tokenizer -------------------------------------------------------------------------------------------------------


def compiled(vocab: list[Any]) -> CompiledModel:
    """A model whose answers are numbers, over any vocabulary."""
    same = rasp.select(rasp.tokens, rasp.tokens, Comparison.EQ)
    return tracrlab.compile(rasp.selector_width(same), vocab, 4)


@pytest.mark.parametrize(
    ("vocab", "text", "tokens"),
    [
        (list("abc"), "abca", list("abca")),
        (list("abc"), " a b\tc\na ", list("abca")),
        (list("ab "), "a b ", list("a b ")),
        (["the", "cat", "there"], "there the  cat", ["there", "the", "cat"]),
        (["new", "york", "new york"], "york new new york", ["york", "new", "new york"]),
        ([1, 10, -2.5, "x"], "10 1 -2.5 x", [10, 1, -2.5, "x"]),
        ([("a", 1), ("a", 2), "."], "('a', 2) . ('a', 1)", [("a", 2), ".", ("a", 1)]),
        ([True, False], "True False", [True, False]),
        (["a.c", "abc", "a|b", "😀 \\", "[b"], "abc a.c a|b 😀 \\", ["abc", "a.c", "a|b", "😀 \\"]),
        (list("bos"), "bos", list("bos")),
    ],
)
def test_texts_become_the_ids_of_the_model(vocab: list[Any], text: str, tokens: list[Any]) -> None:
    model = compiled(vocab)
    tokenizer = model.to_huggingface().tokenizer
    assert tokenizer(text)["input_ids"] == model.encode([tokens])[0].tolist()
    assert tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"] == [1] + [0] * len(tokens)


def test_a_batch_is_padded_at_the_end() -> None:
    model = compiled(list("abc"))
    batch = model.to_huggingface().tokenizer(["ab", "", "cab"], padding=True)
    assert batch["input_ids"] == model.encode(["ab", "", "cab"]).tolist()
    assert batch["attention_mask"] == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]


def test_an_unknown_word_is_an_error() -> None:
    tokenizer = compiled(["the", "cat"]).to_huggingface().tokenizer
    with pytest.raises(Exception, match="WordLevel error"):
        tokenizer("the dog")


@pytest.mark.parametrize(
    ("vocab", "reason"),
    [
        ([1, "1"], "the tokens 1 and '1' have the same text '1'"),
        ([1.5, "a", "1.5"], r"the tokens 1\.5 and '1\.5' have the same text"),
        (["", "a"], "the vocabulary holds an empty text"),
    ],
)
def test_tokens_without_texts_of_their_own_are_refused(vocab: list[Any], reason: str) -> None:
    with pytest.raises(ExportError, match=reason) as caught:
        compiled(vocab).to_huggingface()
    assert "\n" not in str(caught.value)


def test_answers_with_the_same_text_are_refused() -> None:
    program = rasp.elementwise_map({"a": 1, "b": "1"}.get, rasp.tokens)
    with pytest.raises(ExportError, match=r"the answers .* have the same text '1'"):
        tracrlab.compile(program, "ab", 3).to_huggingface()


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_a_wider_format_can_be_chosen(mode: Any) -> None:
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "123", 4, mode=mode)
    export = model.to_huggingface(dtype=torch.float64)
    assert export.model.dtype == torch.float64
    assert n_disagreements(model, model.readout(), export.logits, ["3121"]) == 0
