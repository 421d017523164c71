"""What keeps a graft silent where its program has no meaning: without BOS, after a second one, beyond its length.

A compiled program takes BOS, then at most ``max_seq_len`` tokens. A host takes anything. So a head attends everything
alike and finds the *share* of BOS among the positions so far. In a proper input it is 1 at BOS and 1/(p + 1) at
position p. Neurons *mark* what is not proper:

- a share below that of the last position: too long, or no BOS yet;
- BOS with a share of 5/6 or less: it stands behind another token, so that the share is 2/3 at most;
- another token with a share above 7/12: several BOS are in front, so that the share is 2/3 at least.

Among all inputs that are not proper there is no other way to go wrong first: BOS^k with k > 1 is marked at the token
after it, and one that begins with another token at that. A second head attends the marks so far, and finds *dead* above
zero from the first mark on, and exactly zero before. The read-out is silent where it is dead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.inject.parts import Head, Neurons, Stage, joined

_STEEP = 2.0**11  # what gates are multiplied by: silu(-2^11/12) is zero in float32, exactly
_SILENT = 128.0  # silu(-128) is zero in float32: e^128 is beyond its range
_LEAST_MARK = 1 / 13  # of a mark that is there: 1/12, rounded
_ATTENDED = 60.0  # the least score of a mark: e^60 times the weight of what has none
N_DIMENSIONS = 4


@dataclass(frozen=True)
class Guard:
    """Where the lane holds what the guard reads, ``one`` and ``bos``, and what it writes, from ``start`` on."""

    one: int
    bos: int
    start: int
    width: int
    max_seq_len: int

    @property
    def share(self) -> int:
        """The dimension of the share of BOS."""
        return self.start

    @property
    def mark(self) -> int:
        """The dimension of the marks."""
        return self.start + 1

    @property
    def dead(self) -> int:
        """The dimension that is above zero from the first mark on."""
        return self.start + 2

    @property
    def above(self) -> int:
        """The dimension that is above zero where the program's number is above all answers."""
        return self.start + 3

    @property
    def shares(self) -> tuple[Head, Neurons]:
        """The head that finds the share and the neurons that mark."""
        nothing = np.zeros((self.width, 0))
        head = Head(nothing, nothing, self._reads({self.bos: 1}), self._writes(self.share))
        last, beyond = 1 / (self.max_seq_len + 1), 1 / (self.max_seq_len + 2)
        steep = 2.0 ** np.ceil(np.log2(4 * _SILENT / (last - beyond)))
        late = self._neuron({self.one: (last + beyond) / 2, self.share: -1}, steep)
        second = self._neuron({self.one: 5 / 6 - 2, self.bos: 2, self.share: -1}, _STEEP)
        several = self._neuron({self.one: -7 / 12, self.bos: -2, self.share: 1}, _STEEP)
        return head, joined([late, second, several], self.width)

    @property
    def spreads(self) -> Head:
        """The head that attends marks."""
        score = _ATTENDED / _LEAST_MARK
        return Head(
            self._reads({self.one: score}), self._reads({self.mark: 1}), self._reads({self.mark: 1}),
            self._writes(self.dead),
        )  # fmt: skip

    def silencing(self, reach: float) -> dict[int, float]:
        """What a gate reads to be below zero by ``reach`` where the input is not proper."""
        return {self.dead: -reach / _LEAST_MARK, self.bos: -reach}

    def _reads(self, weights: dict[int, float]) -> np.ndarray:
        column = np.zeros((self.width, 1))
        column[list(weights), 0] = list(weights.values())
        return column

    def _writes(self, dimension: int) -> np.ndarray:
        return self._reads({dimension: 1}).T

    def _neuron(self, gate: dict[int, float], steep: float) -> Neurons:
        """A neuron that marks where a form is above zero; a mark is as large as the form is, at least 1/12."""
        least = 1 / 12 if steep == _STEEP else 2 * _SILENT / steep
        down = self._writes(self.mark) / (steep * least * 12)
        return Neurons(self._reads(gate) * steep, self._reads({self.one: 1}), down)


def guarded(stages: list[Stage], guard: Guard, last: Neurons, groups: int) -> list[Stage]:
    """The stages of a program with the guard, and a last one for ``last``, which reads what they found.

    The first head goes where there is room beside others of ``groups`` that fit in a layer; the second into the last.
    """
    head, neurons = guard.shares
    place = next((number for number, stage in enumerate(stages) if len(stage.heads) % groups), 0)
    at = stages[place]
    stages = list(stages)
    stages[place] = Stage((*at.heads, head), joined([at.neurons, neurons], guard.width))
    return [*stages, Stage((guard.spreads,), last)]
