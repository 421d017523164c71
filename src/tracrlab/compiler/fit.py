"""Placing a program's components in a transformer of a given shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from tracrlab.compiler.construction import Placed
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.schedule import Schedule, layer_schedule
from tracrlab.craft.components import MLP, AttentionHead
from tracrlab.craft.spaces import Variable
from tracrlab.errors import ArchitectureError
from tracrlab.extras import require
from tracrlab.model.sublayers import Sublayer

SOLVER_SECONDS = 60.0  # the solver gives up after that
MOST_LAYERS = 2**16


@dataclass(frozen=True)
class Architecture:
    """The shape of a transformer; what is ``None`` may be as large as it needs to be.

    Raises:
        ValueError: a size is not a positive integer, or there are more than ``MOST_LAYERS`` layers.
    """

    n_layers: int | None = None
    d_model: int | None = None
    n_heads: int | None = None
    d_head: int | None = None
    d_mlp: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            size = getattr(self, each.name)
            if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
                raise ValueError(f"{each.name} must be a positive integer, not {size!r}")
        if self.n_layers is not None and self.n_layers > MOST_LAYERS:
            raise ValueError(f"n_layers must be at most {MOST_LAYERS:,}, not {self.n_layers:,}")


@dataclass(frozen=True)
class Fitting:
    """What is to be fitted: a program, analysed, compiled in a ``mode`` for an ``architecture``."""

    analysis: Analysis
    mode: Literal["faithful", "compact"]
    architecture: Architecture

    def impossible(self, reason: str, needed: str) -> ArchitectureError:
        """The error that says why the program does not fit, what would have to be larger, and what else may help."""
        output = self.analysis.graph.output
        return ArchitectureError(
            output.title,
            output.expression.location,
            f"impossible in this architecture, because {reason}",
            f"Allow {needed}, leave the size open, or use mode='compact'"
            if self.mode == "faithful"
            else f"Allow {needed}, or leave the size open",
        )


def fit_schedule(fitting: Fitting, components: Sequence[Placed]) -> Schedule:
    """Sublayers for the components such that every layer holds what the architecture says.

    The order is that of :func:`layer_schedule`, which needs the fewest layers when each may hold any number of heads
    and neurons; where a layer may not, a constraint solver looks for another one.

    Raises:
        ArchitectureError: there is none; says which size is too small, and the bound that was proved.
        MissingDependencyError: the solver is needed and not installed.
    """
    earliest = layer_schedule(components)
    n_layers = fitting.architecture.n_layers or earliest.n_layers
    if earliest.n_layers > n_layers:
        chain = " -> ".join(_longest_chain(components, earliest))
        raise fitting.impossible(f"{earliest.n_layers} layers are needed for {chain}", f"n_layers={earliest.n_layers}")
    _check_sizes(fitting, components, n_layers)
    if _holds(components, earliest, fitting.architecture):
        return earliest
    return _solved(fitting, components, n_layers)


def check_widths(fitting: Fitting, d_model: int, d_head: int) -> None:
    """Refuse an architecture whose residual stream or heads are too narrow.

    Raises:
        ArchitectureError: says how wide they must be.
    """
    architecture = fitting.architecture
    if architecture.d_model is not None and d_model > architecture.d_model:
        raise fitting.impossible(f"the variables take {d_model} dimensions", f"d_model={d_model}")
    if architecture.d_head is not None and d_head > architecture.d_head:
        raise fitting.impossible(f"a head takes {d_head} dimensions", f"d_head={d_head}")


def _check_sizes(fitting: Fitting, components: Sequence[Placed], n_layers: int) -> None:
    """What can be said without searching: every component must fit, and all of them together."""
    architecture = fitting.architecture
    heads = sum(isinstance(placed.component, AttentionHead) for placed in components)
    neurons = [placed.component.n_neurons for placed in components if isinstance(placed.component, MLP)]
    if architecture.n_heads is not None and heads > architecture.n_heads * n_layers:
        raise fitting.impossible(f"it has {heads} heads, for {n_layers} layers", f"n_heads={-(-heads // n_layers)}")
    if architecture.d_mlp is not None and max(neurons, default=0) > architecture.d_mlp:
        raise fitting.impossible(f"an MLP has {max(neurons)} neurons", f"d_mlp={max(neurons)}")
    if architecture.d_mlp is not None and sum(neurons) > architecture.d_mlp * n_layers:
        least = -(-sum(neurons) // n_layers)
        raise fitting.impossible(f"it has {sum(neurons)} neurons, for {n_layers} layers", f"d_mlp={least}")


def _holds(components: Sequence[Placed], schedule: Schedule, architecture: Architecture) -> bool:
    """Whether no layer of a schedule holds too much."""
    used: dict[Sublayer, int] = {}
    for placed, sublayer in zip(components, schedule.sublayers, strict=True):
        used[sublayer] = used.get(sublayer, 0) + _size(placed)
    most = {True: architecture.n_heads or math.inf, False: architecture.d_mlp or math.inf}
    return all(size <= most[sublayer.is_attention] for sublayer, size in used.items())


def _size(placed: Placed) -> int:
    component = placed.component
    return component.n_neurons if isinstance(component, MLP) else 1


def _solved(fitting: Fitting, components: Sequence[Placed], n_layers: int) -> Schedule:
    """A schedule by CP-SAT: a layer for each component, after those of what it reads; sizes add up in each layer."""
    cp_model = require("ortools.sat.python.cp_model", extra="fit", purpose="placing components in layers")
    model = cp_model.CpModel()
    layers = [model.new_int_var(0, n_layers - 1, f"layer of {placed.component.writes.name}") for placed in components]
    written: dict[Variable, int] = {}
    for number, placed in enumerate(components):
        for read in placed.component.reads:
            before = written.get(read.variable)
            if before is not None:
                reads_head = isinstance(components[before].component, AttentionHead)
                same_layer = reads_head and isinstance(placed.component, MLP)
                model.add(layers[number] >= layers[before] + (not same_layer))
        written[placed.component.writes] = number
    for kind, limit in ((AttentionHead, fitting.architecture.n_heads), (MLP, fitting.architecture.d_mlp)):
        own = [number for number, placed in enumerate(components) if isinstance(placed.component, kind)]
        if limit is not None and own:
            tasks = [model.new_fixed_size_interval_var(layers[number], 1, f"task {number}") for number in own]
            model.add_cumulative(tasks, [_size(components[number]) for number in own], limit)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SOLVER_SECONDS
    solver.parameters.random_seed = 0
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        raise fitting.impossible(f"it is proved that no order of its components fits {n_layers} layers", "more layers")
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise fitting.impossible(f"no order of its components was found in {SOLVER_SECONDS:.0f} s", "more layers")
    sublayers = [
        (Sublayer.mlp if isinstance(placed.component, MLP) else Sublayer.attention)(solver.value(layer))
        for layer, placed in zip(layers, components, strict=True)
    ]
    return Schedule(tuple(sublayers))


def _longest_chain(components: Sequence[Placed], schedule: Schedule) -> list[str]:
    """The variables written one after another up to the last layer."""
    written = {placed.component.writes: number for number, placed in enumerate(components)}
    number = max(range(len(components)), key=lambda each: schedule.sublayers[each])
    chain = [components[number].component.writes.name]
    while True:
        before = [written[read.variable] for read in components[number].component.reads if read.variable in written]
        if not before:
            return chain[::-1]
        number = max(before, key=lambda each: schedule.sublayers[each])
        chain.append(components[number].component.writes.name)
