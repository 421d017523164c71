"""The transformer in PyTorch, read top to bottom: compiled models, batched, hooked and trainable, and ordinary ones.

The same forward pass as :mod:`tracrlab.model.forward`. Names and axis order of parameters and hook points are those of
TransformerLens. A compiled model has ReLU neurons, no biases but one, at the unembedding, and no layer norm; models
that are trained may have all of that (:class:`Form`). ``b`` is batch, ``p`` position, ``q`` query, ``k`` key, ``h``
head, ``d`` d_model, ``e`` d_head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tracrlab.errors import InputError, PrecisionError
from tracrlab.model.circuit import constant_embeddings
from tracrlab.model.config import ModelConfig
from tracrlab.model.readout import ClassReadout, Readout
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.weights import Weights, state_dict
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class Form:
    """What a transformer has beyond a compiled one: the kind of its neurons, biases, layer norm before each sublayer.

    ``fused`` allows fused attention, which has no second derivatives.
    """

    activation: Literal["relu", "gelu"] = "relu"
    biases: bool = False
    layer_norm: bool = False
    fused: bool = True


class HookPoint(nn.Identity):
    """A place where an activation passes by and can be read or replaced, by a forward hook of PyTorch or by nnsight."""

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks: there is a hook, or a ``forward`` of its own, which is how nnsight listens."""
        return bool(self._forward_hooks) or bool(self._forward_pre_hooks) or "forward" in self.__dict__


class Embed(nn.Module):
    """Token ids to vectors; ``constant`` is what of them is no token's own, where that is known."""

    constant: Tensor | None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer("constant", None, persistent=False)
        self.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))

    def forward(self, ids: Tensor) -> Tensor:
        return self.W_E[ids]  # [b, p, d]


class PosEmbed(nn.Module):
    """A vector for each position, BOS being position 0; ``constant`` as in :class:`Embed`."""

    constant: Tensor | None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer("constant", None, persistent=False)
        self.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model))

    def forward(self, ids: Tensor) -> Tensor:
        return self.W_pos[: ids.shape[1]].expand(ids.shape[0], -1, -1)  # [b, p, d]


