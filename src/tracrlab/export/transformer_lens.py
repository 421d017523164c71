"""Compiled models in TransformerLens: a ``HookedTransformer`` before version 4, a ``TransformerBridge`` since."""

from __future__ import annotations

import copy
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tracrlab.extras import require
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import Readout

if TYPE_CHECKING:
    import torch

    Parameters = dict[str, torch.Tensor]


def to_transformer_lens(
    model: Artefact,
    readout: Readout,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    tokenizer: Any = None,
) -> Any:
    """The model in TransformerLens, with this unembedding, in the generation that is installed.

    Layers, heads, neurons and dimensions have the numbers they have in ``model``. It takes token ids as
    ``model.encode`` gives them, BOS in front and padding at the end; padding is masked.

    Before version 4: a ``HookedTransformer`` with the hooks of edges on (``use_attn_result``,
    ``use_split_qkv_input``, ``use_hook_mlp_in``). From version 4: a ``TransformerBridge``, whose native models have no
    results of single heads and no split inputs: ``set_use_attn_result(True)`` is a ``NotImplementedError``.

    Arguments:
        device: where the parameters are; by default the CPU.
        dtype: their format; by default the readout's.
        tokenizer: for calling the model on strings, with BOS put in front: that of
            :func:`tracrlab.export.wordlevel.word_tokenizer`, or another of Hugging Face's with the ids of the model.

    Raises:
        MissingDependencyError: TransformerLens is not installed.
        PrecisionError: the weights are beyond the range of ``dtype``.
    """
    require("transformer_lens", extra="transformer-lens", purpose="to_transformer_lens")
    import torch

    from tracrlab.learn.transformer import parameters

    tensors = parameters(model.weights, readout, device=device, dtype=dtype)
    config = model.config
    settings = {
        "n_layers": config.n_layers,
        "d_model": config.d_model,
        "d_head": config.d_head,
        "n_heads": config.n_heads,
        "n_ctx": config.n_ctx,
        "d_vocab": config.d_vocab,
        "d_vocab_out": len(readout.b_U),
        "d_mlp": config.d_mlp,
        "act_fn": "relu",
        "attention_dir": "causal" if config.causal else "bidirectional",
        "normalization_type": None,
        "model_name": model.output_name,
        "init_weights": False,
        "device": str(device or "cpu"),
        "dtype": tensors["embed.W_E"].dtype,
    }
    with torch.no_grad():
        if int(version("transformer-lens").partition(".")[0]) < 4:
            return _hooked_transformer(settings, tensors, config.pad_id, tokenizer)
        return _bridge(settings, tensors, config.pad_id, tokenizer)


def _hooked_transformer(settings: dict[str, Any], tensors: Parameters, pad_id: int, tokenizer: Any) -> Any:
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    if tokenizer is not None:  # one that was not loaded by name would be looked for on the Hub, to be asked for BOS
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.init_kwargs = {"name_or_path": "", "add_bos_token": True} | tokenizer.init_kwargs
    config = HookedTransformerConfig(**settings, use_attn_result=True, use_split_qkv_input=True)
    hooked = HookedTransformer(config, tokenizer=tokenizer)
    hooked.set_use_hook_mlp_in(True)
    loaded = hooked.load_state_dict(tensors, strict=False)  # buffers stay as they are, and so do biases, which are 0
    if loaded.unexpected_keys:
        raise AssertionError(f"this TransformerLens has no {', '.join(loaded.unexpected_keys)}")
    padding = _Padding(pad_id)
    hooked.embed.register_forward_pre_hook(padding.find)
    for block in hooked.blocks:
        block.attn.hook_attn_scores.register_forward_hook(padding.hide)
    return hooked


class _Padding:
    """Hides padding from attention, which neither generation does by itself.

    A ``HookedTransformer`` that is not causal ignores an attention mask, so its scores are masked. These are PyTorch's
    own hooks: ``reset_hooks`` leaves them, and they come before those of users.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id
        self.places: torch.Tensor | None = None

    def find(self, embed: Any, inputs: tuple[torch.Tensor]) -> None:
        """Note where the padding is in the ids that are being embedded."""
        self.places = inputs[0] == self.pad_id

    def hide(self, hook_point: Any, inputs: object, scores: torch.Tensor) -> torch.Tensor:
        """Attention scores [batch, head, query, key] with padding keys masked."""
        batch, _, _, length = scores.shape
        if self.places is None or self.places.shape != (batch, length):  # a run that starts at a later layer
            return scores
        return scores.masked_fill(self.places[:, None, None, :], -math.inf)

    def mask(
        self, native: Any, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a bridge's native model, with an attention mask if there is none."""
        ids = inputs[0] if inputs else named.get("input_ids")
        if ids is None or named.get("attention_mask") is not None:
            return inputs, named
        return inputs, named | {"attention_mask": ids != self.pad_id}


def _bridge(settings: dict[str, Any], tensors: Parameters, pad_id: int, tokenizer: Any) -> Any:
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    config = TransformerBridgeConfig(**settings, architecture="TransformerLensNative")
    bridge = TransformerBridge.boot_native(config, device=settings["device"], dtype=settings["dtype"])
    if tokenizer is not None:  # given to boot_native, it would have to know the word "a"
        bridge.tokenizer = tokenizer
        bridge.cfg.tokenizer_prepends_bos = tokenizer.encode("") == [tokenizer.bos_token_id]
    zeros = {name: value.new_zeros(value.shape) for name, value in bridge.state_dict().items() if "bias" in name}
    bridge.load_state_dict(zeros | _linear_layers(tensors))
    bridge.original_model.register_forward_pre_hook(_Padding(pad_id).mask, with_kwargs=True)
    return bridge


def _linear_layers(tensors: Parameters) -> Parameters:
    """The weights as PyTorch's linear layers hold them, heads side by side, by the bridge's names."""
    renamed: Parameters = {}
    for name, tensor in tensors.items():
        *path, kind = name.split(".")
        match kind:
            case "W_E" | "W_pos":
                renamed[".".join([*path, "weight"])] = tensor
            case "W_U":
                renamed["unembed.weight"] = tensor.T
            case "b_U":
                renamed["unembed.bias"] = tensor
            case "W_O":  # head, d_head, d_model
                renamed[".".join([*path, "o", "weight"])] = tensor.flatten(0, 1).T
            case "W_Q" | "W_K" | "W_V":  # head, d_model, d_head
                renamed[".".join([*path, kind[-1].lower(), "weight"])] = tensor.transpose(1, 2).flatten(0, 1)
            case "W_in" | "W_out":
                renamed[".".join([*path, kind[2:], "weight"])] = tensor.T
    return renamed
