"""Places in a model that can be read and replaced: what a part writes, neurons, a variable, a subspace, any submodule.

Places have the names that a circuit prints: ``a0.h1`` is what a head writes, ``m0`` what an MLP writes, ``m0.n3`` a
neuron, ``a0.h1->m0`` and ``a0.h0->a1.h0<q>`` what one part reads of another. Any other name is the path of a submodule,
such as ``blocks.0.hook_resid_post`` or ``transformer.h.3.mlp``, and stands for its output. ``b`` is batch, ``p``
position.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

import torch
from torch import Tensor

from tracrlab.model.circuit import Edge, Node
from tracrlab.model.labels import Labels
from tracrlab.model.sublayers import EMBEDDING, Sublayer

Index = tuple[slice | int | EllipsisType, ...]


@dataclass(frozen=True)
class Site:
    """What passes at a submodule, or a part of it.

    Attributes: ``path`` of the submodule; ``head`` of an activation [b, p, head, width]; ``dimensions`` of the last
    axis; ``side`` whether it is the output of the submodule or its first input: the input of an output projection, say,
    holds what each head mixed.
    """

    path: str
    head: int | None = None
    dimensions: range | None = None
    side: Literal["output", "input"] = "output"

    def read(self, activation: Tensor) -> Tensor:
        """The part [b, p, …, width] of an activation."""
        return activation[self._index]

    def read_gradient(self, gradient: Tensor) -> Tensor:
        """The gradient by the part, of that by the activation."""
        return self.read(gradient)

    def write(self, activation: Tensor, part: Tensor) -> None:
        """Put another part into an activation, in place."""
        activation[self._index] = part.to(activation.dtype)

    @property
    def _index(self) -> Index:
        head: Index = (...,) if self.head is None else (slice(None), slice(None), self.head)
        if self.dimensions is None:
            return head
        return (*head, slice(self.dimensions.start, self.dimensions.stop, self.dimensions.step))

    def __str__(self) -> str:
        head = "" if self.head is None else f".h{self.head}"
        own = self.dimensions
        dimensions = "" if own is None else f"[{own.start}:{own.stop}]"
        return f"{self.path}{head}{dimensions}" + ("" if self.side == "output" else " (input)")


@dataclass(frozen=True, eq=False)
class Subspace:
    """What passes at a site within the span of the columns of ``basis`` [width, k]; read as k coordinates."""

    site: Site
    basis: Tensor

    @property
    def path(self) -> str:
        """The submodule."""
        return self.site.path

    @property
    def side(self) -> Literal["output", "input"]:
        """Whether it is at the output of the submodule or at its input."""
        return self.site.side

    def read(self, activation: Tensor) -> Tensor:
        """The coordinates [b, p, k] of an activation."""
        return self._coordinates(self.site.read(activation))

    def read_gradient(self, gradient: Tensor) -> Tensor:
        """The gradient by the coordinates, of that by the activation."""
        whole = self.site.read(gradient)
        return whole @ self._basis(whole)

    def write(self, activation: Tensor, part: Tensor) -> None:
        """Put other coordinates into an activation, in place; what is orthogonal to the subspace stays."""
        whole = self.site.read(activation).clone()
        self.site.write(activation, whole + (part - self._coordinates(whole)) @ self._basis(whole).T)

    def _coordinates(self, whole: Tensor) -> Tensor:
        coordinates: Tensor = whole @ torch.linalg.pinv(self._basis(whole)).T
        return coordinates

    def _basis(self, like: Tensor) -> Tensor:
        return self.basis.to(like)


Place = Site | Subspace | Node | Edge


def place(name: str) -> Place:
    """The place of this name.

    Raises:
        ValueError: it begins like an edge and is none.
    """
    if "->" in name:
        return Edge.parse(name)
    if neuron := re.fullmatch(r"m(\d+)\.n(\d+)", name):
        number = int(neuron[2])
        return Site(f"blocks.{neuron[1]}.mlp.hook_post", dimensions=range(number, number + 1))
    try:
        return Node.parse(name)
    except ValueError:
        return Site(name)


def node_site(node: Node) -> Site:
    """Where what a head or MLP writes, or the logits, pass."""
    match node.kind:
        case "attn":
            return Site(f"blocks.{node.layer}.attn.hook_result", head=node.head)
        case "mlp":
            return Site(f"blocks.{node.layer}.hook_mlp_out")
        case "logits":
            return Site("unembed")
    raise ValueError(f"what the embedding writes for {node} passes at no site of its own")


def variable(labels: Labels, name: str) -> Site:
    """A variable's dimensions of the residual stream, after the sublayer that writes it.

    Raises:
        KeyError: there is no variable of this name.
    """
    found = labels.variable(name)
    return Site(residual_path(found.sublayer), dimensions=range(found.dimensions.start, found.dimensions.stop))


def residual_path(sublayer: Sublayer) -> str:
    """Where the residual stream passes after a sublayer."""
    if sublayer == EMBEDDING:
        return "blocks.0.hook_resid_pre"
    return f"blocks.{sublayer.layer}.hook_resid_{'post' if sublayer.is_mlp else 'mid'}"
