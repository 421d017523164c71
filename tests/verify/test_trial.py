"""The compiler's analysis is held against the program: wrong claims are found, right ones are not complained of."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.mutations import small_model
from tracrlab import rasp
from tracrlab.craft.claims import HeadClaim, MLPClaim, View
from tracrlab.craft.spaces import one_hot_variable
from tracrlab.errors import CompileError
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.verify.trial import Effort, tried

TRY = Effort(inputs=400, short=200)
MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(MODES))
def test_nothing_is_found_against_what_the_compiler_says(seed: int, mode: Literal["faithful", "compact"]) -> None:
    case = random_program(seed)
    try:
        model = tracrlab.compile(
            case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal, mode=mode
        )
    except CompileError:
        return
    assert not tried(model, case.program, TRY, seed).failures


def test_the_certificate_says_what_was_tried() -> None:
    program = PROGRAMS["reverse"].build()
    model = tracrlab.compile(program, "abc", 8)
    trial = tried(model, program, Effort(inputs=1292, short=2000), seed=5)
    assert (trial.inputs, trial.n_inputs, trial.is_all) == (
        "all 1,092 inputs of up to 6 tokens and 200 random longer ones", 1292, False,
    )  # fmt: skip
    everything = tried(small_model("reverse", "faithful"), program, Effort(inputs=200, short=200), seed=5)
    assert (everything.inputs, everything.is_all) == ("all 120 inputs of up to 4 tokens", True)
    assert (
        tried(model, program, Effort(inputs=5, short=200), seed=5).inputs
        == "all 3 inputs of up to 1 tokens and 2 random longer ones"
    )
    certificate = model.verify(program)
    assert certificate.program is not None
    assert certificate.program.inputs in certificate.summary()
    assert f"(seed {certificate.program.seed})" in certificate.summary()


def test_random_inputs_are_others_every_time_but_while_compiling() -> None:
    program = PROGRAMS["reverse"].build()
    model = tracrlab.compile(program, "abc", 8)
    proofs = [model.verify(program).program for _ in range(2)]
    assert len({proof.seed for proof in proofs if proof}) == 2
    compiled = [tracrlab.compile(program, "abc", 8, prove=True).certificate for _ in range(2)]
    assert compiled[0] == compiled[1]
    assert compiled[0] is not None


def test_numbers_that_share_a_place_with_words_are_not_complained_of() -> None:
    """A mean of equal numbers is that number, another may be the same one as a ratio: both are held in one place."""
    half = rasp.aggregate(rasp.select(rasp.indices, 1, rasp.Comparison.GEQ), rasp.tokens, "none")
    model = tracrlab.compile(half, [1, 2, 3], 4)
    assert not tried(model, half, TRY, 0).failures


def test_what_is_not_read_may_have_any_value() -> None:
    """The answer is the position, whatever the length: values of it, of which nothing is read, decide nothing."""
    program = rasp.indices % rasp.length
    for mode in MODES:
        model = tracrlab.compile(program, "abc", 3, mode=mode)
        assert not tried(model, program, TRY, 0).failures
        assert model.verify(program).holds


def test_a_value_that_the_analysis_left_out_is_found() -> None:
    program = PROGRAMS["hist"].build()
    model = small_model("hist", "faithful")
    short = one_hot_variable("hist", (0, 1, 2, 3), nullable=False)
    entries = [replace(entry, variable=short) if entry.name == "hist" else entry for entry in model.labels.variables]
    lying = replace(model, labels=replace(model.labels, variables=tuple(entries)))
    (failure,) = tried(lying, program, TRY, 0).failures
    assert (failure.expression, failure.how) == ("hist", "failed")
    assert "it is 4, which it is claimed never to be" in failure.reason


@pytest.mark.parametrize("mode", MODES)
def test_relations_that_do_not_hold_are_found(mode: Literal["faithful", "compact"]) -> None:
    program = PROGRAMS["sort"].build()
    model = small_model("sort", mode)
    assert model.claims is not None
    found = set()
    for place, claim in enumerate(model.claims.components):
        lies: list[MLPClaim | HeadClaim] = []
        if isinstance(claim, MLPClaim) and claim.view.quantities:
            lies.append(replace(claim, view=View(claim.view.quantities, np.full_like(claim.view.places, -1))))
        if isinstance(claim, HeadClaim):
            lies.append(replace(claim, longest=0))
        for lie in lies:
            components = (*model.claims.components[:place], lie, *model.claims.components[place + 1 :])
            lying = replace(model, claims=replace(model.claims, components=components))
            assert [each.expression for each in tried(lying, program, TRY, 0).failures] == [claim.writes]
            found.add(type(claim))
    assert found == {MLPClaim, HeadClaim}
