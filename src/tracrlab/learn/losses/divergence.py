"""Kullback–Leibler divergence: how far the answers' distribution is from that of another model, or of another run."""

from __future__ import annotations

from torch import Tensor

from tracrlab.learn.losses import mean_over


def divergence(logits: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:
    """The mean of KL(p_wanted ‖ p) = Σ p_wanted (log p_wanted − log p), by logits [b, p, class], over what counts."""
    log_wanted = wanted.log_softmax(dim=-1)
    each = (log_wanted.exp() * (log_wanted - logits.log_softmax(dim=-1))).sum(dim=-1)
    return mean_over(each, counted)
