"""Means that a number format cannot tell apart, told apart with the help of how many positions were averaged.

Fractions of different denominators can be as close together as ``1 / (n (n - 1))``, those of one denominator are
``1 / n`` apart. So the width of the selector, counted by a head of its own and laid out one-hot, says which steps to
take, and a mean that is noisy by far more than the distance to its neighbours is recognised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.domains import Mean
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.claiming import variable_quantity
from tracrlab.compiler.lower.widths import attend_with_bos, discrete_width
from tracrlab.compiler.lower.workspace import Workspace
from tracrlab.compiler.value_sets import mean_domain
from tracrlab.craft.claims import IMPOSSIBLE, MLPClaim, View
from tracrlab.craft.neurons import Neurons, Number, placed_steps, step_rounding
from tracrlab.craft.precision import noise_of, roundings
from tracrlab.craft.ramps import ceil_log2
from tracrlab.craft.spaces import Read, Variable, one_hot_variable
from tracrlab.rasp.values import is_finite_number
from tracrlab.shapes import Float, Int


def resolved_mean(work: Workspace, node: Node, variable: Variable) -> Variable | None:
    """A one-hot copy of a scalar mean in a half format; ``None`` if the s-op is no mean over a conjunction.

    Raises:
        NotSeparable: not even means of one denominator can be told apart.
    """
    mean = work.analysis.means.get(node.place)
    conjunction = work.analysis.selections.of(mean.selector).conjunction if mean else None
    if mean is None or conjunction is None:
        return None
    width = discrete_width(work, node, attend_with_bos(work, node, conjunction, 1), f"{node.name}.width")
    places = _places(mean, variable, work.analysis.widths[mean.selector], width)
    target = one_hot_variable(work.own_name(f"{node.name}.onehot"), variable.values, nullable=variable.nullable)
    results = np.concatenate([target.table, np.zeros((1, target.width))])
    parts = [
        _steps_of_width(work, width, number, places[:, number], variable, results)
        for number in np.flatnonzero((places != IMPOSSIBLE).any(axis=0)).tolist()
    ]
    noise = noise_of(np.max([part.noise for part in parts], axis=0)[None, :])
    matrix = np.concatenate([part.of_number for part in parts])
    reads = [Read(read.variable, read.matrix * matrix) for read in work.number(variable).reads]
    reads.append(Read(width, np.concatenate([part.of_width for part in parts], axis=1)))
    reads += work.constant_reads(np.concatenate([part.offset for part in parts]))
    target = work.add_mlp(node.place, target, Neurons(tuple(reads), np.concatenate([p.output for p in parts]), noise))
    quantities = variable_quantity(variable), variable_quantity(width)
    work.claim(MLPClaim(target.name, quantities, View((0, 1), places), results))
    return target


def _places(mean: Mean, variable: Variable, widths: range, width: Variable) -> Int[np.ndarray, "value width"]:
    """For each value of the mean (``None`` last) and each width the value's place, or ``IMPOSSIBLE``."""
    places = np.full((len(variable.values) + variable.nullable, len(width.values)), IMPOSSIBLE)
    for number in widths:
        here = range(number, number + 1)
        values = mean_domain(mean.numbers, mean.native, here).values if number else (mean.default,)
        found = np.searchsorted(variable.numbers, [float(value) for value in values if is_finite_number(value)])
        if not len(found):
            found = np.array([len(variable.values)])
        places[found, number] = found
    return places


@dataclass(frozen=True, eq=False)
class _Steps:
    """Neurons that are off unless there is one width: what they read of the number, of widths and of the constant."""

    of_number: Float[np.ndarray, " neuron"]
    of_width: Float[np.ndarray, "width neuron"]
    offset: Float[np.ndarray, " neuron"]
    output: Float[np.ndarray, "neuron value"]
    noise: Float[np.ndarray, " value"]


def _steps_of_width(
    work: Workspace,
    width: Variable,
    number: int,
    places: Int[np.ndarray, " value"],
    variable: Variable,
    results: Float[np.ndarray, "place value"],
) -> _Steps:
    """The steps between the values that a mean can have at one width, and a neuron for the value before all of them."""
    here = np.flatnonzero(places != IMPOSSIBLE)
    known = _with_none(work.number(variable), variable)
    steps = placed_steps(known, here, np.arange(len(here) - 1), work.dtype)
    offsets = -steps.signs * steps.slopes * steps.middles
    differences = np.diff(results[here], axis=0)
    base = results[here[0]] + differences[steps.signs < 0].sum(axis=0)
    of_number = np.concatenate([steps.signs * steps.slopes] * 2 + [[0.0]])
    offset = np.concatenate([offsets + 0.5, offsets - 0.5, [0.0]])
    signed = steps.signs[:, None] * differences
    output = np.concatenate([signed, -signed, base[None, :]])
    of_width = np.zeros((width.width, len(offset)))
    largest = np.abs(offset) + np.abs(of_number) * float((np.abs(known.values) + known.error).max())
    of_width[:] = -np.ldexp(1.0, ceil_log2(largest + 1))
    of_width[number] = 0.0
    of_width[:, -1] = 0.0
    of_width[number, -1] = 1.0
    noise = step_rounding(known, here, steps, differences, work.dtype) + roundings(work.dtype, 4, half=1)
    return _Steps(of_number, of_width, offset, output, noise)


def _with_none(number: Number, variable: Variable) -> Number:
    """The number with 0 as a last value, which is what a variable without a value holds."""
    extra = np.zeros(int(variable.nullable))
    values, error = np.append(number.values, extra), np.append(number.error, extra)
    return replace(number, values=values, error=error)
