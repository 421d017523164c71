"""A program's stages in new layers of the host's shape: as many heads as it has groups, as many neurons as it has.

A head takes a group of its own. Heads of a stage beyond the number of groups, and neurons beyond the size of its MLPs,
take more layers: heads first, the last of them together with the first of the neurons. No dimension of a lane is used
twice, so it does not matter that what one writes is there when the next one reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracrlab.inject.parts import Head, Neurons, Stage, joined


@dataclass(frozen=True, eq=False)
class Layer:
    """A new layer: its heads, a group each, and its neurons.

    ``stage``; the numbers in it of the first of the ``heads`` and of the ``neurons``.
    """

    stage: int
    heads: tuple[Head, ...]
    neurons: Neurons
    first_head: int
    first_neuron: int


def packed(stages: Sequence[Stage], groups: int, most_neurons: int) -> list[Layer]:
    """The new layers of these stages."""
    layers: list[Layer] = []
    for number, stage in enumerate(stages):
        heads = [(start, stage.heads[start : start + groups]) for start in range(0, len(stage.heads), groups)]
        neurons = [
            (start, stage.neurons[start : start + most_neurons])
            for start in range(0, stage.neurons.count, most_neurons)
        ]
        heads, neurons = heads or [(0, ())], neurons or [(0, stage.neurons[0:0])]
        rows = [(own, (0, stage.neurons[0:0])) for own in heads[:-1]]
        rows.append((heads[-1], neurons[0]))
        rows += [((0, ()), own) for own in neurons[1:]]
        layers += [Layer(number, own, some, first, start) for (first, own), (start, some) in rows]
    return layers


def beside(lanes: Sequence[Sequence[Stage]], width: int) -> tuple[list[Stage], tuple[tuple[tuple[int, int], ...], ...]]:
    """The stages of several programs, which share a lane of ``width`` dimensions, side by side.

    Also, for each program, the numbers of its first head and its first neuron in each stage.
    """
    stages = []
    firsts: list[list[tuple[int, int]]] = [[] for _ in lanes]
    for number in range(max(map(len, lanes))):
        heads: list[Head] = []
        neurons: list[Neurons] = []
        for program, own in enumerate(lanes):
            if number < len(own):
                firsts[program].append((len(heads), sum(each.count for each in neurons)))
                heads += own[number].heads
                neurons.append(own[number].neurons)
        stages.append(Stage(tuple(heads), joined(neurons, width)))
    return stages, tuple(map(tuple, firsts))
