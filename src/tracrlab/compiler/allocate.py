"""Stage 5: variables to residual-stream dimensions (Tracr paper, section 3, step 5)."""

from __future__ import annotations

from dataclasses import dataclass

from tracrlab.compiler.lower import Lowered
from tracrlab.craft.spaces import Variable


@dataclass(frozen=True, eq=False)
class Allocation:
    """The first dimension of each variable, in order, and how many dimensions there are."""

    starts: dict[Variable, int]
    d_model: int

    def dimensions(self, variable: Variable) -> slice:
        """The dimensions of a variable."""
        start = self.starts[variable]
        return slice(start, start + variable.width)


def allocate_dimensions(lowered: Lowered) -> Allocation:
    """Give every variable a block of its own: first what the embeddings hold, then in order of computation."""
    variables = [embedding.writes for embedding in lowered.embeddings]
    variables += [placed.component.writes for placed in lowered.components]
    variables += lowered.variables.values()  # those that nothing writes, because they are always None
    starts: dict[Variable, int] = {}
    d_model = 0
    for variable in variables:
        if variable not in starts:
            starts[variable] = d_model
            d_model += variable.width
    return Allocation(starts, d_model)
