"""What a compression is trained to minimise: L = L_out + L_layer, the loss of section 5.1 of the Tracr paper.

``L_out`` compares answers: the mean squared error of a number, or the cross-entropy of the softmax over the logits of a
one-hot answer, which are scaled so that the compiled model's are near certain. ``L_layer`` compares what sublayers
write with what those of the compiled model write. Added to them, on request, is the same output loss under interchange
interventions (Geiger et al. 2022, Inducing Causal Structure for Interpretable Neural Networks): where a variable is
given the value it has on another input, the answer must become the one the program gives then.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from tracrlab.compress.forward import MATRICES, FrozenModel, Parameters, Pass, forward
from tracrlab.compress.interchange import Swap
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target
from tracrlab.craft.spaces import Layout, Variable


@dataclass(frozen=True, eq=False)
class Losses:
    """The terms of the loss, each a scalar, before they are weighted."""

    output: Tensor
    layers: Tensor
    interchange: Tensor

    def total(self, settings: Settings) -> Tensor:
        """Their weighted sum."""
        weights = (settings.output_weight, settings.layer_weight, settings.interchange_weight)
        terms = [getattr(self, field.name) for field in fields(self)]
        return sum((weight * term for weight, term in zip(weights, terms, strict=True)), torch.zeros_like(self.output))


def losses(
    frozen: FrozenModel,
    settings: Settings,
    output: Variable,
    parameters: Parameters,
    target: Target,
    swap: Swap | None = None,
    *,
    sharpness: float = 1.0,
) -> Losses:
    """The losses of one compressed model on a batch; ``output`` is the compiled model's."""
    run = forward(frozen, settings.sharing, parameters, target.ids, sharpness=sharpness)
    of_output = output_loss(output, settings, run.logits, target.run.logits, target.answered)
    of_layers = layer_loss(frozen, settings, parameters, run, target)
    if swap is None:
        return Losses(of_output, of_layers, torch.zeros_like(of_output))
    swapped = forward(frozen, settings.sharing, parameters, target.ids, swap.interchange, sharpness=sharpness)
    of_swap = output_loss(output, settings, swapped.logits, swap.logits, target.answered)
    return Losses(of_output, of_layers, of_swap)


def output_loss(output: Variable, settings: Settings, logits: Tensor, wanted: Tensor, answered: Tensor) -> Tensor:
    """The mean loss of the answers at the tokens, ``logits`` and ``wanted`` [b, p, output]."""
    if output.layout is Layout.ONE_HOT:
        scaled = (settings.logit_scale * logits).flatten(0, 1)
        each = functional.cross_entropy(scaled, wanted.flatten(0, 1).argmax(dim=-1), reduction="none")
        return _mean(each.reshape(answered.shape), answered)
    return _mean(((logits - wanted) ** 2).sum(dim=-1), answered)


def layer_loss(frozen: FrozenModel, settings: Settings, parameters: Parameters, run: Pass, target: Target) -> Tensor:
    """The mean squared distance between what sublayers write and ought to write, summed over the sublayers."""
    total = torch.zeros_like(run.logits[0, 0, 0])
    places = settings.sharing.places(frozen.config.n_layers)
    for sublayer, written, wanted in zip(frozen.sublayers, run.written, target.run.written, strict=True):
        if settings.compare == "written":
            squares = ((written - wanted) ** 2).sum(dim=-1)
        else:
            matrix = parameters[MATRICES][places.layers[sublayer.layer]]
            squares = read_distance(written, wanted, matrix, sublayer.columns)
        total = total + _mean(squares, target.present)
    return total


def read_distance(written: Tensor, wanted: Tensor, matrix: Tensor, columns: Tensor) -> Tensor:
    """The squared distance [b, p] of ``written`` [b, p, k], as it is read through the matrix, from ``wanted``.

    ‖δ W Wᵀ − δ*‖² = δ W (Wᵀ W) Wᵀ δᵀ − 2 δ W Wᵀ δ*ᵀ + ‖δ*‖², in d dimensions and not in D.
    """
    sent, ideal = written @ matrix[columns], wanted @ matrix[columns]
    squares = ((sent @ (matrix.T @ matrix)) * sent).sum(dim=-1)
    distance: Tensor = squares - 2 * (sent * ideal).sum(dim=-1) + (wanted**2).sum(dim=-1)
    return distance


def _mean(each: Tensor, counted: Tensor) -> Tensor:
    """The mean over the places [b, p] that count."""
    return (each * counted).sum() / counted.sum()
