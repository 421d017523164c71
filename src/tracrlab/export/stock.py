"""Compiled models as ordinary checkpoints of GPT-2 and BERT: stock code computes the program.

Both architectures have layer norms, which :mod:`tracrlab.export.layer_norm` makes do nothing. Nothing else stands in
the way: learned positions, biases (zero here) and ReLU are settings or parameters of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tracrlab.errors import ExportError
from tracrlab.export.activations import GELU, GELU_TANH, RELU, chosen
from tracrlab.export.checkpoint import Arrays, checked, fill, require_transformers, side_by_side
from tracrlab.export.language_model import language_model_arrays
from tracrlab.export.layer_norm import EPSILON, GAIN, NormedWeights, normed_weights
from tracrlab.export.pretrained import Pretrained, common_settings, pretrained
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import ClassReadout

if TYPE_CHECKING:
    import torch


def to_gpt2(
    model: Artefact,
    readout: ClassReadout,
    *,
    activation: str = "relu",
    dtype: torch.dtype | None = None,
    head: Literal["labels", "lm"] = "labels",
) -> Pretrained:
    """The model as a GPT-2, with tokenizer and card.

    Dimensions, heads and neurons keep their numbers; more are added after them, as the architecture needs. It is run on
    random inputs, and the right class must lead by at least half of what it does in ``model``. The ``activation``
    is ``"relu"`` or ``"gelu"``.

    Arguments:
        dtype: the format of the parameters; by default the readout's.
        head: ``"labels"`` for a ``GPT2ForTokenClassification``; ``"lm"`` for a ``GPT2LMHeadModel``, which is what
            TransformerLens boots from a folder. Its logits are over the vocabulary and then the answers, which its
            configuration names (``id2label``); the largest is that of the answer at this token, not of a next token.

    Raises:
        MissingDependencyError: Transformers or PyTorch is not installed.
        ValueError: there is no such ``head``.
        ExportError: the model is not causal; there is no such activation; two tokens or two answers have the same
            text, or a token has none.
        PrecisionError: values are too large for a layer norm that does nothing, or it answers otherwise.
    """
    if head not in ("labels", "lm"):
        raise ValueError(f'head must be "labels" or "lm", not {head!r}')
    if not model.config.causal:
        raise ExportError("GPT-2 is causal, and this model is not; compile with causal=True, or use to_bert")
    neurons = chosen(activation, "GPT-2", {"relu": RELU, "gelu": GELU_TANH})
    require_transformers("to_gpt2")
    from transformers import GPT2Config, GPT2ForTokenClassification, GPT2LMHeadModel

    weights = normed_weights(model, readout, neurons)
    is_lm, n_tokens = head == "lm", model.config.d_vocab
    config = GPT2Config(
        vocab_size=n_tokens + (len(readout.classes) if is_lm else 0),
        n_positions=model.config.n_ctx,
        n_embd=weights.width,
        n_layer=model.config.n_layers,
        n_head=weights.n_heads,
        n_inner=weights.d_mlp,
        activation_function=neurons.name,
        layer_norm_epsilon=EPSILON,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        classifier_dropout=0.0,
        use_cache=False,
        **common_settings(model, readout, first_label=n_tokens if is_lm else 0),
    )
    if is_lm:
        module, top = GPT2LMHeadModel(config), language_model_arrays(weights, balance=model.config.d_model)
    else:
        module = GPT2ForTokenClassification(config)
        top = {"classifier.weight": weights.W_U.T, "classifier.bias": weights.b_U}
    fill(module, _gpt2_arrays(weights) | top, readout, dtype)
    return checked(model, readout, pretrained(model, module), "GPT-2")


def to_bert(
    model: Artefact, readout: ClassReadout, *, activation: str = "relu", dtype: torch.dtype | None = None
) -> Pretrained:
    """The model as a ``BertForTokenClassification``, a decoder if it is causal, with tokenizer and card.

    Dimensions, heads and neurons keep their numbers; more are added after them, as the architecture needs. It is run on
    random inputs, and the right class must lead by at least half of what it does in ``model``. The ``activation``
    is ``"relu"`` or ``"gelu"``.

    Raises:
        MissingDependencyError: Transformers or PyTorch is not installed.
        ExportError: there is no such activation; two tokens or two answers have the same text, or a token has none.
        PrecisionError: values are too large for a layer norm that does nothing, or it answers otherwise.
    """
    neurons = chosen(activation, "BERT", {"relu": RELU, "gelu": GELU})
    require_transformers("to_bert")
    from transformers import BertConfig, BertForTokenClassification

    weights = normed_weights(model, readout, neurons)
    config = BertConfig(
        vocab_size=model.config.d_vocab,
        max_position_embeddings=model.config.n_ctx,
        type_vocab_size=1,
        hidden_size=weights.width,
        num_hidden_layers=model.config.n_layers,
        num_attention_heads=weights.n_heads,
        intermediate_size=weights.d_mlp,
        hidden_act=neurons.name,
        layer_norm_eps=EPSILON,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        is_decoder=model.config.causal,
        use_cache=False,
        **common_settings(model, readout),
    )
    module = BertForTokenClassification(config)
    fill(module, _bert_arrays(weights), readout, dtype)
    return checked(model, readout, pretrained(model, module), "BERT")


def _gpt2_arrays(w: NormedWeights) -> Arrays:
    """The parameters below the head that are not zero by the names of GPT-2, whose matrices are [in, out]."""
    arrays = {
        "transformer.wte.weight": w.W_E,
        "transformer.wpe.weight": w.W_pos,
        "transformer.ln_f.weight": np.full(w.width, GAIN),
    }
    for layer in range(len(w.W_Q)):
        here = f"transformer.h.{layer}"
        queries, keys, values = (side_by_side(each[layer]) for each in (w.W_Q, w.W_K, w.W_V))
        arrays |= {
            f"{here}.ln_1.weight": np.full(w.width, GAIN),
            f"{here}.attn.c_attn.weight": np.concatenate([queries, keys, values], axis=1),
            f"{here}.attn.c_proj.weight": w.W_O[layer].reshape(w.width, w.width),
            f"{here}.ln_2.weight": np.full(w.width, GAIN),
            f"{here}.mlp.c_fc.weight": w.W_in[layer],
            f"{here}.mlp.c_proj.weight": w.W_out[layer],
        }
    return arrays


def _bert_arrays(w: NormedWeights) -> Arrays:
    """The parameters that are not zero by the names of BERT, whose matrices are [out, in]."""
    arrays = {
        "bert.embeddings.word_embeddings.weight": w.W_E,
        "bert.embeddings.position_embeddings.weight": w.W_pos,
        "bert.embeddings.LayerNorm.weight": np.full(w.width, GAIN),
    }
    for layer in range(len(w.W_Q)):
        here = f"bert.encoder.layer.{layer}"
        arrays |= {
            f"{here}.attention.self.query.weight": side_by_side(w.W_Q[layer]).T,
            f"{here}.attention.self.key.weight": side_by_side(w.W_K[layer]).T,
            f"{here}.attention.self.value.weight": side_by_side(w.W_V[layer]).T,
            f"{here}.attention.output.dense.weight": w.W_O[layer].reshape(w.width, w.width).T,
            f"{here}.attention.output.LayerNorm.weight": np.full(w.width, GAIN),
            f"{here}.intermediate.dense.weight": w.W_in[layer].T,
            f"{here}.output.dense.weight": w.W_out[layer].T,
            f"{here}.output.LayerNorm.weight": np.full(w.width, GAIN),
        }
    return arrays | {"classifier.weight": w.W_U.T, "classifier.bias": w.b_U}
