"""How a compression is trained (Tracr paper, appendix E)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tracrlab.compress.sharing import Sharing
from tracrlab.errors import CompressionError, TrainingError
from tracrlab.learn.optimisation import Optimisation

TRAINABLE = ("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")


@dataclass(frozen=True)
class Settings(Optimisation):
    """The settings of a training.

    The paper trains with AdamW, both loss terms weighted equally, and lets the learning rate fall linearly over the
    first half of the steps; the text at hand has lost its numbers, so those below are ours. They are chosen for
    minutes, not hours: sharpening, and a learning rate that falls to the end, take the place of many steps.

    Attributes, beside those of :class:`tracrlab.learn.optimisation.Optimisation`:
        batch_size: inputs a batch, which is the same for all runs.
        initial_sharpness, sharpening_share: attention and MLPs become as sharp as they were compiled over this share of
            the steps: scores are multiplied by a factor that rises geometrically from the first to 1, and the bend of
            the ReLU is rounded likewise. Compiled models are so sharp that hardly any gradient passes from a random
            start, and most runs end in poor minima; 1 is the paper's training.
        output_weight, layer_weight, interchange_weight: of the terms of the loss.
        swap_compiled: whether an exchanged variable is given the compiled encoding of its new value, and not what the
            compressed model itself writes for it.
        compare: whether the layer loss compares what a sublayer writes in compiled dimensions (``"written"``), or how
            that is read by later ones, through W Wᵀ (``"read"``).
        logit_scale: by which the one-hot answer is multiplied for the softmax.
        sharing: what shares a matrix.
        unfrozen: names of compiled weights that are trained too.
    """

    steps: int = 10_000
    learning_rate: float = 1e-2
    final_learning_rate: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    batch_size: int = 64
    initial_sharpness: float = 0.02
    sharpening_share: float = 0.4
    output_weight: float = 1.0
    layer_weight: float = 1.0
    interchange_weight: float = 0.0
    swap_compiled: bool = False
    compare: Literal["written", "read"] = "written"
    logit_scale: float = 10.0
    sharing: Sharing = Sharing.ALL
    unfrozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except TrainingError as error:
            raise CompressionError(str(error)) from error
        if self.batch_size < 1:
            raise CompressionError(f"batch_size must be at least 1, not {self.batch_size}")
        if not 0 < self.logit_scale < math.inf:
            raise CompressionError(f"logit_scale must be a positive number, not {self.logit_scale}")
        for name in ("output_weight", "layer_weight", "interchange_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CompressionError(f"{name} must be a non-negative number, not {getattr(self, name)}")
        if not 0 <= self.sharpening_share <= 1:
            raise CompressionError(f"sharpening_share must be between 0 and 1, not {self.sharpening_share}")
        if not 0 < self.initial_sharpness <= 1:
            raise CompressionError(f"initial_sharpness must be above 0 and at most 1, not {self.initial_sharpness}")
        if unknown := [name for name in self.unfrozen if name not in TRAINABLE]:
            raise CompressionError(f"there are no weights {', '.join(unknown)}; there are {', '.join(TRAINABLE)}")

    def sharpness_at(self, step: int) -> float:
        """The sharpness of attention and MLPs at a step, counted from 0."""
        done = min(1.0, step / max(1.0, self.sharpening_share * self.steps))
        return float(self.initial_sharpness ** (1 - done))
