"""Each stage hands on what the next one relies on, for random programs and those of the library."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

import tracrlab
from tracrlab import rasp
from tracrlab.compiler.allocate import allocate_dimensions
from tracrlab.compiler.compact import Passes, compact_alternatives
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.lower import lower_graph
from tracrlab.compiler.schedule import layer_schedule
from tracrlab.compiler.spec import check_allocation, check_domains, check_graph, check_lowered, check_schedule
from tracrlab.craft.formats import FORMATS
from tracrlab.errors import CompileError
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp.expressions import Aggregate, SOp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import RandomProgram, random_program
from tracrlab.rasp.values import value_key

SEEDS = range(250)


def analysed(seed: int) -> tuple[RandomProgram, Analysis] | None:
    case = random_program(seed)
    vocabulary = checked_vocabulary(case.vocabulary, "<s>", "<p>")
    try:
        graph = trace_graph(case.program)
        return case, infer_domains(graph, vocabulary, case.max_length, causal=case.causal)
    except CompileError:
        return None


def random_inputs(case: RandomProgram, count: int) -> Iterator[list[object]]:
    rng = random.Random(0)
    for _ in range(count):
        yield [rng.choice(case.vocabulary) for _ in range(rng.randint(0, case.max_length))]


def check_stages(program: SOp, analysis: Analysis) -> None:
    check_graph(analysis.graph)
    check_domains(analysis)
    faithful = lower_graph(analysis, "bos", "pad", FORMATS["float32"])
    compact = next(compact_alternatives(analysis, "bos", "pad", FORMATS["float32"], Passes()))
    for lowered in (faithful, compact):
        check_lowered(lowered, whole_scores=lowered is faithful)
        schedule = layer_schedule(lowered.components)
        check_schedule(lowered, schedule)
        check_allocation(lowered, schedule, allocate_dimensions(lowered))


@pytest.mark.parametrize("block", [SEEDS[start : start + 25] for start in range(0, len(SEEDS), 25)])
def test_the_specification_holds_between_stages(block: range) -> None:
    for seed in block:
        found = analysed(seed)
        if found:
            try:
                check_stages(found[0].program, found[1])
            except CompileError:
                continue


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_specification_holds_for_the_library(name: str) -> None:
    program = PROGRAMS[name].build()
    vocabulary = checked_vocabulary(PROGRAMS[name].vocabulary(12), "bos", "pad")
    check_stages(program, infer_domains(trace_graph(program), vocabulary, 7, causal=False))


@pytest.mark.parametrize("block", [SEEDS[start : start + 25] for start in range(0, len(SEEDS), 25)])
def test_domains_hold_every_value_that_occurs(block: range) -> None:
    for seed in block:
        found = analysed(seed)
        if not found:
            continue
        case, analysis = found
        places = {id(node.expression): node.place for node in analysis.graph.sops()}
        for tokens in random_inputs(case, 12):
            for sop, values in rasp.evaluate_all(case.program, tokens, causal=case.causal):
                domain = analysis.domains.get(places.get(id(sop), -1))
                if domain is None:  # merged with an equal s-op
                    continue
                for value in values:
                    known = domain.nullable if value is None else value_key(value) in domain.places
                    assert known, f"seed {seed}: {value!r} is not in the domain of {sop!r}"


@pytest.mark.parametrize("block", [SEEDS[start : start + 25] for start in range(0, len(SEEDS), 25)])
def test_what_counts_as_a_copy_never_mixes_values(block: range) -> None:
    for seed in block:
        found = analysed(seed)
        if not found:
            continue
        case, analysis = found
        for node in analysis.graph.sops():
            if not isinstance(node.expression, Aggregate) or node.place in analysis.means:
                continue
            selector, value = node.expression.selector, node.expression.sop
            for tokens in random_inputs(case, 12):
                values = value(tokens, causal=case.causal)
                for row in selector(tokens, causal=case.causal):
                    selected = {value_key(v) for v, chosen in zip(values, row, strict=True) if chosen}
                    assert len(selected) <= 1, f"seed {seed}: {node.text} mixes {selected} on {tokens}"


@pytest.mark.parametrize("block", [SEEDS[start : start + 25] for start in range(0, len(SEEDS), 25)])
def test_every_variable_holds_its_expression_and_bos_holds_what_it_should(block: range) -> None:
    for seed in block:
        case = random_program(seed)
        try:
            model = tracrlab.compile(
                case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal
            )
        except CompileError:
            continue
        names = {name for name, _, _ in model.program}
        for tokens in random_inputs(case, 3):
            trace = model.trace(tokens)
            final = trace.steps[-1].residual
            for variable in model.labels.variables:
                if variable.name in ("one", f"tokens:{model.config.bos}", f"tokens:{model.config.pad}"):
                    continue
                at_bos = final[0, variable.dimensions]
                assert np.allclose(at_bos, variable.variable.at_bos, atol=1e-4), f"seed {seed}: {variable.name} at BOS"
                assert variable.expression in names
            for sop, values in rasp.evaluate_all(case.program, tokens, causal=case.causal):
                if sop.name and sop.name in trace.values:
                    assert trace.values[sop.name] == values, f"seed {seed}: {sop!r} on {tokens}"
