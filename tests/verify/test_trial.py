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
from tracrlab.craft.claims import HeadClaim, MLPClaim, View
from tracrlab.craft.spaces import one_hot_variable
from tracrlab.errors import CompileError
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program
from tracrlab.verify.trial import trial_inputs, tried

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
    assert not tried(model, case.program).failures


def test_the_certificate_says_what_was_tried() -> None:
    program = PROGRAMS["reverse"].build()
    certificate = tracrlab.compile(program, "abc", 8).verify(program)
    assert certificate.tried == "all 1,092 inputs of up to 6 tokens and 200 random longer ones"
    assert certificate.tried in certificate.summary().splitlines()[0]
    everything, described = trial_inputs(small_model("reverse", "faithful"))
    assert (len(everything), described) == (120, "all 120 inputs of up to 4 tokens")
    assert not small_model("reverse", "faithful").verify().tried


def test_a_value_that_the_analysis_left_out_is_found() -> None:
    program = PROGRAMS["hist"].build()
    model = small_model("hist", "faithful")
    short = one_hot_variable("hist", (0, 1, 2, 3), nullable=False)
    entries = [replace(entry, variable=short) if entry.name == "hist" else entry for entry in model.labels.variables]
    lying = replace(model, labels=replace(model.labels, variables=tuple(entries)))
    (failure,) = tried(lying, program).failures
    assert failure.title == "analysis (hist)"
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
            assert [each.writes for each in tried(lying, program).failures] == [claim.writes]
            found.add(type(claim))
    assert found == {MLPClaim, HeadClaim}
