"""A model with an intervention answers as its program does where the expression has the other value."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import tracrlab
from tests.library_models import library_inputs, library_model
from tests.model.cases import CASES, inputs_of, model_of
from tracrlab.craft.spaces import OneOf
from tracrlab.errors import EvaluationError, InputError, InterventionError
from tracrlab.model.intervene import Patch, Steer
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.traversal import children_first


def interpreted(
    program: SOp, tokens: Sequence[Any], instead: Mapping[str, Mapping[int, Any]], *, causal: bool = False
) -> list[Any]:
    """What the interpreter gives where named s-ops have other values at some tokens."""
    evaluation = Evaluation(tokens, causal=causal)
    for node in children_first(program):
        values = evaluation.value(node)
        if isinstance(node, SOp) and node.name in instead:
            evaluation._values[id(node)] = [instead[node.name].get(n, value) for n, value in enumerate(values)]
    return evaluation.value(program)


CONTRADICTORY = {"pair_balance", "shuffle_dyck"}  # shares of brackets that add up to more than 1, where no input leads


@pytest.mark.parametrize("name", sorted({*PROGRAMS} - CONTRADICTORY))
def test_the_value_of_another_input_leads_to_the_answer_of_the_program(name: str) -> None:
    """Given at some tokens; where the values there contradict others, there may be no answer to be compared with."""
    model, program, rng = library_model(name, "faithful", False), PROGRAMS[name].build(), random.Random(name)
    held = {each.expression for each in model.labels.variables if each.is_value}
    nodes = [node for node in children_first(program) if isinstance(node, SOp) and node.name in held]
    inputs = [each for each in library_inputs(name) if each]
    compared = 0
    for node in nodes:
        for _ in range(12):
            tokens = rng.choice(inputs)
            other = rng.choice([each for each in inputs if len(each) == len(tokens)])
            value, place = node(other), rng.randrange(len(tokens))
            instead = {node.name: {place: value[place]}}
            try:
                wanted = interpreted(program, tokens, instead)
            except EvaluationError:
                continue
            assert model.intervene(instead)(tokens) == wanted, (tokens, instead)
            compared += 1
    assert compared >= 10


def test_several_expressions_are_changed_at_once() -> None:
    model, program = library_model("reverse", "faithful", False), PROGRAMS["reverse"].build()
    instead = {"tokens": {0: "b", 2: "a"}, "length": {1: 2}}
    assert model.intervene(instead)("abca") == interpreted(program, "abca", instead) != model("abca")


def test_compact_models_follow_where_they_hold_the_expression() -> None:
    model, program = library_model("sort_unique", "compact", False), PROGRAMS["sort_unique"].build()
    for tokens in itertools.permutations(model.config.vocab[:3]):
        instead = {"target_pos": {n: 2 - n for n in range(3)}}
        assert model.intervene(instead)(tokens) == interpreted(program, tokens, instead) == list(tokens[::-1])
    folded = library_model("frac_prevs", "compact", False)
    with pytest.raises(InterventionError, match=r"holds 'is_x'; .* in faithful mode every"):
        folded.intervene({"is_x": 1})("w")


@pytest.mark.parametrize("name", CASES)
def test_what_is_patched_is_what_is_there_on_the_other_input(name: str) -> None:
    """Everything at once from another input is the other input; a variable from the same input changes nothing."""
    model = model_of(name)
    inputs = [each for each in inputs_of(name, seed=3) if each]
    for tokens in inputs:
        for variable in model.labels.variables:
            assert model.intervene({variable.name: Patch(tokens)})(tokens) == model(tokens)
        other = tokens[::-1]
        every = {variable.name: Patch(other) for variable in model.labels.variables}
        assert model.intervene(every)(tokens) == model(other)


def test_a_patch_may_be_of_some_tokens() -> None:
    model = library_model("frac_prevs", "faithful", False)
    patched = model.intervene({"is_x": {1: Patch("xxx"), 2: Patch("wyx")}})
    assert patched("wwww") == model("wxxw")


def test_steering_adds_the_encoding_of_a_value() -> None:
    model = library_model("frac_prevs", "faithful", False)
    steered = model.intervene({"is_x": {0: Steer(1, -2)}, "frac_prevs": {3: Steer(0.25)}})
    residual = steered.trace("xwxw").steps[-1].residual
    plain, own = model.trace("xwxw"), model.labels.variable("frac_prevs").start
    wanted = np.array([-1, -1 / 2, 0, 0.25])  # of −1, 0, 1, 0
    np.testing.assert_allclose(residual[1:, own], wanted, atol=1e-6)
    assert plain.values["is_x"] != steered.trace("xwxw").values["is_x"]


def test_nothing_is_there_where_a_value_is_taken_away() -> None:
    model = library_model("reverse", "faithful", False)
    assert model.intervene({"tokens": None})("abc") == [None, None, None]
    assert model.intervene({"tokens": {0: None}})("abc") == ["c", "b", None]
    number = library_model("frac_prevs", "faithful", False)
    assert number.intervene({"is_x": None})("xxx") == [0, 0, 0]


def test_every_residual_stream_from_there_on_has_it() -> None:
    model = library_model("reverse", "faithful", False)
    trace, changed = model.trace("abca"), model.intervene({"length": {1: 3}}).trace("abca")
    length = model.labels.variable("length")
    for before, after in zip(trace.steps, changed.steps, strict=True):
        if before.sublayer < length.sublayer:
            np.testing.assert_array_equal(before.residual, after.residual)
        else:
            assert after.values(length) == [4, 3, 4, 4]
    assert changed.values["opposite"] == [3, 1, 1, 0]


@pytest.mark.parametrize("name", CASES)
def test_all_inputs_of_a_batch_are_changed_alike(name: str) -> None:
    model, inputs = model_of(name), [each for each in inputs_of(name, seed=4) if each]
    variable = max(model.labels.variables, key=lambda each: each.sublayer)
    value = next(iter(variable.variable.values), None)
    value = value.values[0] if isinstance(value, OneOf) else value
    for instead in (value, {0: value}, None):
        changed = model.intervene({variable.name: instead})
        assert changed.run_batch(inputs) == [changed(each) for each in inputs]
    assert model.intervene({}).run_batch(inputs) == model.run_batch(inputs)


def test_half_formats_hold_what_is_put_there() -> None:
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abx", 4, dtype="bfloat16")
    assert model.intervene({"is_x": {2: True}})("abab") == model("abxb")
    residual = model.intervene({"frac_prevs": 1 / 3}).trace("ab").steps[-1].residual
    stored = residual[1, model.labels.variable("frac_prevs").start]
    assert stored == model.config.number_format.stored(np.array([1 / 3], np.float32))[0] != np.float32(1 / 3)


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"is_y": True}, r"nothing in the residual stream holds 'is_y'; there are tokens, tokens:bos, "),
        ({"prevs": True}, "nothing in the residual stream holds 'prevs'"),
        ({"is_x": "x"}, r"is_x cannot be 'x'; its values are False, True"),
        ({"tokens": {0: "z"}}, "tokens cannot be 'z'"),
        ({"is_x": {4: True}}, "is_x has no token 4 to be changed at: the input has 3, from 0"),
        ({"is_x": {-1: True}}, "is_x has no token -1 to be changed at"),
        ({"is_x": Patch("wx")}, "is_x cannot be patched at token 2: the other input has 2"),
    ],
)
def test_what_cannot_be_is_refused(instead: dict[str, Any], message: str) -> None:
    with pytest.raises(InterventionError, match=message):
        library_model("frac_prevs", "faithful", False).intervene(instead)("wxy")
    with pytest.raises(InputError, match="is not in the vocabulary"):
        library_model("frac_prevs", "faithful", False).intervene({"is_x": Patch("?")})("w")
