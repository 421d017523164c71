"""Aggregates become attention heads that copy or average (Tracr paper, appendix D.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.claiming import contents, head_claim, variable_quantity
from tracrlab.compiler.lower.composite import selection_matches
from tracrlab.compiler.lower.elementwise import chosen_layout, new_variable, numeric_reads, require_numbers
from tracrlab.compiler.lower.scores import Match, head_scores, weight_error
from tracrlab.compiler.lower.workspace import Stored, Workspace
from tracrlab.compiler.value_sets import domain_of
from tracrlab.craft.claims import MLPClaim, View
from tracrlab.craft.neurons import Neurons, side_by_side, step_neurons
from tracrlab.craft.precision import Noise, number_noise, roundings
from tracrlab.craft.spaces import Layout, Read, Variable, one_hot_variable, scalar_variable
from tracrlab.rasp.expressions import Aggregate, Encoding
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Float

_COPY_TOLERANCE = 1.0  # which of the selected positions is attended does not matter: they hold the same value


def lower_aggregate(work: Workspace, node: Node) -> None:
    """Add the head that computes an ``Aggregate`` node and store its value."""
    expression = node.expression
    assert isinstance(expression, Aggregate)
    analysis = work.analysis
    if expression.encoding is Encoding.NUMERICAL:
        require_numbers(node, analysis.domains[node.place])
    selection = analysis.selection(node)
    if selection.is_empty:
        work.store(node, constant_variable(work, node, expression.default))
        return
    default = expression.default if 0 in analysis.widths[node.inputs[0]] else None
    matches = selection_matches(work, node, selection)
    if node.place in analysis.means:
        _lower_mean(work, node, matches, default)
    else:
        _lower_copy(work, node, matches, default)


def constant_variable(work: Workspace, node: Node, value: Value) -> Variable:
    """A variable that holds the same value at every position but BOS, put there by the position embedding."""
    variable = new_variable(node, chosen_layout(work, node), domain_of([value]))
    rows = np.tile(variable.vector(value), (work.analysis.max_length + 1, 1))
    rows[0] = 0
    return work.embed(variable, rows)


def _lower_copy(work: Workspace, node: Node, matches: Sequence[Match], default: Value) -> None:
    """All the positions selected hold one value, so averaging copies it, whatever its type."""
    stored, domain = work.stored[node.inputs[1]], work.analysis.domains[node.place]
    variable = stored.variable
    as_number = node.expression.encoding is Encoding.NUMERICAL or (
        node.expression.encoding is None and variable.layout is Layout.SCALAR and domain.is_numeric
    )
    scores = head_scores(work, node, matches, attend_bos=False, tolerance=_COPY_TOLERANCE)
    widths = work.analysis.widths[node.inputs[0]]
    one_position = widths[-1] <= 1
    averaging = roundings(work.dtype, 2) if one_position else _rounding(work)
    if as_number:
        target = scalar_variable(node.name, domain.values, nullable=domain.nullable, at_bos=default)
        reads = _number_and_presence(work, variable, target)
        sizes = np.array([np.abs(target.numbers).max(initial=0), 1.0])[: target.width]
        errors = [
            averaging * float(size) + sum(read.variable.noise.of_read(read.matrix[:, [column]]) for read in reads)
            for column, size in enumerate(sizes)
        ]
        target = replace(target, noise=number_noise(*errors))
        work.store(node, work.add_head(node.place, target, scores, reads, target.vector(default)))
        rows = _number_rows(variable, target)
        work.claim(head_claim(target, "copy", scores, variable, rows, target.vector(default), widths))
        return
    variable = work.one_hot(node, variable)
    own_default = [] if default is None or value_key(default) in variable.places else [default]
    target = one_hot_variable(node.name, [*variable.values, *own_default], nullable=domain.nullable, at_bos=default)
    matrix = np.eye(variable.width, target.width)
    target = replace(target, noise=variable.noise.through(matrix, averaging))
    work.add_head(node.place, target, scores, [Read(variable, matrix)], target.vector(default))
    if variable in work.widths:
        work.widths[target] = work.widths[variable]
    rows = contents(variable) @ matrix
    work.claim(head_claim(target, "copy", scores, variable, rows, target.vector(default), widths))
    work.store(node, target, _copied_slots(work, node, stored, target))


def _copied_slots(work: Workspace, node: Node, stored: Stored, target: Variable) -> np.ndarray:
    """Copied values keep the slot they have in the source; a default of its own has its own."""
    source = work.analysis.domains[node.inputs[1]]
    slot = {value_key(value): int(place) for value, place in zip(source.values, stored.slots, strict=True)}
    values = work.analysis.domains[node.place].values
    return np.array([slot.get(value_key(value), target.places.get(value_key(value), -1)) for value in values], int)


def _number_rows(variable: Variable, target: Variable) -> Float[np.ndarray, "value width"]:
    """What the target holds for each value of a variable that holds numbers."""
    rows = np.zeros((len(variable.values) + variable.nullable, target.width))
    rows[: len(variable.values)] = 1
    rows[: len(variable.values), 0] = variable.numbers
    return rows


def _number_and_presence(work: Workspace, variable: Variable, target: Variable) -> list[Read]:
    """The number a variable holds, and, if the target has a presence dimension, 1 where there is one."""
    number = numeric_reads(variable)[0].matrix
    if not target.nullable:
        return [Read(variable, number)]
    if not variable.nullable:
        both = np.concatenate([number, np.zeros_like(number)], axis=1)
        return [Read(variable, both), *work.constant_reads(np.array([0.0, 1.0]))]
    present = np.ones_like(number) if variable.layout is Layout.ONE_HOT else np.array([[0.0], [1.0]])
    return [Read(variable, np.concatenate([number, present], axis=1))]


def _lower_mean(work: Workspace, node: Node, matches: Sequence[Match], default: Value) -> None:
    """Average numbers; a default that is no number, or a one-hot result, takes an MLP more."""
    domain = work.analysis.domains[node.place]
    direct = domain.is_numeric and node.expression.encoding is not Encoding.CATEGORICAL
    rounding = roundings(work.dtype, 2 * work.analysis.max_length + 8, half=2)
    variable = _averaged_variable(work, node, rounding)
    number = numeric_reads(variable)[0].matrix
    scores = head_scores(work, node, matches, attend_bos=False, tolerance=rounding)
    spread = rounding + 2 * weight_error(work, scores)
    error = variable.noise.of_read(number) + spread * max(float(np.abs(variable.numbers).max()), 1.0)

    number_default = default if is_finite_number(default) else None
    nullable = 0 in work.analysis.widths[node.inputs[0]] and number_default is None
    mean = scalar_variable(
        node.name if direct else work.own_name(f"{node.name}.mean"),
        domain.values,
        nullable=nullable,
        at_bos=number_default,
        noise=number_noise(error, spread) if nullable else number_noise(error),
    )
    work.add_head(node.place, mean, scores, _number_and_presence(work, variable, mean), mean.vector(number_default))
    widths = work.analysis.widths[node.inputs[0]]
    rows = _number_rows(variable, mean)
    work.claim(head_claim(mean, "mean", scores, variable, rows, mean.vector(number_default), widths))
    if direct:
        work.store(node, mean)
    else:
        _store_one_hot_mean(work, node, mean, default)


def _rounding(work: Workspace) -> float:
    """A bound on the relative rounding error of an average over all positions."""
    return roundings(work.dtype, 2 * work.analysis.max_length + 8)


def _averaged_variable(work: Workspace, node: Node, rounding: float) -> Variable:
    """The variable whose numbers are averaged, or an exact copy if its noise would exceed the rounding."""
    variable = work.stored[node.inputs[1]].variable
    noise = variable.noise.of_read(numeric_reads(variable)[0].matrix)
    if variable.layout is Layout.ONE_HOT and noise > rounding * float(np.abs(variable.numbers).max()):
        return work.exact(node, variable)
    return variable


def _store_one_hot_mean(work: Workspace, node: Node, mean: Variable, default: Value) -> None:
    """Discretise a mean; where nothing was selected, put a default that is no number."""
    domain = work.analysis.domains[node.place]
    odd_default = [] if default is None or is_finite_number(default) else [default]
    work.check_size(node, len(mean.values))
    target = one_hot_variable(node.name, [*mean.values, *odd_default], nullable=domain.nullable)
    neurons = step_neurons(work.number(mean), target.table[: len(mean.values)], work.dtype)
    if odd_default:
        absent = [*work.constant_reads(np.ones(1)), Read(mean, np.array([[0.0], [-1.0]]))]
        neurons = side_by_side([neurons, Neurons(tuple(absent), target.vector(default)[None, :], Noise())])
    target = work.add_mlp(node.place, target, neurons)
    slots = np.arange(len(mean.values) + mean.nullable)
    none = target.vector(odd_default[0] if odd_default else None)[None, :]
    results = np.concatenate([target.table[: len(mean.values)], none])
    work.claim(MLPClaim(target.name, (variable_quantity(mean),), View((0,), slots), results))
    places = [
        target.places[value_key(value)] if value in odd_default else int(work.slots_in(mean, [value])[0])
        for value in domain.values
    ]
    work.store(node, target, np.array(places, int))
