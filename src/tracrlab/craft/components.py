"""The building blocks of a transformer over labelled variables: embeddings, attention heads and MLPs.

A component reads variables through linear reads and writes exactly one variable of its own, so components do not
interfere. Weights are small dense matrices over the variables' own dimensions; where those dimensions lie in the
residual stream is decided later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.craft.spaces import Read, Variable
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class Embedding:
    """A variable that is a function of the token alone plus a function of the position alone.

    ``by_token`` has a row for each token id (vocabulary, then BOS, then PAD), ``by_position`` a row for each position
    of the model's input (0 is BOS).
    """

    writes: Variable
    by_token: Float[np.ndarray, "token width"] | None = None
    by_position: Float[np.ndarray, "position width"] | None = None


@dataclass(frozen=True, eq=False)
class AttentionHead:
    """One attention head.

    The attention logit of a query and a key position is ``sharpness * (query features @ key features)``; queries and
    keys hold small integers, so that equal scores are equal floats. What it writes is the average of the value
    features under the attention pattern, times ``output``.

    A head that counts gives BOS ``excess`` more than a match scores. BOS then takes nearly all attention, each selected
    position gets the share ``exp(-logit of the excess)``, and the value features are multiplied by the inverse. Where
    ``needs_exact_logits``, scores are so large that the division by the square root of ``d_head`` must not round.
    A moderate excess is given as a ``lead`` instead, in logits, which ``ahead`` of the queries adds.
    """

    writes: Variable
    queries: tuple[Read, ...]
    keys: tuple[Read, ...]
    values: tuple[Read, ...]
    output: Float[np.ndarray, "value width"]
    sharpness: float
    excess: float = 0.0
    needs_exact_logits: bool = False
    lead: float = 0.0
    ahead: tuple[Read, ...] = ()

    @property
    def reads(self) -> tuple[Read, ...]:
        """All that the head reads."""
        return self.queries + self.ahead + self.keys + self.values

    @property
    def head_width(self) -> int:
        """The least ``d_head`` that can hold this head."""
        width: int = max(self.queries[0].matrix.shape[1], self.output.shape[0])
        return width


@dataclass(frozen=True, eq=False)
class MLP:
    """``relu(reads) @ output``, a row of ``output`` for each hidden neuron."""

    writes: Variable
    reads: tuple[Read, ...]
    output: Float[np.ndarray, "neuron width"]

    @property
    def n_neurons(self) -> int:
        """The number of hidden neurons."""
        n_neurons: int = self.output.shape[0]
        return n_neurons


Component = AttentionHead | MLP
