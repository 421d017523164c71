"""Exact compression: the smallest size for which one linear map keeps the function, as a baseline for what is learned.

Let the rows of M be all that is ever written into the residual stream, and the columns of R all that is read from it. A
matrix W with orthonormal columns keeps every read of everything written, M W Wᵀ R = M R, if its columns span R, or M.
So d = min(rank M, rank R) dimensions are enough, whatever the program. With one map for writing and another for reading
rank(M R) would do, and less would lose some read for these weights. Compact mode, which may choose other codes and not
only other directions, is free to go below all three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.compress.compressed_model import CompressedModel, compressed_model
from tracrlab.compress.sharing import Sharing
from tracrlab.model.artefact import Artefact
from tracrlab.shapes import Float

_TOLERANCE = 1e-5  # a singular value below this share of the largest is rounding


@dataclass(frozen=True)
class ExactSizes:
    """How many dimensions keep the function of a model exactly.

    Attributes: ``written`` and ``read``, the ranks of all that is written and read; ``shared``, the smaller of them,
    enough for one shared matrix; ``separate`` the least for one map in and another out.
    """

    written: int
    read: int
    separate: int

    @property
    def shared(self) -> int:
        """Enough for one matrix that all share."""
        return min(self.written, self.read)


def exact_sizes(model: Artefact) -> ExactSizes:
    """The sizes for a compiled model."""
    written, read = _written(model), read_directions(model)
    return ExactSizes(_rank(written), _rank(read), _rank(written @ read))


def exact_compression(model: Artefact) -> CompressedModel:
    """The model with a shared matrix of the fewest dimensions of which that is certain to be exact, up to rounding."""
    written, read = _written(model), read_directions(model)
    spanned = read if _rank(read) <= _rank(written) else written.T
    directions = np.linalg.svd(spanned, full_matrices=False)[0][:, : _rank(spanned)]
    return compressed_model(model, Sharing.ALL, {"matrices": directions[None]})


def _written(model: Artefact) -> Float[np.ndarray, "row d_model"]:
    """Directions that are written: embeddings of all that can stand before an answer, then heads and neurons."""
    weights, config = model.weights, model.config
    tokens = weights.W_E[: config.pad_id].astype(float)  # what stands at padding reaches no answer
    at_bos = tokens[config.bos_id] + weights.W_pos[0]
    at_tokens = tokens[: config.bos_id, None] + weights.W_pos[None, 1:]
    outs = [weights.W_O.reshape(-1, config.d_model), weights.W_out.reshape(-1, config.d_model)]
    rows = [at_bos[None], at_tokens.reshape(-1, config.d_model), *outs]
    written: np.ndarray = np.concatenate(rows).astype(float)
    return written


def read_directions(model: Artefact) -> Float[np.ndarray, "d_model column"]:
    """Directions that are read, of parts that do anything, scaled to length 1."""
    weights, columns = model.weights, [model.weights.W_U]
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            q, k, v, o = (getattr(weights, name)[layer, head] for name in ("W_Q", "W_K", "W_V", "W_O"))
            moved, scored = v.any(axis=0) & o.any(axis=1), q.any(axis=0) & k.any(axis=0)
            columns += [v[:, moved], *((q[:, scored], k[:, scored]) if moved.any() else ())]
        columns.append(weights.W_in[layer][:, weights.W_out[layer].any(axis=1)])
    read = np.concatenate(columns, axis=1).astype(float)
    read = read[:, read.any(axis=0)]
    unit: np.ndarray = read / np.linalg.norm(read, axis=0)
    return unit


def _rank(matrix: Float[np.ndarray, "row column"]) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > _TOLERANCE * values.max(initial=0)).sum())
