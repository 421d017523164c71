"""The table of inputs is that of all there are, or of many of all lengths."""

from __future__ import annotations

import tracrlab
from tests.compress.compressions import every_sequence, frac_prevs
from tracrlab import rasp
from tracrlab.learn.inputs import MAX_INPUTS, training_inputs


def test_inputs_are_all_there_are_or_many_of_all_lengths() -> None:
    model = frac_prevs()
    assert training_inputs(model).tolist() == model.encode(list(every_sequence(model))).tolist()
    large = tracrlab.compile(rasp.indices + 1, "abcdefgh", 6)
    ids = training_inputs(large)
    assert len(ids) == MAX_INPUTS
    assert {int(length) for length in (ids != large.config.pad_id).sum(axis=1)} == set(range(2, 8))
