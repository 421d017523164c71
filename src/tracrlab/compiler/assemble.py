"""Stage 6: Craft to weight matrices and labels (Tracr paper, section 3, step 6)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.allocate import Allocation
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.fit import Architecture, check_widths
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.craft.components import MLP, AttentionHead
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.spaces import Feature, Read, code_variable
from tracrlab.errors import DomainTooLargeError, PrecisionError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.weights import Weights, zero_weights
from tracrlab.shapes import Float

MAX_PARAMETERS = 2**30


@dataclass(frozen=True, eq=False)
class _Layers:
    """The components of each layer, with the names of the expressions they serve."""

    heads: list[list[tuple[AttentionHead, str]]]
    mlps: list[list[tuple[MLP, str]]]


def assemble_model(
    analysis: Analysis,
    lowered: Lowered,
    schedule: Schedule,
    allocation: Allocation,
    config: ModelConfig,
    architecture: Architecture,
) -> CompiledModel:
    """Place every component's matrices into the weights of a transformer and label what is where.

    ``config`` gives everything but the shape, which follows from the components, and is enlarged with zeros to the
    ``architecture``.

    Raises:
        ArchitectureError: the residual stream or the heads do not fit.
        DomainTooLargeError: the model would have more than ``MAX_PARAMETERS`` parameters.
        PrecisionError: weights are beyond the range of the number format.
    """
    layers = _layers(analysis, lowered, schedule, max(schedule.n_layers, architecture.n_layers or 1))
    config = _with_shape(config, layers, allocation, lowered.readout, architecture)
    check_widths(analysis, allocation.d_model, config.d_head, architecture)
    if config.n_parameters > MAX_PARAMETERS:
        raise DomainTooLargeError(
            analysis.graph.output.title,
            analysis.graph.output.expression.location,
            f"the model would have {config.n_parameters:,} parameters, more than {MAX_PARAMETERS:,}",
            "Use a smaller vocabulary or length",
        )
    weights = zero_weights(config)
    _fill_embeddings(weights, lowered, allocation)
    for layer, heads in enumerate(layers.heads):
        for number, (head, _) in enumerate(heads):
            _fill_head(weights, layer, number, head, allocation, config.d_head)
    for layer, mlps in enumerate(layers.mlps):
        _fill_mlps(weights, layer, [mlp for mlp, _ in mlps], allocation)
    _add_reads(weights.W_U, lowered.readout, allocation)
    _round(weights, analysis.graph.output, config.number_format)
    labels = Labels(
        variables=(
            *_variable_labels(analysis, lowered, schedule, allocation),
            *_unused_dimensions(allocation.d_model, config.d_model),
        ),
        heads=tuple(tuple(HeadLabel(head.writes.name, node) for head, node in heads) for heads in layers.heads),
        neurons=tuple(
            tuple(NeuronLabel(mlp.writes.name, node, mlp.n_neurons) for mlp, node in mlps) for mlps in layers.mlps
        ),
    )
    program = tuple((node.name, node.text, _file_and_line(node)) for node in analysis.graph.nodes)
    return CompiledModel(config, weights, labels, lowered.output, program, lowered.claims)


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


def _layers(analysis: Analysis, lowered: Lowered, schedule: Schedule, n_layers: int) -> _Layers:
    layers = _Layers([[] for _ in range(n_layers)], [[] for _ in range(n_layers)])
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        name = analysis.graph.nodes[placed.node].name
        if isinstance(placed.component, AttentionHead):
            layers.heads[sublayer // 2].append((placed.component, name))
        else:
            layers.mlps[sublayer // 2].append((placed.component, name))
    return layers


def _with_shape(
    config: ModelConfig,
    layers: _Layers,
    allocation: Allocation,
    readout: tuple[Read, ...],
    architecture: Architecture,
) -> ModelConfig:
    all_heads = [head for heads in layers.heads for head, _ in heads]
    return config.with_shape(
        d_model=max(allocation.d_model, architecture.d_model or 1),
        n_layers=len(layers.heads),
        n_heads=max([architecture.n_heads or 1, *(len(heads) for heads in layers.heads)]),
        d_head=d_head(all_heads, architecture.d_head or 1),
        d_mlp=max([architecture.d_mlp or 1, *(sum(mlp.n_neurons for mlp, _ in mlps) for mlps in layers.mlps)]),
        d_vocab_out=readout[0].matrix.shape[1],
    )


def d_head(heads: Sequence[AttentionHead], least: int) -> int:
    """The width that holds all heads, a power of four where the division by its square root must be exact."""
    width = max([least, *(head.head_width for head in heads)])
    return 4 ** math.ceil(math.log(width, 4)) if any(head.needs_exact_logits for head in heads) else width


def _fill_embeddings(weights: Weights, lowered: Lowered, allocation: Allocation) -> None:
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
    scale = 2.0 ** math.ceil(math.log2(head.sharpness * math.sqrt(d_head)))
    _add_reads(weights.W_Q[layer, number], head.queries, allocation, scale)
    _add_reads(weights.W_K[layer, number], head.keys, allocation)
    gain = math.exp(head.excess * scale / math.sqrt(d_head))
    _add_reads(weights.W_V[layer, number], head.values, allocation, gain)
    rows, columns = head.output.shape
    weights.W_O[layer, number, :rows, allocation.dimensions(head.writes)] = head.output.reshape(rows, columns)


def _fill_mlps(weights: Weights, layer: int, mlps: Iterable[MLP], allocation: Allocation) -> None:
    start = 0
    for mlp in mlps:
        end = start + mlp.n_neurons
        _add_reads(weights.W_in[layer, :, start:end], mlp.reads, allocation)
        weights.W_out[layer, start:end, allocation.dimensions(mlp.writes)] = mlp.output
        start = end


def _add_reads(
    matrix: Float[np.ndarray, "d_model feature"], reads: Iterable[Read], allocation: Allocation, scale: float = 1.0
) -> None:
    for read in reads:
        features = read.matrix.shape[1]
        matrix[allocation.dimensions(read.variable), :features] += scale * read.matrix


def _variable_labels(
    analysis: Analysis, lowered: Lowered, schedule: Schedule, allocation: Allocation
) -> Iterable[ModelVariable]:
    """The variables in dimension order, with the sublayer that writes each and the s-op it serves."""
    nodes = analysis.graph.nodes
    written = {
        placed.component.writes.name: (sublayer, nodes[placed.node].name)
        for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True)
    }
    holds = {variable.name: nodes[place].name for place, variable in lowered.variables.items()}
    for variable, start in allocation.starts.items():
        sublayer, serves = written.get(variable.name, (-1, variable.name))
        yield ModelVariable(variable, start, sublayer, holds.get(variable.name, serves), variable.name in holds)


def _unused_dimensions(used: int, d_model: int) -> Iterable[ModelVariable]:
    """The dimensions that an architecture has beyond what the variables take; always zero."""
    if used < d_model:
        width = d_model - used
        zero = np.zeros((1, width))
        unused = code_variable("unused", (None,), zero, [Feature(str(place)) for place in range(width)], zero[0])
        yield ModelVariable(unused, used, -1, "unused", False)