class Attention(nn.Module):
    """Multi-head attention.

    Where nobody watches scores or patterns, it is fused (``scaled_dot_product_attention``). Scores that ought to be
    equal must be exactly equal, so they may be divided by √d_head only after they have been summed. Some kernels
    multiply queries and keys by d_head^(-1/4) before, which rounds. So attention is fused where the division is by a
    power of two, which is exact before as well as after, or where a kernel exists that is known to divide the sums.
    """

    b_Q: nn.Parameter | None
    b_K: nn.Parameter | None
    b_V: nn.Parameter | None
    b_O: nn.Parameter | None

    def __init__(self, config: ModelConfig, form: Form) -> None:
        super().__init__()
        projection = (config.n_heads, config.d_model, config.d_head)
        self.W_Q = nn.Parameter(torch.empty(projection))
        self.W_K = nn.Parameter(torch.empty(projection))
        self.W_V = nn.Parameter(torch.empty(projection))
        self.W_O = nn.Parameter(torch.empty(config.n_heads, config.d_head, config.d_model))
        for name in ("b_Q", "b_K", "b_V"):
            self.register_parameter(name, _bias(form, config.n_heads, config.d_head))
        self.register_parameter("b_O", _bias(form, config.d_model))
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()
        self.divisor = math.sqrt(config.d_head)
        self.fused = form.fused

    def forward(self, q_input: Tensor, k_input: Tensor, v_input: Tensor, visible: Tensor) -> Tensor:
        """What is written, [b, p, d]; the inputs are [b, p, d], or [b, p, h, d] where those of heads differ."""
        q = self.hook_q(_projected(q_input, self.W_Q, self.b_Q)).transpose(1, 2)  # [b, h, p, e]
        k = self.hook_k(_projected(k_input, self.W_K, self.b_K)).transpose(1, 2)
        v = self.hook_v(_projected(v_input, self.W_V, self.b_V)).transpose(1, 2)
        if self.fused and not (self.hook_attn_scores.is_watched or self.hook_pattern.is_watched):
            z = self.mix(q, k, v, visible)
        else:
            z = self.hook_pattern(self.pattern(q, k, visible)) @ v
        z = self.hook_z(z.transpose(1, 2))  # [b, p, h, e]
        if not self.hook_result.is_watched:
            return _plus(torch.einsum("bphe,hed->bpd", z, self.W_O), self.b_O)
        result: Tensor = self.hook_result(torch.einsum("bphe,hed->bphd", z, self.W_O))  # what each head writes
        return _plus(result.sum(dim=2), self.b_O)

    def pattern(self, q: Tensor, k: Tensor, visible: Tensor) -> Tensor:
        """How much each query attends to each key, [b, h, q, k]."""
        scores = (q @ k.transpose(2, 3) / self.divisor).masked_fill(~visible, -math.inf)
        pattern: Tensor = self.hook_attn_scores(scores).softmax(dim=-1)
        return pattern

    def mix(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
        """The values under the pattern, [b, h, p, e], as fast as can be without rounding scores apart."""
        if math.frexp(self.divisor)[0] == 0.5:
            return functional.scaled_dot_product_attention(q / self.divisor, k, v, attn_mask=visible, scale=1.0)
        if q.device.type == "cpu":
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                return functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        return self.pattern(q, k, visible) @ v


class MLP(nn.Module):
    """One hidden layer of neurons."""

    b_in: nn.Parameter | None
    b_out: nn.Parameter | None

    def __init__(self, config: ModelConfig, form: Form) -> None:
        super().__init__()
        self.W_in = nn.Parameter(torch.empty(config.d_model, config.d_mlp))
        self.W_out = nn.Parameter(torch.empty(config.d_mlp, config.d_model))
        self.register_parameter("b_in", _bias(form, config.d_mlp))
        self.register_parameter("b_out", _bias(form, config.d_model))
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()
        self.activation = functional.relu if form.activation == "relu" else functional.gelu

    def forward(self, x: Tensor) -> Tensor:
        pre = self.hook_pre(_plus(x @ self.W_in, self.b_in))
        post: Tensor = self.hook_post(self.activation(pre))
        return _plus(post @ self.W_out, self.b_out)


class LayerNorm(nn.Module):
    """Layer norm, with a weight and a bias for each dimension."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.empty(config.d_model)), nn.Parameter(torch.empty(config.d_model))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.w, self.b)


class Block(nn.Module):
    """A layer: attention, then the MLP, each added to the residual stream.

    What heads read as queries, keys and values, and what the MLP reads, passes through hook points of its own: there an
    edge, what one part reads of another, can be replaced. It comes before the layer norm, where it is still a sum.
    """

    def __init__(self, config: ModelConfig, form: Form) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.hook_resid_pre = HookPoint()
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        self.ln1 = _norm(config, form)
        self.attn = Attention(config, form)
        self.hook_attn_out, self.hook_resid_mid = HookPoint(), HookPoint()
        self.hook_mlp_in, self.ln2 = HookPoint(), _norm(config, form)
        self.mlp = MLP(config, form)
        self.hook_mlp_out, self.hook_resid_post = HookPoint(), HookPoint()

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        x = self.hook_resid_pre(x)
        normed = self.ln1(x)
        q, k, v = (
            self.ln1(hook(x[:, :, None].repeat(1, 1, self.n_heads, 1))) if hook.is_watched else normed
            for hook in (self.hook_q_input, self.hook_k_input, self.hook_v_input)
        )
        x = self.hook_resid_mid(x + self.hook_attn_out(self.attn(q, k, v, visible)))
        x = self.hook_resid_post(x + self.hook_mlp_out(self.mlp(self.ln2(self.hook_mlp_in(x)))))
        return x


def _bias(form: Form, *shape: int) -> nn.Parameter | None:
    return nn.Parameter(torch.empty(shape)) if form.biases else None


def _norm(config: ModelConfig, form: Form) -> nn.Module:
    return LayerNorm(config) if form.layer_norm else nn.Identity()


def _plus(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias


def _projected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """[b, p, h, e] of x [b, p, d], or [b, p, h, d]."""
    return _plus(torch.einsum("bpd,hde->bphe" if x.ndim == 3 else "bphd,hde->bphe", x, weight), bias)


class Unembed(nn.Module):
    """The residual stream to logits."""

    def __init__(self, config: ModelConfig, n_logits: int) -> None:
        super().__init__()
        self.W_U = nn.Parameter(torch.empty(config.d_model, n_logits))
        self.b_U = nn.Parameter(torch.empty(n_logits))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W_U + self.b_U


class Transformer(nn.Module):
    """Token ids that begin with BOS and are padded at the end, to logits; ``readout`` says what these mean."""

    def __init__(self, config: ModelConfig, readout: Readout, form: Form | None = None) -> None:
        super().__init__()
        form = form or Form()
        self.config, self.readout, self.form = config, readout, form
        self.embed, self.hook_embed = Embed(config), HookPoint()
        self.pos_embed, self.hook_pos_embed = PosEmbed(config), HookPoint()
        self.blocks = nn.ModuleList(Block(config, form) for _ in range(config.n_layers))
        self.ln_final = _norm(config, form)
        self.unembed = Unembed(config, len(readout.b_U))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [batch, position, class] of ids [batch, position].

        Raises:
            InputError: the ids are no batch, or there are more positions than the model has.
        """
        if ids.ndim != 2:
            raise InputError(f"the ids have {ids.ndim} axes, but a batch has two, sequence and position; use encode")
        if ids.shape[1] > self.config.n_ctx:
            raise InputError(f"the ids have {ids.shape[1]} positions, but the model has {self.config.n_ctx}")
        visible = self._visible(ids)
        x = self.hook_embed(self.embed(ids)) + self.hook_pos_embed(self.pos_embed(ids))
        for block in self.blocks:
            x = block(x, visible)
        logits: Tensor = self.unembed(self.ln_final(x))
        return logits

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embed.W_E.device

    def _visible(self, ids: Tensor) -> Tensor:
        """Which keys each query may attend to, [b, 1, q, k]: no padding, and under a causal mask nothing later."""
        length = ids.shape[1]
        allowed = torch.ones(length, length, dtype=torch.bool, device=ids.device)
        allowed = allowed.tril() if self.config.causal else allowed
        return (ids != self.config.pad_id)[:, None, None, :] & allowed

    def encode(self, sequences: Sequence[Sequence[Value]]) -> Tensor:
        """Token ids [batch, position] of sequences, with BOS in front and padding at the end, on the model's device.

        Raises:
            InputError: a token is not in the vocabulary, or a sequence is too long.
        """
        return torch.as_tensor(encode_batch(self.config, sequences), device=self.device)

    def decode(self, logits: Tensor, ids: Tensor) -> list[list[Value]]:
        """The answers in the logits of a batch, for each sequence and token."""
        return self.readout.decode(logits.detach().double().cpu().numpy(), ids.cpu().numpy())

    def hook_points(self) -> dict[str, HookPoint]:
        """The hook points by name."""
        return {name: module for name, module in self.named_modules() if isinstance(module, HookPoint)}

    def run_with_cache(self, ids: Tensor, names: Iterable[str] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and the activations at the hook points of these names, or at all of them.

        Raises:
            KeyError: there is no hook point of this name.
        """
        points = self.hook_points()
        names = list(points if names is None else names)
        if unknown := [name for name in names if name not in points]:
            raise KeyError(f"no hook point {', '.join(unknown)}; there are {', '.join(points)}")
        cache: dict[str, Tensor] = {}
        handles = [points[name].register_forward_hook(partial(_keep, cache, name)) for name in names]
        try:
            return self(ids), cache
        finally:
            for handle in handles:
                handle.remove()


def _keep(cache: dict[str, Tensor], name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
    cache[name] = output


def random_transformer(config: ModelConfig, classes: Sequence[Value], form: Form, *, seed: int) -> Transformer:
    """A transformer with weights of chance, to be trained, whose logits stand for ``classes``.

    Matrices keep the size of what they are applied to on average, their entries having variance 1/fan-in; biases are 0.
    """
    n_classes = len(classes)
    unembedding = np.zeros((config.d_model, n_classes)), np.zeros(n_classes)
    model = Transformer(config, ClassReadout(*unembedding, tuple(classes), config.pad_id, config.dtype), form)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            *_, kind = name.split(".")
            if kind.startswith("W_"):
                fan_in = {"W_E": config.d_model, "W_pos": config.d_model, "W_O": config.n_heads * config.d_head}
                scale = fan_in.get(kind, parameter.shape[-2]) ** -0.5
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.fill_(float(kind == "w"))  # of a norm
    return model


def torch_model(
    config: ModelConfig,
    weights: Weights,
    readout: Readout,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    fused: bool = True,
) -> Transformer:
    """The model with these weights and this unembedding.

    ``dtype`` is by default the readout's. Answers are exact in this format and wider ones.

    Raises:
        PrecisionError: the weights are beyond the range of ``dtype``.
    """
    with torch.device("meta"):
        model = Transformer(config, readout, Form(fused=fused))
    model.load_state_dict(parameters(weights, readout, device=device, dtype=dtype), assign=True)
    like, constants = model.embed.W_E, constant_embeddings(config, weights)
    model.embed.constant, model.pos_embed.constant = (torch.tensor(each).to(like) for each in constants)
    return model


def parameters(
    weights: Weights,
    readout: Readout,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """The weights with this unembedding, by their names in TransformerLens; ``dtype`` is by default the readout's.

    Raises:
        PrecisionError: the weights are beyond the range of ``dtype``.
        ValueError: ``dtype`` is no floating-point format.
    """
    dtype = dtype or getattr(torch, readout.dtype)
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating-point format, not {dtype}")
    tensors: dict[str, Tensor] = {}
    for name, array in state_dict(weights, readout.W_U, readout.b_U).items():
        tensors[name] = torch.tensor(array, dtype=dtype, device=device)
        if not tensors[name].isfinite().all():
            raise PrecisionError(name, None, f"its weights are beyond the range of {dtype}", "Use a wider dtype")
    return tensors
