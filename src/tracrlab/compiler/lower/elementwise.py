"""Elementwise s-ops become MLPs: lookups, step functions of one number, or linear maps (Tracr paper, appendix D.1)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.claiming import linear_claim, table_claim
from tracrlab.compiler.lower.folding import fold_table
from tracrlab.compiler.lower.workspace import MAX_ONE_HOT, Stored, Workspace
from tracrlab.compiler.sums import node_affine_function
from tracrlab.compiler.value_sets import Domain, ordered
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.neurons import (
    Neurons,
    Number,
    box_cover,
    linear_neurons,
    lookup_neurons,
    step_neurons,
)
from tracrlab.craft.precision import NotSeparable, check_range, number_noise, roundings, weight_rounding
from tracrlab.craft.spaces import (
    Layout,
    Read,
    Variable,
    one_hot_variable,
    scalar_variable,
)
from tracrlab.errors import DomainTooLargeError, EncodingError
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import Encoding, Map
from tracrlab.rasp.operations import CONVERSIONS, Affine, is_one_of
from tracrlab.rasp.values import value_key
from tracrlab.shapes import Float, Int

MAX_NEURONS = 2**16


def lower_elementwise(work: Workspace, node: Node) -> None:
    """Add the MLP that computes a ``Map`` or ``SequenceMap`` node and store its value.

    A conversion of tokens that are of the right type already needs none.

    Raises:
        EncodingError, DomainTooLargeError, UndefinedValueError, NotSeparable
    """
    affine = node_affine_function(node)
    if _changes_nothing(work, node):
        work.store(node, work.stored[node.inputs[0]].variable)
    elif affine is not None and _passes_linearly(work, node):
        _lower_linear(work, node, affine)
    else:
        _lower_table(work, node)


def _changes_nothing(work: Workspace, node: Node) -> bool:
    expression = node.expression
    if not isinstance(expression, Map) or not is_one_of(expression.f, *CONVERSIONS) or expression.encoding is not None:
        return False
    table = work.analysis.table(node)
    same = table.domain.places.keys() == work.analysis.domains[node.inputs[0]].places.keys()
    return same and bool((table.places == np.arange(len(table.domain))).all())


def chosen_layout(work: Workspace, node: Node) -> Layout:
    """One-hot or scalar as the program asks; else scalar for means and too many numbers, and one-hot for the rest."""
    expression, domain = node.expression, work.analysis.domains[node.place]
    if expression.encoding is Encoding.NUMERICAL:
        require_numbers(node, domain)
        return Layout.SCALAR
    if expression.encoding is None and domain.is_numeric:
        averages = node.place in work.analysis.means
        return Layout.SCALAR if averages or len(domain) > MAX_ONE_HOT else Layout.ONE_HOT
    work.check_size(node, len(domain))
    return Layout.ONE_HOT


def require_numbers(node: Node, domain: Domain) -> None:
    """Refuse the numerical encoding for values that are not finite numbers.

    Raises:
        EncodingError: there is one; names it.
    """
    if not domain.is_numeric:
        odd = next(value for value in domain.values if not Domain((value,)).is_numeric)
        raise EncodingError(
            node.title,
            node.expression.location,
            f"it can be {abridged(odd)}, which is not a finite number, so it has no numerical encoding",
            "Drop numerical() or map it to numbers first",
        )


def new_variable(node: Node, layout: Layout, domain: Domain) -> Variable:
    """The variable for all values of a domain."""
    make = one_hot_variable if layout is Layout.ONE_HOT else scalar_variable
    return make(node.name, domain.values, nullable=domain.nullable)


def numeric_reads(variable: Variable) -> list[Read]:
    """The number that a variable holds, as one feature; its values must be numbers."""
    if variable.layout is Layout.ONE_HOT:
        return [Read(variable, variable.numbers[:, None])]
    column = np.zeros((variable.width, 1))
    column[0] = 1
    return [Read(variable, column)]


def _passes_linearly(work: Workspace, node: Node) -> bool:
    """Whether an affine node is computed on numbers as they are, into a scalar.

    It is where the program asks for a number or some input is one, unless an input may be ``None``: then the result
    must be ``None`` too, which takes a table.
    """
    analysis, expression = work.analysis, node.expression
    domains = [analysis.domains[place] for place in node.inputs]
    if any(domain.nullable or not domain.is_numeric for domain in (*domains, analysis.domains[node.place])):
        return False
    some_number = any(work.stored[place].variable.layout is Layout.SCALAR for place in node.inputs)
    return expression.encoding is Encoding.NUMERICAL or (expression.encoding is None and some_number)


def _lower_linear(work: Workspace, node: Node, affine: Affine) -> None:
    reads, noise, size = [], 0.0, 0.0
    held = []
    for place, coefficient in zip(node.inputs, affine.coefficients, strict=True):
        variable = work.stored[place].variable
        if variable.layout is Layout.ONE_HOT:
            variable = work.exact(node, variable)
        held.append(variable)
        for read in numeric_reads(variable):
            matrix = read.matrix * float(coefficient)
            reads.append(Read(variable, matrix))
            noise += variable.noise.of_read(matrix)
            size += float(np.abs(variable.table @ matrix).max(initial=0))
    if affine.offset:
        reads += work.constant_reads(np.array([float(affine.offset)]))
    check_range(np.array([size, abs(float(affine.offset))]), work.dtype)
    rounding = roundings(work.dtype, len(reads) + 4) * (size + abs(float(affine.offset)))
    variable = new_variable(node, Layout.SCALAR, work.analysis.domains[node.place])
    neurons = linear_neurons(reads, noise=number_noise(noise + rounding))
    if work.dtype.is_half and all(np.isin(read.matrix, (-1, 0, 1)).all() for read in reads):  # only the sum is rounded
        share = roundings(work.dtype, len(reads) + 4, half=2)
        error = noise + share * (noise + np.abs(variable.numbers))
        neurons = replace(neurons, noise=replace(number_noise(float(error.max())), at_numbers=error))
    work.store(node, work.add_mlp(node.place, variable, neurons))
    factors = [float(coefficient) for coefficient in affine.coefficients]
    work.claim(linear_claim(variable, held, factors, float(affine.offset)))


def _lower_table(work: Workspace, node: Node) -> None:
    analysis = work.analysis
    table = analysis.table(node)
    layout = chosen_layout(work, node)
    inputs = [work.stored[place] for place in table.inputs]
    folded = fold_table(node, table, [stored.merged for stored in inputs])
    values = folded.values
    domain = Domain(tuple(values), analysis.domains[node.place].nullable)
    variable = new_variable(node, layout, domain)
    slot_of = (
        dict(zip(table.domain.places, work.slots_in(variable, values)[folded.slots], strict=True)) if values else {}
    )
    slots = np.array([slot_of.get(key, -1) for key in analysis.domains[node.place].places], int)
    results = np.array([*map(variable.vector, values), np.zeros(variable.width)])  # the last, at -1, is None
    neurons = _neurons(work, node, variable, folded.places, inputs, results)
    work.store(node, work.add_mlp(node.place, variable, neurons), slots)
    held = [[stored.variable, *work.one_hot_of(stored.variable)] for stored in inputs]
    work.claim(table_claim(variable, held, folded.places, results, neurons))


def _neurons(
    work: Workspace,
    node: Node,
    target: Variable,
    places: Int[np.ndarray, "..."],
    inputs: Sequence[Stored],
    results: Float[np.ndarray, "result width"],
) -> Neurons:
    """A construction for a table (``places`` into ``results``) whose rounding the target can bear.

    Steps on a number, or on a sum or difference of two inputs, where they are few and quiet; otherwise a lookup of
    one-hot inputs.
    """
    variables = [stored.variable for stored in inputs]
    if len(variables) == 1 and variables[0].layout is Layout.SCALAR:
        neurons = step_neurons(work.number(variables[0]), results[places], work.dtype)
        if _is_quiet(target, neurons, work.dtype):
            return neurons
        work.notice(variables[0])
    elif form := _linear_form(work, places, variables):
        with suppress(NotSeparable):
            neurons = step_neurons(form.number, results[form.places], work.dtype)
            if form.n_steps <= 2 * sum(places.shape) and _is_quiet(target, neurons, work.dtype):
                return neurons
        for variable in variables:
            work.notice(variable)
    sources = [work.one_hot(node, variable) for variable in variables]
    boxes = box_cover(places, MAX_NEURONS)
    if len(boxes) > MAX_NEURONS:
        raise DomainTooLargeError(
            node.title,
            node.expression.location,
            f"its table needs more than {MAX_NEURONS:,} neurons",
            "Use a smaller vocabulary or length, or a function of fewer or coarser inputs",
        )
    return lookup_neurons(sources, boxes, results, work.constant, work.dtype)


def _is_quiet(target: Variable, neurons: Neurons, dtype: NumberFormat) -> bool:
    """Whether the rounding of a construction stays far below the distances between the target's values."""
    apart = float(np.diff(target.numbers).min(initial=1)) if target.layout is Layout.SCALAR else 1.0
    cleaned = dtype.is_half and target.layout is Layout.ONE_HOT  # by the copy that is kept instead
    return neurons.noise.of_read(np.eye(target.width)) <= (5 / 16 if cleaned else apart / 16)


