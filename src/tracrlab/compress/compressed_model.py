"""``CompressedModel``: a transformer whose residual stream was compressed, and the way back to the compiled one.

Reads and writes through W folded into the weights give an ordinary transformer of d_model d, which runs and exports
like any other. Its variables are read out through W: ``z Wᵀ`` has the dimensions of the compiled model, and its labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from tracrlab.compress.sharing import Sharing
from tracrlab.compress.storage import read_compression, save_compression
from tracrlab.errors import CompressionError
from tracrlab.model.artefact import Artefact, ReadOut
from tracrlab.model.weights import Weights
from tracrlab.shapes import Float
from tracrlab.verbs import ModelVerbs


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CompressedModel(ModelVerbs):
    """A compressed model; what it answers is approximate, and how nearly is measured, not proved.

    Attributes: ``original`` the compiled model; ``matrices`` those it is read and written through, W alone where all
    share one; ``unfrozen`` the compiled weights that were trained too, as they are now. ``config`` and ``weights`` are
    those of d dimensions; ``labels`` are the original's, of the dimensions that are read out.
    """

    original: Artefact
    sharing: Sharing
    matrices: Float[np.ndarray, "matrix d_original d_model"]
    unfrozen: dict[str, Float[np.ndarray, "..."]]

    @property
    def W(self) -> Float[np.ndarray, "d_original d_model"]:
        """The matrix that all share; its rows are the directions of the original dimensions.

        Raises:
            CompressionError: there are several.
        """
        if len(self.matrices) > 1:
            raise CompressionError(f"the model has {len(self.matrices)} matrices, not one W; see its matrices")
        matrix: np.ndarray = self.matrices[0]
        return matrix

    @property
    def labelled(self) -> Artefact:
        """The original."""
        return self.original

    @property
    def read_out(self) -> ReadOut:
        """After the embedding and each sublayer the residual stream is seen as the next one reads it."""
        places = self.sharing.places(self.config.n_layers)
        by_sublayers = [place for place in places.layers for _ in ("attention", "MLP")]
        return ReadOut(self.matrices, (*by_sublayers, places.unembedding))

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write the matrices and the original into the folder ``path``, made if need be.

        Raises:
            ModelFileError: the folder cannot be written, or the original holds values that have no JSON form.
        """
        save_compression(path, self.original, self.sharing, self.matrices, self.unfrozen)

    def __repr__(self) -> str:
        return f"CompressedModel of {self.original.config.d_model} dimensions in {self.config.d_model}\n" + "\n".join(
            super().__repr__().split("\n")[1:]
        )


def load_compressed(path: str | PathLike[str]) -> CompressedModel:
    """Read a compressed model.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    return read_compression(path, compressed_model)


def compressed_model(
    original: Artefact, sharing: Sharing, arrays: Mapping[str, Float[np.ndarray, "..."]]
) -> CompressedModel:
    """The compressed model of these ``matrices`` [matrix, D, d] and other arrays, which replace weights by their names.

    Raises:
        CompressionError: the matrices do not fit the model.
    """
    matrices = arrays["matrices"]
    places, D = sharing.places(original.config.n_layers), original.config.d_model
    if matrices.ndim != 3 or matrices.shape[:2] != (places.n_matrices, D):
        raise CompressionError(f"the matrices have shape {matrices.shape}, not ({places.n_matrices}, {D}, d)")
    unfrozen = {name: array for name, array in arrays.items() if name != "matrices"}
    folded = _folded(replace(original.weights, **unfrozen), sharing, matrices.astype(float))
    dtype = original.config.dtype
    weights = Weights(**{name: array.astype(dtype) for name, array in folded.items()})
    return CompressedModel(
        config=replace(original.config, d_model=matrices.shape[2]),
        weights=weights,
        labels=original.labels,
        output=original.output,
        program=original.program,
        original=original,
        sharing=sharing,
        matrices=matrices,
        unfrozen=unfrozen,
    )


def _folded(
    weights: Weights, sharing: Sharing, matrices: Float[np.ndarray, "matrix D d"]
) -> dict[str, Float[np.ndarray, "..."]]:
    """The weights with reads and writes through the matrices folded in."""
    places = sharing.places(len(weights.W_Q))
    embedding, unembedding = matrices[places.embedding], matrices[places.unembedding]
    layers = matrices[list(places.layers)]  # [layer, D, d]
    reads = {name: np.einsum("lDd,lhDe->lhde", layers, getattr(weights, name)) for name in ("W_Q", "W_K", "W_V")}
    return reads | {
        "W_E": weights.W_E @ embedding,
        "W_pos": weights.W_pos @ embedding,
        "W_O": np.einsum("lheD,lDd->lhed", weights.W_O, layers),
        "W_in": np.einsum("lDd,lDm->ldm", layers, weights.W_in),
        "W_out": np.einsum("lmD,lDd->lmd", weights.W_out, layers),
        "W_U": unembedding.T @ weights.W_U,
    }
