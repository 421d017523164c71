"""Tiny random language models of the Llama architecture, with a tokenizer of whole words."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import tracrlab
from tracrlab import CompiledModel, rasp

WORDS = ("<s>", "<pad>", "a", "b", "c", "(", ")", ":", "yes", "no", "d", "e", "0", "1", "2", "3", "4", "5")
BOS, PAD = 0, 1


def tiny_tokenizer() -> Any:
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="a"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", pad_token="<pad>")


def tiny_host(*, tied: bool = True, attention_bias: bool = False, seed: int = 0) -> Any:
    """A random model: two groups of two heads, three layers, norms with gains of their own."""
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=tied, bos_token_id=BOS,
        pad_token_id=PAD, eos_token_id=None, attention_bias=attention_bias,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    host = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for value in host.parameters():
            random = torch.randn(value.shape, generator=generator)
            value.copy_(random * 0.3 if value.ndim > 1 else 1 + 0.2 * random)
    return host


def balanced() -> rasp.SOp:
    """At ":" 1 if as many brackets were opened as closed so far, else 2; 0 elsewhere."""
    opened, closed = (rasp.selector_width(rasp.select(rasp.tokens, token, rasp.Comparison.EQ)) for token in ("(", ")"))
    return rasp.numerical(rasp.where(rasp.tokens == ":", rasp.where(opened == closed, 1, 2), 0)).named("balanced")


def opened_before() -> rasp.SOp:
    """At a token ":" how many brackets were opened, as a code from 1 on: several answers; 0 elsewhere."""
    count = rasp.selector_width(rasp.select(rasp.tokens, "(", rasp.Comparison.EQ))
    return rasp.numerical(rasp.where(rasp.tokens == ":", count + 1, 0)).named("opened")


@cache
def tiny_model(name: str = "balanced", length: int = 5, mode: Any = "compact") -> CompiledModel:
    build = {"balanced": balanced, "opened": opened_before}[name]
    return tracrlab.compile(build(), "():_", length, causal=True, mode=mode)


ANSWERS = {1: "yes", 2: "no"}
