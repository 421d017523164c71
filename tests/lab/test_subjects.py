"""Every subject answers like its program and carries the map to it; those that would not are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.lab.cases import small_case
from tracrlab.errors import LabError
from tracrlab.lab.cases import SUBJECTS
from tracrlab.lab.variables import program_variables
from tracrlab.learn.patching import activations
from tracrlab.learn.places import Site
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

KINDS = [name for name in SUBJECTS if name != "plain"]


@pytest.mark.parametrize("name", ["reverse"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_subject_is_right_on_every_input_and_holds_what_its_frame_says(name: str, kind: str) -> None:
    case, program = small_case(name, kind), PROGRAMS[name].build()
    words = [list(case.inputs.tokens(row)) for row in range(len(case.inputs))]
    with torch.no_grad():
        logits = case.module(case.inputs.tensor)
    assert case.module.decode(logits, case.inputs.tensor) == [program(word) for word in words]
    assert not case.truth.alive_outside[case.truth.ablation] and not case.truth.joint[case.truth.ablation]
    assert case.truth.circuit and len(case.truth.others) > 10 * len(case.truth.circuit)
    if kind in ("rotated", "noisy", "merged"):
        held_as_labelled(name, kind)


def held_as_labelled(name: str, kind: str) -> None:
    """The values of the program's variables can be read off along the directions of the frame."""
    case = small_case(name, kind)
    path = f"blocks.{case.module.config.n_layers - 1}.hook_resid_post"
    with torch.no_grad():
        stream = activations(case.module, case.inputs.tensor, [Site(path)])[Site(path)]
    seen = stream.numpy() @ case.frame.T
    for variable in program_variables(case.model):
        numbers = case.values(variable.name, case.inputs.tensor).numpy()
        held = seen[numbers >= 0][:, variable.dimensions]
        if variable.variable.codes is None and held.shape[1] == len(variable.variable.values) > 1:
            assert (held.argmax(axis=1) == numbers[numbers >= 0]).all()


def test_rotated_heads_are_elsewhere_and_scores_of_edges_are_the_same() -> None:
    plain, rotated = small_case("reverse"), small_case("reverse", "rotated")
    assert plain.truth.circuit != rotated.truth.circuit and len(plain.truth.circuit) == len(rotated.truth.circuit)
    basis = rotated.frame
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
    kinds = [sorted(f"{e.source.kind}{e.kind}" for e in case.truth.circuit) for case in (plain, rotated)]
    assert kinds[0] == kinds[1]


def test_soft_attention_is_softer() -> None:
    plain, soft = small_case("reverse"), small_case("reverse", "soft")
    pattern = Site("blocks.3.attn.hook_pattern")
    largest = [
        activations(case.module, case.inputs.tensor, [pattern])[pattern][:, 0, 1].max(dim=-1).values.mean()
        for case in (plain, soft)
    ]
    assert largest[1] < 0.95 * largest[0]


def test_the_distractor_is_held_and_not_used() -> None:
    truths = small_case("reverse", "merged").truth.variables
    own = {name for name, _ in truths if name.startswith("distractor.")}
    assert "distractor.hist" in own
    assert any(truth.held for (name, _), truth in truths.items() if name in own)
    assert not any(truth.used for (name, _), truth in truths.items() if name in own)


def test_every_edge_of_a_noisy_subject_carries_something() -> None:
    case = small_case("reverse", "noisy")
    quiet = [
        name
        for name, own in case.module.named_parameters()
        if name.endswith(("W_O", "W_V", "W_out")) and (own == 0).any()
    ]
    assert not quiet


@pytest.mark.parametrize(
    ("kind", "message"),
    [("soft", "only faithful"), ("rotated", "answers are wrong"), ("noisy", "faithful models bear more")],
)
def test_compact_models_that_would_break_are_refused(kind: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        small_case("hist", kind, mode="compact")
