"""What is measured of a compressed model is what it does when it runs."""

from __future__ import annotations

import pytest

import tracrlab
from tests.compress.compressions import every_sequence, frac_prevs, random_compression, sort_unique
from tracrlab import CompiledModel, rasp
from tracrlab.compress.metrics import measured_model

pytestmark = pytest.mark.frameworks


def numbers_that_can_be_none() -> CompiledModel:
    before = rasp.select(rasp.indices, rasp.indices, rasp.Comparison.LT)
    return tracrlab.compile(rasp.numerical(rasp.aggregate(before, rasp.indices)), "ab", 3)


@pytest.mark.parametrize("build", [frac_prevs, sort_unique, numbers_that_can_be_none])
@pytest.mark.parametrize("d", [4, 9, 40])
def test_accuracy_is_that_of_the_answers(build: object, d: int) -> None:
    model = build()  # type: ignore[operator]
    compressed = random_compression(model, d, seed=d)
    inputs = list(every_sequence(model))
    answers, wanted = compressed.run_batch(inputs), model.run_batch(inputs)
    right = [one == other for each in zip(answers, wanted, strict=True) for one, other in zip(*each, strict=True)]
    assert measured_model(compressed)["accuracy"] == pytest.approx(sum(right) / len(right), abs=0.01)
