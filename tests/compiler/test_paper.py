"""The compiled models of the paper: their shape, structure and labels."""

from __future__ import annotations

import numpy as np

import tracrlab
from tracrlab.rasp.library import PROGRAMS


def test_frac_prevs_has_fourteen_dimensions_and_two_layers() -> None:
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abcx", 5)
    assert (model.config.d_model, model.config.n_layers, model.config.n_heads) == (14, 2, 1)
    assert list(map(str, model.labels.dimensions)) == [
        *("tokens:a", "tokens:b", "tokens:c", "tokens:x", "tokens:bos", "tokens:pad"),
        *("indices:0", "indices:1", "indices:2", "indices:3", "indices:4"),
        *("one", "is_x", "frac_prevs"),
    ]
    assert [[head.writes for head in heads] for heads in model.labels.heads] == [[], ["frac_prevs"]]
    assert [[group.writes for group in layer] for layer in model.labels.neurons] == [["is_x"], []]


def test_frac_prevs_on_the_input_of_the_paper() -> None:
    trace = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abcx", 5).trace("xacx")
    assert [step.name for step in trace.steps] == ["embed", "a0", "m0", "a1", "m1"]
    residuals = [step.residual for step in trace.steps]
    assert np.array_equal(residuals[0], residuals[1]), "the first attention layer does nothing"
    assert np.array_equal(residuals[3], residuals[4]), "nor does the last MLP"
    assert residuals[2][:, 12].tolist() == [0, 1, 0, 0, 1], "is_x is written at both tokens x, and not at BOS"
    assert np.allclose(residuals[3][:, 13], [0, 1, 1 / 2, 1 / 3, 1 / 2])


def test_sort_unique_counts_smaller_keys_and_then_moves() -> None:
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "123", 3)
    assert model.config.n_layers == 2
    assert [[head.expression for head in heads] for heads in model.labels.heads] == [["target_pos"], ["sort_unique"]]
    assert [[group.expression for group in layer] for layer in model.labels.neurons] == [["target_pos"], []]
    assert model("312") == ["1", "2", "3"]
