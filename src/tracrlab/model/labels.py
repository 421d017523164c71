"""What every dimension, head and neuron of a model is for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracrlab.craft.spaces import Dimension, Variable
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class ModelVariable:
    """A variable in a model's residual stream.

    Attributes: ``start`` its first dimension; ``sublayer`` what writes it (2l the attention, 2l + 1 the MLP of layer
    l, -1 the embedding); ``expression`` the name of the s-op it serves; ``is_value`` whether it holds that s-op's value
    or is an intermediate result on the way to it.
    """

    variable: Variable
    start: int
    sublayer: int
    expression: str
    is_value: bool

    @property
    def name(self) -> str:
        """The name of the variable, unique in the model."""
        return self.variable.name

    @property
    def dimensions(self) -> slice:
        """Its dimensions of the residual stream."""
        return slice(self.start, self.start + self.variable.width)

    def decode(self, residual: Float[np.ndarray, "position d_model"]) -> list[Value]:
        """Its value at each position."""
        return self.variable.decode(residual[:, self.dimensions])


@dataclass(frozen=True)
class HeadLabel:
    """The variable an attention head writes and the s-op it serves."""

    writes: str
    expression: str


@dataclass(frozen=True)
class NeuronLabel:
    """The variable that ``count`` consecutive neurons write and the s-op they serve."""

    writes: str
    expression: str
    count: int


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a model: variables in dimension order, heads and groups of neurons by layer."""

    variables: tuple[ModelVariable, ...]
    heads: tuple[tuple[HeadLabel, ...], ...]
    neurons: tuple[tuple[NeuronLabel, ...], ...]

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """A label for each dimension of the residual stream; ``str`` of it reads like ``is_x:True``."""
        return tuple(dimension for variable in self.variables for dimension in variable.variable.dimensions)

    def variable(self, name: str) -> ModelVariable:
        """The variable of this name.

        Raises:
            KeyError: there is none.
        """
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise KeyError(f"no variable {name!r}; there are {', '.join(variable.name for variable in self.variables)}")
