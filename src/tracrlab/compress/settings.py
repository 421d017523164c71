"""How a compression is trained (Tracr paper, appendix E)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tracrlab.compress.sharing import Sharing
from tracrlab.errors import CompressionError

TRAINABLE = ("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")


@dataclass(frozen=True)
class Settings:
    """The settings of a training.

    The paper trains with AdamW, both loss terms weighted equally, and lets the learning rate fall linearly over the
    first half of the steps; the text at hand has lost its numbers, so those below are ours. They are chosen for
    minutes, not hours: sharpening, and a learning rate that falls to the end, take the place of many steps.

    Attributes:
        steps: how many batches.
        batch_size: inputs a batch.
        learning_rate, final_learning_rate: from where it falls, and to where.
        decay_share: the share of the steps over which it falls.
        betas, weight_decay: of AdamW.
        initial_sharpness, sharpening_share: attention and MLPs become as sharp as they were compiled over this share of
            the steps: scores are multiplied by a factor that rises geometrically from the first to 1, and the bend of
            the ReLU is rounded likewise. Compiled models are so sharp that hardly any gradient passes from a random
            start, and most runs end in poor minima; 1 is the paper's training.
        max_grad_norm: a run's gradient is scaled down to this Euclidean norm.
        output_weight, layer_weight, interchange_weight: of the terms of the loss.
        swap_compiled: whether an exchanged variable is given the compiled encoding of its new value, and not what the
            compressed model itself writes for it.
        compare: whether the layer loss compares what a sublayer writes in compiled dimensions (``"written"``), or how
            that is read by later ones, through W Wᵀ (``"read"``).
        logit_scale: by which the one-hot answer is multiplied for the softmax.
        sharing: what shares a matrix.
        unfrozen: names of compiled weights that are trained too.
        batch_seed: of the order of the inputs, which is the same for all runs.
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 1e-2
    final_learning_rate: float = 1e-5
    decay_share: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    initial_sharpness: float = 0.02
    sharpening_share: float = 0.4
    max_grad_norm: float = 1.0
    output_weight: float = 1.0
    layer_weight: float = 1.0
    interchange_weight: float = 0.0
    swap_compiled: bool = False
    compare: Literal["written", "read"] = "written"
    logit_scale: float = 10.0
    sharing: Sharing = Sharing.ALL
    unfrozen: tuple[str, ...] = ()
    batch_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise CompressionError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "max_grad_norm", "logit_scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise CompressionError(f"{name} must be a positive number, not {getattr(self, name)}")
        for name in ("output_weight", "layer_weight", "interchange_weight", "weight_decay", "final_learning_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CompressionError(f"{name} must be a number and not negative, unlike {getattr(self, name)}")
        for name in ("decay_share", "sharpening_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise CompressionError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if not 0 < self.initial_sharpness <= 1:
            raise CompressionError(f"initial_sharpness must be above 0 and at most 1, not {self.initial_sharpness}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise CompressionError(f"betas must be at least 0 and less than 1, not {self.betas}")
        if unknown := [name for name in self.unfrozen if name not in TRAINABLE]:
            raise CompressionError(f"there are no weights {', '.join(unknown)}; there are {', '.join(TRAINABLE)}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = min(1.0, step / max(1.0, self.decay_share * self.steps))
        return self.learning_rate + (self.final_learning_rate - self.learning_rate) * done

    def sharpness_at(self, step: int) -> float:
        """The sharpness of attention and MLPs at a step, counted from 0."""
        done = min(1.0, step / max(1.0, self.sharpening_share * self.steps))
        return float(self.initial_sharpness ** (1 - done))
