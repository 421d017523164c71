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

    With any number of heads and neurons in a layer this gives the least number of layers, that of the longest path. Let
    s(c) be the sublayer of component c here, and s'(c) that in any valid schedule, where what c reads is written before
    s'(c). Then s(c) <= s'(c), by induction over what c reads: s'(c) is a sublayer of c's kind greater than all s'(d),
    hence than all s(d), of the components d whose variables c reads; and s(c) is the least such sublayer. The one that
    decides it was placed for the same reason, and so on: this is a path from the embedding to the last layer, along
    which every component is in the first sublayer of its kind after the one before, so no schedule has fewer layers.
    """
    written: dict[Variable, int] = {}
    sublayers = []
    for placed in components:
        ready = max((written.get(read.variable, -1) for read in placed.component.reads), default=-1)
        sublayer = _next_of_kind(placed, ready)
        written[placed.component.writes] = sublayer
        sublayers.append(sublayer)
    return Schedule(tuple(sublayers))


def sequential_schedule(components: Sequence[Placed]) -> Schedule:
    """Put each component into a sublayer of its own, in the order given, which respects what they read."""
    sublayers: list[int] = []
    for placed in components:
        sublayers.append(_next_of_kind(placed, sublayers[-1] if sublayers else -1))
    return Schedule(tuple(sublayers))


def _next_of_kind(placed: Placed, sublayer: int) -> int:
    """The first sublayer after another that holds components of this kind."""
    kind = 0 if isinstance(placed.component, AttentionHead) else 1
    return sublayer + 1 + ((sublayer + 1) % 2 != kind)
