"""How parameters are optimised: AdamW, the learning rate over the steps, and when to measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tracrlab.errors import TrainingError


@dataclass(frozen=True)
class Optimisation:
    """The settings of a training that do not depend on what is trained.

    Attributes:
        steps: how many batches.
        learning_rate, final_learning_rate: from where it falls linearly, and to where.
        decay_share: the share of the steps over which it falls.
        warmup_share: the share of the steps over which it rises at first, from nothing.
        betas, weight_decay: of AdamW.
        max_grad_norm: the gradient of a run is scaled down to this Euclidean norm.
        n_measurements: in a training, each with a checkpoint.
        batch_seed: of what is drawn at random on the way, such as the order of the inputs.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.0
    decay_share: float = 1.0
    warmup_share: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    n_measurements: int = 20
    batch_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "n_measurements"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise TrainingError(f"learning_rate must be a positive number, not {self.learning_rate}")
        if not self.max_grad_norm > 0:
            raise TrainingError(f"max_grad_norm must be a positive number or infinite, not {self.max_grad_norm}")
        for name in ("weight_decay", "final_learning_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TrainingError(f"{name} must be a non-negative number, not {getattr(self, name)}")
        for name in ("decay_share", "warmup_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise TrainingError(f"betas must be at least 0 and less than 1, not {self.betas}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        fallen = min(1.0, step / max(1.0, self.decay_share * self.steps))
        risen = min(1.0, (step + 1) / max(1.0, self.warmup_share * self.steps))
        return risen * (self.learning_rate + (self.final_learning_rate - self.learning_rate) * fallen)

    @property
    def interval(self) -> int:
        """The number of steps between two measurements."""
        return max(1, self.steps // self.n_measurements)
