"""Cross-entropy: of the right class, where each answer has a logit of its own."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from tracrlab.learn.losses import mean_over


def cross_entropy(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """The mean of −log p(label), by ``logits`` [b, p, class] and ``labels`` [b, p], over the places that count."""
    each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1), reduction="none")
    return mean_over(each.reshape(counted.shape), counted)
