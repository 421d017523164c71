"""What a stock checkpoint computes with, read back from its parameters and settings, for verification.

Nothing is taken over from the export but the numbering of dimensions, heads and neurons: every parameter of the module
is either read here or has to be zero, so that a fault of the export is a fault of what is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tracrlab.craft.formats import FORMATS, NumberFormat, is_power_of_two
from tracrlab.errors import VerificationError
from tracrlab.export.activations import ACTIVATIONS
from tracrlab.model.artefact import Artefact
from tracrlab.shapes import Float
from tracrlab.verify.network import Network
from tracrlab.verify.norms import LOST, LayerNorm, Norm, RMSNorm

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Array = Float[np.ndarray, "..."]

_STILL = 2.0**-80  # a rotation by less is none, in any format
_READ = {"W_Q": 2, "W_K": 2, "W_V": 2, "W_in": 1, "W_U": 0}  # the axis along which each reads the residual stream
_WRITTEN = {"W_E": 1, "W_pos": 1, "W_O": 3, "W_out": 2}  # and writes it


def stock_network(model: Artefact, module: PreTrainedModel) -> Network:
    """What a GPT-2, BERT or Llama computes with, where it is to compute ``model``.

    Raises:
        VerificationError: it is of another architecture, shape or format.
    """
    import transformers

    kind = module.config.model_type
    if kind not in _READERS:
        raise VerificationError(f"a model of type {kind!r} cannot be verified; there are {', '.join(_READERS)}")
    name = str(module.dtype).removeprefix("torch.")
    reader = _Reader(module, model, FORMATS[name])
    network = _READERS[kind](reader)
    settings = [] if module.config.pad_token_id == model.config.pad_id else ["it pads with another token"]
    target = f"{_TITLES[kind]} (Transformers {transformers.__version__})"
    return replace(network, faults=(*network.faults, *settings, *reader.leftovers()), target=target)


class _Reader:
    """The parameters of a module as float64 arrays; those that have been taken are known to be."""

    def __init__(self, module: PreTrainedModel, model: Artefact, number_format: NumberFormat) -> None:
        self.module: Any = module
        self.config: Any = module.config
        self.model = model
        self.number_format = number_format
        self._left = {name: value.detach().double().cpu().numpy() for name, value in module.named_parameters()}

    def take(self, name: str) -> Array:
        """The parameter of this name."""
        taken: np.ndarray = self._left.pop(name)
        return taken

    def layers(self, name: str, *, turned: bool) -> Array:
        """The matrices of this name in all layers, ``{}`` standing for the layer's number, as [layer, in, out]."""
        count = self.model.config.n_layers
        found = np.stack([self.take(name.format(layer)) for layer in range(count)])
        return found.swapaxes(1, 2) if turned else found

    def leftovers(self) -> list[str]:
        """What is not zero of the parameters that have not been taken."""
        return [f"{name} is not zero" for name, value in self._left.items() if value.any()]

    def network(self, weights: Mapping[str, Array], norm: Norm, bias: Array, faults: list[str]) -> Network:
        """The network of these weights, cut to the dimensions of the model."""
        size = self.model.config.d_model
        cut = {name: np.take(weights[name], range(size), axis) for name, axis in (_READ | _WRITTEN).items()}
        fmt = replace(self.number_format, gap=self._activation_gap())
        return Network(cut, fmt, norm, bias, tuple(faults))

    def _activation_gap(self) -> float:
        name = getattr(self.config, "activation_function", None) or self.config.hidden_act
        if name not in ACTIVATIONS:
            raise VerificationError(
                f"a model with {name} neurons cannot be verified; there are {', '.join(ACTIVATIONS)}"
            )
        return ACTIVATIONS[name].gap


