"""What scripts for Tracr do with a model's parameters: run them elsewhere, in padded batches, and through JAX."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tracr.compiler import compiling, lib
from tracr.rasp import rasp
from tracr.transformer.encoder import CategoricalEncoder

from tests.tracr_programs import PROGRAMS
from tracrlab.compat.tracr.compiler.compiling import TracrOutput

BOS, PAD = "BOS", "PAD"

CATEGORICAL: dict[str, tuple[rasp.SOp, str]] = {
    "length": (lib.make_length(), "ab"),
    "reverse": (lib.make_reverse(rasp.tokens), "abc"),
    "shuffle_dyck": (lib.make_shuffle_dyck(["()"]), "()"),
    "shuffle_dyck2": (lib.make_shuffle_dyck2(), "(){}"),
    "hist": (lib.make_hist(), "abc"),
    "sort_unique": (lib.make_sort_unique(rasp.tokens, rasp.tokens), "abc"),
    "sort": (lib.make_sort(rasp.tokens, rasp.indices, max_seq_len=4, min_key=1), "abc"),
    "sort_freq": (lib.make_sort_freq(4), "abc"),
    "shift_by": (lib.shift_by(1, rasp.tokens), "abc"),
    "detect_pattern": (lib.detect_pattern(rasp.tokens, "ab"), "abc"),
    "count_less_freq": (lib.make_count_less_freq(2), "abc"),
    "count": (lib.make_count(rasp.tokens, "a"), "abc"),
    "nary_sequencemap": (lib.make_nary_sequencemap(lambda x, y: (x, y), rasp.tokens, rasp.indices), "ab"),
}


def compiled(program: rasp.SOp, vocab: Any = "abc", max_seq_len: int = 4, **settings: Any) -> TracrOutput:
    return compiling.compile_rasp_to_model(
        program, vocab=set(vocab), max_seq_len=max_seq_len, compiler_bos=BOS, compiler_pad=PAD, **settings
    )


def ported(model: TracrOutput, ids: np.ndarray) -> np.ndarray:
    """The final residual stream, computed as ports of Tracr's models do: from parameters and shape alone, no mask."""
    config, params = model.model_config, model.params

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        out: np.ndarray = x @ params[name]["w"] + params[name]["b"]
        return out

    def by_head(x: np.ndarray) -> np.ndarray:
        return x.reshape(*x.shape[:2], config.num_heads, -1).transpose(0, 2, 1, 3)

    embedded = params["token_embed"]["embeddings"][ids] + params["pos_embed"]["embeddings"][: ids.shape[1]]
    residual: np.ndarray = embedded
    for layer in range(config.num_layers):
        prefix = f"transformer/layer_{layer}"
        query, key, value = (by_head(linear(f"{prefix}/attn/{kind}", residual)) for kind in ("query", "key", "value"))
        logits = query @ key.transpose(0, 1, 3, 2) / np.sqrt(config.key_size)
        if config.causal:
            logits = np.where(np.tril(np.ones(logits.shape[-2:])), logits, -np.inf)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ value
        joint = mixed.transpose(0, 2, 1, 3).reshape(*ids.shape, -1)
        residual = residual + linear(f"{prefix}/attn/linear", joint)
        hidden = np.maximum(linear(f"{prefix}/mlp/linear_1", residual), 0)
        residual = residual + linear(f"{prefix}/mlp/linear_2", hidden)
    return residual


def words(vocab: str, most: int) -> Iterator[tuple[str, ...]]:
    return itertools.chain.from_iterable(itertools.product(vocab, repeat=size) for size in range(1, most + 1))


def batch(model: TracrOutput, inputs: list[tuple[Any, ...]]) -> np.ndarray:
    """Ids of inputs of different lengths, padded at the end."""
    encoder, longest = model.input_encoder, max(map(len, inputs))
    assert encoder is not None
    return np.array([encoder.encode([BOS, *word, *[PAD] * (longest - len(word))]) for word in inputs])


# Padding -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_port_of_the_parameters_hides_padding_without_a_mask(name: str) -> None:
    program = PROGRAMS[name]
    model = compiled(program.build(), program.vocab, program.max_seq_len, causal=program.causal)
    inputs = [tuple(each) for each in program.random_inputs(12)]
    ids = batch(model, inputs)
    padded, places = ported(model, ids), [model.residual_labels.index(str(d)) for d in _answer_basis(model)]
    for word, residual, answer in zip(inputs, padded, model.forward(model.params, ids).unembedded_output, strict=True):
        alone = model.apply([BOS, *word])
        rows = slice(1, len(word) + 1)
        np.testing.assert_allclose(residual[rows, places], alone.transformer_output[0][rows, places], atol=1e-3)
        np.testing.assert_allclose(answer[rows], alone.unembedded[0][rows], atol=1e-3)


def _answer_basis(model: TracrOutput) -> Any:
    return model.output_encoder.basis  # type: ignore[union-attr]


@pytest.mark.parametrize("vocab", [{1, 2.5}, {"one", "tokens", ""}], ids=["numbers", "words"])
def test_padding_is_told_from_any_tokens(vocab: set[Any]) -> None:
    model = compiled(lib.make_hist().named("tokens"), vocab)
    inputs = [(token,) * size for token in vocab for size in (1, 2, 4)]
    answers = model.forward(model.params, batch(model, inputs)).unembedded_output
    assert model.output_encoder is not None
    for word, answer in zip(inputs, answers, strict=True):
        assert model.output_encoder.decode(answer[1 : len(word) + 1].tolist()) == [len(word)] * len(word)


# Unembedding by hand -------------------------------------------------------------------------------------------------


