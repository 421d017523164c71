"""The sizes of the transformer that a program's components need."""

from __future__ import annotations

from collections.abc import Sequence

from tracrlab.compiler.allocate import Allocation
from tracrlab.compiler.construction import Placed
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.craft.components import MLP, AttentionHead
from tracrlab.model.config import ModelConfig


def model_shape(
    config: ModelConfig, lowered: Lowered, schedule: Schedule, allocation: Allocation, architecture: Architecture
) -> ModelConfig:
    """The configuration with the sizes that hold everything, not less than those of the ``architecture``."""
    n_layers = max(schedule.n_layers, architecture.n_layers or 1)
    neurons = neurons_by_layer(lowered.components, schedule, n_layers)
    for clearing in allocation.clearings:
        neurons[clearing.sublayer.layer] += clearing.n_neurons
    heads = [0] * n_layers
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        heads[sublayer.layer] += isinstance(placed.component, AttentionHead)
    return config.with_shape(
        d_model=max(allocation.d_model, architecture.d_model or 1),
        n_layers=n_layers,
        n_heads=max(architecture.n_heads or 1, *heads),
        d_head=_d_head(lowered.components, architecture.d_head or 1),
        d_mlp=max(architecture.d_mlp or 1, *neurons),
        d_vocab_out=lowered.readout[0].matrix.shape[1],
    )


def neurons_by_layer(components: Sequence[Placed], schedule: Schedule, n_layers: int) -> list[int]:
    """How many neurons the components have in each layer."""
    neurons = [0] * n_layers
    for placed, sublayer in zip(components, schedule.sublayers, strict=True):
        if isinstance(placed.component, MLP):
            neurons[sublayer.layer] += placed.component.n_neurons
    return neurons


def _d_head(components: Sequence[Placed], least: int) -> int:
    """The width that holds all heads, a power of four where the division by its square root must be exact."""
    heads = [placed.component for placed in components if isinstance(placed.component, AttentionHead)]
    width = max([least, *(head.head_width for head in heads)])
    of_four = 4 ** (((width - 1).bit_length() + 1) // 2)
    return of_four if any(head.needs_exact_logits for head in heads) else width
