"""Dimension reuse: the same function in fewer dimensions, with nothing left of what stood there before."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.mutations import small_model, tally_of
from tracrlab import Architecture, CompiledModel, rasp
from tracrlab.compiler.allocate import allocate_dimensions
from tracrlab.compiler.assemble import assemble_model
from tracrlab.compiler.compact import Passes, compact_alternatives
from tracrlab.compiler.domains import infer_domains
from tracrlab.compiler.fit import Fitting
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.reuse import lifetimes, most_in_use, reuse_dimensions
from tracrlab.compiler.schedule import latest_schedule, layer_schedule, sequential_schedule
from tracrlab.compiler.smallest import Sizes, smallest_schedule
from tracrlab.compiler.spec import check_allocation, check_schedule
from tracrlab.craft.formats import FORMATS
from tracrlab.craft.spaces import Dimension, Layout, OneOf, Variable
from tracrlab.errors import ArchitectureError, CompileError, VerificationError
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import ModelVariable
from tracrlab.model.sublayers import EMBEDDING, Sublayer
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import RandomProgram, random_program
from tracrlab.rasp.values import value_key
from tracrlab.verify.clearing import prove_clearing
from tracrlab.verify.mlps import NeuronWeights
from tracrlab.verify.residual import Held, Unproven, table_deviation

DEEP = ("palindrome", "induction", "sort_unique")


def library_model(name: str, length: int = 5, **options: object) -> CompiledModel:
    vocab = list(PROGRAMS[name].example_vocab)[:length]
    return tracrlab.compile(PROGRAMS[name].build(), vocab, length, mode="compact", **options, prove=False)  # type: ignore[arg-type]


def forced(case: RandomProgram, passes: Passes, *, sequential: bool = False) -> tuple[CompiledModel, CompiledModel]:
    """The compact model in which only dimensions cost something, so that they are reused wherever they can be.

    And the same without reuse.
    """
    vocabulary = checked_vocabulary(case.vocabulary, "<s>", "<p>")
    analysis = infer_domains(trace_graph(case.program), vocabulary, case.max_length, causal=case.causal)
    lowered = next(compact_alternatives(analysis, "bos", "pad", FORMATS["float32"], passes))
    schedule = (sequential_schedule if sequential else layer_schedule)(lowered.components)
    check_schedule(lowered, schedule)
    allocation = reuse_dimensions(lowered, schedule, schedule.n_layers, lambda d_model, d_mlp: d_model)
    check_allocation(lowered, schedule, allocation)
    end = Sublayer.end(schedule.n_layers)
    assert allocation.d_model >= most_in_use(lifetimes(lowered, schedule, schedule.n_layers), end)
    config = ModelConfig(vocabulary, case.max_length, case.causal, mode="compact")
    fitting = Fitting(analysis, "compact", Architecture())
    models = [
        CompiledModel.of(assemble_model(fitting, lowered, schedule, each, config))
        for each in (allocation, allocate_dimensions(lowered))
    ]
    return models[0], models[1]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_schedules_of_small_models_are_valid_and_have_the_fewest_layers(name: str) -> None:
    program = PROGRAMS[name]
    vocabulary = checked_vocabulary(list(program.example_vocab), "bos", "pad")
    analysis = infer_domains(trace_graph(program.build()), vocabulary, 6, causal=False)
    lowered = next(compact_alternatives(analysis, "bos", "pad", FORMATS["float32"], Passes()))
    earliest = layer_schedule(lowered.components)
    config = ModelConfig(vocabulary, 6, mode="compact")
    sizes = Sizes(lowered, config, Architecture(), reuse=True)
    found, latest = smallest_schedule(earliest, sizes), latest_schedule(lowered.components, earliest.n_layers)
    for schedule in (found, latest):
        check_schedule(lowered, schedule)
        assert schedule.n_layers == earliest.n_layers
        for first, own, last in zip(earliest.sublayers, schedule.sublayers, latest.sublayers, strict=True):
            assert first <= own <= last
        price, least = (sizes.shape(each, sizes.allocation(each)).n_parameters for each in (schedule, found))
        assert least <= price


def inputs_of(case: RandomProgram, count: int) -> list[list[object]]:
    rng = random.Random(0)
    return [[rng.choice(case.vocabulary) for _ in range(rng.randint(0, case.max_length))] for _ in range(count)]


# Any program ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [range(start, start + 30) for start in range(0, 60, 30)])
def test_models_with_forced_reuse_equal_the_interpreter(block: range) -> None:
    n_reused = 0
    for seed in block:
        case = random_program(seed)
        try:
            model, plain = forced(case, Passes(fold=seed % 3 > 0), sequential=seed % 2 > 0)
        except CompileError:
            continue
        n_reused += model.report().n_reused
        inputs = inputs_of(case, 20)
        expected = rasp.evaluate_batch(case.program, inputs, causal=case.causal)
        assert model.run_batch(inputs) == expected, seed
        for tokens in inputs[:3]:
            check_lives(model, tokens)
            assert model.trace(tokens).values == plain.trace(tokens).values
    assert n_reused > 5


def check_lives(model: CompiledModel, tokens: list[object]) -> None:
    """While a variable lives, its dimensions hold one thing; where nothing does, zero or what the next is added to."""
    steps = model.trace(tokens).steps
    for variable in model.labels.variables:
        contents = [step.residual[:, variable.dimensions] for step in steps if variable.stands_after(step.sublayer)]
        assert all((each == contents[0]).all() for each in contents)
    for dimension, holders in enumerate(model.labels.holders):
        for step in steps:
            if not any(each.stands_after(step.sublayer) for each in holders):
                last = [each for each in holders if each.sublayer <= step.sublayer][-1:]
                followed = not last or last[0] is not holders[-1]
                later = holders[holders.index(last[0]) + 1 :] if last else holders
                ground = later[0].variable.ground if later else None
                expected = 0.0 if ground is None else ground[dimension - later[0].start]
                assert not followed or (step.residual[:, dimension] == expected).all()


@pytest.mark.parametrize("name", DEEP)
def test_variables_mean_what_the_interpreter_says_while_they_live(name: str) -> None:
    program, model = PROGRAMS[name].build(), library_model(name)
    names = {id(node.expression): node.name for node in trace_graph(program).nodes}
    tokens = (model.config.vocab * 5)[:5]
    trace = model.trace(tokens)
    known = {names[id(sop)]: values for sop, values in rasp.evaluate_all(program, tokens) if id(sop) in names}
    for variable in model.labels.variables:
        if variable.is_value and variable.expression in known:
            for step in trace.steps:
                if variable.stands_after(step.sublayer):
                    shown = [each.values if isinstance(each, OneOf) else (each,) for each in step.values(variable)]
                    for value, possible in zip(known[variable.expression], shown, strict=True):
                        assert value_key(value) in set(map(value_key, possible))


@pytest.mark.parametrize("block", [range(start, start + 10) for start in range(0, 20, 10)])
def test_models_with_forced_reuse_are_certified_where_others_are(block: range) -> None:
    for seed in block:
        case = random_program(seed)
        try:
            model, plain = forced(case, Passes())
        except CompileError:
            continue
        if model.report().n_reused:
            assert model.verify().holds or not plain.verify().holds, seed


# Where it pays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in DEEP if name != "sort_unique"])  # its neurons are too few to clear
def test_models_of_the_library_are_smaller_with_reuse(name: str) -> None:
    model, plain = library_model(name), library_model(name, passes=["-reuse"])
    assert model.config.n_parameters < plain.config.n_parameters
    assert model.config.n_layers == plain.config.n_layers
    assert plain.report().n_reused == plain.report().n_clearing == 0
    report = model.report()
    assert report.n_reused and report.n_clearing
    assert plain.report().largest_live_set == report.largest_live_set <= model.config.d_model
    assert report.critical_path == plain.report().critical_path
    assert model.verify().holds == plain.verify().holds


def test_reuse_never_costs_parameters() -> None:
    for seed in range(40):
        case = random_program(seed)
        sizes = []
        for passes in (None, ["-reuse"]):
            try:
                model = tracrlab.compile(
                    case.program,
                    case.vocabulary,
                    case.max_length,
                    **case.special_tokens,
                    causal=case.causal,
                    mode="compact",
                    passes=passes,
                    prove=False,
                )
            except CompileError:
                break
            sizes.append(model.config.n_parameters)
        assert sizes == [] or sizes[0] <= sizes[1], seed


def test_faithful_models_reuse_nothing() -> None:
    model = tracrlab.compile(PROGRAMS["most_freq"].build(), "abc", 5, prove=False)
    assert not any(group.clears for layer in model.labels.neurons for group in layer)
    assert model.report().n_reused == 0


# Everything that reads a model knows of it ---------------------------------------------------------------------------


def test_a_trace_shows_variables_only_while_they_are_there() -> None:
    model = library_model("most_freq")
    trace = model.trace("abca")
    gone = next(each for each in model.labels.variables if each.cleared is not None)
    assert trace.values[gone.name] == trace.steps[gone.cleared].values(gone)  # the step before it is cleared
    with pytest.raises(ValueError, match=rf"{gone.name} is not there after m\d.*cleared by m\d"):
        trace.steps[gone.cleared + 1].values(gone)


def test_a_saved_model_is_the_same(tmp_path: Path) -> None:
    model = library_model("most_freq")
    model.save_pretrained(tmp_path)
    loaded = tracrlab.load(tmp_path)
    assert loaded.labels.histories == model.labels.histories
    assert any(" then " in history for history in loaded.labels.histories)
    assert loaded.circuit() == model.circuit() and loaded.report() == model.report()
    assert [each.cleared for each in loaded.labels.variables] == [each.cleared for each in model.labels.variables]
    assert loaded.verify().holds


@pytest.mark.parametrize("name", DEEP)
def test_the_circuit_is_that_of_the_model_without_reuse(name: str) -> None:
    model, plain = library_model(name), library_model(name, passes=["-reuse"])
    assert [str(edge) for edge in model.circuit().edges] == [str(edge) for edge in plain.circuit().edges]


# The verifier --------------------------------------------------------------------------------------------------------


def test_a_change_of_a_weight_that_clears_is_noticed() -> None:
    model = library_model("palindrome", 3)
    layer = next(number for number, groups in enumerate(model.labels.neurons) if any(each.clears for each in groups))
    first = sum(group.count for group in model.labels.neurons[layer] if not group.clears)
    for array, own in (("W_in", (layer, slice(None), first)), ("W_out", (layer, first))):
        for change in (lambda x: x * 1.001, lambda x: x + 1e-3):
            weights = getattr(model.weights, array).copy()
            weights[own] = change(weights[own])
            broken = replace(model, weights=replace(model.weights, **{array: weights}))
            assert not broken.verify().holds, array


small_weights = st.sampled_from([1.0, -1.0, 2.0, -0.5])
neurons = st.tuples(st.integers(0, 2), small_weights, st.sampled_from([0, 0, 0, 1]), small_weights)


@settings(max_examples=400, deadline=None)
@given(drawn=st.lists(neurons, min_size=1, max_size=4), least=st.sampled_from([-1.0, 0.0]))
def test_what_is_proven_to_clear_clears(drawn: list[tuple[int, float, int, float]], least: float) -> None:
    """Dimensions 1 and 2 are the variable's; most neurons write where they read."""
    W_in, W_out = np.zeros((3, len(drawn))), np.zeros((len(drawn), 3))
    for number, (dimension, read, further, written) in enumerate(drawn):
        W_in[dimension, number], W_out[number, (dimension + further) % 3] = read, written
    rows = np.array([[least, 0.5], [1, 0], [3, 2]], float)
    held = held_variable(rows)
    try:
        cleared = prove_clearing(held, NeuronWeights(W_in, W_out, FORMATS["float32"]))
    except Unproven:
        return
    for row in np.concatenate([rows, held.at_bos[None, :]]):
        stream = np.array([7.0, *row])
        after = stream + np.maximum(stream @ W_in, 0) @ W_out
        assert (after == np.array([7.0, *np.where(cleared, 0, row)])).all()


