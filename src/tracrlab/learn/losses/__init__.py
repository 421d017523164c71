"""Losses, a family each: outputs, classes, divergences, layers, interchange interventions.

Every loss is a mean over the places [b, p] that count. ``b`` is batch, ``p`` position.
"""

from __future__ import annotations

from torch import Tensor


def mean_over(each: Tensor, counted: Tensor) -> Tensor:
    """The mean of ``each`` [b, p] over the places that count; 0 where there is none."""
    return (each * counted).sum() / counted.sum().clamp(min=1)
