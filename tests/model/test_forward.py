"""The forward pass equals one written out with loops; neither padding nor, under a causal mask, later tokens matter."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.cases import CASES, CAUSAL, expected_of, inputs_of, model_of
from tracrlab import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.forward import forward, forward_with_activations
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.weights import Weights, weight_shapes

seeds = st.integers(0, 2**32 - 1)
Vector = list[float]


def transform(x: Vector, matrix: Any) -> Vector:
    """``x @ matrix``, term by term."""
    result = [0.0] * matrix.shape[1]
    for entry, row in zip(x, matrix.tolist(), strict=True):
        if entry:
            for column, weight in enumerate(row):
                result[column] += entry * weight
    return result


def transformer(config: ModelConfig, weights: Weights, ids: list[int]) -> list[Vector]:
    """A transformer without biases or layer norm, for one sequence, in plain Python."""
    w = weights
    stream = [[float(a) + float(b) for a, b in zip(w.W_E[i], w.W_pos[p], strict=True)] for p, i in enumerate(ids)]
    for layer in range(config.n_layers):
        added = [[0.0] * config.d_model for _ in ids]
        for head in range(config.n_heads):
            queries = [transform(x, w.W_Q[layer, head]) for x in stream]
            keys = [transform(x, w.W_K[layer, head]) for x in stream]
            values = [transform(x, w.W_V[layer, head]) for x in stream]
            for here, query in enumerate(queries):
                seen = [there for there in range(len(ids)) if ids[there] != config.pad_id]
                if config.causal:
                    seen = [there for there in seen if there <= here]
                logits = {
                    there: sum(q * k for q, k in zip(query, keys[there], strict=True)) / math.sqrt(config.d_head)
                    for there in seen
                }
                exponentials = {there: math.exp(logit - max(logits.values())) for there, logit in logits.items()}
                attended = [0.0] * config.d_head
                for there, exponential in exponentials.items():
                    share = exponential / sum(exponentials.values())
                    attended = [a + share * v for a, v in zip(attended, values[there], strict=True)]
                for dimension, amount in enumerate(transform(attended, w.W_O[layer, head])):
                    added[here][dimension] += amount
        stream = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(stream, added, strict=True)]
        for here, x in enumerate(stream):
            hidden = [max(h, 0.0) for h in transform(x, w.W_in[layer])]
            stream[here] = [a + b for a, b in zip(x, transform(hidden, w.W_out[layer]), strict=True)]
    return [transform(x, w.W_U) for x in stream]


@pytest.mark.parametrize("name", CASES)
def test_compiled_models_give_the_logits_of_a_plain_transformer(name: str) -> None:
    model = model_of(name)
    for tokens in inputs_of(name, seed=1, n_inputs=2):
        ids = encode_batch(model.config, [tokens])
        expected = transformer(model.config, model.weights, ids[0].tolist())
        assert np.allclose(model.forward(ids)[0], expected, rtol=0, atol=1e-4)


def random_model(seed: int, causal: bool) -> tuple[ModelConfig, Weights]:
    """Weights that use every part of the architecture, unlike those of small programs."""
    rng = np.random.default_rng(seed)
    config = ModelConfig(("a", "b"), 4, causal).with_shape(
        d_model=5, n_layers=2, n_heads=2, d_head=3, d_mlp=4, d_vocab_out=3
    )
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    return config, Weights(**arrays)


@settings(max_examples=20)
@given(seeds, st.booleans(), st.lists(st.integers(0, 1), max_size=4), st.integers(0, 2))
def test_random_weights_give_the_logits_of_a_plain_transformer(
    seed: int, causal: bool, tokens: list[int], padding: int
) -> None:
    config, weights = random_model(seed, causal)
    ids = [config.bos_id, *tokens, *[config.pad_id] * padding][: config.n_ctx]
    found = forward(config, weights, np.array([ids, ids]))
    assert np.allclose(found, transformer(config, weights, ids), rtol=1e-3, atol=1e-3)


@settings(max_examples=20)
@given(seeds, st.booleans(), st.integers(0, 4))
def test_keeping_activations_changes_nothing(seed: int, causal: bool, length: int) -> None:
    config, weights = random_model(seed, causal)
    ids = np.random.default_rng(seed).integers(0, config.d_vocab, (3, length + 1))
    ids[:, 0] = config.bos_id
    activations = forward_with_activations(config, weights, ids)
    assert np.array_equal(activations.logits, forward(config, weights, ids))
    assert [residual.shape for residual in activations.residuals] == [(3, length + 1, 5)] * 5
    assert [pattern.shape for pattern in activations.patterns] == [(3, 2, length + 1, length + 1)] * 2


# Padding -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=10)
@given(seed=seeds)
def test_a_batch_of_different_lengths_gives_what_each_sequence_gives_alone(name: str, seed: int) -> None:
    model, batch = model_of(name), inputs_of(name, seed)
    answers = model.run_batch(batch)
    assert answers == [model(tokens) for tokens in batch]
    assert answers == [expected_of(name, tokens) for tokens in batch]


@pytest.mark.parametrize("name", CASES)
def test_padding_does_not_change_the_output(name: str) -> None:
    model = model_of(name)
    for tokens in inputs_of(name, seed=2):
        ids = encode_batch(model.config, [tokens])
        alone = model.forward(ids)
        for padding in range(1, model.config.n_ctx - len(tokens)):
            padded = np.pad(ids, ((0, 0), (0, padding)), constant_values=model.config.pad_id)
            assert np.allclose(model.forward(padded)[:, : ids.shape[1]], alone, rtol=0, atol=1e-6)


def test_nothing_attends_to_padding() -> None:
    model = model_of("steps")
    ids = encode_batch(model.config, ["ab", "", "cabc"])
    for pattern in forward_with_activations(model.config, model.weights, ids).patterns:
        attended = pattern.sum(axis=(1, 2))
        assert (attended[ids == model.config.pad_id] == 0).all()
        assert np.allclose(pattern.sum(axis=-1), 1, atol=1e-6)


# Causal mask ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAUSAL)
@settings(max_examples=20)
@given(seed=seeds)
def test_later_tokens_do_not_influence_earlier_answers(name: str, seed: int) -> None:
    model, rng = model_of(name), random.Random(seed)
    tokens = rng.choices(CASES[name].vocab, k=CASES[name].max_seq_len)
    place = rng.randrange(len(tokens))
    other = tokens[:place] + rng.choices(CASES[name].vocab, k=len(tokens) - place)
    ids = encode_batch(model.config, [tokens, other])
    one, two = model.forward(ids)[:, : place + 1]
    assert np.allclose(one, two, rtol=0, atol=1e-6)
    assert model(tokens)[:place] == model(other)[:place] == model(tokens[:place])


@pytest.mark.parametrize("name", CASES)
def test_only_causal_models_mask(name: str) -> None:
    model = model_of(name)
    tokens = [CASES[name].vocab[0]] * CASES[name].max_seq_len
    ids = encode_batch(model.config, [tokens])
    later = [np.triu(pattern, k=1).any() for pattern in patterns(model, ids)]
    assert any(later) != (model.config.causal or not later)


def patterns(model: CompiledModel, ids: np.ndarray) -> list[np.ndarray]:
    return [pattern[0] for pattern in forward_with_activations(model.config, model.weights, ids).patterns]


# Nothing to run on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_empty_sequences_and_empty_batches(name: str) -> None:
    model = model_of(name)
    assert model([]) == model("") == model(()) == []
    assert model.run_batch([]) == []
    assert model.run_batch(iter([[], []])) == [[], []]
    token = CASES[name].vocab[0]
    assert model.run_batch([[], [token]]) == [[], model([token])]
    assert model.forward(np.zeros((0, 2), int)).shape == (0, 2, model.config.d_vocab_out)
