"""Soft subjects: attention as soft as it can be while every answer stays right.

Compiled attention is hard: scores lie tens of nats apart, so gradients through the pattern underflow, and methods that
follow gradients are blind to queries and keys. All queries are multiplied by one factor, found by bisection. Only
faithful models can be softened; compact heads read counts from the exact weights of a softmax.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tracrlab.errors import LabError
from tracrlab.facade import CompiledModel
from tracrlab.lab.inputs import Inputs
from tracrlab.lab.subjects.leads import Leads
from tracrlab.lab.subjects.plain import plain
from tracrlab.lab.subjects.subject import Subject
from tracrlab.learn.transformer import Transformer, torch_model

SOFTEST = 2.0**-8  # where scores 2 apart, the least there is between a match and none, weigh all alike
PRECISION = 1.05  # of the factor
LEAST_LEAD = 0.1  # of the smallest lead at full sharpness: far more than what rounding differs by between processors


def soft(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The model with its queries multiplied by the smallest factor at which it is right on all inputs.

    Raises:
        LabError: the model is compact.
    """
    if model.config.mode != "faithful":
        raise LabError("only faithful models can be softened: compact heads count by the exact weights of a softmax")
    made = plain(model, inputs, seed)
    leads = Leads.of(made.module, inputs)

    def softened(factor: float) -> Transformer:
        weights = replace(model.weights, W_Q=model.weights.W_Q * factor)
        return torch_model(model.config, weights, made.readout)

    hardest, softest = 1.0, SOFTEST
    while hardest / softest > PRECISION:
        middle = math.sqrt(hardest * softest)
        if leads.kept_by(softened(middle), LEAST_LEAD):
            hardest = middle
        else:
            softest = middle
    return replace(made, module=softened(hardest), note=f"queries multiplied by {hardest:.4f}")
