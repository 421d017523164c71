"""What can be put in the place of an activation: zero, a value, a mean over inputs, what is there on other inputs.

Each is data. All positions of all rows take part, or those given: numbers of positions, of which BOS has 0, or a mask
[p] or [b, p]. Gradients pass through what is put there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Positions = Tensor | Sequence[int] | None


@dataclass(frozen=True, eq=False)
class Zero:
    """Nothing is there."""

    positions: Positions = None

    def instead_of(self, old: Tensor) -> Tensor:
        """What is there instead."""
        return torch.zeros_like(old)


@dataclass(frozen=True, eq=False)
class Value:
    """This is there: a number, or an array that can be broadcast to [b, p, width]."""

    value: Tensor | np.ndarray | float
    positions: Positions = None

    def instead_of(self, old: Tensor) -> Tensor:
        """What is there instead."""
        return torch.as_tensor(self.value, dtype=old.dtype, device=old.device).expand_as(old)


@dataclass(frozen=True, eq=False)
class Plus:
    """This is there in addition; as for :class:`Value`."""

    value: Tensor | np.ndarray | float
    positions: Positions = None

    def instead_of(self, old: Tensor) -> Tensor:
        """What is there instead."""
        return old + torch.as_tensor(self.value, dtype=old.dtype, device=old.device)


@dataclass(frozen=True, eq=False)
class Resample:
    """What is there on other inputs, ``ids`` [b, p], each row taking from the row of its number.

    ``taken`` [b, p] says from which position each takes; by default from its own.
    """

    ids: Tensor
    positions: Positions = None
    taken: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of what is there on inputs ``ids`` [n, p]: at each position, or over all positions if ``pooled``.

    Padding is left out of it where the module says what padding is.
    """

    ids: Tensor
    pooled: bool = False
    positions: Positions = None


Settled = Zero | Value | Plus
Intervention = Settled | Resample | Mean


def chosen_positions(positions: Positions, like: Tensor) -> Tensor | None:
    """A mask that can be broadcast to an activation [b, p, …]; ``None`` for all positions."""
    if positions is None:
        return None
    if isinstance(positions, Tensor) and positions.dtype == torch.bool:
        mask = positions.to(like.device)
    else:
        mask = torch.zeros(like.shape[1], dtype=torch.bool, device=like.device)
        mask[torch.as_tensor(positions, dtype=torch.long)] = True
    return mask.reshape(*(1,) * (2 - mask.ndim), *mask.shape, *(1,) * (like.ndim - 2))


def mean_activation(activation: Tensor, present: Tensor | None, *, pooled: bool) -> Tensor:
    """The mean [p, …] or, if pooled, [1, …] of an activation [n, p, …] where an input is ``present`` [n, p]."""
    axes = (0, 1) if pooled else (0,)
    if present is None:
        mean = activation.mean(dim=axes, keepdim=True)[0]
    else:
        counted = present.reshape(*present.shape, *(1,) * (activation.ndim - 2)).to(activation.dtype)
        mean = ((activation * counted).sum(dim=axes, keepdim=True) / counted.sum(dim=axes, keepdim=True).clamp(min=1))[
            0
        ]
    return mean


def moved(activation: Tensor, taken: Tensor | None) -> Tensor:
    """An activation [b, p, …] with at each position what was at the one that is ``taken`` [b, p]."""
    if taken is None:
        return activation
    return activation[torch.arange(len(activation), device=activation.device)[:, None], taken.to(activation.device)]