def _heads(matrices: Array, n_heads: int) -> Float[np.ndarray, "layer head in d_head"]:
    """The projections [layer, in, out] of all heads, which are side by side."""
    count, width, out = matrices.shape
    return matrices.reshape(count, width, n_heads, out // n_heads).swapaxes(1, 2)


def _outputs(matrices: Array, n_heads: int) -> Float[np.ndarray, "layer head d_head out"]:
    count, inputs, width = matrices.shape
    return matrices.reshape(count, n_heads, inputs // n_heads, width)


# Layer norms ---------------------------------------------------------------------------------------------------------


def _gpt2(reader: _Reader) -> Network:
    config, name = reader.config, "transformer.h.{}"
    together = reader.layers(f"{name}.attn.c_attn.weight", turned=False)
    queries, keys, values = (_heads(each, config.n_head) for each in np.split(together, 3, axis=2))
    weights = {
        "W_E": reader.take("transformer.wte.weight"),
        "W_pos": reader.take("transformer.wpe.weight"),
        "W_Q": queries,
        "W_K": keys,
        "W_V": values,
        "W_O": _outputs(reader.layers(f"{name}.attn.c_proj.weight", turned=False), config.n_head),
        "W_in": reader.layers(f"{name}.mlp.c_fc.weight", turned=False),
        "W_out": reader.layers(f"{name}.mlp.c_proj.weight", turned=False),
        "W_U": reader.take("classifier.weight").T,
    }
    norms = [f"transformer.h.{layer}.ln_{place}" for layer in range(config.n_layer) for place in (1, 2)]
    faults = [] if reader.model.config.causal else ["it is causal, and the model is not"]
    if not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx:
        faults.append("attention scores are not scaled by the size of heads alone")
    return _layer_normed(reader, weights, [*norms, "transformer.ln_f"], config.layer_norm_epsilon, faults, post=False)


def _bert(reader: _Reader) -> Network:
    config, name = reader.config, "bert.encoder.layer.{}"
    queries, keys, values = (
        _heads(reader.layers(f"{name}.attention.self.{each}.weight", turned=True), config.num_attention_heads)
        for each in ("query", "key", "value")
    )
    outputs = reader.layers(f"{name}.attention.output.dense.weight", turned=True)
    weights = {
        "W_E": reader.take("bert.embeddings.word_embeddings.weight"),
        "W_pos": reader.take("bert.embeddings.position_embeddings.weight"),
        "W_Q": queries,
        "W_K": keys,
        "W_V": values,
        "W_O": _outputs(outputs, config.num_attention_heads),
        "W_in": reader.layers(f"{name}.intermediate.dense.weight", turned=True),
        "W_out": reader.layers(f"{name}.output.dense.weight", turned=True),
        "W_U": reader.take("classifier.weight").T,
    }
    norms = [
        f"bert.encoder.layer.{layer}.{place}.LayerNorm"
        for layer in range(config.num_hidden_layers)
        for place in ("attention.output", "output")
    ]
    faults = [] if reader.model.config.causal == config.is_decoder else ["it is not causal as the model is"]
    return _layer_normed(
        reader, weights, ["bert.embeddings.LayerNorm", *norms], config.layer_norm_eps, faults, post=True
    )


def _layer_normed(
    reader: _Reader, weights: dict[str, Array], norms: list[str], epsilon: float, faults: list[str], *, post: bool
) -> Network:
    """A network with layer norms: after the model's dimensions come *balance* and *zero*, then what nobody uses."""
    size, fmt = reader.model.config.d_model, reader.number_format
    for name, axis in _READ.items():
        rows = np.moveaxis(weights[name], axis, 0)
        total = np.abs(rows[:size]).sum(axis=0)
        off = np.abs(rows[:size].sum(axis=0) + rows[size + 1])
        if rows[size].any() or rows[size + 2 :].any():
            faults.append(f"{name} reads dimensions that are not the model's")
        if (off > 4 * fmt.roundoff * total).any():
            faults.append(f"{name} does not make up for the mean that the layer norm takes off")
    balance = {}
    for name, axis in _WRITTEN.items():
        columns = np.moveaxis(weights[name], axis, 0)
        balance[name] = columns[size]
        off = np.abs(columns[: size + 1].sum(axis=0))
        if columns[size + 1 :].any() or (off > 4 * fmt.roundoff * np.abs(columns[:size]).sum(axis=0)).any():
            faults.append(f"{name} is out of balance, or writes to dimensions that are not the model's")
    exact = bool(is_power_of_two(np.sqrt([epsilon]))[0])
    gains = [reader.take(f"{name}.weight") for name in norms]
    faults += [
        f"the scale of {name} is not 1"
        for name, gain in zip(norms, gains, strict=True)
        if not exact or (gain != np.sqrt(epsilon)).any()
    ]
    norm = LayerNorm(len(gains[0]), epsilon, post, balance, weights["W_V"][:, :, size + 1])
    return reader.network(weights, norm, reader.take("classifier.bias"), faults)


# RMS norms -----------------------------------------------------------------------------------------------------------


def _llama(reader: _Reader) -> Network:
    config, name, count = reader.config, "model.layers.{}", reader.config.num_attention_heads
    queries, keys, values = (
        _heads(reader.layers(f"{name}.self_attn.{each}_proj.weight", turned=True), count) for each in "qkv"
    )
    embedding = reader.take("model.embed_tokens.weight")
    weights = {
        "W_E": embedding,
        "W_pos": np.zeros((reader.model.config.n_ctx, embedding.shape[1])),
        "W_Q": queries,
        "W_K": keys,
        "W_V": values,
        "W_O": _outputs(reader.layers(f"{name}.self_attn.o_proj.weight", turned=True), count),
        "W_in": reader.layers(f"{name}.mlp.gate_proj.weight", turned=True),
        "W_out": reader.layers(f"{name}.mlp.down_proj.weight", turned=True),
        "W_U": reader.take("score.weight").T,
    }
    faults = [] if reader.model.config.causal else ["it is causal, and the model is not"]
    if config.num_key_value_heads != count:
        raise VerificationError("a Llama whose heads share keys and values cannot be verified")
    rotary = reader.module.model.rotary_emb
    if rotary.attention_scaling != 1 or not float(rotary.inv_freq.max()) * reader.model.config.n_ctx < _STILL:
        faults.append("rotary positions rotate")
    return _root_normed(reader, weights, faults)


def _root_normed(reader: _Reader, weights: dict[str, Array], faults: list[str]) -> Network:
    """A network with RMS norms: after the model's dimensions come the pinned ones, then what nobody uses."""
    config, size, epsilon = reader.config, reader.model.config.d_model, reader.config.rms_norm_eps
    beyond = weights["W_E"][:, size:]
    pins, same = beyond[0], (beyond == beyond[0]).all()
    squares = pins[pins != 0] ** 2
    mean = float(squares.sum()) / len(weights["W_E"][0])
    faults += [
        f"{name} reads dimensions that are not the model's"
        for name, axis in _READ.items()
        if np.moveaxis(weights[name], axis, 0)[size:].any()
    ]
    faults += [
        f"{name} writes to dimensions that are not the model's"
        for name in ("W_O", "W_out")
        if weights[name][..., size:].any()
    ]
    exact = same and mean > 0 and is_power_of_two(np.sqrt([mean]))[0] and is_power_of_two(squares).all()
    if not exact or not epsilon < mean * LOST:
        faults.append(
            "the mean of the squares of the pinned dimensions is no power of four, or not the same everywhere"
        )
    places = ("input_layernorm", "post_attention_layernorm")
    norms = [f"model.layers.{layer}.{place}" for layer in range(config.num_hidden_layers) for place in places]
    faults += [
        f"the scale of {name} is not 1"
        for name in (*norms, "model.norm")
        if (reader.take(f"{name}.weight") != np.sqrt(mean)).any()
    ]
    up = reader.layers("model.layers.{}.mlp.up_proj.weight", turned=True)
    if up[:, :size].any() or ((up[:, size:] != 0).sum(axis=1) > 1).any():
        faults.append("what neurons are multiplied by is not read from one pinned dimension")
    factors = np.einsum("d, ldn -> ln", pins, up[:, size:])
    scaled = weights | {"W_out": weights["W_out"] * factors[:, :, None]}
    pinned = float(squares.min(initial=np.inf)) if len(squares) else 0.0
    return reader.network(scaled, RMSNorm(pinned), reader.take("score.bias"), faults)


_READERS = {"gpt2": _gpt2, "bert": _bert, "llama": _llama}
_TITLES = {"gpt2": "GPT-2", "bert": "BERT", "llama": "Llama"}
