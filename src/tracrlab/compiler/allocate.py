"""Stage 5: variables to residual-stream dimensions (Tracr paper, section 3, step 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracrlab.compiler.lower import Lowered
from tracrlab.craft.spaces import Variable
from tracrlab.model.sublayers import Sublayer


@dataclass(frozen=True, eq=False)
class Clearing:
    """Neurons of the MLP at ``sublayer`` that set dimensions of a variable to zero, so that others may hold them.

    ``places`` are the dimensions that are cleared, counted within the variable. A neuron takes off what is positive;
    where ``signed``, so that the dimension may hold less than zero, a second one takes off what is negative.
    """

    variable: Variable
    sublayer: Sublayer
    places: tuple[int, ...]
    signed: bool

    @property
    def n_neurons(self) -> int:
        """The number of neurons."""
        return len(self.places) * (1 + self.signed)


@dataclass(frozen=True, eq=False)
class Allocation:
    """The first dimension of each variable, and how many dimensions there are.

    Variables that share dimensions hold them one after the other, with a clearing in between.
    """

    starts: Mapping[Variable, int]
    d_model: int
    clearings: tuple[Clearing, ...] = ()

    def dimensions(self, variable: Variable) -> slice:
        """The dimensions of a variable."""
        start = self.starts[variable]
        return slice(start, start + variable.width)


def allocate_dimensions(lowered: Lowered) -> Allocation:
    """Give every variable a block of its own: first what the embeddings hold, then in order of computation."""
    starts: dict[Variable, int] = {}
    d_model = 0
    for variable in all_variables(lowered):
        starts[variable] = d_model
        d_model += variable.width
    return Allocation(starts, d_model)


def all_variables(lowered: Lowered) -> list[Variable]:
    """The variables that the embeddings hold, then those of the components, then those that are always ``None``.

    Of the last, some hold no s-op: they are only read, as copies of others in another encoding.
    """
    variables = [embedding.writes for embedding in lowered.embeddings]
    variables += [placed.component.writes for placed in lowered.components]
    variables += lowered.variables.values()
    variables += [read.variable for placed in lowered.components for read in placed.component.reads]
    variables += [read.variable for read in lowered.readout]
    return list(dict.fromkeys(variables))
