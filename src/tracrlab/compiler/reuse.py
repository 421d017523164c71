"""Dimension reuse: what is no longer read is cleared, and its dimensions hold something else.

A variable lives from the sublayer that writes it to the last one that reads it. An MLP at that sublayer or after it can
clear a dimension that holds x with two neurons, ``-relu(x) + relu(-x) = -x``, or with the first of them where x is
embedded and never negative. This is exact in any number format: products with 1 and -1 do not round, the sums have one
term that is not zero, and x - x is 0. A variable that a later sublayer writes then finds what it would find in a
dimension of its own. (In the sublayer that clears, its value would be added to -x first and lose the digits that do not
fit beside x.)

A dimension that is saved takes its row or column from every matrix. A neuron costs nothing as long as its layer has
fewer than the widest one, and a column of two matrices in every layer where it has not. No layer is added for clearing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tracrlab.compiler.allocate import Allocation, Clearing, all_variables, allocate_dimensions
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.compiler.shape import neurons_by_layer
from tracrlab.craft.spaces import Variable
from tracrlab.model.config import ModelConfig
from tracrlab.model.sublayers import EMBEDDING, Sublayer

Cost = Callable[[int, int], float]  # of a d_model and a d_mlp; infinite where they are not allowed

_WORK = 2**19  # pairs of variables that are compared, about, while allocations are improved


@dataclass(frozen=True, eq=False)
class Lifetime:
    """A variable, the sublayer that writes it , and the first that can clear it for a later one.

    The last is ``None`` if there is none.
    """

    variable: Variable
    born: Sublayer
    clearable: Sublayer | None

    def last(self, end: Sublayer) -> Sublayer:
        """The last sublayer in which its dimensions hold it, at least; ``end`` if it is never cleared."""
        return end if self.clearable is None else self.clearable


def parameter_cost(shape: ModelConfig, architecture: Architecture) -> Cost:
    """The number of parameters of a model of this ``shape`` but for its ``d_model`` and ``d_mlp``.

    It is padded to what the ``architecture`` says, and may not be larger.
    """

    def cost(d_model: int, d_mlp: int) -> float:
        wide, many = architecture.d_model or d_model, architecture.d_mlp or d_mlp
        return math.inf if d_model > wide or d_mlp > many else replace(shape, d_model=wide, d_mlp=many).n_params

    return cost


def reuse_dimensions(lowered: Lowered, schedule: Schedule, n_layers: int, cost: Cost) -> Allocation:
    """The cheapest allocation that was found, with clearings where that costs less than none.

    Variables are placed wide ones first, and in some other orders, each in the first dimensions where nothing else is
    in use at the same time (first fit, for what is known as dynamic storage allocation; to find the least number of
    dimensions is NP-hard, and :func:`most_in_use` bounds it). Then, one after the other, variables are kept whose
    dimensions cost less than the neurons that clear them.
    """
    best = allocate_dimensions(lowered)
    used = neurons_by_layer(lowered.components, schedule, n_layers)
    least = (cost(best.d_model, max(1, *used)), 0)
    lives = lifetimes(lowered, schedule, n_layers)
    if not any(one.clearable is not None and one.clearable < other.born for one in lives for other in lives):
        return best
    tries = _WORK // len(lives) ** 2
    for order in _orders(lives, Sublayer.end(n_layers)):
        found, price = _priced(order, set(), used, cost)
        kept, tries, improved = set[Variable](), tries - 1, True
        while improved and tries > 0:
            improved = False
            for clearing in found.clearings:
                other, lower = _priced(order, {*kept, clearing.variable}, used, cost)
                tries -= 1
                if lower < price:
                    kept.add(clearing.variable)
                    found, price, improved = other, lower, True
                    break
        if price < least:
            best, least = found, price
    return best


def most_in_use(lives: Sequence[Lifetime], end: Sublayer) -> int:
    """The most dimensions that are in use at once, from the sublayer that writes each to the one that can clear it.

    ``end`` is the number of sublayers. No allocation has fewer dimensions.
    """
    return max(
        sum(life.variable.width for life in lives if life.born <= sublayer <= life.last(end))
        for sublayer in range(EMBEDDING, end)
    )


def clearings_between(
    lives: Sequence[Lifetime], starts: Mapping[Variable, int], neurons: Sequence[int]
) -> tuple[Clearing, ...]:
    """What must be cleared for variables that begin at these dimensions, in the order of sublayers.

    Each is cleared in one MLP, of those from its last read to what is written there next the one with the fewest
    ``neurons``.
    """
    used = list(neurons)
    held: dict[int, list[Lifetime]] = {}
    for life in sorted(lives, key=lambda each: each.born):
        for dimension in range(starts[life.variable], starts[life.variable] + life.variable.width):
            held.setdefault(dimension, []).append(life)
    followed: dict[Lifetime, dict[int, Sublayer]] = {}
    for dimension, holders in sorted(held.items()):
        for earlier, later in pairwise(holders):
            followed.setdefault(earlier, {})[dimension - starts[earlier.variable]] = later.born
    clearings = []
    for life, nexts in sorted(followed.items(), key=lambda item: len(_choices(*item))):
        sublayer = min(_choices(life, nexts), key=lambda each: used[each.layer])
        clearings.append(Clearing(life.variable, sublayer, tuple(nexts), is_signed(life)))
        used[sublayer.layer] += clearings[-1].n_neurons
    return tuple(sorted(clearings, key=lambda each: each.sublayer))


def _choices(life: Lifetime, nexts: Mapping[int, Sublayer]) -> list[Sublayer]:
    """The MLPs that can clear a variable, given which sublayer writes each of its dimensions next."""
    assert life.clearable is not None
    return list(map(Sublayer, range(life.clearable, min(nexts.values()), 2)))


def widest_mlp(neurons: Sequence[int], clearings: Sequence[Clearing]) -> int:
    """The most neurons in a layer, those that clear among them."""
    total = list(neurons)
    for clearing in clearings:
        total[clearing.sublayer.layer] += clearing.n_neurons
    return max(1, *total)


def lifetimes(lowered: Lowered, schedule: Schedule, n_layers: int) -> list[Lifetime]:
    """How long each variable lives. What the answer is read from, and what nothing ever writes, is not cleared."""
    born = {embedding.writes: EMBEDDING for embedding in lowered.embeddings}
    last: dict[Variable, Sublayer] = {}
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        ground = placed.component.writes.ground
        born[placed.component.writes] = sublayer if ground is None or not ground.any() else EMBEDDING
        for read in placed.component.reads:
            last[read.variable] = max(last.get(read.variable, EMBEDDING), sublayer)
    kept = {read.variable for read in lowered.readout}
    lives = []
    for variable in all_variables(lowered):
        start = born.get(variable, EMBEDDING)
        first = Sublayer.mlp(max(last.get(variable, EMBEDDING), start.after).layer)
        gone = variable not in kept and variable in born and first.after < Sublayer.end(n_layers)
        lives.append(Lifetime(variable, start, first if gone else None))
    return lives


def is_signed(life: Lifetime) -> bool:
    """Whether a dimension of a variable may hold less than zero somewhere, be it by rounding: not in an embedding."""
    ideal = np.concatenate([life.variable.table.reshape(-1), life.variable.at_bos])
    return life.born >= 0 or bool((ideal < 0).any())


def _orders(lives: Sequence[Lifetime], end: Sublayer) -> Iterator[list[Lifetime]]:
    """Orders in which variables are placed: wide ones first, large ones, those needed last, as they are written.

    Before them come those that are there from the beginning to the end, which can share with none.
    """

    def length(life: Lifetime) -> int:
        return life.last(end) - life.born + 1

    keys: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
        lambda life: (-life.variable.width, -length(life)),
        lambda life: (-life.variable.width * length(life),),
        lambda life: (-life.last(end), -life.variable.width),
        lambda life: (life.born, -life.last(end)),
    )
    always = [life for life in lives if length(life) == end + 2]
    others = [life for life in lives if length(life) < end + 2]
    return ([*always, *sorted(others, key=key)] for key in keys)


def _priced(
    order: Sequence[Lifetime], kept: Collection[Variable], used: Sequence[int], cost: Cost
) -> tuple[Allocation, tuple[float, int]]:
    """The allocation by first fit in this order, what it costs, and how many neurons clear; some variables are kept."""
    lives = [replace(life, clearable=None) if life.variable in kept else life for life in order]
    starts = _first_fit(lives, Sublayer.end(len(used)))
    clearings = clearings_between(lives, starts, used)
    d_model = max(start + variable.width for variable, start in starts.items())
    price = cost(d_model, widest_mlp(used, clearings)), sum(each.n_neurons for each in clearings)
    return Allocation(starts, d_model, clearings), price


def _first_fit(order: Sequence[Lifetime], end: Sublayer) -> dict[Variable, int]:
    """The first dimension of each variable, the lowest where none of those before is in use at the same time."""
    placed: list[tuple[int, int, int, int]] = []
    starts = {}
    for life in order:
        width, born, last = life.variable.width, life.born, life.last(end)
        start = 0
        for lower, upper, since, until in sorted(placed):
            if since <= last and born <= until:
                if lower - start >= width:
                    break
                start = max(start, upper)
        placed.append((start, start + width, born, last))
        starts[life.variable] = start
    return dict(sorted(starts.items(), key=lambda item: item[1]))
