"""Stock architectures compute compiled programs, and a certificate says so only of checkpoints that do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.mutations import some_inputs_of
from tests.library_models import library_inputs, library_model
from tests.oracles import ORACLES, agree
from tracrlab.compiler import driver
from tracrlab.errors import CompileError, ExportError, PrecisionError, VerificationError
from tracrlab.export.pretrained import Pretrained
from tracrlab.export.stock import to_bert
from tracrlab.export.targets import Activation, Target, stock_certificate, stock_export
from tracrlab.facade import CompileOptions
from tracrlab.model.certificate import Certificate
from tracrlab.model.readout import class_readout
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.rasp.values import value_key

pytestmark = pytest.mark.frameworks

Mode = Literal["faithful", "compact"]
MODES: tuple[Mode, ...] = ("faithful", "compact")
ALL: list[tuple[Target, Activation]] = [
    ("gpt2", "relu"), ("gpt2", "gelu"), ("bert", "relu"), ("bert", "gelu"), ("llama", "silu"),
]  # fmt: skip
MIXED = [(MODES[number % 2], *chosen) for number, chosen in enumerate(ALL)]
CAUSAL = [name for name, program in PROGRAMS.items() if program.causal_safe and name != "dyck_ptf"]
BIDIRECTIONAL = ["majority", "sort_freq"]


@cache
def certified(name: str, mode: Mode, target: Target, activation: Activation) -> Pretrained:
    """A causal library program compiled for a target."""
    model = library_model(name, mode, True)
    return tracrlab.compile(
        PROGRAMS[name].build(),
        model.config.vocab,
        model.config.max_seq_len,
        causal=True,
        mode=mode,
        target=target,
        activation=activation,
    )


# What they answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_targets_answer_as_the_oracle(name: str) -> None:
    inputs = library_inputs(name)
    for mode, target, activation in MIXED:
        export, model = certified(name, mode, target, activation), library_model(name, mode, True)
        ids = model.encode(inputs)
        for tokens, answer in zip(inputs, model.readout().decode(export.logits(ids), ids), strict=True):
            assert agree(ORACLES[name](tokens), answer)
        assert export.certificate is not None
        assert export.certificate.holds


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BIDIRECTIONAL)
def test_bidirectional_bert_is_certified_and_answers_as_the_oracle(name: str, mode: Mode) -> None:
    model, inputs = library_model(name, mode, False, grounds=False), library_inputs(name)[:60]
    assert model.verify(target="bert").holds
    export = model.to_bert(activation="gelu")
    assert stock_certificate(export).holds
    ids = model.encode(inputs)
    for tokens, answer in zip(inputs, model.readout().decode(export.logits(ids), ids), strict=True):
        assert agree(ORACLES[name](tokens), answer)


@settings(max_examples=5)
@given(st.integers(0, 10**6), st.sampled_from(MODES), st.sampled_from(ALL))
def test_a_certificate_is_never_contradicted(seed: int, mode: Mode, chosen: tuple[Target, Activation]) -> None:
    case, (target, activation) = random_program(seed), chosen
    try:
        model = tracrlab.compile(
            case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal, mode=mode
        )
        export = stock_export(model, target if case.causal else "bert", activation if target == "bert" else None)
    except (CompileError, ExportError):
        return
    if stock_certificate(export).holds:
        inputs = some_inputs_of(model, 100)
        ids = model.encode(inputs)
        for tokens, answer in zip(inputs, model.readout().decode(export.logits(ids), ids), strict=True):
            wanted = case.program(tokens, causal=case.causal)
            assert all(one == two or value_key(one) == value_key(two) for one, two in zip(answer, wanted, strict=True))


def test_the_certificate_is_saved_with_the_model(tmp_path: Path) -> None:
    export = certified("shift_by", "compact", "llama", "silu")
    export.save_pretrained(tmp_path / "shift_by")
    text = (tmp_path / "shift_by" / "certificate.json").read_text()
    assert Certificate.from_json(text) == export.certificate


def test_positions_that_nobody_reads_need_no_layer() -> None:
    export = stock_export(tracrlab.compile(tracrlab.rasp.tokens, "ab", 3, causal=True), "llama")
    assert export.model.config.num_hidden_layers == 1


def test_the_parameters_are_those_of_an_ordinary_checkpoint() -> None:
    config = certified("shift_by", "compact", "llama", "silu").model.config
    assert config.rms_norm_eps == 1e-6
    assert not config.attention_bias
    assert not config.mlp_bias
    assert config.hidden_size & (config.hidden_size - 1) == 0


def test_the_card_promises_what_is_proven() -> None:
    assert "the program's value there, on every input" in certified("shift_by", "compact", "llama", "silu").card


# What the certificate notices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "target", "activation"), MIXED)
def test_every_harmful_change_of_a_parameter_is_noticed(mode: Mode, target: Target, activation: Activation) -> None:
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "axy", 4, causal=True, mode=mode)
    inputs = some_inputs_of(model, 120)
    export, ids, wanted = stock_export(model, target, activation), model.encode(inputs), model.run_batch(inputs)
    rng, harmful = np.random.default_rng(3), 0
    parameters = list(export.model.parameters())
    for _ in range(25):
        chosen = parameters[rng.integers(len(parameters))].data
        used = chosen.nonzero()
        among_used = len(used) > 0 and rng.random() < 0.9
        place = tuple(used[rng.integers(len(used))] if among_used else [rng.integers(size) for size in chosen.shape])
        before = float(chosen[place])
        chosen[place] = float(rng.choice([before + 8, before - 8, 64 * before, -before, 0.0]))
        logits = export.logits(ids)
        if not np.isfinite(logits).all() or model.readout().decode(logits, ids) != wanted:
            harmful += 1
            assert not stock_certificate(export).holds
        chosen[place] = before
    assert harmful > 1
    assert stock_certificate(export).holds


def no_pins(module: Any) -> None:
    module.model.embed_tokens.weight.data[:, -1] = 1.0


def rotating(module: Any) -> None:
    module.model.rotary_emb.inv_freq[:] = 1e-3


def root_of_another_kind(module: Any) -> None:
    module.model.layers[1].input_layernorm.weight.data[3] *= 1 + 2**-20


def other_neurons(module: Any) -> None:
    module.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1


def far_larger_epsilon(module: Any) -> None:
    module.config.rms_norm_eps = 1e9


def ordinary_epsilon(module: Any) -> None:
    module.config.layer_norm_epsilon = module.config.layer_norm_eps = 1e-5


def shifted_norm(module: Any) -> None:
    biases = (value for name, value in module.named_parameters() if name.endswith(("ln_1.bias", "LayerNorm.bias")))
    next(biases).data[1] = 1


def unbalanced(module: Any) -> None:
    next(iter(module.parameters())).data[0, 0] += 0.5


def all_to_all(module: Any) -> None:
    module.config.is_decoder = False


def other_padding(module: Any) -> None:
    module.config.pad_token_id = 0


@pytest.mark.parametrize(
    ("target", "change", "reason"),
    [
        ("llama", rotating, "rotary positions rotate"),
        ("llama", root_of_another_kind, "the scale of model.layers.1.input_layernorm is not 1"),
        ("llama", no_pins, "writes to dimensions|no power of four|weigh|reads"),
        ("llama", other_neurons, "what neurons are multiplied by"),
        ("llama", far_larger_epsilon, "no power of four"),
        ("gpt2", ordinary_epsilon, "the scale of transformer.h.0.ln_1 is not 1"),
        ("gpt2", shifted_norm, "transformer.h.0.ln_1.bias is not zero"),
        ("gpt2", unbalanced, "W_E is out of balance"),
        ("bert", ordinary_epsilon, "the scale of bert.embeddings.LayerNorm is not 1"),
        ("bert", shifted_norm, "bert.embeddings.LayerNorm.bias is not zero"),
        ("bert", all_to_all, "it is not causal as the model is"),
        ("bert", other_padding, "it pads with another token"),
    ],
)
def test_settings_that_have_to_be_are_checked(target: Target, change: Callable[[Any], None], reason: str) -> None:
    model = library_model("shift_by", "compact", True)
    export = stock_export(model, target)
    assert stock_certificate(export).holds
    change(export.model)
    certificate = stock_certificate(export)
    assert not certificate.holds
    assert any(each.kind == "architecture" for each in certificate.components)
    assert any(re.search(reason, each.reason) for each in certificate.components)


def test_a_certificate_says_of_what_it_is() -> None:
    certificate = library_model("shift_by", "faithful", True).verify(target="llama")
    assert certificate.target.startswith("Llama (Transformers ")
    assert certificate.summary().startswith(f"Certificate: shift_by as {certificate.target} in float32, on all inputs")
    assert type(certificate).from_json(certificate.to_json()) == certificate
    assert {each.kind for each in certificate.components} >= {"norm", "head", "mlp", "readout"}


def test_other_formats_are_certified_in_their_own_arithmetic() -> None:
    model = library_model("shift_by", "compact", True)
    for target in ("gpt2", "bert", "llama"):
        assert model.verify(target=target, dtype="float64").dtype == "float64"
    assert model.verify(target="llama", dtype="bfloat16").holds


# What is refused -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused_in_one_line() -> None:
    model, program = library_model("shift_by", "compact", True), PROGRAMS["shift_by"].build()
    other = tracrlab.compile(program, "ab", 3)
    fill: Any = tracrlab.compile
    readout = class_readout(model.weights.W_U, model.output, 10.0, pad_id=model.config.pad_id, dtype="float32")
    refusals: dict[str, tuple[type[Exception], Callable[[], object]]] = {
        "GPT-2 is causal": (ExportError, lambda: fill(program, "ab", 3, target="gpt2")),
        "Llama is causal": (ExportError, other.to_llama),
        "llama has no gelu neurons; it has silu": (
            ExportError,
            lambda: fill(program, "ab", 3, causal=True, target="llama", activation="gelu"),
        ),
        "BERT has no activation 'silu'": (ExportError, lambda: to_bert(model, readout, activation="silu")),
        "target must be 'gpt2', 'bert', 'llama', not 't5'": (ValueError, lambda: fill(program, "ab", 3, target="t5")),
        "for a target only": (ValueError, lambda: fill(program, "ab", 3, activation="gelu")),
        "no number format 'int8'": (VerificationError, lambda: model.verify(target="gpt2", dtype="int8")),
        "inputs are run in the model itself": (VerificationError, lambda: model.verify(program, target="gpt2")),
        "says nothing about what its parts compute": (
            VerificationError,
            lambda: replace(model, claims=None).verify(target="llama"),
        ),
        "of type 'tracrlab' cannot be verified": (
            VerificationError,
            lambda: stock_certificate(model.to_huggingface()),
        ),
    }
    for message, (error, refused) in refusals.items():
        with pytest.raises(error, match=message) as refusal:
            refused()
        assert "\n" not in str(refusal.value)


def test_what_is_not_proven_is_not_compiled_for_a_target() -> None:
    """A norm that rounds as this one does is too much for counts of compact models."""
    program = PROGRAMS["count_less_freq"]
    model = tracrlab.compile(program.build(), program.vocabulary(20), 20, mode="compact")
    assert model.verify().holds
    assert not model.verify(target="bert").holds
    with pytest.raises(PrecisionError, match=r"no proof that BERT .* computes it: a1\.h0 .*model.to_bert\(\) gives it"):
        tracrlab.compile(program.build(), program.vocabulary(20), 20, mode="compact", target="bert")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_answers_that_need_float64_are_certified_in_it(dtype: torch.dtype) -> None:
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "xy", 4, causal=True, dtype="float64")
    for target in ("gpt2", "bert", "llama"):
        certificate = stock_certificate(stock_export(model, target, dtype=dtype))
        assert certificate.holds
        assert certificate.dtype == str(dtype).removeprefix("torch.")


def test_the_signature_of_compile_lists_all_options_with_types_and_defaults() -> None:
    def by_keyword(function: Callable[..., object]) -> dict[str, tuple[object, object]]:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
        return {each.name: (each.annotation, each.default) for each in parameters if each.kind is each.KEYWORD_ONLY}

    listed, options = by_keyword(tracrlab.compile), by_keyword(driver.compile_program)
    assert {**listed, **options} == listed
    assert listed.keys() - options.keys() == {"target", "activation"}
    assert get_type_hints(CompileOptions) == {name: annotation for name, (annotation, _) in options.items()}
    assert all(each.kind is not each.VAR_KEYWORD for each in inspect.signature(tracrlab.compile).parameters.values())