def test_one_neuron_clears_what_is_never_negative_and_two_what_may_be() -> None:
    one, both = np.array([[0.0], [1], [0]]), np.array([[0.0, 0], [1, -1], [0, 0]])
    for rows, weights, proven in (([[0, 1]], one, True), ([[-1, 1]], one, False), ([[-1, 1]], both, True)):
        held, neurons = held_variable(np.array(rows, float)), NeuronWeights(weights, -weights.T, FORMATS["float32"])
        if proven:
            assert prove_clearing(held, neurons).tolist() == [True, False]
        else:
            with pytest.raises(Unproven, match="less than zero"):
                prove_clearing(held, neurons)


def held_variable(rows: np.ndarray) -> Held:
    """A variable of two dimensions, the second and third, that holds these rows exactly."""
    dimensions = (Dimension("x", 0), Dimension("x", 1))
    variable = Variable("x", Layout.CODE, tuple(range(len(rows))), False, dimensions, np.zeros(2), codes=rows)
    entry = ModelVariable(variable, 1, EMBEDDING, "x", True, Sublayer.mlp(0))
    return Held(entry, table_deviation(rows, np.zeros_like(rows)), np.zeros(2), np.zeros(2))


def test_every_harmful_change_of_a_weight_is_noticed() -> None:
    model = small_model("palindrome", "compact")
    assert model.report().n_reused
    tally = tally_of(model, 8, seed=7)
    assert tally.harmful and not tally.missed


