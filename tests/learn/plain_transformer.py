"""A transformer by its definition in NumPy, one sequence, head and position at a time, as the oracle of this folder.

Every part reads a sum: of what each part before it wrote, and what some of these edges carry can be something else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from hypothesis import strategies as st

from tracrlab.learn.transformer import Form, Transformer
from tracrlab.model.config import ModelConfig
from tracrlab.model.readout import ClassReadout

Array = np.ndarray
Carried = Array | Callable[[Array], Array]
"""What an edge carries instead: this, or what is made of what its source writes."""


@dataclass
class Plain:
    """A module's parameters, and what it is."""

    parameters: Mapping[str, Array]
    config: ModelConfig
    form: Form

    def run(
        self,
        ids: Sequence[int],
        edges: Mapping[str, Carried] | None = None,
        nodes: Mapping[str, Array] | None = None,
    ) -> tuple[Array, dict[str, Array]]:
        """Logits [p, class] and what each part writes [p, d], where parts and edges carry these instead."""
        return _Run(self, list(ids), edges or {}, nodes or {}).run()


@dataclass
class _Run:
    of: Plain
    ids: list[int]
    edges: Mapping[str, Carried]
    nodes: Mapping[str, Array]
    written: dict[str, Array] = field(default_factory=dict)
    shared: list[Array] = field(default_factory=list)  # biases of attention, which no head writes

    def run(self) -> tuple[Array, dict[str, Array]]:
        p, config = self.of.parameters, self.of.config
        self.write("tokens", np.stack([p["embed.W_E"][token] for token in self.ids]))
        self.write("positions", np.stack([p["pos_embed.W_pos"][place] for place in range(len(self.ids))]))
        for layer in range(config.n_layers):
            name = f"blocks.{layer}."
            results = {f"a{layer}.h{head}": self.head(layer, head) for head in range(config.n_heads)}
            for node, result in results.items():
                self.write(node, result)
            if self.of.form.biases:
                self.shared.append(p[name + "attn.b_O"])
            x = self.normed(self.read(f"m{layer}"), name + "ln2")
            hidden = x @ p[name + "mlp.W_in"] + self.bias(name + "mlp.b_in")
            post = np.vectorize(gelu)(hidden) if self.of.form.activation == "gelu" else np.maximum(hidden, 0)
            self.write(f"m{layer}", post @ p[name + "mlp.W_out"] + self.bias(name + "mlp.b_out"))
        x = self.normed(self.read("logits"), "ln_final")
        return x @ p["unembed.W_U"] + p["unembed.b_U"], self.written

    def write(self, node: str, value: Array) -> None:
        self.written[node] = self.nodes.get(node, value)

    def read(self, reader: str) -> Array:
        total = np.zeros((len(self.ids), self.of.config.d_model))
        for source, value in self.written.items():
            carried = self.edges.get(f"{source}->{reader}", value)
            total = total + (carried(value) if callable(carried) else carried)
        return total + sum(self.shared, np.zeros(self.of.config.d_model))

    def head(self, layer: int, head: int) -> Array:
        p, config, name = self.of.parameters, self.of.config, f"blocks.{layer}."
        projected = {}
        for kind in "qkv":
            x = self.normed(self.read(f"a{layer}.h{head}<{kind}>"), name + "ln1")
            bias = self.bias(f"{name}attn.b_{kind.upper()}", head)
            projected[kind] = x @ p[f"{name}attn.W_{kind.upper()}"][head] + bias
        mixed = np.zeros((len(self.ids), config.d_head))
        for query in range(len(self.ids)):
            keys = [
                key
                for key, token in enumerate(self.ids)
                if token != config.pad_id and (key <= query or not config.causal)
            ]
            scores = [projected["q"][query] @ projected["k"][key] / math.sqrt(config.d_head) for key in keys]
            weights = [math.exp(score - max(scores)) for score in scores]
            mixed[query] = sum(w / sum(weights) * projected["v"][key] for w, key in zip(weights, keys, strict=True))
        return mixed @ p[name + "attn.W_O"][head]

    def bias(self, name: str, head: int | None = None) -> Array | float:
        if not self.of.form.biases:
            return 0.0
        return self.of.parameters[name] if head is None else self.of.parameters[name][head]

    def normed(self, x: Array, name: str) -> Array:
        if not self.of.form.layer_norm:
            return x
        p = self.of.parameters
        spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        return (x - x.mean(axis=1, keepdims=True)) / spread * p[name + ".w"] + p[name + ".b"]


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


FORMS = st.builds(
    Form,
    activation=st.sampled_from(["relu", "gelu"]),
    biases=st.booleans(),
    layer_norm=st.booleans(),
    fused=st.booleans(),
)


def plain_pair(form: Form, *, causal: bool = False, seed: int = 0) -> tuple[Transformer, Plain]:
    """A small module in float64 with weights of chance, and the same in NumPy."""
    config = ModelConfig(("a", "b"), 4, causal).with_shape(
        d_model=5, n_layers=2, n_heads=2, d_head=3, d_mlp=4, d_vocab_out=3
    )
    classes = ClassReadout(np.zeros((5, 3)), np.zeros(3), (0, 1, 2), config.pad_id, "float64")
    module = Transformer(config, classes, form).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.as_tensor(rng.normal(size=tuple(parameter.shape))))
    parameters = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
    return module, Plain(parameters, config, form)


def every_edge(config: ModelConfig) -> list[str]:
    """The names of all edges, from every part to every reader after it."""
    names, written = list[str](), ["tokens", "positions"]
    for layer in range(config.n_layers):
        heads = [f"a{layer}.h{head}" for head in range(config.n_heads)]
        readers = [f"{head}<{kind}>" for head in heads for kind in "qkv"]
        names += [f"{source}->{reader}" for source, reader in itertools.product(written, readers)]
        written += heads
        names += [f"{source}->m{layer}" for source in written]
        written.append(f"m{layer}")
    return names + [f"{source}->logits" for source in written]


def some_ids(config: ModelConfig) -> torch.Tensor:
    """Three inputs of different lengths."""
    pad = config.pad_id
    return torch.tensor([[config.bos_id, 0, 1, 1, 0], [config.bos_id, 1, 0, pad, pad], [config.bos_id, 1, 1, 0, pad]])
