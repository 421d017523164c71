"""Stage 6: Craft to weight matrices and labels (Tracr paper, section 3, step 6)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.allocate import Allocation, Clearing
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.fit import Fitting, check_widths
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.compiler.shape import model_shape
from tracrlab.craft.components import MLP, AttentionHead
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import few_bits
from tracrlab.craft.ramps import power_above
from tracrlab.craft.spaces import Feature, Read, code_variable
from tracrlab.errors import DomainTooLargeError, PrecisionError
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.sublayers import EMBEDDING
from tracrlab.model.weights import Weights, zero_weights
from tracrlab.shapes import Float

MAX_PARAMETERS = 2**30


@dataclass(frozen=True, eq=False)
class _Layers:
    """The components of each layer, with the names of the expressions they serve, and what its MLP clears."""

    heads: list[list[tuple[AttentionHead, str]]]
    mlps: list[list[tuple[MLP, str]]]
    clearings: list[list[Clearing]]


def assemble_model(
    fitting: Fitting,
    lowered: Lowered,
    schedule: Schedule,
    allocation: Allocation,
    config: ModelConfig,
) -> Artefact:
    """Place every component's matrices into the weights of a transformer and label what is where.

    ``config`` gives everything but the shape, which follows from the components, and is enlarged with zeros to the
    architecture that they are fitted to.

    Raises:
        ArchitectureError: the residual stream or the heads do not fit.
        DomainTooLargeError: the model would have more than ``MAX_PARAMETERS`` parameters.
        PrecisionError: weights are beyond the range of the number format.
    """
    analysis = fitting.analysis
    config = model_shape(config, lowered, schedule, allocation, fitting.architecture)
    layers = _layers(analysis, lowered, schedule, allocation, config.n_layers)
    check_widths(fitting, allocation.d_model, config.d_head)
    if config.n_params > MAX_PARAMETERS:
        raise DomainTooLargeError(
            analysis.graph.output.title,
            analysis.graph.output.expression.location,
            f"the model would have {config.n_params:,} parameters, more than {MAX_PARAMETERS:,}",
            "Use a smaller vocabulary or length, and a smaller shape where one is asked for",
        )
    weights = zero_weights(config)
    _fill_embeddings(weights, lowered, allocation)
    for layer, heads in enumerate(layers.heads):
        for number, (head, _) in enumerate(heads):
            _fill_head(weights, layer, number, head, allocation, config.d_head)
    for layer, mlps in enumerate(layers.mlps):
        end = _fill_mlps(weights, layer, [mlp for mlp, _ in mlps], allocation)
        _fill_clearings(weights, layer, end, layers.clearings[layer], allocation)
    _add_reads(weights.W_U, lowered.readout, allocation)
    _round(weights, analysis.graph.output, config.number_format)
    variables = tuple(_variable_labels(analysis, lowered, schedule, allocation))
    serves = {entry.name: entry.expression for entry in variables}
    labels = Labels(
        variables=(*variables, *_unused_dimensions(allocation.d_model, config.d_model)),
        heads=tuple(tuple(HeadLabel(head.writes.name, node) for head, node in heads) for heads in layers.heads),
        neurons=tuple(
            (
                *(NeuronLabel(mlp.writes.name, node, mlp.n_neurons) for mlp, node in mlps),
                *(
                    NeuronLabel(each.variable.name, serves[each.variable.name], each.n_neurons, clears=True)
                    for each in clearings
                ),
            )
            for mlps, clearings in zip(layers.mlps, layers.clearings, strict=True)
        ),
    )
    program = tuple((node.name, node.text, _file_and_line(node)) for node in analysis.graph.nodes)
    claims = replace(lowered.claims, scope=config.scope)
    return Artefact(config, weights, labels, lowered.output, program, claims)


def _round(weights: Weights, output: Node, number_format: NumberFormat) -> None:
    """Make all weights numbers of the format.

    Raises:
        PrecisionError: some are beyond its range.
    """
    for array in weights.as_dict().values():
        array[...] = number_format.stored(array)
        if not np.isfinite(array).all():
            raise PrecisionError(
                output.title,
                output.expression.location,
                f"its weights are beyond the range of {number_format}",
                "Use a wider number format",
            )


def _file_and_line(node: Node) -> str | None:
    """Where the program built the expression, without the folder, which means nothing on another machine."""
    location = node.expression.location
    return None if location is None else re.split(r"[\\/]", location)[-1]


def _layers(analysis: Analysis, lowered: Lowered, schedule: Schedule, allocation: Allocation, n_layers: int) -> _Layers:
    numbers = range(n_layers)
    layers = _Layers([[] for _ in numbers], [[] for _ in numbers], [[] for _ in numbers])
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        name = analysis.graph.nodes[placed.node].name
        if isinstance(placed.component, AttentionHead):
            layers.heads[sublayer.layer].append((placed.component, name))
        else:
            layers.mlps[sublayer.layer].append((placed.component, name))
    for clearing in allocation.clearings:
        layers.clearings[clearing.sublayer.layer].append(clearing)
    return layers


def _fill_embeddings(weights: Weights, lowered: Lowered, allocation: Allocation) -> None:
    for placed in lowered.components:
        if placed.component.writes.ground is not None:
            weights.W_E[:, allocation.dimensions(placed.component.writes)] = placed.component.writes.ground
    for embedding in lowered.embeddings:
        dimensions = allocation.dimensions(embedding.writes)
        if embedding.by_token is not None:
            weights.W_E[:, dimensions] = embedding.by_token
        if embedding.by_position is not None:
            weights.W_pos[:, dimensions] = embedding.by_position


def _fill_head(
    weights: Weights, layer: int, number: int, head: AttentionHead, allocation: Allocation, d_head: int
) -> None:
    """Scores become logits here, where the division by the square root of ``d_head`` is known.

    The factor is a power of two, so that all scores times it are exact and equal scores give equal logits.
    """
    scale = power_above(head.sharpness * math.sqrt(d_head))
    _add_reads(weights.W_Q[layer, number], head.queries, allocation, scale)
    _add_reads(weights.W_Q[layer, number], head.ahead, allocation, head.lead * math.sqrt(d_head))
    _add_reads(weights.W_K[layer, number], head.keys, allocation)
    gain = few_bits(math.exp(head.excess * scale / math.sqrt(d_head) + head.lead))
    _add_reads(weights.W_V[layer, number], head.values, allocation, gain)
    rows, columns = head.output.shape
    weights.W_O[layer, number, :rows, allocation.dimensions(head.writes)] = head.output.reshape(rows, columns)


def _fill_mlps(weights: Weights, layer: int, mlps: Iterable[MLP], allocation: Allocation) -> int:
    """Put MLPs side by side; returns how many neurons they have."""
    start = 0
    for mlp in mlps:
        end = start + mlp.n_neurons
        _add_reads(weights.W_in[layer, :, start:end], mlp.reads, allocation)
        weights.W_out[layer, start:end, allocation.dimensions(mlp.writes)] = mlp.output
        start = end
    return start


def _fill_clearings(
    weights: Weights, layer: int, neuron: int, clearings: Iterable[Clearing], allocation: Allocation
) -> None:
    """From ``neuron`` on, neurons that take off what their dimension holds."""
    for clearing in clearings:
        start = allocation.starts[clearing.variable]
        for place in clearing.places:
            for sign in (1, -1)[: 1 + clearing.signed]:
                weights.W_in[layer, start + place, neuron] = sign
                weights.W_out[layer, neuron, start + place] = -sign
                neuron += 1


def _add_reads(
    matrix: Float[np.ndarray, "d_model feature"], reads: Iterable[Read], allocation: Allocation, scale: float = 1.0
) -> None:
    for read in reads:
        features = read.matrix.shape[1]
        matrix[allocation.dimensions(read.variable), :features] += scale * read.matrix


def _variable_labels(
    analysis: Analysis, lowered: Lowered, schedule: Schedule, allocation: Allocation
) -> Iterable[ModelVariable]:
    """The variables in dimension order, with the sublayers that write and clear each and the s-op it serves."""
    nodes = analysis.graph.nodes
    written = {
        placed.component.writes.name: (sublayer, nodes[placed.node].name)
        for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True)
    }
    holds = {variable.name: nodes[place].name for place, variable in lowered.variables.items()}
    cleared = {clearing.variable: clearing.sublayer for clearing in allocation.clearings}
    for variable, start in allocation.starts.items():
        sublayer, serves = written.get(variable.name, (EMBEDDING, variable.name))
        expression, is_value = holds.get(variable.name, serves), variable.name in holds
        yield ModelVariable(variable, start, sublayer, expression, is_value, cleared.get(variable))


def _unused_dimensions(used: int, d_model: int) -> Iterable[ModelVariable]:
    """The dimensions that an architecture has beyond what the variables take; always zero."""
    if used < d_model:
        width = d_model - used
        zero = np.zeros((1, width))
        unused = code_variable("unused", (None,), zero, [Feature(str(place)) for place in range(width)], zero[0])
        yield ModelVariable(unused, used, EMBEDDING, "unused", False)
