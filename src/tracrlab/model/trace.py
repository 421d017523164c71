"""A forward pass seen step by step: the residual stream, the attention patterns, the values of the variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.spaces import Variable
from tracrlab.model.forward import Activations
from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.readout import decode_output
from tracrlab.model.sublayers import Sublayer, sublayers
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class Step:
    """One sublayer, the residual stream after it, and what it wrote.

    ``pattern`` are the attention patterns of its heads (``None`` for the embedding and MLPs).
    """

    sublayer: Sublayer
    residual: Float[np.ndarray, "position d_model"]
    written: tuple[ModelVariable, ...]
    pattern: Float[np.ndarray, "head query key"] | None

    @property
    def name(self) -> str:
        """The name of the sublayer: ``embed``, ``a0``, ``m0``, …"""
        return str(self.sublayer)

    def values(self, variable: ModelVariable) -> list[Value]:
        """The value of a variable at each token, as it stands after this sublayer (BOS left out).

        Raises:
            ValueError: it has not been written yet, or its dimensions have been cleared for something else.
        """
        if not variable.stands_after(self.sublayer):
            written = f"written by {variable.sublayer}"
            until = "" if variable.cleared is None else f" and cleared by {variable.cleared}"
            raise ValueError(f"{variable.name} is not there after {self.name}: it is {written}{until}")
        return variable.decode(self.residual[1:])


@dataclass(frozen=True, eq=False)
class Trace:
    """One sequence on its way through a model. Position 0 of every array is BOS.

    Attributes: ``tokens`` without BOS; ``steps`` the embedding and every sublayer; ``output`` the decoded answer.
    """

    tokens: tuple[Value, ...]
    steps: tuple[Step, ...]
    output: list[Value]
    labels: Labels

    @property
    def values(self) -> dict[str, list[Value]]:
        """The value of every variable at every token, decoded where it was last there."""
        return {
            variable.name: next(step for step in reversed(self.steps) if variable.stands_after(step.sublayer)).values(
                variable
            )
            for variable in self.labels.variables
        }

    def __repr__(self) -> str:
        return f"Trace of {list(self.tokens)!r}: {len(self.steps)} steps, output {self.output!r}"


def traced(labels: Labels, output: Variable, tokens: Sequence[Value], activations: Activations) -> Trace:
    """The trace of what happened on one sequence."""
    steps = []
    for sublayer, residual in zip(sublayers(len(labels.heads)), activations.residuals, strict=True):
        written = tuple(each for each in labels.variables if each.sublayer == sublayer)
        pattern = activations.patterns[sublayer.layer][0] if sublayer.is_attention else None
        steps.append(Step(sublayer, residual[0], written, pattern))
    return Trace(tuple(tokens), tuple(steps), decode_output(output, activations.logits[0, 1:]), labels)
