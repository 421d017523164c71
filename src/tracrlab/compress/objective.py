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

from tracrlab.compress.forward import MATRICES, FrozenModel, Parameters, Pass, forward
from tracrlab.compress.interchange import Swap
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target
from tracrlab.craft.spaces import Variable
from tracrlab.learn.losses.layers import layer_loss, total_distance
from tracrlab.learn.losses.output import output_loss


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
    outputs = of_outputs(output, settings, run.logits, target.run.logits, target.answered)
    layers = of_layers(frozen, settings, parameters, run, target)
    if swap is None:
        return Losses(outputs, layers, torch.zeros_like(outputs))
    swapped = forward(frozen, settings.sharing, parameters, target.ids, swap.interchange, sharpness=sharpness)
    exchanged = of_outputs(output, settings, swapped.logits, swap.logits, target.answered)
    return Losses(outputs, layers, exchanged)


def of_outputs(output: Variable, settings: Settings, logits: Tensor, wanted: Tensor, answered: Tensor) -> Tensor:
    """The mean loss of the answers at the tokens, ``logits`` and ``wanted`` [b, p, output]."""
    return output_loss(output, logits, wanted, answered, logit_scale=settings.logit_scale)


def of_layers(frozen: FrozenModel, settings: Settings, parameters: Parameters, run: Pass, target: Target) -> Tensor:
    """The mean squared distance between what sublayers write and ought to write, summed over the sublayers."""
    if settings.compare == "written":
        return layer_loss(run.written, target.run.written, target.present)
    places = settings.sharing.places(frozen.config.n_layers)
    squares = [
        read_distance(written, wanted, parameters[MATRICES][places.layers[sublayer.layer]], sublayer.columns)
        for sublayer, written, wanted in zip(frozen.sublayers, run.written, target.run.written, strict=True)
    ]
    return total_distance(squares, target.present)


def read_distance(written: Tensor, wanted: Tensor, matrix: Tensor, columns: Tensor) -> Tensor:
    """The squared distance [b, p] of ``written`` [b, p, k], as it is read through the matrix, from ``wanted``.

    ‖δ W Wᵀ − δ*‖² = δ W (Wᵀ W) Wᵀ δᵀ − 2 δ W Wᵀ δ*ᵀ + ‖δ*‖², in d dimensions and not in D.
    """
    sent, ideal = written @ matrix[columns], wanted @ matrix[columns]
    squares = ((sent @ (matrix.T @ matrix)) * sent).sum(dim=-1)
    distance: Tensor = squares - 2 * (sent * ideal).sum(dim=-1) + (wanted**2).sum(dim=-1)
    return distance
