"""Stage 4: components to layers (Tracr paper, section 3, step 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracrlab.compiler.construction import Placed
from tracrlab.craft.components import AttentionHead
from tracrlab.craft.spaces import Variable


@dataclass(frozen=True, eq=False)
class Schedule:
    """The sublayer of each component: 2l is the attention of layer l, 2l + 1 its MLP."""

    sublayers: tuple[int, ...]

    @property
    def n_layers(self) -> int:
        """The number of layers, at least one."""
        return max((sublayer // 2 + 1 for sublayer in self.sublayers), default=1)


def layer_schedule(components: Sequence[Placed]) -> Schedule:
    """Put each component into the first sublayer of its kind after everything it reads has been written.

    With any number of heads and neurons in a layer this gives the least number of layers: by induction along any chain
    of reads, no component can run earlier.
    """
    written: dict[Variable, int] = {}
    sublayers = []
    for placed in components:
        component = placed.component
        ready = max((written.get(read.variable, -1) for read in component.reads), default=-1) + 1
        kind = 0 if isinstance(component, AttentionHead) else 1
        sublayer = ready + (ready % 2 != kind)
        written[component.writes] = sublayer
        sublayers.append(sublayer)
    return Schedule(tuple(sublayers))
