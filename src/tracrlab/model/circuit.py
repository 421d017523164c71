"""The ground truth of a model: where each expression is computed and held, and which part reads from which.

Both follow from weights and labels alone, so a loaded model has the same circuit as the one that was saved.

A part *writes* through a matrix into the residual stream, and *reads* through one: a head through its queries, keys and
values, an MLP, and the unembedding. There is an edge where the product of the two matrices, the *virtual weights* of
`A Mathematical Framework for Transformer Circuits <https://transformer-circuits.pub/2021/framework/index.html>`_, is
not zero. The embedding is split into what depends on the token, what depends on the position, and constants. What was
written to a dimension is there until the dimension is cleared for something else, and clearing is not reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np

from tracrlab.craft.precision import unit_roundoff
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.sublayers import EMBEDDING, Sublayer
from tracrlab.model.weights import Weights
from tracrlab.shapes import Bool, Float

NodeKind = Literal["tokens", "positions", "constant", "attn", "mlp", "logits"]
EdgeKind = Literal["q", "k", "v", "mlp", "logits"]


@dataclass(frozen=True, order=True)
class Neurons:
    """The neurons ``start`` to ``stop - 1`` of a layer's MLP."""

    layer: int
    start: int
    stop: int


@dataclass(frozen=True)
class Holding:
    """A variable and its dimensions of the residual stream, ``start`` to ``stop - 1``."""

    variable: str
    start: int
    stop: int


@dataclass(frozen=True)
class Implementation:
    """What computes and holds one expression of the program.

    Attributes: ``expression`` its name; ``text`` what it says; ``location`` the source line; ``heads`` the layer and
    number of each head that works for it, ``neurons`` likewise; ``holds`` the variables that hold its value,
    ``intermediates`` those on the way to it. All are empty where a compact model needs no part of its own for it.
    """

    expression: str
    text: str
    location: str | None
    heads: tuple[tuple[int, int], ...]
    neurons: tuple[Neurons, ...]
    holds: tuple[Holding, ...]
    intermediates: tuple[Holding, ...]


@dataclass(frozen=True)
class Node:
    """A part of the model; prints as in EAP and MIB, ``a0.h1``, ``m0``, ``logits``."""

    kind: NodeKind
    layer: int | None = None
    head: int | None = None

    def __str__(self) -> str:
        match self.kind:
            case "attn":
                return f"a{self.layer}.h{self.head}"
            case "mlp":
                return f"m{self.layer}"
            case _:
                return self.kind

    @classmethod
    def parse(cls, text: str) -> Node:
        """The part that prints as ``text``.

        Raises:
            ValueError: none does.
        """
        if head := re.fullmatch(r"a(\d+)\.h(\d+)", text):
            return cls("attn", int(head[1]), int(head[2]))
        if mlp := re.fullmatch(r"m(\d+)", text):
            return cls("mlp", int(mlp[1]))
        if text in ("tokens", "positions", "constant", "logits"):
            return cls(cast(NodeKind, text))
        raise ValueError(f"{text!r} is no part of a model; parts are tokens, positions, constant, a0.h1, m0 and logits")


@dataclass(frozen=True)
class Reader:
    """What a part reads, through the matrix ``kind``; prints as ``a1.h0<q>``, ``m0``, ``logits``."""

    target: Node
    kind: EdgeKind

    def __str__(self) -> str:
        return f"{self.target}<{self.kind}>" if self.kind in ("q", "k", "v") else str(self.target)

    @classmethod
    def parse(cls, text: str) -> Reader:
        """The reader that prints as ``text``.

        Raises:
            ValueError: none does.
        """
        name, bracket, kind = text.removesuffix(">").partition("<")
        target = Node.parse(name)
        kinds = ("q", "k", "v") if target.kind == "attn" else ("mlp", "logits")
        found = kind if bracket else target.kind
        if found not in kinds or str(reader := cls(target, cast(EdgeKind, found))) != text:
            raise ValueError(f"{text!r} reads nothing; readers are a1.h0<q>, a1.h0<k>, a1.h0<v>, m0 and logits")
        return reader


@dataclass(frozen=True)
class Edge:
    """``target`` reads what ``source`` writes, through the matrix ``kind``; prints as ``m0->a1.h0<v>``.

    ``is_constant``: what passes is the same at every token of every input, such as the constant ``one``. It is no part
    of the edge's identity.
    """

    source: Node
    target: Node
    kind: EdgeKind
    is_constant: bool = field(default=False, compare=False)

    @property
    def reader(self) -> Reader:
        """The end of the edge."""
        return Reader(self.target, self.kind)

    def __str__(self) -> str:
        return f"{self.source}->{self.reader}"

    @classmethod
    def parse(cls, text: str) -> Edge:
        """The edge that prints as ``text``.

        Raises:
            ValueError: none does.
        """
        source, arrow, reader = text.partition("->")
        if not arrow:
            raise ValueError(f"{text!r} is no edge; edges are written as a0.h1->m0 and m0->a1.h0<v>")
        end = Reader.parse(reader)
        return cls(Node.parse(source), end.target, end.kind)


