"""What kind of module of Transformers an export is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def has_own_code(module: PreTrainedModel) -> bool:
    """Whether the module runs the code that comes with it, on the weights as they were compiled."""
    return bool(module.config.model_type == "tracrlab")


def is_language_model(module: PreTrainedModel) -> bool:
    """Whether the module has the head of a language model, with logits over tokens and then answers."""
    return type(module).__name__.endswith(("LMHeadModel", "ForCausalLM"))
