"""A circuit says where every expression is and which part reads from which, and it agrees with weights and labels."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracrlab
from tests.library_models import MODELS, library_model
from tests.model.cases import CASES, model_of
from tracrlab import CompiledModel, rasp
from tracrlab.model.circuit import Circuit, Holding, Neurons, Node
from tracrlab.rasp.library import PROGRAMS


def edges_of(circuit: Circuit) -> set[str]:
    """The edges as text; a star marks constants."""
    return {str(edge) + "*" * edge.is_constant for edge in circuit.edges}


# Known circuits ------------------------------------------------------------------------------------------------------


def test_the_circuit_of_frac_prevs() -> None:
    circuit = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abcx", 5).circuit()
    assert edges_of(circuit) == {
        "tokens->m0",  # is_x
        "m0->a1.h0<v>",
        "positions->a1.h0<q>",  # prevs
        "positions->a1.h0<k>",
        "constant->a1.h0<q>*",  # BOS where nothing is selected
        "constant->a1.h0<k>*",
        "a1.h0->logits",
    }
    assert list(map(str, circuit.nodes)) == ["tokens", "positions", "constant", "m0", "a1.h0", "logits"]
    is_x = circuit.expression("is_x")
    assert (is_x.text, is_x.heads, is_x.neurons) == ("tokens == 'x'", (), (Neurons(0, 0, 1),))
    assert (is_x.holds, is_x.intermediates) == ((Holding("is_x", 12, 13),), ())
    assert circuit.expression("frac_prevs").heads == ((1, 0),)
    assert circuit.expression("prevs").heads == circuit.expression("prevs").holds == ()


def test_the_circuit_of_reverse() -> None:
    circuit = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 5).circuit()
    data = {edge for edge in edges_of(circuit) if not edge.endswith("*")}
    assert data == {
        "a0.h0->m0",  # length
        "m0->m1",  # length - indices
        "positions->m1",
        "m1->m2",  # minus 1
        "m2->a3.h0<q>",
        "positions->a3.h0<k>",
        "tokens->a3.h0<v>",
        "a3.h0->logits",
    }


def test_unknown_expressions_are_refused() -> None:
    with pytest.raises(KeyError, match="no expression 'rev'; there are tokens, "):
        model_of("reverse").circuit().expression("rev")


# Any circuit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_circuits_are_stable(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.save_pretrained(tmp_path)
    assert tracrlab.load(tmp_path).circuit() == model.circuit()
    case = CASES[name]
    again = tracrlab.compile(case.program, case.vocab, case.max_seq_len, causal=case.causal, dtype=case.dtype)
    assert again.circuit() == model.circuit()


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_expressions_own_all_heads_neurons_and_dimensions(name: str, mode: Any, causal: bool) -> None:
    model = library_model(name, mode, causal)
    expressions = model.circuit().expressions
    assert [(each.expression, each.text, each.location) for each in expressions] == list(model.program)
    heads = [head for each in expressions for head in each.heads]
    assert sorted(heads) == [(layer, h) for layer, in_ in enumerate(model.labels.heads) for h in range(len(in_))]
    assert {(node.layer, node.head) for node in model.circuit().nodes if node.kind == "attn"} == set(heads)
    neurons = [(n.layer, place) for each in expressions for n in each.neurons for place in range(n.start, n.stop)]
    assert len(neurons) == len(set(neurons)) == sum(n.count for layer in model.labels.neurons for n in layer)
    for each in expressions:
        own = np.zeros(model.config.d_model, bool)
        for holding in (*each.holds, *each.intermediates):
            own[holding.start : holding.stop] = True
        for layer, head in each.heads:
            assert not model.weights.W_O[layer, head][:, ~own].any()
        for group in each.neurons:
            assert not model.weights.W_out[group.layer, group.start : group.stop][:, ~own].any()


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_edges_are_the_virtual_weights_of_parts_that_reach_the_logits(name: str, mode: Any, causal: bool) -> None:
    model = library_model(name, mode, causal)
    circuit = model.circuit()
    writers, readers = written(model), read(model)
    edges = {(str(edge.source), str(edge.target), edge.kind) for edge in circuit.edges}
    assert {source for source, _, _ in edges} | {"logits"} == set(map(str, circuit.nodes))
    for (source, rows), ((target, kind), columns) in product(writers.items(), readers.items()):
        if place_of(source) < place_of(target) and {source, target} <= set(map(str, circuit.nodes)):
            standing = rows * ~erased(model, source, target)
            linked = np.any(np.abs(standing @ columns) > 1e-4)
            assert ((source, target, kind) in edges) == linked, (source, target, kind)


def erased(model: CompiledModel, source: str, target: str) -> np.ndarray:
    """The dimensions that neurons set to zero after one node and before another."""
    dimensions = np.zeros(model.config.d_model, bool)
    for layer in range(model.config.n_layers):
        if place_of(source) < 2 * layer + 1 < place_of(target):
            dimensions |= model.weights.W_in[layer][:, clearing(model, layer)].any(axis=1)
    return dimensions


def clearing(model: CompiledModel, layer: int) -> np.ndarray:
    """Which neurons clear."""
    counts = [(group.count, group.clears) for group in model.labels.neurons[layer]]
    idle = model.config.d_mlp - sum(count for count, _ in counts)
    return np.repeat([*(clears for _, clears in counts), False], [*(count for count, _ in counts), idle])


def place_of(node: str) -> float:
    """The number of a node's sublayer."""
    if node == "logits":
        return float("inf")
    layer = int(node[1:].partition(".")[0])
    return 2 * layer + node.startswith("m")


def written(model: CompiledModel) -> dict[str, np.ndarray]:
    """What heads and MLPs can write, by node."""
    w, c = model.weights, model.config
    writers = {f"m{layer}": w.W_out[layer][~clearing(model, layer)] for layer in range(c.n_layers)}
    for layer, h in product(range(c.n_layers), range(c.n_heads)):
        writers[f"a{layer}.h{h}"] = w.W_V[layer, h] @ w.W_O[layer, h]
    return writers


def read(model: CompiledModel) -> dict[tuple[str, str], np.ndarray]:
    """What parts read, by node and kind: queries as far as keys answer them, values as far as they are written."""
    w, c = model.weights, model.config
    readers = {("logits", "logits"): w.W_U}
    for layer in range(c.n_layers):
        readers[f"m{layer}", "mlp"] = w.W_in[layer][:, ~clearing(model, layer)]
        for h in range(c.n_heads):
            node = f"a{layer}.h{h}"
            readers[node, "q"] = w.W_Q[layer, h] @ w.W_K[layer, h].T
            readers[node, "k"] = w.W_K[layer, h] @ w.W_Q[layer, h].T
            readers[node, "v"] = w.W_V[layer, h] @ w.W_O[layer, h]
    return readers


def test_a_single_token_or_position_is_a_constant() -> None:
    """With one token, what depends on the token is the same everywhere; so it is with one position."""
    program = rasp.elementwise_map(lambda token, index: (token, index), rasp.tokens, rasp.indices)
    assert Node("tokens") in tracrlab.compile(program, "ab", 3).circuit().nodes
    assert Node("tokens") not in tracrlab.compile(program, "a", 3).circuit().nodes
    assert Node("positions") not in tracrlab.compile(program, "ab", 1).circuit().nodes