@dataclass(frozen=True)
class Circuit:
    """Where every expression is, and the graph of the parts in use, from the embedding to the logits."""

    expressions: tuple[Implementation, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def expression(self, name: str) -> Implementation:
        """What implements the expression of this name.

        Raises:
            KeyError: there is none.
        """
        for implementation in self.expressions:
            if implementation.expression == name:
                return implementation
        raise KeyError(f"no expression {name!r}; there are {', '.join(each.expression for each in self.expressions)}")


def possible_edges(n_layers: int, n_heads: int, *, constant: bool = True) -> tuple[Edge, ...]:
    """Every edge that a transformer of this shape has, in the order of the sublayers of targets and then of sources.

    ``constant``: whether constants of the embedding are a part of their own, as in compiled models.
    """
    written = [Node("tokens"), Node("positions"), *([Node("constant")] if constant else [])]
    edges: list[Edge] = []
    for layer in range(n_layers):
        heads, mlp = [Node("attn", layer, head) for head in range(n_heads)], Node("mlp", layer)
        kinds: tuple[EdgeKind, ...] = ("q", "k", "v")
        edges += [Edge(source, head, kind) for head in heads for source in written for kind in kinds]
        written += heads
        edges += [Edge(source, mlp, "mlp") for source in written]
        written.append(mlp)
    return (*edges, *(Edge(source, Node("logits"), "logits") for source in written))


def constant_embeddings(
    config: ModelConfig, weights: Weights
) -> tuple[Float[np.ndarray, "d_vocab d_model"], Float[np.ndarray, "n_ctx d_model"]]:
    """What of the embeddings of tokens and positions is no token's and no position's: the part ``constant``."""
    constant = ~_varying_dimensions(config, weights)
    return weights.W_E * constant, weights.W_pos * constant


def model_circuit(model: Artefact) -> Circuit:
    """The circuit of a model."""
    config, labels = model.config, model.labels
    implementations = tuple(_implementation(labels, *entry) for entry in model.program)
    edges = _leading_to_logits(tuple(_edges(config, model.weights, labels)))
    used = {node for edge in edges for node in (edge.source, edge.target)}
    return Circuit(implementations, tuple(node for node in _all_nodes(config) if node in used), edges)


# Expressions ---------------------------------------------------------------------------------------------------------


def _implementation(labels: Labels, name: str, text: str, location: str | None) -> Implementation:
    heads = tuple(
        (layer, number)
        for layer, in_layer in enumerate(labels.heads)
        for number, label in enumerate(in_layer)
        if label.expression == name
    )
    variables = [variable for variable in labels.variables if variable.expression == name]
    holds = tuple(_holding(variable) for variable in variables if variable.is_value)
    intermediates = tuple(_holding(variable) for variable in variables if not variable.is_value)
    return Implementation(name, text, location, heads, tuple(_neurons(labels, name)), holds, intermediates)


def _neurons(labels: Labels, name: str) -> Iterator[Neurons]:
    for layer in range(len(labels.neurons)):
        for neurons, group in labels.neuron_groups(layer):
            if group.expression == name and neurons:
                yield Neurons(layer, neurons.start, neurons.stop)


def _holding(variable: ModelVariable) -> Holding:
    return Holding(variable.name, variable.dimensions.start, variable.dimensions.stop)


# Edges ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Writer:
    """A part with the rows it writes into the residual stream; ``n_ordinary`` of the first are the same at no BOS.

    The rows of an embedding are its vectors, first those of tokens or positions other than BOS.
    """

    node: Node
    sublayer: Sublayer
    rows: Float[np.ndarray, "row d_model"]
    n_ordinary: int | None = None


def _all_nodes(config: ModelConfig) -> list[Node]:
    nodes = [Node("tokens"), Node("positions"), Node("constant")]
    for layer in range(config.n_layers):
        nodes += [Node("attn", layer, head) for head in range(config.n_heads)] + [Node("mlp", layer)]
    return [*nodes, Node("logits")]


def _edges(config: ModelConfig, weights: Weights, labels: Labels) -> Iterator[Edge]:
    """Every edge, in the order of the sublayers of targets and then of sources."""
    writers = _embedding_writers(config, weights)

    def standing(sublayer: Sublayer) -> Iterator[_Writer]:
        """The writers, with what is still there of what they wrote."""
        for writer in writers:
            yield replace(writer, rows=writer.rows * ~labels.erased(writer.sublayer, sublayer))

    for layer in range(config.n_layers):
        heads = [Node("attn", layer, number) for number in range(config.n_heads)]
        before = list(standing(Sublayer.attention(layer)))
        for number, head in enumerate(heads):
            yield from _edges_to(head, _head_reads(weights, layer, number), before, config)
        writers += [
            _Writer(head, Sublayer.attention(layer), weights.W_O[layer, number]) for number, head in enumerate(heads)
        ]
        mlp, computing = Node("mlp", layer), _computing_neurons(labels, layer, config.d_mlp)
        alive = weights.W_out[layer].any(axis=1) & computing
        before = list(standing(Sublayer.mlp(layer)))
        yield from _edges_to(mlp, {"mlp": weights.W_in[layer][:, alive]}, before, config)
        writers.append(_Writer(mlp, Sublayer.mlp(layer), weights.W_out[layer][computing]))
    before = list(standing(Sublayer.end(config.n_layers)))
    yield from _edges_to(Node("logits"), {"logits": weights.W_U}, before, config)


def _computing_neurons(labels: Labels, layer: int, d_mlp: int) -> Bool[np.ndarray, " d_mlp"]:
    """The neurons of a layer but those that clear dimensions."""
    computing = np.ones(d_mlp, bool)
    for neurons, group in labels.neuron_groups(layer):
        computing[neurons.start : neurons.stop] = not group.clears
    return computing


def _embedding_writers(config: ModelConfig, weights: Weights) -> list[_Writer]:
    """Tokens, positions and constants: a dimension is constant if no ordinary token and no later position varies it.

    The vector of PAD is left out: what stands at padding reaches no answer.
    """
    n_tokens = len(config.vocab)
    tokens = weights.W_E[: n_tokens + 1]  # BOS is the last
    positions = np.roll(weights.W_pos, -1, axis=0)  # so it is here
    varies = _varying_dimensions(config, weights)
    constant = np.concatenate([tokens, positions]) * ~varies
    return [
        _Writer(Node("tokens"), EMBEDDING, tokens * varies, n_tokens),
        _Writer(Node("positions"), EMBEDDING, positions * varies, config.max_seq_len),
        _Writer(Node("constant"), EMBEDDING, constant, 0),
    ]


def _varying_dimensions(config: ModelConfig, weights: Weights) -> Bool[np.ndarray, " d_model"]:
    """The dimensions that an ordinary token or a later position varies."""
    varying: np.ndarray = _varies(weights.W_E[: len(config.vocab)]) | _varies(weights.W_pos[1 : config.n_ctx])
    return varying


def _varies(rows: Float[np.ndarray, "row column"]) -> np.ndarray:
    varying: np.ndarray = (rows != rows[:1]).any(axis=0)
    return varying


def _head_reads(weights: Weights, layer: int, head: int) -> dict[EdgeKind, Float[np.ndarray, "d_model feature"]]:
    """What a head's queries, keys and values read: of each matrix, the columns that are not multiplied by zero."""
    q, k, v, o = (getattr(weights, name)[layer, head] for name in ("W_Q", "W_K", "W_V", "W_O"))
    scored, moved = q.any(axis=0) & k.any(axis=0), v.any(axis=0) & o.any(axis=1)
    return {"q": q[:, scored & moved.any()], "k": k[:, scored & moved.any()], "v": v[:, moved]}


def _edges_to(
    target: Node,
    reads: dict[EdgeKind, Float[np.ndarray, "d_model feature"]],
    writers: list[_Writer],
    config: ModelConfig,
) -> Iterator[Edge]:
    for writer in writers:
        for kind, matrix in reads.items():
            virtual = _product(writer.rows, matrix, config)
            if virtual.any():
                ordinary = writer.n_ordinary
                constant = ordinary is not None and not _varies(virtual[:ordinary]).any()
                yield Edge(writer.node, target, kind, constant)


def _product(
    rows: Float[np.ndarray, "row d_model"], matrix: Float[np.ndarray, "d_model feature"], config: ModelConfig
) -> Float[np.ndarray, "row feature"]:
    """The product, rounded to nothing where it is smaller than what rounding its terms to the model's format makes."""
    exact = rows.astype(float) @ matrix.astype(float)
    size = np.abs(rows).astype(float) @ np.abs(matrix).astype(float)
    rounding = 4 * unit_roundoff(config.number_format) * size
    product: np.ndarray = np.where(np.abs(exact) > rounding, exact, 0)
    return product


def _leading_to_logits(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The edges from which the logits can be reached; those into later parts come later."""
    useful = {Node("logits")}
    for edge in reversed(edges):
        if edge.target in useful:
            useful.add(edge.source)
    return tuple(edge for edge in edges if edge.target in useful)
