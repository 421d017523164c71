"""``Leads``: how far right answers lead in a module, and whether another one keeps enough of that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tracrlab.lab.inputs import Inputs, answered


@dataclass(frozen=True, eq=False)
class Leads:
    """The right answers [n, p] to inputs, where they are ``counted``, and the smallest lead of any."""

    inputs: Inputs
    answers: Tensor
    counted: Tensor
    smallest: float

    @classmethod
    def of(cls, module: nn.Module, inputs: Inputs) -> Leads:
        """Those of a module that answers right."""
        with torch.no_grad():
            logits = module(inputs.tensor)
        answers, counted = logits.argmax(dim=-1), answered(inputs.config, inputs.tensor)
        return cls(inputs, answers, counted, _smallest(logits, answers, counted))

    def kept_by(self, module: nn.Module, share: float) -> bool:
        """Whether every right answer leads in another module, by this share of the smallest lead."""
        with torch.no_grad():
            logits = module(self.inputs.tensor)
        return _smallest(logits, self.answers, self.counted) >= share * self.smallest


def _smallest(logits: Tensor, answers: Tensor, counted: Tensor) -> float:
    """By how much the answer is above all others, where it is least so; not a number is no lead."""
    right = logits.gather(-1, answers[..., None])
    others = logits.scatter(-1, answers[..., None], -torch.inf).max(dim=-1).values
    leads = (right[..., 0] - others)[counted]
    return float(leads.nan_to_num(nan=-torch.inf, posinf=torch.inf).min())
