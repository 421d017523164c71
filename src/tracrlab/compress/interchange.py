"""Interchange interventions: a variable takes the value that it has on another input, and the answer must follow.

After Geiger et al. 2021, Causal Abstractions of Neural Networks. A compressed sublayer still computes what it writes in
the compiled dimensions, before W, so a variable's part of it can be exchanged exactly, whatever W superposes. What the
answer must become, the compiled model says: there the variable has dimensions of its own and is nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tracrlab.compress.forward import FrozenModel, Interchange, forward
from tracrlab.compress.sharing import Sharing
from tracrlab.compress.target import Target
from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import ModelVariable
from tracrlab.model.sublayers import EMBEDDING


@dataclass(frozen=True, eq=False)
class Swap:
    """A variable to exchange between the rows of a batch, and what the compiled model gives then."""

    interchange: Interchange
    logits: Tensor


def intermediate_variables(model: Artefact, frozen: FrozenModel) -> list[ModelVariable]:
    """The variables that a model computes on the way from its input to its answer; one that is always 0 is not."""
    writing = {sublayer.number for sublayer in frozen.sublayers}
    return [each for each in model.labels.variables if each.sublayer in writing and each.name != model.output.name]


def swapped_target(
    frozen: FrozenModel, target: Target, variable: ModelVariable, sources: Tensor, *, compiled: bool
) -> Swap:
    """The exchange that gives a variable of each row its value on the row that ``sources`` [b] says.

    ``compiled``: the compressed model is given the compiled encoding of the value, not what it writes for it itself.
    """
    dimensions = torch.zeros(frozen.config.d_model, dtype=torch.bool, device=frozen.device)
    dimensions[variable.dimensions] = True
    sublayer = variable.sublayer
    own = Interchange(sublayer, dimensions, sources)
    logits = forward(frozen, Sharing.ALL, frozen.identity, target.ids, own).logits
    if not compiled or sublayer == EMBEDDING:
        return Swap(own, logits)
    place = [each.number for each in frozen.sublayers].index(sublayer)
    return Swap(Interchange(sublayer, dimensions, sources, target.run.written[place]), logits)
