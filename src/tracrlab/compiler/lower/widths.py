"""Selector widths become heads that attend BOS together with what is selected (Tracr paper, appendix D.2)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import prod

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.aggregates import constant_variable
from tracrlab.compiler.lower.claiming import (
    MAX_COMBINATIONS,
    head_claim,
    linear_claim,
    same_value_claim,
    variable_quantity,
)
from tracrlab.compiler.lower.elementwise import chosen_layout, new_variable, numeric_reads
from tracrlab.compiler.lower.scores import conjunction_matches, head_scores, weight_error
from tracrlab.compiler.lower.workspace import Workspace
from tracrlab.compiler.selections import Conjunction, Selection
from tracrlab.craft.claims import IMPOSSIBLE, MLPClaim, View
from tracrlab.craft.grounds import errors_beside, grounds, noise_beside
from tracrlab.craft.neurons import Number, linear_neurons, side_by_side, step_neurons
from tracrlab.craft.precision import Noise, NotSeparable, number_noise, roundings
from tracrlab.craft.spaces import Layout, Read, Variable, grounded, one_hot_variable, scalar_variable
from tracrlab.shapes import Float, Int

_BORNE = 2.0**-10  # how far a width may be off that is read from a one-hot variable


def lower_width(work: Workspace, node: Node) -> None:
    """Add what counts the positions a ``SelectorWidth`` node's selector selects, and store the count."""
    _lower_count(work, node, work.analysis.selection(node))


def lower_length(work: Workspace, node: Node) -> None:
    """Add what computes the ``Length`` node: the width of the selector that selects everything."""
    _lower_count(work, node, Selection(((1, Conjunction({})),)))


@dataclass(frozen=True, eq=False)
class _Count:
    """A variable that holds a head's 1 / (1 + width), ascending, and the width that each value means."""

    variable: Variable
    number: Number
    widths: Float[np.ndarray, " value"]


def _lower_count(work: Workspace, node: Node, selection: Selection) -> None:
    """One conjunction is counted directly, several by way of the sum of their signed widths."""
    if selection.is_empty:
        work.store(node, constant_variable(work, node, 0))
        return
    counts = [
        (coefficient, attend_with_bos(work, node, conjunction, number))
        for number, (coefficient, conjunction) in enumerate(selection.terms, start=1)
    ]
    if len(counts) == 1 and counts[0][0] == 1:
        _store_count(work, node, counts[0][1])
    else:
        _store_count(work, node, _summed(work, node, counts))


def attend_with_bos(work: Workspace, node: Node, conjunction: Conjunction, number: int) -> _Count:
    """The head of one conjunction: attending BOS as much as each selected position gives BOS 1 / (1 + width)."""
    longest = work.analysis.max_length
    widths = np.arange(longest, -1, -1.0)
    tolerance = 1 / (64 * (longest + 2))
    matches = conjunction_matches(work, conjunction)
    scores = head_scores(work, node, matches, attend_bos=True, tolerance=tolerance)
    error = weight_error(work, scores) + roundings(work.dtype, 8, half=1)
    name = f"{node.name}.attn" if number == 1 else f"{node.name}.attn{number}"
    shares = [1 / (1 + width) for width in widths.tolist()]
    share = scalar_variable(work.own_name(name), shares, nullable=False, at_bos=1, noise=number_noise(error))
    share = _beside_ground(work, node, share, error)
    work.add_head(node.place, share, scores, [Read(work.bos, np.ones((1, 1)))], np.zeros(1))
    ground = np.zeros(1) if share.ground is None else share.ground
    work.claim(head_claim(share, "share", scores, None, ground[None, :], ground + 1, range(longest + 1)))
    return _Count(share, _share_number(work, share, error), widths)


def _share_number(work: Workspace, share: Variable, error: float) -> Number:
    """A share as a number; without a ground its error goes with its size."""
    reads, off = (Read(share, np.ones((1, 1))),), share.numbers * error
    if share.ground is None:
        return Number(reads, work.constant_columns, share.numbers, off)
    off = errors_beside(share.numbers[:, None], off[:, None], share.ground, work.dtype)[:, 0]
    return Number(reads, work.constant_columns, share.numbers + share.ground, off)


def _beside_ground(work: Workspace, node: Node, share: Variable, error: float) -> Variable:
    """The share beside a ground, where steps on it would otherwise leave more than its readers bear.

    At short lengths that is nothing worth a constant, unless some reader has asked for an exact copy.
    """
    if work.grounded is None:
        return share
    if node.place not in work.grounded and _is_quiet(work, share, error):
        return share
    ground = grounds(share.table, share.noise, work.dtype)
    beside = grounded(share, ground, noise_beside(share.table, share.noise, ground, work.dtype))
    with suppress(NotSeparable):
        step_neurons(_share_number(work, beside, error), np.eye(len(share.values)), work.dtype)
        return beside
    return share


