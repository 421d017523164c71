"""A trace shows every sublayer: what it wrote, where it looked, and what every variable means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.cases import CASES, expected_of, identity, inputs_of, model_of, nodes_of
from tracrlab.model import Trace

every_case = pytest.mark.parametrize("name", CASES)
seeds = st.integers(0, 2**32 - 1)


def traces(name: str, seed: int = 0) -> list[Trace]:
    return [model_of(name).trace(tokens) for tokens in inputs_of(name, seed)]


@every_case
def test_the_steps_are_the_embedding_and_each_sublayer(name: str) -> None:
    model = model_of(name)
    expected = ["embed"]
    for layer in range(model.config.n_layers):
        expected += [f"a{layer}", f"m{layer}"]
    for trace in traces(name):
        assert [step.name for step in trace.steps] == expected
        n_positions = len(trace.tokens) + 1
        for step in trace.steps:
            assert step.residual.shape == (n_positions, model.config.d_model)
            assert (step.pattern is not None) == step.name.startswith("a")
            if step.pattern is not None:
                assert step.pattern.shape == (model.config.n_heads, n_positions, n_positions)


@every_case
def test_a_step_changes_the_dimensions_of_what_it_writes_and_no_others(name: str) -> None:
    model = model_of(name)
    for trace in traces(name):
        before = np.zeros_like(trace.steps[0].residual)
        for step in trace.steps:
            own = np.zeros(model.config.d_model, bool)
            for variable in step.written:
                own[variable.dimensions] = True
            change = step.residual - before
            assert not change[:, ~own].any()
            before = step.residual


@every_case
def test_every_variable_is_written_once_and_zero_before(name: str) -> None:
    model = model_of(name)
    written = [variable.name for step in traces(name)[0].steps for variable in step.written]
    assert sorted(written) == sorted(variable.name for variable in model.labels.variables)
    for trace in traces(name):
        for step in trace.steps:
            for variable in model.labels.variables:
                if variable.sublayer >= trace.steps.index(step):
                    assert not step.residual[:, variable.dimensions].any()


@every_case
def test_attention_is_a_distribution_over_what_may_be_seen(name: str) -> None:
    for trace in traces(name):
        for step in trace.steps:
            if step.pattern is not None:
                assert (step.pattern >= 0).all()
                assert np.allclose(step.pattern.sum(axis=-1), 1, atol=1e-6)
                if CASES[name].causal:
                    assert not np.triu(step.pattern, k=1).any()


@every_case
@settings(max_examples=15)
@given(seed=seeds)
def test_the_value_of_every_s_op_is_what_the_interpreter_gives_it(name: str, seed: int) -> None:
    model = model_of(name)
    for tokens in inputs_of(name, seed, n_inputs=2):
        trace = model.trace(tokens)
        expected = dict(nodes_of(name, tokens))
        holders = {v.expression: v for v in model.labels.variables if v.is_value}
        assert expected.keys() <= holders.keys()
        for node, values in expected.items():
            assert trace.values[holders[node].name] == values
        assert trace.output == trace.values[model.output_name] == expected_of(name, tokens)
        assert list(map(identity, trace.output)) == list(map(identity, model(tokens)))


@every_case
def test_a_step_knows_the_values_of_what_it_has_just_written(name: str) -> None:
    for trace in traces(name):
        for step in trace.steps:
            for variable in step.written:
                assert step.values(variable) == trace.values[variable.name]


def test_values_that_are_written_later_are_not_there_yet() -> None:
    model = model_of("steps")
    trace = model.trace("ba")
    earlier = model.labels.variable("earlier")
    assert trace.steps[0].residual[:, earlier.dimensions].sum() == 0
    assert trace.values["earlier"] == trace.steps[-1].values(earlier) == ["-", "b"]


def test_intermediate_results_are_marked_as_such() -> None:
    labels = model_of("hist").labels
    held = {variable.name: (variable.expression, variable.is_value) for variable in labels.variables}
    assert held["tokens"] == ("tokens", True)
    assert held["hist"] == ("hist", True)
    assert held["hist.attn"] == ("hist", False)
    assert [name for name, (_, is_value) in held.items() if is_value] == ["tokens", "indices", "hist"]


@pytest.mark.parametrize(
    ("name", "tokens", "output"),
    [
        ("hist", "abac", [2, 1, 2, 1]),
        ("reverse", "abca", ["a", "c", "b", "a"]),
        ("sort", [3, 1, 2.5, 1], [1, 1, 2.5, 3]),
        ("fractions", "xyx", [1, 1 / 2, 2 / 3]),
        ("causal induction", "abab", [None, None, "b", "a"]),
        ("steps", "ba", [("-", 0, True), ("b", 1, True)]),
        ("nothing", "cac", [0, None, 2]),
    ],
)
def test_output_of_a_trace(name: str, tokens: list[object], output: list[object]) -> None:
    trace = model_of(name).trace(tokens)
    assert trace.output == output
    assert trace.tokens == tuple(tokens)


def test_a_trace_of_nothing() -> None:
    trace = model_of("hist").trace("")
    assert trace.output == []
    assert set(map(tuple, trace.values.values())) == {()}
    assert [step.residual.shape[0] for step in trace.steps] == [1, 1, 1]


def test_a_trace_is_shown_in_a_line() -> None:
    assert repr(model_of("hist").trace("ab")) == "Trace of ['a', 'b']: 3 steps, output [1, 1]"


def test_each_layer_has_its_own_pattern() -> None:
    """Reversing ends with each position attending to the one opposite, and begins with counting all of them."""
    patterns = [step.pattern for step in model_of("reverse").trace("abc").steps if step.pattern is not None]
    assert np.allclose(patterns[0][0, 1:], 1 / 4, atol=1e-6)
    assert np.allclose(patterns[-1][0, 1:, 1:], np.eye(3)[::-1], atol=1e-6)


def test_an_attention_pattern_shows_what_is_selected() -> None:
    """Counting equal tokens attends BOS and every equal one alike."""
    pattern = model_of("hist").trace("aba").steps[1].pattern
    assert pattern is not None
    third, half = 1 / 3, 1 / 2
    expected = [[third, third, 0, third], [half, 0, half, 0], [third, third, 0, third]]
    assert np.allclose(pattern[0, 1:], expected, atol=1e-6)
