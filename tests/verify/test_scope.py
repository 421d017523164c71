"""A certificate is of one model and one program: of another configuration, file or program it says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tracrlab
from benchmarks.mutations import small_model
from tracrlab import CompiledModel, rasp
from tracrlab.errors import UnprovenError
from tracrlab.model.certificate import Certificate
from tracrlab.model.digest import model_digest
from tracrlab.rasp.library import PROGRAMS

REVERSE = PROGRAMS["reverse"].build()


def proven_model(**options: Any) -> CompiledModel:
    return tracrlab.compile(REVERSE, "abc", 4, prove=True, **options)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"causal": True}, "attention"),
        ({"vocab": ("b", "a", "c")}, "vocabulary"),
        ({"vocab": ("a", "b", 1)}, "vocabulary"),
        ({"max_seq_len": 3}, "length"),
        ({"bos": "start"}, "special tokens"),
        ({"dtype": "float64"}, "number format"),
    ],
)
@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_claims_are_of_one_configuration(mode: Any, change: dict[str, Any], word: str) -> None:
    model = small_model("reverse", mode)
    assert model.verify().holds
    certificate = replace(model, config=replace(model.config, **change)).verify()
    assert not certificate.holds
    assert certificate.components[0].kind == "scope"
    assert certificate.components[0].reason == f"they were made for another {word}"


def test_tokens_that_compare_equal_are_other_tokens() -> None:
    model = tracrlab.compile(rasp.tokens, [0, 1, 2], 3)
    assert model.verify().holds
    assert not replace(model, config=replace(model.config, vocab=(0, True, 2))).verify().holds


def test_an_edited_folder_is_not_certified_even_without_its_digest(tmp_path: Path) -> None:
    small_model("reverse", "faithful").save_pretrained(tmp_path)
    data = json.loads((tmp_path / "config.json").read_text())
    del data["config_sha256"]
    data["config"]["vocab"] = data["config"]["vocab"][::-1]
    (tmp_path / "config.json").write_text(json.dumps(data))
    certificate = tracrlab.load(tmp_path).verify()
    assert not certificate.holds
    assert "another vocabulary" in certificate.reason


def test_claims_that_do_not_say_what_they_are_of_are_taken_to_fit_and_the_certificate_says_so() -> None:
    model = small_model("reverse", "faithful")
    assert model.claims is not None
    certificate = replace(model, claims=replace(model.claims, scope=None)).verify()
    assert certificate.holds
    assert any("do not say so" in assumption for assumption in certificate.assumptions)


def test_a_compiled_model_carries_its_certificate_and_a_changed_one_does_not(tmp_path: Path) -> None:
    model = proven_model()
    assert model.certificate is not None
    assert model.certificate.holds
    assert model.certificate.program is not None
    assert model.certificate.program.source == "compiled"
    assert "proven equal to its program" in repr(model)
    assert str(model.report()).endswith("proven equal to its program")
    changed = replace(model, weights=replace(model.weights, W_U=-model.weights.W_U))
    assert changed.certificate is None
    assert "not proven" in repr(changed)
    model.save_pretrained(tmp_path)
    loaded = tracrlab.load(tmp_path)
    assert loaded.certificate == replace(model.certificate, from_files=True)
    assert "as the files say" in repr(loaded)
    assert "as trustworthy as they are" in loaded.certificate.summary()


def test_without_proof_there_is_no_certificate_and_the_model_says_so(tmp_path: Path) -> None:
    model = tracrlab.compile(REVERSE, "abc", 4, prove=False)
    assert model.certificate is None
    assert "not proven" in repr(model)
    model.save_pretrained(tmp_path)
    assert tracrlab.load(tmp_path).certificate is None


def test_what_is_not_proven_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracrlab.verify.combinations.MAX_COMBINATIONS", 2)
    with pytest.raises(UnprovenError, match="there is no proof that the compiled model equals it"):
        proven_model()


def test_the_program_is_compiled_again_and_compared() -> None:
    options = {"mode": "compact", "passes": ["-codes"], "fit": tracrlab.Architecture(n_layers=4)}
    model = proven_model(**options)
    for same in (model, tracrlab.compile(REVERSE, "abc", 4, prove=False, **options)):
        proof = same.verify(REVERSE).program
        assert proof is not None
        assert proof.source == "compiled again"
    weights = model.weights.W_E.copy()
    weights[0, 0] += 2.0**-20
    other = replace(model, weights=replace(model.weights, W_E=weights)).verify(REVERSE).program
    assert other is not None
    assert other.source == "other bytes"
    assert "other bytes" in str(other)


def test_digests_tell_models_apart() -> None:
    model = proven_model()
    assert model_digest(model) == model_digest(proven_model())
    assert model.claims is not None
    others = [
        replace(model, config=replace(model.config, vocab=("a", "c", "b"))),
        replace(model, weights=replace(model.weights, W_U=model.weights.W_U.astype(float))),
        replace(model, claims=replace(model.claims, readout=None)),
        replace(model, program=model.program[:-1]),
    ]
    assert len({model_digest(each) for each in (model, *others)}) == 5


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_a_model_of_another_program_is_not_certified_though_no_input_tried_shows_it(mode: Any) -> None:
    """It answers "c" at the first of twelve a's, and is a reverse everywhere else."""
    is_a = rasp.tokens == "a"
    n_other = rasp.selector_width(rasp.select(is_a, False, rasp.Comparison.EQ))
    odd = (n_other == 0) & (rasp.length == 12)
    forged = rasp.where(odd, "c", REVERSE)
    model = tracrlab.compile(forged, "abc", 12, mode=mode)
    assert model.verify().holds
    assert model.verify(forged).holds
    certificate = model.verify(REVERSE)
    assert not certificate.holds
    if certificate.counterexample is None:
        assert "other bytes" in certificate.reason


def test_certificates_with_a_program_come_back_from_json() -> None:
    certificate = proven_model().verify(REVERSE)
    assert Certificate.from_json(certificate.to_json()) == certificate
