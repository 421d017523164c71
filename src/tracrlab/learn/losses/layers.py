"""Layer losses: what sublayers write, compared with what they ought to write (Tracr paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tracrlab.learn.losses import mean_over


def layer_loss(written: Sequence[Tensor], wanted: Sequence[Tensor], present: Tensor) -> Tensor:
    """The mean squared distance of what is written from what is wanted, each [b, p, k], summed over the sublayers."""
    squares = [((one - other) ** 2).sum(dim=-1) for one, other in zip(written, wanted, strict=True)]
    return total_distance(squares, present)


def total_distance(squares: Sequence[Tensor], present: Tensor) -> Tensor:
    """The mean of squared distances [b, p] where an input is ``present``, summed over the sublayers."""
    return sum((mean_over(each, present) for each in squares), torch.zeros((), device=present.device))
