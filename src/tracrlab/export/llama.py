"""Compiled models as ordinary checkpoints of Llama: stock code computes the program.

- Its RMS norms do nothing, because pinned dimensions fix the norm (:mod:`tracrlab.export.rms_norm`).
- Its neurons are down(silu(gate x) · up x). With S a power of two, gate x = S·a and up x = 1, read from a pinned
  dimension, silu(S·a) / S is ReLU(a) (:mod:`tracrlab.export.activations`).
- Its rotary positions do not rotate: a linear scaling of 2¹⁰⁰ makes the angle of every position so small that its
  cosine is 1, and what its sine adds is lost.
- It has no other positions, so they are computed from BOS (:mod:`tracrlab.model.surgery.positions`).
- It is causal, and has no biases but in the classifier.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.errors import ExportError
from tracrlab.export.activations import SILU, sharpened
from tracrlab.export.checkpoint import Arrays, checked, fill, padded, require_transformers, side_by_side
from tracrlab.export.pretrained import Pretrained, common_settings, pretrained
from tracrlab.export.rms_norm import Pins, pins_for
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import ClassReadout
from tracrlab.model.surgery.bos import quiet_at_bos
from tracrlab.model.surgery.positions import with_computed_positions
from tracrlab.shapes import Float

if TYPE_CHECKING:
    import torch

ROTARY = {"rope_type": "linear", "factor": 2.0**100, "rope_theta": 10000.0}


def to_llama(model: Artefact, readout: ClassReadout, *, dtype: torch.dtype | None = None) -> Pretrained:
    """The model as a ``LlamaForTokenClassification``, with tokenizer and card.

    If it reads positions, a first layer computes them. Dimensions, heads and neurons keep their numbers; more are added
    after them, as the architecture needs. It is run on random inputs, and the right class must lead by at least half of
    what it does in ``model``.

    Raises:
        MissingDependencyError: Transformers or PyTorch is not installed.
        ExportError: the model is not causal; two tokens or two answers have the same text, or a token has none.
        PrecisionError: values are too large for a norm that does nothing, positions are too many to be told apart, or
            it answers otherwise.
    """
    if not model.config.causal:
        raise ExportError("Llama is causal, and this model is not; compile with causal=True, or use to_bert")
    require_transformers("to_llama")
    from transformers import LlamaConfig, LlamaForTokenClassification

    computed = with_computed_positions(model)
    n_heads = 2 ** math.ceil(math.log2(computed.config.n_heads))
    d_head = computed.config.d_head * (1 if computed.config.d_head % 2 == 0 else 4)
    pins = pins_for(computed.labels, computed.config.d_model, n_heads)
    W_in, W_out = sharpened(quiet_at_bos(computed), SILU, readout.dtype)
    config = LlamaConfig(
        vocab_size=computed.config.d_vocab,
        hidden_size=pins.width,
        intermediate_size=W_in.shape[2],
        num_hidden_layers=computed.config.n_layers,
        num_attention_heads=n_heads,
        head_dim=d_head,
        hidden_act=SILU.name,
        max_position_embeddings=computed.config.n_ctx,
        rope_parameters=ROTARY,
        classifier_dropout=0.0,
        use_cache=False,
        **common_settings(computed, readout),
    )
    arrays = _attention_arrays(computed, n_heads, d_head, pins.width) | _other_arrays(
        computed, readout, W_in, W_out, pins
    )
    module = LlamaForTokenClassification(config)
    fill(module, arrays, readout, dtype)
    return checked(model, readout, pretrained(computed, module), "Llama")


def _attention_arrays(model: Artefact, n_heads: int, d_head: int, width: int) -> Arrays:
    """The projections of all heads by the names of Llama, whose matrices are [out, in]."""
    w, arrays = model.weights, Arrays()
    more_heads, wider = n_heads - model.config.n_heads, d_head - model.config.d_head
    # scores are divided by the root of the head's size, so that of heads four times as large is made up for
    queries = w.W_Q.astype(float) * math.sqrt(d_head / model.config.d_head)
    for layer in range(model.config.n_layers):
        here = f"model.layers.{layer}.self_attn"
        for name, matrices in (("q", queries), ("k", w.W_K), ("v", w.W_V)):
            heads = padded(padded(_read(matrices[layer], width, 1), 2, wider), 0, more_heads)
            arrays[f"{here}.{name}_proj.weight"] = side_by_side(heads).T
        outputs = padded(padded(_read(w.W_O[layer], width, 2), 1, wider), 0, more_heads)
        arrays[f"{here}.o_proj.weight"] = outputs.reshape(n_heads * d_head, width).T
    return arrays


def _other_arrays(
    model: Artefact,
    readout: ClassReadout,
    W_in: Float[np.ndarray, "layer d_model d_mlp"],
    W_out: Float[np.ndarray, "layer d_mlp d_model"],
    pins: Pins,
) -> Arrays:
    """Embedding, norms, neurons and classifier by the names of Llama, whose matrices are [out, in]."""
    embedding = _read(model.weights.W_E, pins.width, 1)
    embedding[:, pins.places] = pins.value
    gain = np.full(pins.width, pins.gain)
    one = np.zeros((W_in.shape[2], pins.width))
    one[:, pins.places[0]] = 1 / pins.value
    arrays = {"model.embed_tokens.weight": embedding, "model.norm.weight": gain}
    for layer in range(model.config.n_layers):
        here = f"model.layers.{layer}"
        arrays |= {
            f"{here}.input_layernorm.weight": gain,
            f"{here}.post_attention_layernorm.weight": gain,
            f"{here}.mlp.gate_proj.weight": _read(W_in[layer], pins.width, 0).T,
            f"{here}.mlp.up_proj.weight": one,
            f"{here}.mlp.down_proj.weight": _read(W_out[layer], pins.width, 1).T,
        }
    return arrays | {"score.weight": _read(readout.W_U, pins.width, 0).T, "score.bias": readout.b_U}


def _read(matrix: Float[np.ndarray, "..."], width: int, axis: int) -> Float[np.ndarray, "..."]:
    """The matrix as float64, with zeros for the dimensions that the stream has beside the model's."""
    return padded(matrix.astype(float), axis, width - matrix.shape[axis])
