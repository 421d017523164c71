"""Certificates: what is certified holds, what is wrong is not certified, and both can be read and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.mutations import every_input_of, small_model, some_inputs_of, tally_of
from tracrlab import CompiledModel, rasp
from tracrlab.compiler.compact import claiming
from tracrlab.compiler.lower import claiming as faithful_claiming
from tracrlab.craft.claims import HeadClaim, MLPClaim, NumberClaim
from tracrlab.errors import CompileError, VerificationError
from tracrlab.model.certificate import Certificate
from tracrlab.model.sublayers import neurons_name
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import value_key
from tracrlab.verify import combinations
from tracrlab.verify.trial import contradiction

MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
NAMES = ("hist", "reverse", "sort", "frac_prevs", "shift_by", "majority", "sort_freq", "palindrome", "length")


def changed(model: CompiledModel, array: str, place: tuple[int, ...], number: float) -> CompiledModel:
    """The model with one weight replaced."""
    weights = model.weights.as_dict()[array].copy()
    weights[place] = number
    return replace(model, weights=replace(model.weights, **{array: weights}))


# What is certified ---------------------------------------------------------------------------------------------------


def test_claims_about_values_that_vary_together_list_no_value_twice() -> None:
    program = PROGRAMS["addition"]
    model = tracrlab.compile(program.build(), program.example_vocab, 6, mode="compact", prove=False)
    assert model.claims is not None
    joint = [
        claim
        for claim in model.claims.components
        if isinstance(claim, MLPClaim) and len(claim.quantities) == 1 and len(claim.quantities[0].contents) > 1
    ]
    assert joint
    for claim in joint:
        tables = [*claim.quantities[0].contents.values(), claim.view.places[:, None]]
        rows = np.concatenate(tables, axis=1)
        assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_library_programs_are_certified(name: str, mode: Literal["faithful", "compact"]) -> None:
    program = PROGRAMS[name]
    model = tracrlab.compile(program.build(), program.example_vocab, 7, mode=mode, prove=False)
    certificate = model.verify()
    assert certificate.holds, certificate
    assert {each.writes for each in certificate.components} >= {entry.name for entry in model.labels.variables}
    assert all(each.error < each.tolerance for each in certificate.components)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dyck", "dyck_ptf"])
def test_functions_read_beside_what_they_are_functions_of_are_certified(name: str) -> None:
    """A code is read, and so are the counts that it is a sum of, which differ in nothing else."""
    program = PROGRAMS[name]
    certificate = tracrlab.compile(program.build(), program.vocabulary(4), 24, mode="compact", prove=False).verify()
    assert certificate.holds, certificate


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_causal_and_double_models_are_certified(
    mode: Literal["faithful", "compact"], causal: bool, dtype: Literal["float32", "float64"]
) -> None:
    program = PROGRAMS["frac_prevs"].build()
    assert tracrlab.compile(program, "xyz", 9, causal=causal, dtype=dtype, mode=mode, prove=False).verify().holds


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(MODES))
def test_a_certificate_is_never_contradicted(seed: int, mode: Literal["faithful", "compact"]) -> None:
    case = random_program(seed)
    try:
        model = tracrlab.compile(
            case.program,
            case.vocabulary,
            case.max_length,
            **case.special_tokens,
            causal=case.causal,
            mode=mode,
            prove=False,
        )
    except CompileError:
        return
    if model.verify().holds:
        inputs = some_inputs_of(model, 300)
        expected = [case.program(tokens, causal=case.causal) for tokens in inputs]
        for answer, wanted in zip(model.run_batch(inputs), expected, strict=True):
            assert all(one == two or value_key(one) == value_key(two) for one, two in zip(answer, wanted, strict=True))


@pytest.mark.slow
def test_nearly_all_random_programs_are_certified() -> None:
    held = total = 0
    for seed in range(25):
        case = random_program(seed)
        for mode in MODES:
            try:
                model = tracrlab.compile(
                    case.program,
                    case.vocabulary,
                    case.max_length,
                    **case.special_tokens,
                    causal=case.causal,
                    mode=mode,
                    prove=False,
                )
            except CompileError:
                continue
            total += 1
            held += model.verify().holds
    assert held >= 0.9 * total


@pytest.mark.slow
def test_functions_of_a_sum_too_large_to_tabulate_are_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "MAX_COMBINATIONS", 15)
    model = small_model("sort", "compact")
    assert model.claims is not None
    (claim,) = (each for each in model.claims.components if isinstance(each, NumberClaim))
    assert model.verify().holds
    tally = tally_of(model, 30, seed=1)
    assert tally.harmful > 2
    assert not tally.missed
    for other in (
        replace(claim, results=claim.results[::-1].copy()),
        replace(claim, reads=tuple((name, 2 * factor) for name, factor in claim.reads)),
        replace(claim, reads=claim.reads[:-1]),
        replace(claim, reads=(*claim.reads, ("nobody", np.ones(1)))),
        replace(claim, present="one"),
    ):
        components = tuple(other if each is claim else each for each in model.claims.components)
        assert not replace(model, claims=replace(model.claims, components=components)).verify().holds


def test_sums_of_too_many_terms_are_certified_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithful_claiming, "MAX_COMBINATIONS", 15)
    numbers = rasp.numerical(rasp.indices) * 2 - rasp.numerical(rasp.tokens) + 3
    model = tracrlab.compile(numbers, [1, 2, 5, 7], 5, prove=False)
    assert model.claims is not None
    claims = [each for each in model.claims.components if isinstance(each, NumberClaim)]
    assert claims
    assert model.verify(numbers).holds
    for claim in claims:
        other = replace(claim, numbers=claim.numbers + 1)
        components = tuple(other if each is claim else each for each in model.claims.components)
        assert not replace(model, claims=replace(model.claims, components=components)).verify().holds


# What is not ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_weight_is_blamed_on_its_component_and_an_input_shows_it(mode: Literal["faithful", "compact"]) -> None:
    model = small_model("majority", mode)
    layer = next(layer for layer, neurons in enumerate(model.labels.neurons) if neurons)
    neuron = int(np.argwhere(model.weights.W_out[layer])[0][0])
    columns = model.weights.W_out[layer, neuron]
    column = int(np.flatnonzero(columns)[0])
    broken = changed(model, "W_out", (layer, neuron, column), 3 * float(columns[column]) + 1)
    certificate = broken.verify(PROGRAMS["majority"].build())
    assert not certificate.holds
    assert certificate.failure is not None
    assert certificate.failure.kind == "mlp"
    assert certificate.failure.writes == model.labels.neurons[layer][0].writes
    inputs = every_input_of(model)
    really_wrong = broken.run_batch(inputs) != model.run_batch(inputs)
    assert really_wrong == (certificate.counterexample is not None)
    assert certificate.n_inputs > 0


def test_an_error_that_changes_no_answer_is_said_to_be_harmless_and_inputs_to_be_right() -> None:
    """Whether a token is x does not depend on what is claimed of other tokens."""
    program = PROGRAMS["frac_prevs"]
    model = tracrlab.compile(program.build(), program.example_vocab, 4, prove=False)
    broken = changed(model, "W_pos", (2, model.config.vocab.index("y")), 1.0)
    certificate = broken.verify()
    assert certificate.holds
    said = {each.writes: each.reason for each in certificate.components if each.reason}
    assert said == {"tokens": "it is off, which changes no answer"}
    assert Certificate.from_json(certificate.to_json()) == certificate
    tried = broken.verify(program.build())
    assert not tried.holds
    assert tried.counterexample is None
    assert tried.summary().splitlines()[0].endswith("; on the 340 inputs that were run, the model is right")
    wrong = changed(model, "W_pos", (2, model.config.vocab.index("x")), 1.0).verify(program.build())
    assert wrong.counterexample is not None
    assert wrong.summary().splitlines()[0].endswith(wrong.counterexample)


def test_writing_into_the_variable_of_another_component_is_noticed() -> None:
    model = small_model("reverse", "faithful")
    length = model.labels.variable("length")
    layer = model.labels.variable("reverse").sublayer // 2
    head = changed(model, "W_O", (layer, 0, 0, length.start), 1e-3).verify()
    assert head.failure is not None
    assert (head.failure.kind, head.failure.reason) == ("head", "it writes outside its variable")
    neuron = changed(model, "W_out", (0, 0, model.labels.variable("tokens").start), 1e-3).verify()
    assert neuron.failure is not None
    assert (neuron.failure.kind, neuron.failure.reason) == ("mlp", "it writes outside its variable")
    embedded = changed(model, "W_E", (0, length.start), 1e-3).verify()
    assert embedded.failure is not None
    assert "later sublayer" in embedded.failure.reason


def test_a_part_that_nobody_claims_must_write_nothing() -> None:
    model = small_model("reverse", "faithful")  # its second layer has no neurons
    layer = model.config.n_layers - 1
    assert not model.labels.neurons[layer]
    reading = changed(model, "W_in", (layer, 0, 3), 1.0)
    assert reading.verify().holds
    failure = changed(reading, "W_out", (layer, 3, 0), 1.0).verify().failure
    assert failure is not None
    assert (failure.kind, failure.layer, failure.place) == ("unused", layer, f"m{layer}.n3")


@pytest.mark.parametrize("mode", MODES)
def test_claims_that_say_something_else_are_not_proven(mode: Literal["faithful", "compact"]) -> None:
    model = small_model("sort", mode)
    assert model.claims is not None
    for place, claim in enumerate(model.claims.components):
        if isinstance(claim, HeadClaim) and claim.predicates:
            first = claim.predicates[0]
            other: Any = replace(claim, predicates=(replace(first, matrix=~first.matrix), *claim.predicates[1:]))
        elif isinstance(claim, MLPClaim):
            other = replace(claim, results=claim.results[::-1].copy())
        else:
            continue
        components = (*model.claims.components[:place], other, *model.claims.components[place + 1 :])
        lying = replace(model, claims=replace(model.claims, components=components))
        assert not lying.verify().holds, claim.writes


def test_what_is_too_large_to_check_is_said_not_to_be_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("majority", "faithful")
    monkeypatch.setattr(combinations, "MAX_COMBINATIONS", 10)
    certificate = model.verify()
    assert not certificate.holds
    assert {each.status for each in certificate.components} == {"proven", "not proven"}
    assert certificate.failure is not None
    assert "combinations of values, more than 10" in certificate.failure.reason


def test_a_component_without_a_claim_is_not_proven_nor_what_reads_it() -> None:
    model = small_model("hist", "faithful")
    assert model.claims is not None
    silent = replace(model, claims=replace(model.claims, components=model.claims.components[1:]))
    statuses = {each.writes: each.status for each in silent.verify().components if each.kind != "embedding"}
    assert set(statuses.values()) == {"not proven"}


def test_weights_that_are_no_numbers_are_noticed() -> None:
    for number in (np.nan, np.inf):
        assert not changed(small_model("hist", "compact"), "W_pos", (0, 0), number).verify().holds


# Number formats ------------------------------------------------------------------------------------------------------


def test_narrow_formats_are_proven_or_the_component_that_breaks_is_named() -> None:
    model = small_model("reverse", "faithful")
    assert model.verify(dtype="bfloat16").holds
    assert model.verify(dtype="float64").holds
    narrow = tracrlab.compile(PROGRAMS["hist"].build(), "abc", 200, prove=False).verify(dtype="bfloat16")
    assert not narrow.holds
    assert narrow.failure is not None
    assert narrow.failure.writes in {"hist.attn", "hist"}
    counting = small_model("hist", "compact").verify(dtype="float16")
    assert counting.failure is not None
    assert "not finite in float16" in counting.failure.reason


# Running inputs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_every_input_is_run_where_that_is_asked_for(mode: Literal["faithful", "compact"]) -> None:
    model, program = small_model("reverse", mode), PROGRAMS["reverse"].build()
    certificate = model.verify(program, exhaustive=True)
    assert certificate.holds
    assert certificate.n_inputs == 3 + 9 + 27 + 81
    wrong = model.verify(rasp.tokens, exhaustive=True)
    assert not wrong.holds
    assert wrong.counterexample is not None
    assert wrong.summary().startswith("No certificate: reverse")
    count, found = contradiction(model, rasp.tokens, every_input_of(model))
    assert found is not None
    assert found.model == found.tokens[::-1] != found.program == found.tokens
    assert 0 < count <= 120


def test_what_cannot_be_verified_is_said_in_one_line() -> None:
    model = small_model("hist", "faithful")
    program = PROGRAMS["hist"].build()
    long = tracrlab.compile(program, "abc", 30, prove=False)
    twice = replace(model.labels, heads=tuple(heads * 2 for heads in model.labels.heads))
    refusals = {
        "says nothing about what its parts compute": lambda: replace(model, claims=None).verify(),
        "labels of hist do not fit": lambda: replace(model, labels=twice).verify(),
        "no number format 'int8'": lambda: model.verify(dtype="int8"),
        "needs the program": lambda: model.verify(exhaustive=True),
        "own number format": lambda: model.verify(program, exhaustive=True, dtype="bfloat16"),
        "too many to run": lambda: long.verify(program, exhaustive=True),
        "fails on inputs of the model": lambda: model.verify(rasp.tokens + 1, exhaustive=True),
    }
    for message, refused in refusals.items():
        with pytest.raises(VerificationError, match=message) as refusal:
            refused()
        assert "\n" not in str(refusal.value)


# Certificates as data ------------------------------------------------------------------------------------------------


def test_a_certificate_comes_back_from_its_json() -> None:
    model = small_model("sort", "faithful")
    broken = changed(model, "W_U", (0, 0), 5.0)
    for certificate in (model.verify(), broken.verify(), model.verify(rasp.tokens, exhaustive=True)):
        text = certificate.to_json()
        assert json.loads(text)["holds"] == certificate.holds
        again = Certificate.from_json(text)
        assert again == certificate
        assert repr(again) == certificate.summary()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null", "[" * 10**5])
def test_a_text_that_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(VerificationError, match="not a certificate") as refusal:
        Certificate.from_json(text)
    assert "\n" not in str(refusal.value)


def test_a_certificate_cannot_claim_more_than_its_parts() -> None:
    model = small_model("hist", "compact")
    row, column = np.argwhere(model.weights.W_U)[0]
    data = json.loads(changed(model, "W_U", (int(row), int(column)), 5.0).verify().to_json())
    assert not data["holds"]
    with pytest.raises(VerificationError, match="as a whole"):
        Certificate.from_json(json.dumps(data | {"holds": True}))


def test_the_summary_names_every_part_and_the_verdict() -> None:
    model = small_model("hist", "faithful")
    certificate = model.verify()
    lines = certificate.summary().splitlines()
    assert lines[0].startswith(
        "Certificate: hist in float32, on all inputs of up to 4 of 3 tokens: the weights do what is claimed of them"
    )
    assert lines[1].endswith("the claims are those of the program was not asked")
    assert all(any(entry.name in line for line in lines[3:]) for entry in model.labels.variables)
    few = small_model("frac_prevs", "faithful")
    count = few.labels.neurons[0][0].count
    assert f"{neurons_name(0, range(count))} (is_x) " in few.verify().summary()
