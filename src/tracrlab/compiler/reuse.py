"""Dimension reuse: what is no longer read is cleared, and its dimensions hold something else.

A variable lives from the sublayer that writes it to the last one that reads it. An MLP at that sublayer or after it can
clear a dimension that holds x with two neurons, ``-relu(x) + relu(-x) = -x``, or with the first of them where x is
never negative. This is exact in any number format: products with 1 and -1 do not round, the sums have one term that is
not zero, and x - x is 0. A variable that a later sublayer writes then finds what it would find in a dimension of its
own. (In the sublayer that clears, its value would be added to -x first and lose the digits that do not fit beside x.)

A dimension that is saved takes its row or column from every matrix. A neuron costs nothing as long as its layer has
fewer than the widest one, and a column of two matrices in every layer where it has not. No layer is added for clearing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tracrlab.compiler.allocate import Allocation, Clearing, all_variables, allocate_dimensions
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.schedule import Schedule
from tracrlab.compiler.shape import neurons_by_layer
from tracrlab.craft.spaces import Variable
from tracrlab.model.config import ModelConfig
from tracrlab.shapes import Int

Cost = Callable[[int, int], float]  # of a d_model and a d_mlp; infinite where they are not allowed

_CAPS = 32  # limits of d_mlp that are tried, at most


@dataclass(frozen=True, eq=False)
class Lifetime:
    """A variable, the sublayer that writes it (-1: the embedding), and the first that can clear it; ``None``: none."""

    variable: Variable
    born: int
    clearable: int | None


def parameter_cost(shape: ModelConfig, architecture: Architecture) -> Cost:
    """The number of parameters of a model of this ``shape`` but for its ``d_model`` and ``d_mlp``.

    It is padded to what the ``architecture`` says, and may not be larger.
    """

    def cost(d_model: int, d_mlp: int) -> float:
        wide, many = architecture.d_model or d_model, architecture.d_mlp or d_mlp
        return math.inf if d_model > wide or d_mlp > many else replace(shape, d_model=wide, d_mlp=many).n_parameters

    return cost


def reuse_dimensions(lowered: Lowered, schedule: Schedule, n_layers: int, cost: Cost) -> Allocation:
    """The cheapest allocation that was found, with clearings where that costs less than none.

    For several limits of ``d_mlp``, and several orders of variables that are written at once, each variable goes where
    it takes the fewest new dimensions and then the fewest neurons (best fit). Where all blocks have one width and
    neurons are free, no allocation has fewer dimensions; in general the least number is hard to find (it is dynamic
    storage allocation), and the largest live set bounds it from below.
    """
    used = neurons_by_layer(lowered.components, schedule, n_layers)
    best = allocate_dimensions(lowered)
    least = (cost(best.d_model, max(1, *used)), 0)
    lives = lifetimes(lowered, schedule, n_layers)
    widest = max(used) + sum(2 * life.variable.width for life in lives)
    unlimited = [_packed(order, used, widest) for order in _orders(lives)]
    reached = max((_d_mlp(used, found) for found in unlimited), default=0)
    caps = np.unique(np.linspace(max(used), max(reached, *used), _CAPS).astype(int)).tolist()
    tried = unlimited + [_packed(order, used, cap) for cap in caps for order in _orders(lives)]
    for found in tried:
        price = (cost(found.d_model, max(1, _d_mlp(used, found))), sum(each.n_neurons for each in found.clearings))
        if price < least:
            best, least = found, price
    return best


def lifetimes(lowered: Lowered, schedule: Schedule, n_layers: int) -> list[Lifetime]:
    """How long each variable lives. What the answer is read from, and what nothing ever writes, is not cleared."""
    born = {embedding.writes: -1 for embedding in lowered.embeddings}
    last: dict[Variable, int] = {}
    for placed, sublayer in zip(lowered.components, schedule.sublayers, strict=True):
        born[placed.component.writes] = sublayer
        for read in placed.component.reads:
            last[read.variable] = max(last.get(read.variable, -1), sublayer)
    kept = {read.variable for read in lowered.readout}
    lives = []
    for variable in all_variables(lowered):
        start = born.get(variable, -1)
        first = max(last.get(variable, -1), start + 1) | 1  # the MLP there or after it
        gone = variable not in kept and variable in born and first < 2 * n_layers
        lives.append(Lifetime(variable, start, first if gone else None))
    return lives


def is_signed(variable: Variable) -> bool:
    """Whether a dimension of a variable may hold less than zero somewhere, be it by rounding."""
    ideal = np.concatenate([variable.table.reshape(-1), variable.at_bos])
    return bool((ideal < 0).any()) or not variable.noise.is_exact


def _orders(lives: Sequence[Lifetime]) -> Iterator[list[Lifetime]]:
    """Orders in which what is written later comes later: as they are, those that live long first, and wide ones."""
    end = max((life.clearable or 0 for life in lives), default=0) + 1
    keys: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
        lambda life: (life.born,),
        lambda life: (life.born, -(life.clearable or end)),
        lambda life: (life.born, -(life.clearable or end), -life.variable.width),
        lambda life: (life.born, -life.variable.width),
    )
    return (sorted(lives, key=key) for key in keys)


def _d_mlp(used: Sequence[int], allocation: Allocation) -> int:
    neurons = list(used)
    for clearing in allocation.clearings:
        neurons[clearing.sublayer // 2] += clearing.n_neurons
    return max(neurons)


def _packed(order: Sequence[Lifetime], used: Sequence[int], cap: int) -> Allocation:
    """Each variable where it fits best, with at most ``cap`` neurons in a layer."""
    packing = _Packing(cap, list(used))
    for life in order:
        packing.add(life)
    return packing.allocation()


@dataclass(eq=False)
class _Packing:
    """The residual stream while variables are placed in it: who holds each dimension last, and what is cleared when."""

    cap: int
    neurons: list[int]
    holders: list[Lifetime] = field(default_factory=list)
    starts: dict[Variable, int] = field(default_factory=dict)
    clearings: dict[Variable, Clearing] = field(default_factory=dict)

    def add(self, life: Lifetime) -> None:
        """Place a variable that is written no earlier than those before."""
        for start in self._places(life):
            width = life.variable.width
            if self._clear(life.born, range(start, min(start + width, len(self.holders)))):
                self.holders[start : start + width] = [life] * width
                self.starts[life.variable] = start
                return

    def allocation(self) -> Allocation:
        """What has been placed, by dimensions."""
        starts = dict(sorted(self.starts.items(), key=lambda item: item[1]))
        clearings = sorted(self.clearings.values(), key=lambda each: each.sublayer)
        return Allocation(starts, len(self.holders), tuple(clearings))

    def _places(self, life: Lifetime) -> list[int]:
        """Where a variable may begin, the best place first; the last is behind everything."""
        end, width = len(self.holders), life.variable.width
        if not width:
            return [end]
        taken = np.array([not self._clearable_before(life.born, holder) for holder in self.holders], int)
        price = np.array([1 + is_signed(holder.variable) for holder in self.holders], int)
        starts = np.arange(end + 1)
        stops = np.minimum(starts + width, end)
        free = _sums(taken, starts, stops) == 0
        new = starts + width - stops
        prices = _sums(price, starts, stops)
        order = np.lexsort((starts, prices, new))
        return [start for start in order.tolist() if free[start]]

    def _clearable_before(self, sublayer: int, holder: Lifetime) -> bool:
        done = self.clearings.get(holder.variable)
        first = done.sublayer if done else holder.clearable
        return first is not None and first < sublayer

    def _clear(self, before: int, dimensions: range) -> bool:
        """Clear dimensions before a sublayer, if there is room for the neurons; a variable is cleared in one MLP."""
        changed, neurons = dict[Variable, Clearing](), list(self.neurons)
        by_holder: dict[Lifetime, list[int]] = {}
        for dimension in dimensions:
            by_holder.setdefault(self.holders[dimension], []).append(dimension)
        for holder, own in by_holder.items():
            variable = holder.variable
            assert holder.clearable is not None
            done = self.clearings.get(variable)
            choices = [done.sublayer] if done else range(holder.clearable, before, 2)
            sublayer = min(choices, key=lambda each: neurons[each // 2])
            places = tuple(dimension - self.starts[variable] for dimension in own)
            clearing = Clearing(variable, sublayer, places, is_signed(variable))
            neurons[sublayer // 2] += clearing.n_neurons
            if neurons[sublayer // 2] > self.cap:
                return False
            before_it = done.places if done else ()
            changed[variable] = replace(clearing, places=tuple(sorted((*before_it, *places))))
        self.clearings.update(changed)
        self.neurons = neurons
        return True


def _sums(
    numbers: Int[np.ndarray, " dimension"], starts: Int[np.ndarray, " place"], stops: Int[np.ndarray, " place"]
) -> Int[np.ndarray, " place"]:
    """The sum of ``numbers`` from each start up to its stop."""
    totals = np.concatenate([[0], np.cumsum(numbers)])
    sums: np.ndarray = totals[stops] - totals[starts]
    return sums
