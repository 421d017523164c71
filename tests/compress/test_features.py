"""The geometry of features, what foretells it, dictionaries, exact sizes, figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tracrlab
from tests.compress.compressions import every_sequence, frac_prevs, random_compression, sort_unique
from tracrlab.compress import Sharing
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.compress.dictionary import learned_dictionary, recovery
from tracrlab.compress.exact import exact_compression, exact_sizes
from tracrlab.compress.features import (
    Feature,
    feature_geometry,
    foretold_features,
    prediction_scores,
    superposition,
)
from tracrlab.compress.figures import heat_maps, size_curves
from tracrlab.compress.forward import frozen_model
from tracrlab.compress.initial import principal_directions
from tracrlab.compress.metrics import mean_cosine, measured_model
from tracrlab.learn.dictionary import Dictionary, DictionarySettings
from tracrlab.learn.inputs import training_inputs
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks


def test_features_that_share_a_dimension_have_half_of_it_each() -> None:
    W = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.0]])
    assert feature_geometry(W, "abcd") == (
        Feature("a", 2, 0, 1),
        Feature("b", 1, 1, 0.5),
        Feature("c", 1, 1, 0.5),
        Feature("d", 0, 0, 0),
    )


def test_the_program_foretells_what_matters() -> None:
    foretold = {each.label: each for each in foretold_features(frac_prevs())}
    for unused in ("tokens:a", "tokens:b", "tokens:pad"):
        assert foretold[unused].importance < 1e-6
    assert min(foretold[used].importance for used in ("tokens:x", "is_x", "frac_prevs")) > 0.1
    assert foretold["one"].density == 1
    inputs = list(every_sequence(frac_prevs()))
    n_positions = sum(len(each) + 1 for each in inputs)
    assert foretold["tokens:x"].density == pytest.approx(sum(each.count("x") for each in inputs) / n_positions)


def test_a_prediction_that_comes_true_scores_one() -> None:
    foretold = foretold_features(frac_prevs())
    found = [Feature(each.label, each.importance, 0, each.density) for each in foretold]
    scores = prediction_scores(foretold, found)
    assert scores["importance → norm"] == pytest.approx(1)
    assert scores["density → dimensions"] == pytest.approx(1)


def test_a_dictionary_of_the_true_directions_recovers_everything() -> None:
    model = random_compression(frac_prevs(), 6, 0)
    directions = model.W / np.linalg.norm(model.W, axis=1, keepdims=True)
    score = recovery(model, Dictionary(directions[::-1].copy(), 0, 0))
    assert score.mean == pytest.approx(1)
    assert score.recovered == 1
    assert 0 < score.chance < 0.9


def test_learning_a_dictionary_finds_directions_and_reproduces() -> None:
    model = compressed_model(frac_prevs(), Sharing.ALL, {"matrices": np.eye(11)[None]})
    settings = DictionarySettings(steps=100, seeds=(0, 1), learning_rate=3e-2)
    one, again = learned_dictionary(model, settings), learned_dictionary(model, settings)
    np.testing.assert_array_equal(one.atoms, again.atoms)
    score = recovery(model, one)
    assert score.mean > score.chance + 0.1


@pytest.mark.parametrize("name", ["frac_prevs", "sort_unique", "reverse", "majority"])
def test_exact_compression_is_equal_on_every_input(name: str) -> None:
    program = PROGRAMS[name]
    model = tracrlab.compile(program.build(), program.example_vocab[:3], 3)
    sizes, compressed = exact_sizes(model), exact_compression(model)
    assert sizes.separate <= sizes.shared < model.config.d_model
    assert compressed.config.d_model == sizes.shared
    inputs = list(every_sequence(model))
    assert compressed.run_batch(inputs) == model.run_batch(inputs)


def test_pca_is_orthonormal_and_full_pca_is_exact() -> None:
    model = sort_unique()
    ids = training_inputs(model)
    frozen = frozen_model(model)
    directions = principal_directions(frozen, torch.as_tensor(ids)).numpy()
    np.testing.assert_allclose(directions.T @ directions, np.eye(model.config.d_model), atol=1e-5)
    row = measured_model(compressed_model(model, Sharing.ALL, {"matrices": directions[None]}))
    assert row["accuracy"] == 1
    assert mean_cosine(row) == pytest.approx(1, abs=1e-4)


def test_figures_are_drawn_and_the_same_each_time(tmp_path: Path) -> None:
    model = random_compression(frac_prevs(), 6, 0)
    labels = [str(label) for label in model.labels.dimensions]
    rows = [{"d": d, "loss": 10.0**-d, "accuracy": None if d == 2 else d / 4} for d in (1, 2, 3)]
    for name in ("one", "other"):
        heat_maps(tmp_path / f"{name}-heat.svg", labels, {"W Wᵀ": superposition(model)})
        size_curves(
            tmp_path / f"{name}-curve.svg",
            {"trained": rows},
            {"loss": "loss", "accuracy": "accuracy"},
            logarithmic=["loss"],
        )
    for kind in ("heat", "curve"):
        drawn = (tmp_path / f"one-{kind}.svg").read_text()
        assert drawn == (tmp_path / f"other-{kind}.svg").read_text()
        assert "frac_prevs" in drawn if kind == "heat" else "accuracy" in drawn
