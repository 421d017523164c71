"""Compiling gives proven models: where one is not, the next way to build it is tried, and none comes out unproven."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import tracrlab
from benchmarks.fuzz import examine_in_turn
from tests.library_models import library_model
from tracrlab import rasp
from tracrlab.compiler import proving
from tracrlab.compiler.proving import first_proven
from tracrlab.craft.formats import Dtype
from tracrlab.errors import ArchitectureError, UnprovenError
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.digest import model_digest
from tracrlab.rasp import Comparison, SOp, aggregate, indices, select, selector_width, tokens
from tracrlab.rasp.library import PROGRAMS
from tracrlab.verify import neurons
from tracrlab.verify.induction import certify

SAME = select(tokens, tokens, Comparison.EQ)
BEFORE = select(indices, indices, Comparison.LT)
FIRST_A = aggregate(select(tokens, "a", Comparison.EQ), indices)
EITHER = selector_width(SAME | BEFORE)


def library(name: str, size: int = 20) -> tuple[SOp, list[str]]:
    return PROGRAMS[name].build(), list(PROGRAMS[name].vocabulary(size))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "vocab", "length", "dtype"),
    [
        (EITHER, "ab", 50, "float32"),
        (aggregate(select(FIRST_A, indices, Comparison.LT), indices, "none"), "ab", 4, "float32"),
        (*library("detect_pattern"), 8, "bfloat16"),
        (*library("shift_by"), 24, "float16"),
        (*library("palindrome"), 50, "float32"),
    ],
)
def test_a_compact_model_that_is_not_proven_gives_way_to_one_that_is(
    program: SOp, vocab: list[str], length: int, dtype: Dtype
) -> None:
    model = tracrlab.compile(program, vocab, length, mode="compact", dtype=dtype, prove=True)
    assert model.certificate is not None
    assert model.certificate.holds
    rng = random.Random(length)
    inputs = [rng.choices(list(vocab), k=rng.randint(1, length)) for _ in range(20)]
    assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)


def test_a_model_that_is_not_the_first_is_compiled_again_all_the_same() -> None:
    program, vocab = library("detect_pattern", 3)
    first, proven = (
        tracrlab.compile(program, vocab, 8, mode="compact", dtype="bfloat16", prove=each) for each in (False, True)
    )
    assert model_digest(first) != model_digest(proven)
    for model in (first, proven):
        proof = model.verify(program).program
        assert proof is not None
        assert proof.source == "compiled again"


def test_what_is_proven_is_the_first_model_itself() -> None:
    for name in ("reverse", "hist"):
        program, vocab = library(name, 3)
        first, proven = (tracrlab.compile(program, vocab, 6, mode="compact", prove=each) for each in (False, True))
        assert model_digest(first) == model_digest(proven)
        assert first.certificate is None
        assert proven.certificate is not None


def refusing(monkeypatch: pytest.MonkeyPatch, *refused: Artefact) -> list[str]:
    """Have verification fail for some models; returns the digests of those it is asked about, as it goes on."""
    verify, asked = proving.verify, list[str]()

    def strict(model: Artefact, *arguments: object, **options: object) -> Certificate:
        asked.append(model_digest(model))
        certificate: Certificate = verify(model, *arguments, **options)
        if asked[-1] in map(model_digest, refused):
            return replace(certificate, counterexample="it is refused here")
        return certificate

    monkeypatch.setattr(proving, "verify", strict)
    return asked


def test_models_are_proven_in_turn_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    program = PROGRAMS["hist"].build()
    compact, faithful = (library_model("hist", mode, causal=False) for mode in ("compact", "faithful"))
    asked = refusing(monkeypatch, compact)
    assert first_proven(iter([compact, compact, faithful]), program).weights is faithful.weights
    assert asked == [model_digest(compact), model_digest(faithful)]


def test_what_cannot_be_placed_is_passed_over_once_something_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    program = PROGRAMS["hist"].build()
    compact, faithful = (library_model("hist", mode, causal=False) for mode in ("compact", "faithful"))
    refusing(monkeypatch, compact)

    def placed(model: Artefact | None) -> Artefact:
        if model is None:
            raise ArchitectureError("hist", None, "it is too large", "Give it more room")
        return model

    assert first_proven(map(placed, [compact, None, faithful]), program).weights is faithful.weights
    with pytest.raises(ArchitectureError):
        first_proven(map(placed, [None, faithful]), program)
    with pytest.raises(UnprovenError, match="it is refused here"):
        first_proven(map(placed, [compact, None]), program)


def test_contents_beside_a_large_ground_are_told_apart() -> None:
    """In float64 a ground is so large that the squares of what stands beside it are all the same number."""
    outcome = examine_in_turn(276)
    assert (outcome.refusal, outcome.disagreement) == (None, None)


@pytest.fixture
def everything_together(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neurons are followed for all combinations, also of quantities that none of them sees together."""

    def together(hidden: neurons.Hidden, index: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return [(np.arange(hidden.sources[0][2].shape[1]), np.arange(len(index)), np.arange(len(index)))]

    with monkeypatch.context() as patched:
        patched.setattr(neurons, "_independent", together)
        yield


@pytest.fixture
def proofs_apart() -> list[Certificate]:
    return [certify(model) for model in summing_models()]


def summing_models() -> list[Artefact]:
    """Models in which some neurons see one count and others another."""
    return [tracrlab.compile(EITHER, "ab", 6, dtype=dtype, prove=False) for dtype in ("float32", "bfloat16")] + [
        tracrlab.compile(PROGRAMS["most_freq"].build(), "ab", 5, mode="compact", prove=False)
    ]


@pytest.mark.usefixtures("proofs_apart", "everything_together")
def test_groups_of_neurons_err_by_as_much_as_all_of_them_together(proofs_apart: list[Certificate]) -> None:
    for apart, model in zip(proofs_apart, summing_models(), strict=True):
        whole = certify(model)
        assert [each.status for each in apart.components] == [each.status for each in whole.components]
        for one, other in zip(apart.components, whole.components, strict=True):
            assert one.error == pytest.approx(other.error, rel=1e-6, abs=1e-12)
