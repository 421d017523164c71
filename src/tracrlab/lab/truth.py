"""What is true of a case: of every edge, whether it is part of the circuit and what shows it; of variables, where.

An edge is *structural* where the target reads a dimension that the source writes, on a way to the logits, and
*alive* under an ablation where replacing what it alone carries changes an answer. A structural edge can be dead: what
passes may be the same on all inputs, or be needed by nobody. Such edges are neither right nor wrong in a method's
answer: scores leave them out. What counts as alive depends on the ablation (Miller et al. 2024, Transformer Circuit
Faithfulness Metrics Are Not Robust), so the ablation is part of a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracrlab.lab.inputs import Ablation
from tracrlab.model.circuit import Edge
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float


@dataclass(frozen=True)
class Witness:
    """What shows that an edge is alive.

    Attributes: ``tokens`` the input; ``source`` the one that the edge takes from, ``None`` where it takes from none;
    ``shift`` how many positions further on, going round at the source's end; ``position`` the number of the token, from
    0, at which the answer changes from ``before`` to ``after``.
    """

    tokens: tuple[Value, ...]
    source: tuple[Value, ...] | None
    shift: int
    position: int
    before: Value
    after: Value

    def __str__(self) -> str:
        word = _word(self.tokens)
        shifted = f" shifted by {self.shift}" if self.shift else ""
        other = "" if self.source is None else f", taken from {_word(self.source)}{shifted}"
        return f"on {word}{other}: {self.before!r} becomes {self.after!r} at token {self.position}"


@dataclass(frozen=True)
class EdgeTruth:
    """What is true of one edge.

    Attributes: ``structural``; ``constant``, whether what passes is the same at all tokens of all inputs; ``alive`` by
    ablation, with a ``witness`` where it is; ``effect`` the share of answers that one ablation of each input changes.
    """

    structural: bool
    constant: bool
    alive: Mapping[Ablation, bool]
    witness: Mapping[Ablation, Witness]
    effect: Mapping[Ablation, float]


@dataclass(frozen=True)
class VariableTruth:
    """What is true of a variable at a place of the residual stream: is it ``held`` there, and ``used`` after it?

    What is used changes an answer where it has its value on another input.
    """

    held: bool
    used: bool


@dataclass(frozen=True, eq=False)
class Directions:
    """The directions in which the residual stream holds values at a site: ``vectors`` [n, d], each of a variable."""

    site: str
    vectors: Float[np.ndarray, "n d"]
    variables: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of a case.

    Attributes: ``edges`` all there are; ``ablation`` by which it is scored; ``checked`` how, in words; ``joint`` how
    many answers change, by ablation, where all edges that are not structural are ablated together; ``variables`` by
    name and site; ``directions`` at the end of the residual stream.
    """

    edges: Mapping[Edge, EdgeTruth]
    ablation: Ablation
    checked: str
    joint: Mapping[Ablation, int]
    variables: Mapping[tuple[str, str], VariableTruth]
    directions: Directions

    @cached_property
    def circuit(self) -> frozenset[Edge]:
        """The edges that are structural, and alive under the case's ablation: what a method ought to find."""
        return frozenset(
            edge for edge, own in self.edges.items() if own.structural and own.alive.get(self.ablation, False)
        )

    @cached_property
    def ignored(self) -> frozenset[Edge]:
        """The edges that are structural but dead, which a method may name or not."""
        return frozenset(edge for edge, own in self.edges.items() if own.structural and edge not in self.circuit)

    @cached_property
    def others(self) -> frozenset[Edge]:
        """The edges that a method ought not to find."""
        return frozenset(edge for edge, own in self.edges.items() if not own.structural)

    @cached_property
    def alive_outside(self) -> dict[Ablation, tuple[Edge, ...]]:
        """The edges that are not structural and yet change answers alone, by ablation; none in exact models."""
        return {
            ablation: tuple(
                edge for edge in self.edges if edge in self.others and self.edges[edge].alive.get(ablation, False)
            )
            for ablation in self.joint
        }

    @property
    def largest_effect_outside(self) -> float:
        """The largest share of answers that an edge outside the circuit changes alone, under any ablation."""
        return max((share for edge in self.others for share in self.edges[edge].effect.values()), default=0.0)


def _word(tokens: tuple[Value, ...]) -> str:
    return " ".join(map(str, tokens))