@dataclass(frozen=True, eq=False)
class _LinearForm:
    """A table f(x, y) = g(a x + b y) as the function g of a number: its result place for each value."""

    number: Number
    places: Int[np.ndarray, " value"]

    @property
    def n_steps(self) -> int:
        return int((self.places[1:] != self.places[:-1]).sum())


def _linear_form(work: Workspace, places: Int[np.ndarray, "..."], variables: Sequence[Variable]) -> _LinearForm | None:
    """The sum or difference of two never-``None`` inputs on which the table depends alone, with the fewest steps.

    Numbers count as themselves. Other values count by their rank among all values of both inputs, so that a function
    of whether the inputs are equal is one of their difference.
    """
    if len(variables) != 2 or any(variable.nullable or not variable.values for variable in variables):
        return None
    codes = _codes(variables)
    if codes is None:
        return None
    try:
        check_range(np.concatenate(codes), work.dtype)
    except NotSeparable:
        return None
    forms = []
    for sign in (1.0, -1.0):
        sums = codes[0][:, None] + sign * codes[1][None, :]
        numbers, first, group = np.unique(sums, return_index=True, return_inverse=True)
        representative = places.reshape(-1)[first]
        if (representative[group.reshape(places.shape)] == places).all():
            forms.append(_LinearForm(_weighted_sum(work, variables, codes, sign, numbers), representative))
    return min(forms, key=lambda form: form.n_steps, default=None)


def _codes(variables: Sequence[Variable]) -> list[Float[np.ndarray, " _"]] | None:
    if all(len(variable.numbers) == len(variable.values) for variable in variables):
        return [variable.numbers for variable in variables]
    if any(variable.layout is Layout.SCALAR for variable in variables):
        return None
    distinct = {value_key(value): value for variable in variables for value in variable.values}
    ranks = {value_key(value): rank for rank, value in enumerate(ordered(list(distinct.values())))}
    return [np.array([float(ranks[value_key(value)]) for value in variable.values]) for variable in variables]


def _weighted_sum(
    work: Workspace,
    variables: Sequence[Variable],
    codes: Sequence[Float[np.ndarray, " _"]],
    sign: float,
    numbers: Float[np.ndarray, " number"],
) -> Number:
    reads, error = [], 0.0
    for variable, code, factor in zip(variables, codes, (1.0, sign), strict=True):
        matrix = factor * code[:, None] if variable.layout is Layout.ONE_HOT else np.array([[factor]])
        reads.append(Read(variable, matrix))
        error += variable.noise.of_read(matrix)
        error += weight_rounding(code, work.dtype)
    return Number(tuple(reads), work.constant_columns, numbers, np.full(len(numbers), error))
