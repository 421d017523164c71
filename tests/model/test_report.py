"""The report accounts for everything in the model, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import tracrlab
from benchmarks.fuzz import Mode
from tracrlab import rasp
from tracrlab.errors import VerificationError
from tracrlab.model.labels import Labels
from tracrlab.rasp import indices, length, select, selector_width, tokens
from tracrlab.rasp.expressions import Comparison
from tracrlab.rasp.library import PROGRAMS


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", ["frac_prevs", "sort", "shuffle_dyck", "hist2", "length"])
def test_the_parts_add_up_to_the_model(name: str, mode: Mode) -> None:
    entry = PROGRAMS[name]
    model = tracrlab.compile(entry.build(), list(entry.example_vocab), 6, mode=mode)
    report = model.report()
    assert sum(cost.n_dimensions for cost in report.costs) == model.config.d_model + report.n_reused
    assert sum(cost.n_heads for cost in report.costs) == sum(map(len, model.labels.heads))
    assert sum(cost.n_neurons for cost in report.costs) == sum(
        group.count for layer in model.labels.neurons for group in layer
    )
    assert sum(cost.n_weights for cost in report.costs) == model.weights.n_nonzero - np.count_nonzero(model.weights.W_U)
    assert 0 < report.largest_live_set <= model.config.d_model
    assert report.critical_path <= 2 * model.config.n_layers


def test_the_bounds_of_a_chain() -> None:
    flip = select(indices, length - indices - 1, Comparison.EQ)
    width = selector_width(select(tokens, tokens, Comparison.EQ))
    assert tracrlab.compile(width, "ab", 4, mode="compact").report().critical_path == 1
    program = tracrlab.rasp.aggregate(flip, tokens)
    assert tracrlab.compile(program, "ab", 4, mode="compact").report().critical_path == 2
    assert tracrlab.compile(program, "ab", 4).report().critical_path == 5


def test_it_is_a_table_with_a_row_for_each_expression() -> None:
    model = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 5, mode="compact")
    lines = str(model.report()).splitlines()
    assert lines[0].split() == ["expression", "dimensions", "heads", "neurons", "weights"]
    assert {line.split()[0] for line in lines[1:-3]} == {cost.expression for cost in model.report().costs}
    assert lines[-3] == "longest chain of components: 2 sublayers"


FORGED: list[Callable[[Labels], Labels]] = [
    lambda labels: replace(labels, variables=labels.variables[:-1]),
    lambda labels: replace(labels, variables=()),
    lambda labels: replace(labels, heads=labels.heads * 2),
    lambda labels: replace(labels, neurons=labels.neurons * 2),
    lambda labels: replace(labels, neurons=()),
    lambda labels: replace(labels, variables=tuple(replace(each, start=1000) for each in labels.variables)),
    lambda labels: replace(labels, variables=tuple(replace(each, start=-1) for each in labels.variables)),
    lambda labels: replace(
        labels, neurons=tuple(tuple(replace(each, writes="nobody") for each in own) for own in labels.neurons)
    ),
]


@pytest.mark.parametrize("forge", FORGED, ids=range(len(FORGED)))
def test_a_model_with_forged_labels_has_no_report(forge: Callable[[Labels], Labels]) -> None:
    model = tracrlab.compile(rasp.tokens == "a", "ab", 3)
    with pytest.raises(VerificationError, match="labels"):
        replace(model, labels=forge(model.labels)).report()
