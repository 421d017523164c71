"""Placing a program's variables in a residual stream of a given width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracrlab.compiler.allocate import Allocation
from tracrlab.compiler.fit import SOLVER_SECONDS, Fitting
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.reuse import Lifetime, clearings_between, lifetimes, most_in_use, widest_mlp
from tracrlab.compiler.schedule import Schedule
from tracrlab.compiler.shape import neurons_by_layer
from tracrlab.craft.spaces import Variable
from tracrlab.extras import require
from tracrlab.model.sublayers import Sublayer


def fit_allocation(fitting: Fitting, lowered: Lowered, schedule: Schedule, allocation: Allocation) -> Allocation:
    """The allocation, or, where it has too many dimensions for the architecture, one that a constraint solver finds.

    Each variable is a rectangle, as wide as its dimensions and as long as it is in use; none may overlap.

    Raises:
        ArchitectureError: there is none; says how many dimensions are in use at once, or how many neurons clearing
            takes.
        MissingDependencyError: the solver is needed and not installed.
    """
    architecture = fitting.architecture
    d_model = architecture.d_model
    if d_model is None or allocation.d_model <= d_model:
        return allocation
    n_layers = max(schedule.n_layers, architecture.n_layers or 1)
    lives, end = lifetimes(lowered, schedule, n_layers), Sublayer.end(n_layers)
    least = most_in_use(lives, end)
    if least > d_model:
        reason = f"{least} dimensions are in use at once, of the {allocation.d_model} that the variables take"
        raise fitting.impossible(reason, f"d_model={least} or more")
    starts = _solved(fitting, lives, end, d_model)
    neurons = neurons_by_layer(lowered.components, schedule, n_layers)
    clearings = clearings_between(lives, starts, neurons)
    d_mlp = widest_mlp(neurons, clearings)
    if architecture.d_mlp is not None and d_mlp > architecture.d_mlp:
        reason = f"clearing dimensions to use them again takes an MLP of {d_mlp} neurons"
        raise fitting.impossible(reason, f"d_model={allocation.d_model} or d_mlp={d_mlp}")
    return Allocation(starts, max(start + variable.width for variable, start in starts.items()), clearings)


def _solved(fitting: Fitting, lives: Sequence[Lifetime], end: Sublayer, d_model: int) -> Mapping[Variable, int]:
    """The first dimension of each variable, such that no two in use at once overlap and nothing is left between."""
    cp_model = require("ortools.sat.python.cp_model", extra="fit", purpose="placing variables in dimensions")
    model = cp_model.CpModel()
    starts = {}
    columns, rows = [], []
    for number, life in enumerate(lives):
        width = life.variable.width  # may be 0, which overlaps nothing
        starts[life.variable] = model.new_int_var(0, d_model - width, f"start {number}")
        columns.append(model.new_fixed_size_interval_var(starts[life.variable], width, f"dimensions {number}"))
        length = life.last(end) + 1 - life.born
        rows.append(model.new_fixed_size_interval_var(life.born, length, f"time {number}"))
    model.add_no_overlap_2d(columns, rows)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SOLVER_SECONDS
    solver.parameters.random_seed = 0
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        raise fitting.impossible(
            f"it is proved that its variables do not fit in {d_model} dimensions", "a greater d_model"
        )
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        reason = f"no place for its variables in {d_model} dimensions was found in {SOLVER_SECONDS:.0f} s"
        raise fitting.impossible(reason, "a greater d_model")
    found = {variable: int(solver.value(start)) for variable, start in starts.items()}
    held = sorted({start + place for variable, start in found.items() for place in range(variable.width)})
    closed_up = {dimension: place for place, dimension in enumerate(held)}
    return {variable: closed_up.get(start, 0) for variable, start in sorted(found.items(), key=lambda item: item[1])}
