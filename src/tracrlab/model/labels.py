"""What every dimension, head and neuron of a model is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tracrlab.craft.spaces import Dimension, Variable
from tracrlab.model.sublayers import EMBEDDING, Sublayer
from tracrlab.rasp.values import Value
from tracrlab.shapes import Bool, Float


@dataclass(frozen=True, eq=False)
class ModelVariable:
    """A variable in a model's residual stream.

    Attributes: ``start`` its first dimension; ``sublayer`` what writes it; ``expression`` the name of the s-op it
    serves; ``is_value`` whether it holds that s-op's value or is an intermediate result on the way to it; ``cleared``
    the sublayer that sets those of its dimensions to zero that hold other variables later, if any do.
    """

    variable: Variable
    start: int
    sublayer: Sublayer
    expression: str
    is_value: bool
    cleared: Sublayer | None = None

    @property
    def name(self) -> str:
        """The name of the variable, unique in the model."""
        return self.variable.name

    @property
    def dimensions(self) -> slice:
        """Its dimensions of the residual stream."""
        return slice(self.start, self.start + self.variable.width)

    def stands_after(self, sublayer: Sublayer) -> bool:
        """Whether its dimensions hold it after a sublayer: it has been written, and not yet cleared."""
        return self.sublayer <= sublayer and (self.cleared is None or sublayer < self.cleared)

    def decode(self, residual: Float[np.ndarray, "position d_model"]) -> list[Value]:
        """Its value at each position of a residual stream that holds it."""
        return self.variable.decode(residual[:, self.dimensions])


@dataclass(frozen=True)
class HeadLabel:
    """The variable an attention head writes and the s-op it serves."""

    writes: str
    expression: str


@dataclass(frozen=True)
class NeuronLabel:
    """The variable that ``count`` neurons in a row write, or set to zero if ``clears``, and the s-op they serve."""

    writes: str
    expression: str
    count: int
    clears: bool = False


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a model: variables in dimension order, heads and groups of neurons by layer.

    A dimension may hold several variables, one after the other.
    """

    variables: tuple[ModelVariable, ...]
    heads: tuple[tuple[HeadLabel, ...], ...]
    neurons: tuple[tuple[NeuronLabel, ...], ...]

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """A label for each dimension, of what it holds at last; ``str`` of it reads like ``is_x:True``."""
        return self.dimensions_after(Sublayer.end(len(self.heads)))

    @cached_property
    def holders(self) -> tuple[tuple[ModelVariable, ...], ...]:
        """For each dimension of the residual stream the variables that it holds, in the order of time."""
        end = max((variable.dimensions.stop for variable in self.variables), default=0)
        holders: list[list[ModelVariable]] = [[] for _ in range(end)]
        for variable in sorted(self.variables, key=lambda each: each.sublayer):
            for own in holders[variable.dimensions]:
                own.append(variable)
        return tuple(map(tuple, holders))

    @property
    def histories(self) -> tuple[str, ...]:
        """The labels of all that each dimension holds, as in ``tokens:a then sort``."""
        return tuple(
            " then ".join(str(_label(variable, number)) for variable in own) for number, own in enumerate(self.holders)
        )

    def neuron_groups(self, layer: int) -> Iterator[tuple[range, NeuronLabel]]:
        """The groups of neurons of a layer, and the numbers that their neurons have."""
        start = 0
        for label in self.neurons[layer]:
            yield range(start, start + label.count), label
            start += label.count

    def dimensions_after(self, sublayer: Sublayer) -> tuple[Dimension, ...]:
        """A label for each dimension, of the variable written there last, or of the first if none has been yet."""
        labels = []
        for number, own in enumerate(self.holders):
            written = [variable for variable in own if variable.sublayer <= sublayer]
            labels.append(_label((written or own)[-1 if written else 0], number))
        return tuple(labels)

    def are_consistent(self, d_model: int) -> bool:
        """Whether every dimension holds something, no two variables at once, cleared by MLPs, in layers that exist."""
        end = Sublayer.end(len(self.heads))
        if any(each.cleared is not None and not each.cleared.is_mlp for each in self.variables):
            return False
        for each in self.variables:
            last = end if each.cleared is None else each.cleared
            if not (EMBEDDING <= each.sublayer < last <= end and 0 <= each.start <= d_model - each.variable.width):
                return False
        follow = all(
            earlier.cleared is not None and earlier.cleared < later.sublayer
            for own in self.holders
            for earlier, later in pairwise(own)
        )
        return follow and len(self.holders) == d_model and all(self.holders)

    def erased(self, since: Sublayer, before: Sublayer) -> Bool[np.ndarray, " d_model"]:
        """The dimensions that are set to zero after sublayer ``since`` and before sublayer ``before``."""
        erased = np.zeros(len(self.holders), bool)
        for number, own in enumerate(self.holders):
            erased[number] = any(each.cleared is not None and since < each.cleared < before for each in own[:-1])
        return erased

    def variable(self, name: str) -> ModelVariable:
        """The variable of this name.

        Raises:
            KeyError: there is none.
        """
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise KeyError(f"no variable {name!r}; there are {', '.join(variable.name for variable in self.variables)}")


def _label(variable: ModelVariable, dimension: int) -> Dimension:
    return variable.variable.dimensions[dimension - variable.start]
