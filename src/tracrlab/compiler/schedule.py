"""Stage 4: components to layers (Tracr paper, section 3, step 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tracrlab.compiler.construction import Placed
from tracrlab.craft.components import AttentionHead
from tracrlab.craft.spaces import Variable
from tracrlab.model.sublayers import EMBEDDING, Sublayer

_WORK = 2**16  # schedules that are tried, about, times their components


@dataclass(frozen=True, eq=False)
class Schedule:
    """The sublayer of each component."""

    sublayers: tuple[Sublayer, ...]

    @property
    def n_layers(self) -> int:
        """The number of layers, at least one."""
        return max((sublayer.layer + 1 for sublayer in self.sublayers), default=1)


def layer_schedule(components: Sequence[Placed]) -> Schedule:
    """Put each component into the first sublayer of its kind after everything it reads has been written.

    With any number of heads and neurons in a layer this gives the least number of layers, that of the longest path. Let
    s(c) be the sublayer of component c here, and s'(c) that in any valid schedule, where what c reads is written before
    s'(c). Then s(c) <= s'(c), by induction over what c reads: s'(c) is a sublayer of c's kind greater than all s'(d),
    hence than all s(d), of the components d whose variables c reads; and s(c) is the least such sublayer. The one that
    decides it was placed for the same reason, and so on: this is a path from the embedding to the last layer, along
    which every component is in the first sublayer of its kind after the one before, so no schedule has fewer layers.
    """
    written: dict[Variable, Sublayer] = {}
    sublayers = []
    for placed in components:
        ready = max((written.get(read.variable, EMBEDDING) for read in placed.component.reads), default=EMBEDDING)
        sublayer = _next_of_kind(placed, ready)
        written[placed.component.writes] = sublayer
        sublayers.append(sublayer)
    return Schedule(tuple(sublayers))


def sequential_schedule(components: Sequence[Placed]) -> Schedule:
    """Put each component into a sublayer of its own, in the order given, which respects what they read."""
    sublayers: list[Sublayer] = []
    for placed in components:
        sublayers.append(_next_of_kind(placed, sublayers[-1] if sublayers else EMBEDDING))
    return Schedule(tuple(sublayers))


def latest_schedule(components: Sequence[Placed], n_layers: int) -> Schedule:
    """Put each component into the last sublayer of its kind before everything that reads what it writes."""
    needed: dict[Variable, Sublayer] = {}
    end, sublayers = Sublayer.end(n_layers), [EMBEDDING] * len(components)
    for number, placed in reversed(list(enumerate(components))):
        last = needed.get(placed.component.writes, end).before
        sublayers[number] = last if _belongs(placed, last) else last.before
        for read in placed.component.reads:
            needed[read.variable] = min(needed.get(read.variable, end), sublayers[number])
    return Schedule(tuple(sublayers))


def balanced_schedule(components: Sequence[Placed], start: Schedule, price: Callable[[Schedule], float]) -> Schedule:
    """Move one component after another to another layer, between what it reads and its readers, while the price falls.

    The number of layers stays that of the start. The price is that of a schedule as a whole, such as the parameters of
    the model: a layer is as wide as the widest one, so it may pay to do later what is not needed at once. Where there
    are very many components, not all moves are tried.
    """
    best, least = start, price(start)
    tries = _WORK // max(1, len(components))
    while tries > 0:
        for moved in _moves(components, best, start.n_layers):
            tries -= 1
            other = price(moved)
            if other < least:
                best, least = moved, other
                break
            if tries <= 0:
                return best
        else:
            return best
    return best


def _moves(components: Sequence[Placed], schedule: Schedule, n_layers: int) -> Iterator[Schedule]:
    """The schedules in which one component is in another sublayer, between what it reads and its readers."""
    placed = list(zip(components, schedule.sublayers, strict=True))
    written = {each.component.writes: sublayer for each, sublayer in placed}
    needed: dict[Variable, Sublayer] = {}
    end = Sublayer.end(n_layers)
    for each, sublayer in placed:
        for read in each.component.reads:
            needed[read.variable] = min(needed.get(read.variable, end), sublayer)
    for number, (each, current) in enumerate(placed):
        ready = max((written.get(read.variable, EMBEDDING) for read in each.component.reads), default=EMBEDDING)
        for sublayer in map(Sublayer, range(_next_of_kind(each, ready), needed.get(each.component.writes, end), 2)):
            if sublayer != current:
                yield Schedule((*schedule.sublayers[:number], sublayer, *schedule.sublayers[number + 1 :]))


def _next_of_kind(placed: Placed, sublayer: Sublayer) -> Sublayer:
    """The first sublayer after another that holds components of this kind."""
    return sublayer.after if _belongs(placed, sublayer.after) else sublayer.after.after


def _belongs(placed: Placed, sublayer: Sublayer) -> bool:
    """Whether a sublayer holds components of this kind."""
    return sublayer.is_attention == isinstance(placed.component, AttentionHead)
