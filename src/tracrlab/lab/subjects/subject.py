"""``Subject``: a module, the compiled model that it stands for, and where that one's dimensions are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tracrlab.facade import CompiledModel
from tracrlab.learn.transformer import Transformer
from tracrlab.model.circuit import Edge
from tracrlab.model.readout import ClassReadout
from tracrlab.shapes import Float

LEAD = 4.0  # the median lead of the right class: its probability is then about .98, and gradients do not vanish


@dataclass(frozen=True, eq=False)
class Subject:
    """What a case is about.

    Attributes: ``model`` the compiled model, every variable in dimensions of its own; ``module`` what methods are
    given; ``frame`` [D, d], in each row the direction that a dimension of the model has in the module's residual
    stream; ``structural`` the edges of the circuit, each with whether it is constant; ``is_exact`` whether it ought to
    answer like the model on every input; ``note`` how it was made, in words; ``is_dense`` whether every
    part writes and reads all dimensions, be it by rounding, so that every edge has to be tried.
    """

    model: CompiledModel
    module: Transformer
    frame: Float[np.ndarray, "D d"]
    structural: Mapping[Edge, bool]
    is_exact: bool
    note: str
    is_dense: bool = False

    @property
    def readout(self) -> ClassReadout:
        """What the module's logits mean."""
        readout = self.module.readout
        assert isinstance(readout, ClassReadout)
        return readout


def moderate_readout(model: CompiledModel, ids: torch.Tensor, counted: torch.Tensor) -> ClassReadout:
    """The class readout whose median lead, over the answers to ``ids`` [n, p] that are ``counted``, is ``LEAD``.

    What compilers and provers need is a lead on the worst input, which makes those on others hundreds of times as
    large; a softmax then is exactly 1, and cross-entropy has no gradient.
    """
    readout = model.class_readout()
    if len(readout.classes) < 2:
        return readout
    with torch.no_grad():
        best = model.to_torch()(ids).double().topk(2, dim=-1).values
    lead = float((best[..., 0] - best[..., 1])[counted].median())
    return readout.scaled(LEAD / lead)
