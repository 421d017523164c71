"""Models after a random change of basis of their residual stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tracrlab
from tests.library_models import library_inputs, library_model
from tests.oracles import SMALL_VOCABS
from tracrlab import load
from tracrlab.errors import VerificationError
from tracrlab.facade import CompiledModel
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.surgery.rotation import orthogonal_matrix, rotated
from tracrlab.rasp import evaluate_batch
from tracrlab.rasp.library import PROGRAMS
from tracrlab.verify.verifier import verify

SMALL = ("hist", "sort", "reverse", "frac_prevs", "contains")


@pytest.mark.parametrize("name", PROGRAMS)
def test_faithful_models_survive_any_rotation(name: str) -> None:
    inputs = library_inputs(name)
    expected = evaluate_batch(PROGRAMS[name].build(), inputs)
    for seed in range(3):
        assert rotated(library_model(name, "faithful", False, grounds=False), seed).run_batch(inputs) == expected


@pytest.mark.parametrize("name", SMALL)
def test_everything_but_the_stream_is_as_it_was(name: str) -> None:
    model = library_model(name, "faithful", False, grounds=False)
    turned, ids = rotated(model, 7), model.encode(library_inputs(name)[:20])
    before, after = (forward_with_activations(each.config, each.weights, ids) for each in (model, turned))
    basis = orthogonal_matrix(model.config.d_model, 7)
    for one, other in zip(before.residuals, after.residuals, strict=True):
        np.testing.assert_allclose(one @ basis, other, atol=1e-4)
    for one, other in zip(before.patterns, after.patterns, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    for one, other in zip(model.labels.heads, turned.labels.heads, strict=True):
        assert [each.expression for each in one] == [each.expression for each in other]
    for one, other in zip(model.labels.neurons, turned.labels.neurons, strict=True):
        assert [(each.expression, each.count) for each in one] == [(each.expression, each.count) for each in other]


def test_seeds_give_different_bases_and_one_seed_the_same() -> None:
    model = library_model("hist", "faithful", False, grounds=False)
    first, again, other = (rotated(model, seed).weights.W_E for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.parametrize("size", [1, 2, 17])
def test_bases_are_orthogonal_and_turn_both_ways(size: int) -> None:
    bases = [orthogonal_matrix(size, seed) for seed in range(40)]
    for basis in bases:
        np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-12)
    # uniform over rotations and reflections: each entry is as often positive as negative
    assert 8 <= sum(bool(basis[0, 0] > 0) for basis in bases) <= 32


def test_what_is_known_of_the_dimensions_is_gone() -> None:
    model = library_model("sort", "compact", False)
    turned = rotated(model, 0)
    assert turned.labels.are_consistent(turned.config.d_model)
    assert {str(label) for label in turned.labels.dimensions} == {
        f"stream:{place}" for place in range(model.config.d_model)
    }
    assert turned.claims is None
    assert turned.recipe is None
    assert turned.certificate is None
    with pytest.raises(VerificationError, match="says nothing"):
        verify(turned)


def test_rotated_models_can_be_traced_reported_and_saved(tmp_path: Path) -> None:
    turned = CompiledModel.of(rotated(library_model("hist", "faithful", False, grounds=False), 3))
    tokens = SMALL_VOCABS["hist"][:2] * 2
    assert turned.trace(tokens).output == turned(tokens)
    assert "stream" in str(turned.report())
    turned.save_pretrained(tmp_path)
    assert load(tmp_path).run_batch(library_inputs("hist")) == turned.run_batch(library_inputs("hist"))


def test_half_formats_stay_in_their_format() -> None:
    model = tracrlab.compile(PROGRAMS["shift_by"].build(), "ab", 3, dtype="bfloat16")
    turned = rotated(model, 0)
    assert turned.weights.W_E.dtype == np.float32
    for array in turned.weights.as_dict().values():
        np.testing.assert_array_equal(model.config.number_format.rounded(array), array)
