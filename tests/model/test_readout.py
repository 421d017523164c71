"""A class readout: the right class leads by the margin on every output that the compiler allows, and all is finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.cases import CASES, identity, inputs_of, model_of
from tracrlab.craft.spaces import Layout, Variable, one_hot_variable, scalar_variable
from tracrlab.errors import PrecisionError
from tracrlab.model.readout import ClassReadout, class_readout

margins = st.floats(0.01, 1000)
shares = st.floats(-1, 1)


def raw_width(output: Variable) -> int:
    return output.width + (output.layout is Layout.ONE_HOT and output.nullable)


def readout_of(output: Variable, margin: float, dtype: str = "float32") -> ClassReadout:
    """The readout of a model whose residual stream is its output and nothing else."""
    return class_readout(np.eye(raw_width(output), dtype=dtype), output, margin, pad_id=9, dtype=dtype)


def lead(readout: ClassReadout, raw: Any, place: int) -> float:
    """How far class ``place`` leads for this output, computed in the readout's own format."""
    logits = np.asarray(raw, readout.dtype) @ readout.W_U.astype(readout.dtype) + readout.b_U.astype(readout.dtype)
    assert np.isfinite(logits).all()
    return float(min((logits[place] - logit for other, logit in enumerate(logits) if other != place), default=math.inf))


# Numbers -------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(-300, 300), min_size=1, max_size=40, unique=True),
    st.sampled_from([1, 0.125, 1 / 3, 1000.1, 2.0**-80]),
    st.booleans(),
    margins,
    shares,
    shares,
)
def test_the_nearest_number_leads(
    places: list[int], unit: float, nullable: bool, margin: float, error: float, doubt: float
) -> None:
    numbers = sorted(unit * place for place in places)
    output = scalar_variable("x", numbers, nullable=nullable)
    readout = readout_of(output, margin)
    assert readout.classes == (*numbers, None)[: len(numbers) + nullable]
    gap = min(np.diff(numbers), default=0.0)
    for place, number in enumerate(numbers):
        raw = [number + 0.449 * gap * error, 1 + 0.249 * doubt][: 1 + nullable]
        assert lead(readout, raw, place) >= margin
    for stray in (*numbers, 0.0) if nullable else ():
        assert lead(readout, [stray + 0.449 * gap * error, 0.249 * doubt], len(numbers)) >= margin


def test_numbers_too_many_for_float32_are_read_in_float64() -> None:
    few, many = (scalar_variable("x", range(count), nullable=False) for count in (200, 2000))
    assert readout_of(few, 10).dtype == "float32"
    assert readout_of(many, 10).dtype == "float64"
    assert lead(readout_of(many, 10), [1999.44], 1999) >= 10


def test_numbers_too_many_for_any_format_are_refused() -> None:
    output = scalar_variable("x", [0, 1, 10**9], nullable=False)
    with pytest.raises(PrecisionError, match=r'^x: .*3 values are too close together.*logits="raw"'):
        readout_of(output, 10)


# One-hot -------------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 6),
    st.booleans(),
    margins,
    st.lists(st.floats(-0.249, 0.249), min_size=6, max_size=6),
)
def test_the_hot_value_leads(n_values: int, nullable: bool, margin: float, errors: list[float]) -> None:
    output = one_hot_variable("x", range(n_values), nullable=nullable)
    readout = readout_of(output, margin)
    classes = [*range(n_values), None][: n_values + nullable]
    assert list(readout.classes) == classes
    for place, value in enumerate(classes):
        raw = [(value == each) + error for each, error in zip(range(n_values), errors, strict=False)]
        assert lead(readout, [*raw, 0.5][: len(classes)], place) >= margin


def test_an_answer_that_is_always_none_has_one_class() -> None:
    for output in (scalar_variable("x", [], nullable=True), one_hot_variable("x", [], nullable=True)):
        readout = readout_of(output, 10)
        assert (readout.classes, readout.W_U.shape[1]) == ((None,), 1)


@pytest.mark.parametrize("margin", [0, -1, math.inf, math.nan])
def test_a_margin_is_a_positive_number(margin: float) -> None:
    with pytest.raises(ValueError, match="margin must be a positive number"):
        readout_of(one_hot_variable("x", [1, 2], nullable=False), margin)


# Models --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("logits", ["classes", "raw"])
def test_models_decode_to_their_answers(name: str, logits: Any) -> None:
    model = model_of(name)
    inputs = inputs_of(name, seed=3, n_inputs=20)
    readout, ids = model.readout(logits), model.encode(inputs)
    residual = model.trace(inputs[0]).steps[-1].residual
    assert identity(readout.decode((residual @ readout.W_U + readout.b_U)[None], model.encode(inputs[:1]))) == identity(
        [model(inputs[0])]
    )
    if logits == "raw":
        assert identity(readout.decode(model.forward(ids), ids)) == identity(model.run_batch(inputs))
