"""A compiled model says what it is: its size, its program, the meaning of its parts; and runs batches of any size."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.model.cases import CASES, expected_of, inputs_of, model_of, nodes_of
from tracrlab import rasp
from tracrlab.craft.spaces import Layout
from tracrlab.model import artefact

every_case = pytest.mark.parametrize("name", CASES)


# Shape ---------------------------------------------------------------------------------------------------------------


@every_case
def test_the_configuration_has_the_sizes_of_the_weights(name: str) -> None:
    model = model_of(name)
    config, arrays = model.config, model.weights.as_dict()
    assert config.n_parameters == sum(array.size for array in arrays.values())
    assert model.weights.n_nonzero == sum(int((array != 0).sum()) for array in arrays.values())
    assert arrays["W_E"].shape == (len(CASES[name].vocab) + 2, config.d_model)
    assert arrays["W_pos"].shape == (CASES[name].max_seq_len + 1, config.d_model)
    for projection in ("W_Q", "W_K", "W_V"):
        assert arrays[projection].shape == (config.n_layers, config.n_heads, config.d_model, config.d_head)
    assert arrays["W_O"].shape == (config.n_layers, config.n_heads, config.d_head, config.d_model)
    assert arrays["W_in"].shape == (config.n_layers, config.d_model, config.d_mlp)
    assert arrays["W_out"].shape == (config.n_layers, config.d_mlp, config.d_model)
    assert arrays["W_U"].shape == (config.d_model, config.d_vocab_out)
    assert {str(array.dtype) for array in arrays.values()} == {config.dtype} == {CASES[name].dtype}
    assert (config.n_ctx, config.d_vocab) == (CASES[name].max_seq_len + 1, len(CASES[name].vocab) + 2)
    assert sorted([*range(len(config.vocab)), config.bos_id, config.pad_id]) == list(range(config.d_vocab))


# Labels --------------------------------------------------------------------------------------------------------------


@every_case
def test_labels_cover_every_dimension_once(name: str) -> None:
    model = model_of(name)
    assert len(model.labels.dimensions) == model.config.d_model
    assert len(set(map(str, model.labels.dimensions))) == model.config.d_model
    covered = [
        dimension
        for variable in model.labels.variables
        for dimension in range(model.config.d_model)[variable.dimensions]
    ]
    assert covered == list(range(model.config.d_model))
    for variable in model.labels.variables:
        assert model.labels.dimensions[variable.dimensions] == variable.variable.dimensions


@every_case
def test_labels_say_what_writes_each_dimension(name: str) -> None:
    """A dimension is written by the embedding, or in one layer by the heads or neurons labelled so."""
    model = model_of(name)
    weights = model.weights
    for variable in model.labels.variables:
        own = variable.dimensions
        embedded = bool(weights.W_E[:, own].any() or weights.W_pos[:, own].any())
        assert not embedded or variable.sublayer == -1
        for layer in range(model.config.n_layers):
            heads, neurons = model.labels.heads[layer], model.labels.neurons[layer]
            for number in range(model.config.n_heads):
                writes = bool(weights.W_O[layer, number][:, own].any())
                labelled = number < len(heads) and heads[number].writes == variable.name
                assert writes <= labelled
                assert not labelled or variable.sublayer == 2 * layer
            labelled_neurons = [label.writes for label in neurons for _ in range(label.count)]
            assert len(labelled_neurons) <= model.config.d_mlp
            for number in np.flatnonzero(weights.W_out[layer][:, own].any(axis=1)).tolist():
                assert labelled_neurons[number] == variable.name
                assert variable.sublayer == 2 * layer + 1


@every_case
def test_the_embedding_is_one_hot_in_the_labelled_dimensions(name: str) -> None:
    model = model_of(name)
    names = list(map(str, model.labels.dimensions))
    tokens = [*map(str, model.config.vocab), "bos", "pad"]
    stem = "word" if name == "embedding" else "tokens"
    assert [f"tokens:{special}" in names for special in ("bos", "pad")] == [True, True]
    for row, token in zip(model.weights.W_E, tokens, strict=True):
        stems = ("tokens", stem)
        assert [names[place] for place in np.flatnonzero(row)] in [[f"{stem}:{token}"] for stem in stems]


def test_dimensions_of_a_small_model_are_those_of_the_paper() -> None:
    is_x = (rasp.tokens == "x").named("is_x")
    model = tracrlab.compile(rasp.numerical(is_x).named("is_x"), "xy", 2)
    shown = list(map(str, model.labels.dimensions))
    assert shown == ["tokens:x", "tokens:y", "tokens:bos", "tokens:pad", "indices:0", "indices:1", "one", "is_x"]
    one_hot = tracrlab.compile(is_x, "xy", 2)
    assert list(map(str, one_hot.labels.dimensions))[-2:] == ["is_x:False", "is_x:True"]


def test_a_variable_is_found_by_name() -> None:
    labels = model_of("hist").labels
    assert labels.variable("hist").expression == "hist"
    with pytest.raises(KeyError, match=r"no variable 'nothing'; there are tokens, .*hist"):
        labels.variable("nothing")


@every_case
def test_the_output_variable_holds_the_answer(name: str) -> None:
    model = model_of(name)
    held = model.labels.variable(model.output_name)
    assert held.variable is model.output
    assert held.is_value
    extra = model.output.layout is Layout.ONE_HOT and model.output.nullable
    assert model.config.d_vocab_out == model.output.width + extra


# Program and repr ----------------------------------------------------------------------------------------------------


@every_case
def test_the_program_lists_every_expression_once_sources_first(name: str) -> None:
    program = model_of(name).program
    names = [line[0] for line in program]
    assert len(set(names)) == len(names)
    assert {node for node, _ in nodes_of(name, [])} <= set(names)
    assert CASES[name].program.name in (None, names[-1])
    for _, text, location in program:
        assert text
        assert location is None or re.fullmatch(r"\S.*:\d+", location)


def test_the_program_of_a_model() -> None:
    listed = [(name, text) for name, text, _ in model_of("hist").program]
    assert listed == [
        ("tokens", "tokens"),
        ("indices", "indices"),
        ("select_1", "select(tokens, tokens, ==)"),
        ("hist", "selector_width(select(tokens, tokens, ==))"),
    ]


@every_case
def test_repr_tells_shape_vocabulary_and_what_each_sublayer_computes(name: str) -> None:
    model = model_of(name)
    config, shown = model.config, repr(model)
    lines = shown.splitlines()
    assert lines[0].startswith(f"CompiledModel {model.program[-1][0]} = ")
    for text in (f"d_model {config.d_model}", f"d_head {config.d_head}", f"d_mlp {config.d_mlp}", config.dtype):
        assert text in lines[1]
    assert ("causal" in lines[1], "bidirectional" in lines[1]) == (config.causal, not config.causal)
    n_parameters = sum(array.size for array in model.weights.as_dict().values())
    assert lines[2].startswith(f"  {n_parameters:,} parameters, {model.weights.n_nonzero:,} ")
    vocabulary = " ".join(map(str, config.vocab))
    assert lines[3].startswith(f"  {len(config.vocab)} tokens ({vocabulary}), at most {config.max_seq_len} ")
    assert lines[4] == "  not proven: it was compiled without, or changed since"
    sublayers = lines[5:]
    assert len(sublayers) == 2 * config.n_layers
    for number, line in enumerate(sublayers):
        written = {v.name for v in model.labels.variables if v.sublayer == number}
        kind = "m" if number % 2 else "a"
        assert line.startswith(f"  {kind}{number // 2}: ")
        shown_names = re.sub(r" \([^)]*\)", "", line.split(": ", 1)[1])
        assert set(shown_names.split(", ")) == (written or {"-"})


def test_repr_of_hist() -> None:
    lines = repr(tracrlab.compile(CASES["hist"].program, "abc", 5)).splitlines()
    assert lines[0] == "CompiledModel hist = selector_width(select(tokens, tokens, ==))"
    assert lines[3:] == [
        "  3 tokens (a b c), at most 5 in a sequence",
        "  not proven: it was compiled without, or changed since",
        "  a0: hist.attn",
        "  m0: hist (9 neurons)",
    ]


def test_a_long_vocabulary_is_abridged() -> None:
    model = tracrlab.compile(rasp.tokens.named("word"), range(1000), 2)
    assert "1000 tokens (0 1 2 3 4 5 6 7 …), at most 2 in a sequence" in repr(model)


# Batches -------------------------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("limit", [1, 500, 2000, 10**9])
def test_a_batch_is_run_in_chunks_of_limited_size(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = model_of(name), inputs_of(name, seed=4, n_inputs=20)
    whole = model.run_batch(batch)
    sizes: list[int] = []
    forward = artefact.forward

    def counting(config: tracrlab.model.ModelConfig, weights: object, ids: np.ndarray) -> np.ndarray:
        sizes.append(len(ids))
        per_head = max(config.d_model, config.d_head, ids.shape[1])
        largest = len(ids) * ids.shape[1] * max(config.d_model, config.d_mlp, config.n_heads * per_head)
        assert len(ids) == 1 or largest <= limit
        result: np.ndarray = forward(config, weights, ids)
        return result

    monkeypatch.setattr(artefact, "forward", counting)
    monkeypatch.setattr(artefact, "_BATCH_ELEMENTS", limit)
    assert model.run_batch(batch) == whole == [expected_of(name, tokens) for tokens in batch]
    assert sum(sizes) == len(batch)
    if limit == 1:
        assert sizes == [1] * len(batch)
    else:
        assert max(sizes) == sizes[0]
        assert limit < 10**9 or len(sizes) == 1


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_sequences_may_come_from_any_iterable(seed: int, n_inputs: int) -> None:
    model, batch = model_of("steps"), inputs_of("steps", seed, n_inputs)
    expected = [expected_of("steps", tokens) for tokens in batch]
    assert model.run_batch(iter(batch)) == expected
    assert model.run_batch(tuple(map(tuple, batch))) == expected
    assert model.run_batch("".join(tokens) for tokens in batch) == expected
    assert [model(tokens) for tokens in batch] == expected


def test_a_large_batch() -> None:
    rng = random.Random(5)
    batch = ["".join(rng.choices("abc", k=rng.randint(0, 6))) for _ in range(2000)]
    assert model_of("hist").run_batch(batch) == [[tokens.count(token) for token in tokens] for tokens in batch]


def test_the_number_of_parameters_has_the_name_of_transformer_lens_too() -> None:
    config = model_of("hist").config
    assert (
        config.n_params == config.n_parameters == sum(each.size for each in model_of("hist").weights.as_dict().values())
    )
