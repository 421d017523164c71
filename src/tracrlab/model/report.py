"""Where the dimensions, heads, neurons and weights of a model went, expression by expression, and lower bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.errors import VerificationError
from tracrlab.model.certificate import Certificate, verdict
from tracrlab.model.labels import Labels
from tracrlab.model.parts import head_parts, neuron_parts, unembedding_part
from tracrlab.model.sublayers import Sublayer
from tracrlab.model.weights import Weights


@dataclass(frozen=True)
class ExpressionCost:
    """What one expression of the program takes: dimensions it holds, heads and neurons that write them, their weights.

    ``n_dimensions`` counts those that it shares with others, one after the other, too; ``n_neurons`` those that clear
    them. ``n_weights`` counts weights that are not zero, in the components that write the expression's variables and in
    its columns of the embedding.
    """

    expression: str
    n_dimensions: int
    n_heads: int
    n_neurons: int
    n_weights: int


@dataclass(frozen=True)
class Report:
    """The cost of a model by expression, and what no model with the same variables can do without.

    Attributes: ``costs`` by expression, in the order of the residual stream; ``critical_path`` the sublayers (attention
    and MLP) on the longest chain of components that read one another; ``largest_live_set`` the most dimensions that
    hold something still to be read, at once: with dimensions used again, ``d_model`` could not be less.
    ``n_reused`` counts how often a dimension is used again, ``n_clearing`` the neurons that clear dimensions for that.
    ``proof`` says in words whether the model carries a certificate.
    """

    costs: tuple[ExpressionCost, ...]
    critical_path: int
    largest_live_set: int
    n_reused: int
    n_clearing: int
    proof: str

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("expression", "dimensions", "heads", "neurons", "weights")]
        rows += [
            (cost.expression, *map(str, (cost.n_dimensions, cost.n_heads, cost.n_neurons, cost.n_weights)))
            for cost in self.costs
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in rows
        ]
        lines.append(f"longest chain of components: {self.critical_path} sublayers")
        lines.append(f"most dimensions in use at once: {self.largest_live_set}")
        if self.n_reused:
            lines.append(f"dimensions used again: {self.n_reused}, cleared by {self.n_clearing} neurons")
        lines.append(self.proof)
        return "\n".join(lines)


def model_report(weights: Weights, labels: Labels, certificate: Certificate | None) -> Report:
    """The report of a model that carries this certificate.

    Raises:
        VerificationError: the labels do not fit the weights.
    """
    _require_fitting(weights, labels)
    names = list(dict.fromkeys(variable.expression for variable in labels.variables))
    costs = tuple(_cost(weights, labels, name) for name in names)
    reads = _reads(weights, labels)
    n_reused = sum(len(holders) - 1 for holders in labels.holders)
    n_clearing = sum(group.count for groups in labels.neurons for group in groups if group.clears)
    longest, largest = _longest_chain(labels, reads), _largest_live_set(labels, reads)
    return Report(costs, longest, largest, n_reused, n_clearing, verdict(certificate))


def _require_fitting(weights: Weights, labels: Labels) -> None:
    n_layers, n_heads, d_model, _ = weights.W_Q.shape
    names = {variable.name for variable in labels.variables}
    writers = [each for heads in labels.heads for each in heads] + [each for own in labels.neurons for each in own]
    fits = (
        len(labels.heads) == len(labels.neurons) == n_layers
        and labels.are_consistent(d_model)
        and all(len(heads) <= n_heads for heads in labels.heads)
        and all(each.count >= 0 for own in labels.neurons for each in own)
        and all(each.writes in names for each in writers)
    )
    if not fits:
        raise VerificationError("the labels of the model do not fit its weights, so there is nothing to report")


def _cost(weights: Weights, labels: Labels, expression: str) -> ExpressionCost:
    own = [variable for variable in labels.variables if variable.expression == expression]
    # what the embedding puts into a dimension belongs to the first variable that it holds
    held = [number for number, holders in enumerate(labels.holders) if holders[0].expression == expression]
    n_weights = sum(int(np.count_nonzero(table[:, held])) for table in (weights.W_E, weights.W_pos))
    n_heads = n_neurons = 0
    for layer, heads in enumerate(labels.heads):
        for number, head in enumerate(heads):
            if head.expression == expression:
                n_heads += 1
                matrices = (weights.W_Q, weights.W_K, weights.W_V, weights.W_O)
                n_weights += sum(int(np.count_nonzero(matrix[layer, number])) for matrix in matrices)
        for neurons, group in labels.neuron_groups(layer):
            if group.expression == expression:
                n_neurons += group.count
                n_weights += int(np.count_nonzero(weights.W_in[layer, :, neurons.start : neurons.stop]))
                n_weights += int(np.count_nonzero(weights.W_out[layer, neurons.start : neurons.stop]))
    return ExpressionCost(expression, sum(each.variable.width for each in own), n_heads, n_neurons, n_weights)


def _reads(weights: Weights, labels: Labels) -> list[set[tuple[Sublayer, str]]]:
    """For each variable, the sublayer and the written variable of every component that reads it; the answer is last.

    Clearing a variable is not reading it.
    """
    place = {variable.name: number for number, variable in enumerate(labels.variables)}
    reads: list[set[tuple[Sublayer, str]]] = [set() for _ in labels.variables]
    for part in (
        *head_parts(weights, labels),
        *neuron_parts(weights, labels),
        unembedding_part(weights, labels),
    ):
        for source in () if part.clears else part.sources:
            reads[place[source.name]].add((part.sublayer, part.writes))
    return reads


def _longest_chain(labels: Labels, reads: list[set[tuple[Sublayer, str]]]) -> int:
    """The components on the longest chain; variables are written in the order of their sublayers."""
    place = {variable.name: number for number, variable in enumerate(labels.variables)}
    length = [0 if variable.sublayer < 0 else 1 for variable in labels.variables]
    for number in sorted(range(len(length)), key=lambda each: labels.variables[each].sublayer):
        for _, written in reads[number]:
            if written:
                length[place[written]] = max(length[place[written]], length[number] + 1)
    return max(length, default=0)


def _largest_live_set(labels: Labels, reads: list[set[tuple[Sublayer, str]]]) -> int:
    """The most dimensions in use between two sublayers: written before, and read by a later one or the answer."""
    live = [0] * (Sublayer.end(len(labels.heads)) + 1)
    for variable, readers in zip(labels.variables, reads, strict=True):
        last = max((sublayer for sublayer, _ in readers), default=variable.sublayer)
        for boundary in range(variable.sublayer + 1, last + 1):
            live[boundary] += variable.variable.width
    return max(live)
