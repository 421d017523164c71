"""Where the matrices W [D, d] begin, and those that compress without training.

- *random*: independent normal entries of variance 1/d, for which W Wᵀ is the identity on average;
- *pca*: the principal directions of the residual stream, the comparison of section 5.2 of the Tracr paper;
- *reads*: the principal directions of all that is read, each read counting the same, with a little noise. The reads of
  computed variables, which need the most precision, are nearly right from the start;
- *identity*: what keeps everything, for d = D.

What loses nothing in fewer dimensions is in :mod:`tracrlab.compress.exact`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tracrlab.compress.exact import read_directions
from tracrlab.compress.forward import FrozenModel, Pass, forward
from tracrlab.compress.sharing import Sharing
from tracrlab.errors import CompressionError
from tracrlab.model.artefact import Artefact

Initial = Literal["random", "pca", "reads", "identity"]

_NOISE = 0.02  # of the entries of what begins with the reads


def initial_matrix(model: Artefact, frozen: FrozenModel, ids: Tensor, initial: Initial, d: int, seed: int) -> Tensor:
    """A matrix [D, d] to begin with.

    Raises:
        CompressionError: there is none of this kind and size.
    """
    D, generator = model.config.d_model, torch.Generator().manual_seed(seed)
    if not 1 <= d <= D:
        raise CompressionError(f"the compressed size must be between 1 and {D}, the size of the model, not {d}")
    match initial:
        case "random":
            entries: Tensor = torch.randn(D, d, generator=generator) / d**0.5
            return entries
        case "pca":
            principal: Tensor = principal_directions(frozen, ids)[:, :d].cpu()
            return principal
        case "reads":
            directions = np.linalg.svd(read_directions(model))[0][:, :d]
            return torch.tensor(directions, dtype=torch.float32) + _NOISE * torch.randn(D, d, generator=generator)
        case "identity":
            if d != D:
                raise CompressionError(f"the identity is a start only for the full size {D}, not {d}")
            return torch.eye(D)
    raise CompressionError(f"there is no initial matrix {initial!r}; there are random, pca, reads and identity")


def principal_directions(frozen: FrozenModel, ids: Tensor) -> Tensor:
    """Directions [D, D] of the compiled residual stream, in columns, by falling mean square.

    Over all positions of the inputs but padding, after the embedding and every sublayer. The mean is not subtracted:
    models have no biases to put it back, and would lose the constant ``one`` with it.
    """
    run: Pass = forward(frozen, Sharing.ALL, frozen.identity, ids)
    present = ids != frozen.config.pad_id
    vectors = torch.cat([residual[present] for residual in run.residuals]).double()
    _, directions = torch.linalg.eigh(vectors.T @ vectors)
    principal: Tensor = directions.flip(1).float()
    return principal
