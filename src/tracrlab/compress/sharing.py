"""Which places of a model share a matrix: the variants of compression that the Tracr paper names in section 5.1."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class Places:
    """Which of the matrices the embedding, each layer and the unembedding use."""

    embedding: int
    layers: tuple[int, ...]
    unembedding: int

    @property
    def n_matrices(self) -> int:
        """How many matrices there are."""
        return 1 + max(self.embedding, self.unembedding, *self.layers)


class Sharing(enum.Enum):
    """What shares a matrix: everything, as in the paper; all but embedding and unembedding; nothing."""

    ALL = "all"
    LAYERS = "layers"
    NOTHING = "nothing"

    def places(self, n_layers: int) -> Places:
        """Who uses which matrix."""
        match self:
            case Sharing.ALL:
                return Places(0, (0,) * n_layers, 0)
            case Sharing.LAYERS:
                return Places(0, (1,) * n_layers, 2)
            case Sharing.NOTHING:
                return Places(0, tuple(range(1, n_layers + 1)), n_layers + 1)
