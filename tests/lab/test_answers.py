"""A bad answer is refused in one line that says whose it is, on which case, and where."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tracrlab.errors import MethodError
from tracrlab.lab import answers
from tracrlab.lab.methods import by_name, method
from tracrlab.model.circuit import possible_edges

EDGES = possible_edges(1, 1)
CASE: Any = SimpleNamespace(
    name="hist-plain", edges=EDGES, module=SimpleNamespace(config=SimpleNamespace(d_model=3)),
    truth=SimpleNamespace(variables={("tokens", "here"): None}),
)  # fmt: skip


@method("edges")
def mine(case: Any, rng: Any) -> None:
    """Mine."""


def refused(check: Any, answer: Any) -> str:
    with pytest.raises(MethodError) as error:
        check(answer, mine, CASE)
    message = str(error.value)
    assert message.startswith("mine on hist-plain: ")
    assert "\n" not in message
    return message


def test_edges_by_object_or_name_and_what_is_left_out_is_nothing() -> None:
    found = answers.edge_scores({EDGES[0]: np.float32(2), str(EDGES[1]): True}, mine, CASE)
    assert list(found) == list(EDGES)
    assert (found[EDGES[0]], found[EDGES[1]], sum(found.values())) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "much", None, 1j, np.zeros(2)])
def test_what_is_no_finite_number(value: Any) -> None:
    assert f"{EDGES[0]} gets" in refused(answers.edge_scores, {EDGES[0]: value})


def test_unknown_edges_and_claims() -> None:
    assert "there is no a7.h0->logits" in refused(answers.edge_scores, {"a7.h0->logits": 1})
    assert "there is no ('nobody', 'here')" in refused(answers.claims, {("nobody", "here"): 1})
    assert "ought to give a mapping" in refused(answers.edge_scores, [1, 2])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), "shape [3]"),
        (np.zeros((2, 1)), "ought to have [3, any]"),
        ([[np.nan]] * 3, "finite"),
        ([["x"]] * 3, "numbers"),
    ],
)
def test_subspaces_of_another_shape(array: Any, message: str) -> None:
    assert message in refused(answers.subspaces, {("tokens", "here"): array})


def test_methods_that_are_not_there() -> None:
    with pytest.raises(MethodError, match=r"no method 'eap_gi'; did you mean eap_ig\?"):
        by_name("eap_gi")
    with pytest.raises(MethodError, match="cannot import no_such_module"):
        by_name("no_such_module:f")
    with pytest.raises(MethodError, match="is no method; decorate it"):
        by_name("json:dumps")
    with pytest.raises(MethodError, match="no kind of methods 'nodes'"):
        method("nodes")  # type: ignore[arg-type]