def _is_quiet(work: Workspace, share: Variable, error: float) -> bool:
    """Whether widths that steps on the share make can be read as numbers without much of an error."""
    widths = np.arange(work.analysis.max_length, -1, -1.0)
    with suppress(NotSeparable):
        steps = step_neurons(_share_number(work, share, error), np.eye(len(widths)), work.dtype)
        return steps.noise.of_read(widths[:, None]) <= _BORNE
    return False


def _summed(work: Workspace, node: Node, counts: list[tuple[int, _Count]]) -> _Count:
    """The signed widths of several conjunctions, added up in one dimension."""
    domain = work.analysis.domains[node.place]
    if work.dtype.is_half:
        return _summed_whole(work, node, counts)
    parts = [
        step_neurons(count.number, (coefficient * count.widths)[:, None], work.dtype) for coefficient, count in counts
    ]
    total = scalar_variable(work.own_name(f"{node.name}.sum"), domain.values, nullable=False)
    total = work.add_mlp(node.place, total, side_by_side(parts))
    if prod(len(count.widths) for _, count in counts) <= MAX_COMBINATIONS:
        work.claim(_sum_claim(total, counts))
    return _Count(total, work.number(total), total.numbers)


def _summed_whole(work: Workspace, node: Node, counts: list[tuple[int, _Count]]) -> _Count:
    """The same from clean one-hot widths, whose sum is exact: steps in a half format are noisy, and noise adds up."""
    widths = [discrete_width(work, node, count, f"{node.name}.width{n}") for n, (_, count) in enumerate(counts, 1)]
    factors = [coefficient for coefficient, _ in counts]
    reads = [
        Read(read.variable, factor * read.matrix)
        for factor, width in zip(factors, widths, strict=True)
        for read in numeric_reads(width)
    ]
    total = scalar_variable(work.own_name(f"{node.name}.sum"), work.analysis.domains[node.place].values, nullable=False)
    total = work.add_mlp(node.place, total, linear_neurons(reads, noise=Noise()))
    work.claim(linear_claim(total, widths, factors, 0))
    return _Count(total, work.number(total), total.numbers)


def discrete_width(work: Workspace, node: Node, count: _Count, name: str) -> Variable:
    """A count as a one-hot variable without noise."""
    places = count.widths.astype(int)
    counted = one_hot_variable(work.own_name(name), range(int(places.max()) + 1), nullable=False)
    counted = work.add_mlp(node.place, counted, step_neurons(count.number, counted.table[places], work.dtype))
    work.claim(_width_claim(counted, count, places))
    return work.exact(node, counted)


def _sum_claim(total: Variable, counts: list[tuple[int, _Count]]) -> MLPClaim:
    """That the total is the sum of the signed widths; sums that are no width do not occur."""
    sums = np.zeros(())
    for coefficient, count in counts:
        sums = np.add.outer(sums, coefficient * count.widths)
    places = np.searchsorted(total.numbers, sums).clip(max=len(total.numbers) - 1)
    places = np.where(total.numbers[places] == sums, places, IMPOSSIBLE)
    quantities = tuple(variable_quantity(count.variable) for _, count in counts)
    return MLPClaim(total.name, quantities, View(tuple(range(len(counts))), places), total.table)


def _store_count(work: Workspace, node: Node, count: _Count) -> None:
    """Turn a count into the variable of the node; a number that would come out too noisy goes by way of a one-hot."""
    layout, domain = chosen_layout(work, node), work.analysis.domains[node.place]
    target = new_variable(node, layout, domain)
    kept = np.isin(count.widths, target.numbers)
    number = Number(count.number.reads, count.number.constant, count.number.values[kept], count.number.error[kept])
    places = np.searchsorted(target.numbers, count.widths[kept])
    of_width = np.full(len(count.widths), IMPOSSIBLE)
    of_width[kept] = places
    neurons = step_neurons(number, target.table[places], work.dtype)
    if layout is Layout.SCALAR and neurons.noise.of_read(np.ones((1, 1))) > 1 / 16:
        counted = one_hot_variable(work.own_name(f"{node.name}.onehot"), target.values, nullable=False)
        counted = work.add_mlp(node.place, counted, step_neurons(number, counted.table[places], work.dtype))
        work.claim(_width_claim(counted, count, of_width))
        reads = numeric_reads(counted)
        error = counted.noise.of_read(reads[0].matrix) + roundings(work.dtype, 4) * target.numbers[-1]
        neurons = linear_neurons(reads, noise=number_noise(float(error)))
        work.claim(same_value_claim(counted, target))
    else:
        work.claim(_width_claim(target, count, of_width))
    target = work.add_mlp(node.place, target, neurons)
    work.widths[target] = node.place
    work.store(node, target)


def _width_claim(target: Variable, count: _Count, places: Int[np.ndarray, " width"]) -> MLPClaim:
    return MLPClaim(target.name, (variable_quantity(count.variable),), View((0,), places), target.table)
