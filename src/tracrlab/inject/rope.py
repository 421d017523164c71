"""Heads with more dimensions than the host's, of which those that are added do not turn with the position.

Rotary embeddings turn pairs (i, i + H/2) of a head of size H by angles p·θ^(−2i/H). The type ``proportional`` turns
the first pairs only. So with h of H dimensions turning and a base of θ^(H/h) the host's pairs turn as they did, and
the e = H − h others do not turn at all: there a program's head has any scores it likes. Scores are divided by √H in
place of √h, which the host's queries make up for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from tracrlab.errors import InjectionError
from tracrlab.shapes import Int


@dataclass(frozen=True)
class HeadShape:
    """A head of the host, ``own`` large, with ``more`` dimensions that do not turn; both are even."""

    own: int
    more: int

    @property
    def size(self) -> int:
        """All dimensions."""
        return self.own + self.more

    @property
    def turning(self) -> Int[np.ndarray, " own"]:
        """Where the host's dimensions are, in their order."""
        half = self.own // 2
        return np.concatenate([np.arange(half), self.size // 2 + np.arange(half)])

    @property
    def still(self) -> Int[np.ndarray, " more"]:
        """Where the added dimensions are."""
        return np.setdiff1d(np.arange(self.size), self.turning)

    @property
    def query_scale(self) -> float:
        """What the host's queries are multiplied by."""
        return sqrt(self.size / self.own)

    def parameters(self, host: dict[str, Any]) -> dict[str, Any]:
        """The settings of the rotary embedding, given the host's."""
        theta = float(host["rope_theta"]) ** (self.size / self.own)
        # half of a dimension more: the number of pairs is rounded down from a product of floats
        return {
            "rope_type": "proportional",
            "rope_theta": theta,
            "partial_rotary_factor": (self.own + 0.5) / self.size,
        }


def head_shape(config: Any, d_key: int, d_value: int) -> HeadShape:
    """The heads of a host in which programs need ``d_key`` dimensions that do not turn, and ``d_value`` of any kind.

    Raises:
        InjectionError: the host turns its heads in another way.
    """
    parameters = config.rope_parameters
    if parameters.get("rope_type", "default") != "default":
        raise InjectionError(
            f"the host's rotary positions are of type {parameters['rope_type']!r}, and the plain ones are all that a "
            "graft can keep; several programs go into one host together, with graft_all"
        )
    own = int(config.head_dim)
    if own % 2:
        raise InjectionError(f"the host's heads have an odd size, {own}")
    more = max(d_key, d_value - own, 2)
    return HeadShape(own, more + more % 2)
