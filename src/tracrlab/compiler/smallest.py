"""The smallest model of a compact program: where its components run, and where its variables are kept."""

from __future__ import annotations

from dataclasses import dataclass

from tracrlab.compiler.allocate import Allocation, allocate_dimensions
from tracrlab.compiler.fit import Architecture
from tracrlab.compiler.lower import Lowered
from tracrlab.compiler.reuse import parameter_cost, reuse_dimensions
from tracrlab.compiler.schedule import Schedule, balanced_schedule, latest_schedule
from tracrlab.compiler.shape import model_shape
from tracrlab.model.config import ModelConfig


@dataclass(frozen=True, eq=False)
class Sizes:
    """What decides about the size of a model beside its schedule; ``reuse``: whether dimensions are used again."""

    lowered: Lowered
    config: ModelConfig
    architecture: Architecture
    reuse: bool

    def shape(self, schedule: Schedule, allocation: Allocation) -> ModelConfig:
        """The shape of the model."""
        return model_shape(self.config, self.lowered, schedule, allocation, self.architecture)

    def allocation(self, schedule: Schedule) -> Allocation:
        """The cheapest allocation."""
        plain = allocate_dimensions(self.lowered)
        if not self.reuse:
            return plain
        shape = self.shape(schedule, plain)
        return reuse_dimensions(self.lowered, schedule, shape.n_layers, parameter_cost(shape, self.architecture))


def smallest_schedule(earliest: Schedule, sizes: Sizes) -> Schedule:
    """Of schedules with as many layers as the earliest one, that whose model has the fewest parameters.

    These are the earliest and the latest, and what moving single components makes of them where dimensions are not
    reused.
    """
    components, plain = sizes.lowered.components, allocate_dimensions(sizes.lowered)
    starts = (earliest, latest_schedule(components, earliest.n_layers))
    balanced = [
        balanced_schedule(components, start, lambda schedule: sizes.shape(schedule, plain).n_params) for start in starts
    ]
    distinct = {schedule.sublayers: schedule for schedule in (*starts, *balanced)}
    return min(distinct.values(), key=lambda schedule: sizes.shape(schedule, sizes.allocation(schedule)).n_params)
