"""A model in which no dimension is used twice computes what the one with reuse computes."""

from __future__ import annotations

import pytest

from tests.library_models import MODELS, library_inputs, library_model
from tracrlab.model.surgery.own_dimensions import with_own_dimensions

REUSING = [
    (name, causal)
    for name, mode, causal in MODELS
    if mode == "compact"
    and any(label.clears for groups in library_model(name, mode, causal).labels.neurons for label in groups)
]


def test_some_library_models_use_dimensions_twice() -> None:
    assert len(REUSING) > 5


@pytest.mark.parametrize(("name", "causal"), REUSING)
def test_variables_get_dimensions_of_their_own(name: str, causal: bool) -> None:
    model = library_model(name, "compact", causal)
    apart = with_own_dimensions(model)
    assert all(len(holders) == 1 for holders in apart.labels.holders)
    assert not any(label.clears for groups in apart.labels.neurons for label in groups)
    assert apart.run_batch(library_inputs(name)) == model.run_batch(library_inputs(name))
    assert apart.verify().holds


def test_a_model_without_reuse_stays_as_it_is() -> None:
    model = library_model("reverse", "faithful", False)
    assert with_own_dimensions(model) is model
