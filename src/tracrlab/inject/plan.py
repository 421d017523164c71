"""Where everything of a graft is: the lanes of the stream, and the layers, heads and neurons of each program.

This is what :attr:`tracrlab.inject.grafted.Grafted.lanes` says, and what the certificate takes from the graft; all else
it reads in the checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracrlab.inject.packing import Layer
from tracrlab.inject.pins import Pins
from tracrlab.inject.rope import HeadShape
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class ProgramLane:
    """A program in the stream; dimensions are counted from the first of the stream.

    Attributes: ``name`` of its value; ``dimensions`` of its variables; ``guard``: those of the share of BOS, of marks,
    of what is dead, and of what is above the answers; ``registers``: the dimension of each answer; ``tokens``: the
    token that each answer says.
    """

    name: str
    dimensions: range
    guard: range
    registers: dict[Value, int]
    tokens: dict[Value, int]


@dataclass(frozen=True)
class Part:
    """Where a head or neuron is: the layer of the checkpoint, and the group or neuron in it."""

    layer: int
    number: int


@dataclass(frozen=True, eq=False)
class Lanes:
    """The stream of a graft, and its layers.

    Attributes: ``host``: the host's dimensions; ``at``: the first of the new layers; ``new``: what they hold;
    ``heads``: their shape; ``ones``: for each program a dimension that holds 2^-26
    at every token; ``firsts``: in each stage of each program the numbers of its first head and neuron, after those of
    other programs.
    """

    host: range
    programs: tuple[ProgramLane, ...]
    pins: Pins
    at: int
    new: tuple[Layer, ...]
    heads: HeadShape
    ones: tuple[int, ...]
    firsts: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def one(self) -> int:
        """The first of ``ones``."""
        return self.ones[0]

    @property
    def layers(self) -> range:
        """The new layers of the checkpoint."""
        return range(self.at, self.at + len(self.new))

    @property
    def lane(self) -> range:
        """All dimensions of the programs; there may be some that nobody uses before the pins."""
        return range(self.host.stop, max(max(each.registers.values()) for each in self.programs) + 1)

    def head(self, stage: int, number: int) -> Part:
        """Where a head of a stage is."""
        for place, layer in enumerate(self.new):
            if layer.stage == stage and layer.first_head <= number < layer.first_head + len(layer.heads):
                return Part(self.at + place, number - layer.first_head)
        raise KeyError(f"no head {number} in stage {stage}")

    def neuron(self, stage: int, number: int) -> Part:
        """Where a neuron of a stage is."""
        for place, layer in enumerate(self.new):
            if layer.stage == stage and layer.first_neuron <= number < layer.first_neuron + layer.neurons.count:
                return Part(self.at + place, number - layer.first_neuron)
        raise KeyError(f"no neuron {number} in stage {stage}")

    def __str__(self) -> str:
        """A line for each lane."""
        lines = [f"dimensions {_span(self.host)}: the host"]
        for program in self.programs:
            lines.append(f"dimensions {_span(program.dimensions)}: variables of {program.name}")
            lines.append(f"dimensions {_span(program.guard)}: its guard (share of BOS, marks, dead, above the answers)")
            lines += [f"dimension {place}: register of {value!r}" for value, place in program.registers.items()]
        lines.append(f"dimensions {_span(self.pins.places)}: pins, {' '.join(map(str, self.pins.factors))} times 2^40")
        lines.append(f"layers {_span(self.layers)} are new; heads have {self.heads.more} dimensions that do not turn")
        return "\n".join(lines)


def _span(some: range) -> str:
    return f"{some.start}-{some.stop - 1}" if len(some) > 1 else str(some.start)
