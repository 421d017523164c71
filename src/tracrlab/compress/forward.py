"""The forward pass of a compressed model, differentiable in its matrices (Tracr paper, section 5.1, Figure 6).

The compiled model keeps a residual stream x of D dimensions. The compressed one keeps z of d. Every sublayer reads
``z Wᵀ``, which has the compiled dimensions, and writes ``δ W``, where δ is what it would write into them; the embedding
is ``x W``, and the unembedding reads ``z Wᵀ``. Reads are folded into the weights, ``Wᵀ W_Q`` and so on, so nothing of
size D is computed but what sublayers write, and only the dimensions they can write at all. Parts that do nothing, such
as the attention sublayer in front of a program's first MLP, are left out while their weights are frozen.

Written for one model and mapped over many by ``torch.func.vmap``: ``b`` is batch, ``p`` position, ``h`` head,
``e`` d_head, ``D`` d_model of the compiled model, ``d`` that of the compressed one, ``k`` dimensions a sublayer writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.sharing import Sharing
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.sublayers import EMBEDDING, Sublayer, sublayers

Parameters = Mapping[str, Tensor]
"""``matrices`` [matrix, D, d], and the weights that are trained with them, by name and shaped as in ``Weights``."""

MATRICES = "matrices"
_SHARPEST = 8.0  # of the softplus in place of the ReLU: compiled steps rise over an input of 1


@dataclass(frozen=True, eq=False)
class ActiveSublayer:
    """A sublayer that does something: its number, its heads or neurons that do, the dimensions they write."""

    number: Sublayer
    parts: Tensor  # [h] or [neuron]
    columns: Tensor  # [k]

    @property
    def layer(self) -> int:
        """Its layer."""
        return self.number.layer

    @property
    def is_attention(self) -> bool:
        """Whether it is an attention sublayer."""
        return self.number.is_attention


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """The compiled model as the compressed ones use it: weights by name, the sublayers that do something."""

    config: ModelConfig
    weights: dict[str, Tensor]
    sublayers: tuple[ActiveSublayer, ...]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights["W_E"].device

    @property
    def identity(self) -> dict[str, Tensor]:
        """The parameters with which it computes what it was compiled to."""
        return {MATRICES: torch.eye(self.config.d_model, device=self.device)[None]}


@dataclass(frozen=True, eq=False)
class Interchange:
    """An intervention on what a sublayer writes: dimensions of each input take what ``values`` holds for its source.

    Attributes: ``sublayer`` which one, or the embedding; ``dimensions`` [D], which are exchanged; ``sources`` [b], the
    input of the batch from which each takes them; ``values`` [b, p, k] to take, or ``None`` for what the model itself
    writes on the source (k = D for the embedding).
    """

    sublayer: Sublayer
    dimensions: Tensor
    sources: Tensor
    values: Tensor | None = None

    def applied(self, written: Tensor, columns: Tensor | None) -> Tensor:
        """What is written [b, p, k] after the intervention."""
        taken = (written if self.values is None else self.values)[self.sources]
        exchanged = self.dimensions if columns is None else self.dimensions[columns]
        return torch.where(exchanged, taken, written)


@dataclass(frozen=True, eq=False)
class Pass:
    """What a forward pass gives.

    Attributes: ``logits`` [b, p, output]; ``written`` [b, p, k] by each sublayer that does something, in compiled
    dimensions; ``residuals`` [b, p, d] after the embedding and after each of them.
    """

    logits: Tensor
    written: tuple[Tensor, ...]
    residuals: tuple[Tensor, ...]


def frozen_model(model: Artefact, *, unfrozen: tuple[str, ...] = (), device: torch.device | str = "cpu") -> FrozenModel:
    """The weights on a device; where some will be trained, every part may come to do something."""
    arrays = model.weights.as_dict()
    weights = {name: torch.tensor(array, dtype=torch.float32, device=device) for name, array in arrays.items()}
    _, *numbers = sublayers(model.config.n_layers)
    found = [_sublayer(weights, number, everything=bool(unfrozen)) for number in numbers]
    return FrozenModel(model.config, weights, tuple(each for each in found if len(each.columns)))


def model_parameters(model: CompressedModel) -> dict[str, Tensor]:
    """The parameters of a compressed model."""
    arrays = {MATRICES: model.matrices, **model.unfrozen}
    return {name: torch.tensor(array, dtype=torch.float32) for name, array in arrays.items()}


def _sublayer(weights: dict[str, Tensor], number: Sublayer, *, everything: bool) -> ActiveSublayer:
    out = weights["W_out" if number.is_mlp else "W_O"][number.layer]  # [neuron, D] or [h, e, D]
    per_part = out.flatten(1, -2).any(dim=1) if number.is_attention else out
    if everything:
        per_part = torch.ones_like(per_part, dtype=torch.bool)
    return ActiveSublayer(number, per_part.any(dim=-1).nonzero()[:, 0], per_part.any(dim=0).nonzero()[:, 0])


def forward(
    frozen: FrozenModel,
    sharing: Sharing,
    parameters: Parameters,
    ids: Tensor,
    interchange: Interchange | None = None,
    *,
    sharpness: float = 1.0,
) -> Pass:
    """Run token ids [b, p] through one compressed model, with an intervention or without.

    ``sharpness`` is less than 1 only in training: it multiplies the attention scores, and rounds the bend of the ReLU,
    so that the difference of two, the step that compiled MLPs are made of, is a flat sigmoid.
    """
    weights = {**frozen.weights, **parameters}
    matrices, places = parameters[MATRICES], sharing.places(frozen.config.n_layers)
    visible = _visible(frozen.config, ids)
    z = _embedded(weights, matrices[places.embedding], ids, interchange)
    residuals, written = [z], []
    for sublayer in frozen.sublayers:
        matrix = matrices[places.layers[sublayer.layer]]
        if sublayer.is_attention:
            delta = _attention(weights, sublayer, matrix, z, visible, sharpness)
        else:
            delta = _mlp(weights, sublayer, matrix, z, sharpness)
        if interchange is not None and interchange.sublayer == sublayer.number:
            delta = interchange.applied(delta, sublayer.columns)
        z = z + delta @ matrix[sublayer.columns]
        written.append(delta)
        residuals.append(z)
    logits = z @ (matrices[places.unembedding].T @ weights["W_U"])
    return Pass(logits, tuple(written), tuple(residuals))


def _embedded(weights: dict[str, Tensor], matrix: Tensor, ids: Tensor, interchange: Interchange | None) -> Tensor:
    length = ids.shape[1]
    if interchange is not None and interchange.sublayer == EMBEDDING:
        x = weights["W_E"][ids] + weights["W_pos"][:length]  # [b, p, D]
        return interchange.applied(x, None) @ matrix
    return (weights["W_E"] @ matrix)[ids] + weights["W_pos"][:length] @ matrix


def _visible(config: ModelConfig, ids: Tensor) -> Tensor:
    """Which keys each query may attend to, [b, 1, q, k]."""
    length = ids.shape[1]
    allowed = torch.ones(length, length, dtype=torch.bool, device=ids.device)
    return (ids != config.pad_id)[:, None, None, :] & (allowed.tril() if config.causal else allowed)


def _attention(
    weights: dict[str, Tensor], sublayer: ActiveSublayer, matrix: Tensor, z: Tensor, visible: Tensor, sharpness: float
) -> Tensor:
    """What the heads write, [b, p, k]."""
    of_heads = {name: weights[name][sublayer.layer, sublayer.parts] for name in ("W_Q", "W_K", "W_V", "W_O")}
    q, k, v = (torch.einsum("bpd,hde->bhpe", z, matrix.T @ of_heads[name]) for name in ("W_Q", "W_K", "W_V"))
    scores = q @ k.transpose(2, 3) * (sharpness / math.sqrt(k.shape[-1]))
    mixed = scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ v
    return torch.einsum("bhpe,hek->bpk", mixed, of_heads["W_O"][..., sublayer.columns])


def _mlp(weights: dict[str, Tensor], sublayer: ActiveSublayer, matrix: Tensor, z: Tensor, sharpness: float) -> Tensor:
    """What the neurons write, [b, p, k]."""
    W_in = weights["W_in"][sublayer.layer][:, sublayer.parts]
    W_out = weights["W_out"][sublayer.layer][sublayer.parts][:, sublayer.columns]
    pre = z @ (matrix.T @ W_in)
    if sharpness == 1:
        return pre.relu() @ W_out
    bend = _SHARPEST * sharpness
    return (functional.softplus(bend * pre) - math.log(2)) / bend @ W_out