def test_what_is_not_cleared_cannot_be_written_over() -> None:
    model = library_model("palindrome")
    labels = model.labels
    unlabelled = tuple(tuple(group for group in layer if not group.clears) for layer in labels.neurons)
    assert not replace(model, labels=replace(labels, neurons=unlabelled)).verify().holds
    kept = tuple(replace(each, cleared=None) for each in labels.variables)
    with pytest.raises(VerificationError, match="labels"):
        replace(model, labels=replace(labels, variables=kept)).verify()


# A given width -------------------------------------------------------------------------------------------------------


def test_a_narrow_residual_stream_is_filled_by_reuse() -> None:
    pytest.importorskip("ortools", reason="the solver is an extra")
    program, vocab = PROGRAMS["addition"].build(), list(PROGRAMS["addition"].example_vocab)
    free = tracrlab.compile(program, vocab, 8, mode="compact", passes=["-reuse"], prove=False)
    with pytest.raises(ArchitectureError, match=r"dimensions are in use at once.*Allow d_model=(\d+)") as refused:
        tracrlab.compile(program, vocab, 8, mode="compact", fit=Architecture(d_model=6), prove=False)
    least = int(str(refused.value).split("d_model=")[1].split()[0])
    assert least < free.config.d_model
    model = tracrlab.compile(program, vocab, 8, mode="compact", fit=Architecture(d_model=least), prove=False)
    assert model.config.d_model == least
    inputs = ["12+34+", "9+9", "1", ""]
    assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)
    with pytest.raises(ArchitectureError, match="the variables take"):
        tracrlab.compile(
            program, vocab, 8, mode="compact", passes=["-reuse"], fit=Architecture(d_model=least), prove=False
        )
