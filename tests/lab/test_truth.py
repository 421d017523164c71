"""The truth of a case is what happens in a transformer by its definition where edges are replaced."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from tests.lab.cases import plain_of, small_case
from tracrlab import lab
from tracrlab.lab.inputs import ABLATIONS, Ablation
from tracrlab.lab.truth import Witness

pytestmark = pytest.mark.frameworks

SUBJECTS = [("frac_prevs", "faithful"), ("reverse", "faithful"), ("hist", "compact"), ("induction", "compact")]


def constants(case: lab.Case) -> dict[str, np.ndarray]:
    """What the embedding of a compiled model holds for all tokens and positions alike."""
    found = {}
    for name, kind in (("embed", "tokens"), ("pos_embed", "positions")):
        buffer = case.module.get_submodule(name).constant
        found[kind] = np.asarray(buffer)
    return found


def answers(case: lab.Case, word: tuple[object, ...], edge: str | None = None, value: np.ndarray | None = None) -> list:
    """The answers by definition, where an edge carries something else."""
    ids = case.model.encode([list(word)])[0].tolist()
    plain, carried = plain_of(case), {}
    if edge is not None:
        source, _, reader = edge.partition("->")
        shared = constants(case)
        constant = {
            "tokens": np.stack([shared["tokens"][token] for token in ids]),
            "positions": shared["positions"][: len(ids)],
        }
        if source == "constant":  # the oracle knows no such part: it is what the two others have in common
            written = plain.run(ids)[1]
            total = constant["tokens"] + constant["positions"]
            carried = {f"tokens->{reader}": written["tokens"] - total + value}
        elif source in constant:
            carried = {edge: constant[source] + value}
        else:
            carried = {edge: value}
    logits = plain.run(ids, carried)[0]
    return [case.module.readout.classes[row.argmax()] for row in logits[1:]]


def written(case: lab.Case, word: tuple[object, ...], source: str) -> np.ndarray:
    """What a part writes by definition."""
    ids = case.model.encode([list(word)])[0].tolist()
    shared = constants(case)
    constant = {"tokens": shared["tokens"][ids], "positions": shared["positions"][: len(ids)]}
    if source == "constant":
        return constant["tokens"] + constant["positions"]
    return all_written(case, tuple(ids))[source] - constant.get(source, 0)


@cache
def all_written(case: lab.Case, ids: tuple[int, ...]) -> dict[str, np.ndarray]:
    return plain_of(case).run(ids)[1]


def witnessed(case: lab.Case, edge: lab.Edge, ablation: Ablation, witness: Witness) -> list[object]:
    """The answers on a witness, with what the edge then carries."""
    n, source = len(witness.tokens), str(edge.source)
    if ablation == "zero":
        value = np.zeros((n + 1, case.module.config.d_model))
    elif ablation == "mean":
        words = [case.inputs.tokens(row) for row in range(len(case.inputs))]
        own = [written(case, word, source) for word in words]
        value = np.stack([np.mean([each[p] for each in own if len(each) > p], axis=0) for p in range(n + 1)])
    else:
        assert witness.source is not None
        other = written(case, witness.source, source)
        taken = [0, *((place + witness.shift) % len(witness.source) + 1 for place in range(n))]
        value = other[taken]
    return answers(case, witness.tokens, str(edge), value)


@pytest.mark.parametrize(("name", "mode"), SUBJECTS)
def test_every_witness_shows_that_its_edge_is_alive(name: str, mode: str) -> None:
    case = small_case(name, mode=mode)
    for edge, truth in case.truth.edges.items():
        assert {ablation for ablation, lives in truth.alive.items() if lives} == set(truth.witness)
        for ablation, witness in truth.witness.items():
            before = answers(case, witness.tokens)
            assert before == case.model(list(witness.tokens))
            after = witnessed(case, edge, ablation, witness)
            assert before[witness.position] == witness.before != witness.after
            assert after[witness.position] != witness.before  # a mean of values may be equally far from several


@pytest.mark.parametrize(("name", "mode"), [("hist", "compact"), ("induction", "compact")])
def test_dead_edges_change_no_answer_on_any_input(name: str, mode: str) -> None:
    case = small_case(name, mode=mode)
    words = [case.inputs.tokens(row) for row in range(len(case.inputs))]
    dead = [edge for edge, truth in case.truth.edges.items() if not truth.alive["zero"]]
    rng = np.random.default_rng(0)
    for edge in [dead[number] for number in rng.permutation(len(dead))[:8]]:
        for word in words[::6]:
            value = np.zeros((len(word) + 1, case.module.config.d_model))
            assert answers(case, word, str(edge), value) == case.model(list(word))


@pytest.mark.parametrize(("name", "mode"), SUBJECTS)
def test_no_edge_outside_the_circuit_is_alive(name: str, mode: str) -> None:
    truth = small_case(name, mode=mode).truth
    assert truth.joint == dict.fromkeys(ABLATIONS, 0)
    assert not any(truth.alive_outside.values())
    assert truth.circuit and truth.circuit.isdisjoint(truth.ignored)
    assert truth.circuit | truth.ignored | truth.others == set(truth.edges)


def test_an_edge_that_is_needed_only_across_lengths() -> None:
    edge = lab.Edge.parse("m0->m1")  # of reverse: the length
    alive = small_case("reverse").truth.edges[edge].alive
    assert (alive["resample"], alive["resample_lengths"]) == (False, True)


@pytest.mark.parametrize("name", ["hist", "reverse"])
def test_the_circuit_of_an_input_is_a_part_of_the_circuit(name: str) -> None:
    case = small_case(name)
    structural = {edge for edge, truth in case.truth.edges.items() if truth.structural}
    for word in itertools.islice(map(case.inputs.tokens, range(len(case.inputs))), 0, None, 13):
        found = case.input_circuit(word)
        assert found.keys() <= structural
        for edge, witness in found.items():
            after = witnessed(case, edge, case.truth.ablation, witness)
            assert witness.tokens == word and after[witness.position] == witness.after
