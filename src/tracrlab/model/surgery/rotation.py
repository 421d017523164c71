"""A random orthogonal change of basis of the residual stream: the same function, of which no dimension has a meaning.

Every matrix that writes to the stream is multiplied by an orthogonal matrix R and every one that reads from it by its
transpose, so that what is read is ``x R Rᵀ W = x W``. That holds in real numbers. In floating point every read is now
a sum over all dimensions, off by about a rounding of all that the stream holds times all the weights it is read with:
a model that reads a small difference with a large weight is not the same any more. Whoever rotates tries the result.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.craft.spaces import Feature, code_variable
from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.sublayers import EMBEDDING
from tracrlab.model.weights import Weights
from tracrlab.shapes import Float

_NAME = "stream"  # of the one variable of a rotated model


def rotated(model: Artefact, seed: int) -> Artefact:
    """The model after a random change of basis of its residual stream, drawn uniformly from all rotations by ``seed``.

    Heads and neurons are what they were and serve the expressions that they served; patterns, hidden activations and
    answers are the same but for rounding. The dimensions name nothing any more: all of them belong to one variable,
    ``stream``, whose values nobody knows, and neurons that cleared some of them write to it like others. So there are
    no claims, no recipe and no certificate either.
    """
    basis, weights = orthogonal_matrix(model.config.d_model, seed), model.weights
    written = {name: getattr(weights, name) @ basis for name in ("W_E", "W_pos", "W_O", "W_out")}
    read = {name: basis.T @ getattr(weights, name) for name in ("W_Q", "W_K", "W_V", "W_in", "W_U")}
    fmt = model.config.number_format
    stored = {name: fmt.stored(array).astype(fmt.accumulator) for name, array in (written | read).items()}
    return replace(model, weights=Weights(**stored), labels=_labels(model), claims=None, recipe=None)


def orthogonal_matrix(size: int, seed: int) -> Float[np.ndarray, "size size"]:
    """An orthogonal matrix, uniformly distributed (Stewart 1980, doi:10.1137/0717034): the Q of a normal one's QR.

    The signs of R's diagonal have to be divided out, or the distribution depends on the algorithm.
    """
    normal = np.random.default_rng(seed).standard_normal((size, size))
    orthogonal, triangular = np.linalg.qr(normal)
    signs: np.ndarray = np.where(np.diagonal(triangular) < 0, -1.0, 1.0)
    basis: np.ndarray = orthogonal * signs
    return basis


def _labels(model: Artefact) -> Labels:
    size, labels = model.config.d_model, model.labels
    nothing = np.zeros((1, size))
    stream = code_variable(_NAME, (None,), nothing, [Feature(str(place)) for place in range(size)], nothing[0])
    return Labels(
        (ModelVariable(stream, 0, EMBEDDING, _NAME, False),),
        tuple(tuple(replace(each, writes=_NAME) for each in heads) for heads in labels.heads),
        tuple(tuple(replace(each, writes=_NAME, clears=False) for each in groups) for groups in labels.neurons),
    )