def assert_reads_right(model: TracrOutput, program: rasp.SOp, vocab: str, unembedding: np.ndarray) -> None:
    """That the greatest logit is the id of the interpreter's answer, on all inputs."""
    inputs = list(words(vocab, 4 if len(vocab) < 4 else 3))
    encoder = model.output_encoder
    assert isinstance(encoder, CategoricalEncoder) and model.compiled is not None
    found = (ported(model, batch(model, inputs)) @ unembedding).argmax(axis=-1)
    for word, ids in zip(inputs, found, strict=True):
        assert encoder.decode(ids[1 : len(word) + 1].tolist()) == model.compiled(word), word


@pytest.mark.parametrize("name", CATEGORICAL)
def test_an_identity_unembeds_where_the_answer_has_the_first_label(name: str) -> None:
    """The idiom ``W_U = numpy.eye(d_model, n_outputs)``, as in Tracr right for labels that sort first."""
    program, vocab = CATEGORICAL[name]
    program = program.named("0")
    model = compiled(program, vocab)
    assert model.residual_labels[0].startswith("0_")
    encoder = model.output_encoder
    assert isinstance(encoder, CategoricalEncoder)
    unembedding = np.eye(len(model.residual_labels), len(encoder.encoding_map))
    assert_reads_right(model, program, vocab, unembedding)


@pytest.mark.parametrize("name", CATEGORICAL)
def test_labels_of_the_answers_find_the_unembedding(name: str) -> None:
    program, vocab = CATEGORICAL[name]
    model = compiled(program, vocab)
    encoder, labels = model.output_encoder, model.residual_labels
    assert isinstance(encoder, CategoricalEncoder)
    unembedding = np.zeros((len(labels), encoder.vocab_size))
    for value, number in encoder.encoding_map.items():
        unembedding[labels.index(f"{program.label}:{value}"), number] = 1
    assert_reads_right(model, program, vocab, unembedding)


def test_none_comes_last_among_the_answers() -> None:
    model = compiled(lib.shift_by(1, rasp.tokens), ["None", "a", "b"])
    encoder = model.output_encoder
    assert isinstance(encoder, CategoricalEncoder)
    assert list(encoder.encoding_map) == ["a", "b", "None", None]
    assert [label.partition(":")[2] for label in model.residual_labels if label.startswith("shift")][-2:] == [
        "None"
    ] * 2


@pytest.mark.frameworks
@pytest.mark.parametrize("name", CATEGORICAL)
def test_the_converter_of_transformer_lens_takes_the_models(name: str) -> None:
    """Its own demo: a native bridge from configuration, parameters and the label that is to be read."""
    torch = pytest.importorskip("torch")
    tracr = pytest.importorskip("transformer_lens.utilities.tracr")
    from transformer_lens.model_bridge import TransformerBridge

    program, vocab = CATEGORICAL[name]
    model = compiled(program, vocab)
    bridge = TransformerBridge.boot_native(tracr.make_tracr_transformer_bridge_config(model))
    state = tracr.make_tracr_transformer_bridge_state_dict(model, output_label=program.label)
    bridge.load_state_dict(state, strict=False)
    inputs = [word for word in words(vocab, 4) if len(word) == 3][:30]
    with torch.no_grad():
        found = bridge(torch.tensor(batch(model, inputs))).argmax(dim=-1)
    assert model.output_encoder is not None and model.compiled is not None
    for word, ids in zip(inputs, found.tolist(), strict=True):
        assert model.output_encoder.decode(ids[1:]) == model.compiled(word)


# JAX -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jax() -> Any:
    return pytest.importorskip("jax")


@pytest.mark.parametrize("name", ["reverse", "shift_by", "sort_freq"])
def test_the_forward_pass_can_be_compiled_and_mapped(jax: Any, name: str) -> None:
    model = compiled(*CATEGORICAL[name])
    inputs = [word for word in words("abc", 4) if len(word) == 4]
    ids = jax.numpy.array(batch(model, inputs))
    plain = model.forward(model.params, np.asarray(ids))
    jitted = jax.jit(model.forward)(model.params, ids)
    mapped = jax.vmap(lambda row: model.forward(model.params, row[None]))(ids)
    assert type(jitted) is type(plain)
    assert np.array_equal(jitted.unembedded_output, plain.unembedded_output)
    assert np.array_equal(mapped.unembedded_output[:, 0], plain.unembedded_output)
    assert np.allclose(jitted.transformer_output.output, plain.transformer_output.output, atol=1e-3)
    whole = jax.jit(model.get_compiled_model())(ids)
    assert np.array_equal(whole.unembedded_output, plain.unembedded_output)


def test_the_forward_pass_can_be_differentiated(jax: Any) -> None:
    """In a direction drawn at random, the gradient is the slope."""
    model = compiled(lib.make_frac_prevs(rasp.tokens == "a"))
    ids = batch(model, [tuple("abca"), tuple("aab")])

    def loss(params: Any) -> Any:
        return (model.forward(params, ids).transformer_output.output ** 2).mean()

    part = "transformer/layer_0/mlp/linear_2"
    gradient = jax.grad(loss)(model.params)
    assert jax.tree_util.tree_structure(gradient) == jax.tree_util.tree_structure(model.params)
    direction = np.random.default_rng(0).normal(size=model.params[part]["w"].shape).astype(np.float32)
    direction[:, [label.startswith("tokens") for label in model.residual_labels]] = 0  # PAD is not to appear by degrees
    step = 2.0**-6
    ahead, behind = (
        loss({**model.params, part: {**model.params[part], "w": model.params[part]["w"] + sign * step * direction}})
        for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * step)
    assert slope == pytest.approx(float((gradient[part]["w"] * direction).sum()), rel=1e-2)
    assert abs(slope) > 1e-3
