"""``CompressedModel``: a transformer whose residual stream was compressed, and the way back to the compiled one.

Reads and writes through W folded into the weights give an ordinary transformer of d_model d, which runs and exports
like any other. Its variables are read out through W: ``z Wᵀ`` has the dimensions of the compiled model, and its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tracrlab.compress.sharing import Sharing
from tracrlab.errors import CompressionError, ExportError, VerificationError
from tracrlab.model.circuit import Circuit
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.forward import forward_with_activations
from tracrlab.model.intervene import Intervened, Interventions
from tracrlab.model.readout import decode_output
from tracrlab.model.report import Report
from tracrlab.model.trace import Step, Trace, sublayer_name
from tracrlab.model.weights import Weights
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float
from tracrlab.verify.certificate import Certificate

if TYPE_CHECKING:
    from tracrlab.export.pretrained import Pretrained


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CompressedModel(CompiledModel):
    """A compressed model; what it answers is approximate, and how nearly is measured, not proved.

    Attributes: ``original`` the compiled model; ``matrices`` those it is read and written through, W alone where all
    share one; ``unfrozen`` the compiled weights that were trained too, as they are now. ``config`` and ``weights`` are
    those of d dimensions; ``labels`` are the original's, of the dimensions that are read out.
    """

    original: CompiledModel
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
    def readers(self) -> list[int]:
        """The place of the matrix through which the residual stream is read: after the embedding and each sublayer."""
        places = self.sharing.places(self.config.n_layers)
        return [each for layer in places.layers for each in (layer, layer)] + [places.unembedding]

    def trace(self, tokens: Sequence[Value]) -> Trace:
        """Run one sequence; residual streams are those that are read out, in the original's dimensions.

        Raises:
            InputError: as for calling the model.
        """
        activations = forward_with_activations(self.config, self.weights, self.encode([tokens]))
        steps = []
        for number, (residual, reader) in enumerate(zip(activations.residuals, self.readers, strict=True)):
            sublayer = number - 1
            written = tuple(v for v in self.labels.variables if v.sublayer == sublayer)
            pattern = activations.patterns[sublayer // 2][0] if sublayer >= 0 and sublayer % 2 == 0 else None
            read = residual[0] @ self.matrices[reader].T.astype(residual.dtype)
            steps.append(Step(sublayer_name(sublayer), sublayer, read, written, pattern))
        return Trace(tuple(tokens), tuple(steps), decode_output(self.output, activations.logits[0, 1:]), self.labels)

    def circuit(self) -> Circuit:
        """The circuit of the model it was compressed from; whether it is still this one is for the verdict to say."""
        return self.original.circuit()

    def verify(self, *arguments: Any, **options: Any) -> Certificate:
        """Nothing: a compressed model is approximate.

        Raises:
            VerificationError: always.
        """
        raise VerificationError("a compressed model is approximate, so nothing is proved of it; ask for its verdict")

    def intervene(self, interventions: Interventions) -> Intervened:
        """Nothing: its dimensions are shared by all expressions.

        Raises:
            CompressionError: always.
        """
        raise CompressionError(
            "the dimensions of a compressed model belong to no expression; intervene in its original"
        )

    def report(self) -> Report:
        """Nothing: its dimensions are shared by all expressions.

        Raises:
            CompressionError: always.
        """
        raise CompressionError("the dimensions of a compressed model belong to no expression; report on its original")

    def to_huggingface(self, **options: Any) -> Pretrained:
        """Nothing: its card would promise exact answers.

        Raises:
            ExportError: always.
        """
        raise _not_exported("Hugging Face, whose model cards promise exact answers")

    def to_gpt2(self, **options: Any) -> Pretrained:
        """Nothing, as for :meth:`to_huggingface`."""
        raise _not_exported("GPT-2, whose normalisation needs every variable in dimensions of its own")

    def to_bert(self, **options: Any) -> Pretrained:
        """Nothing, as for :meth:`to_huggingface`."""
        raise _not_exported("BERT, whose normalisation needs every variable in dimensions of its own")

    def to_llama(self, **options: Any) -> Pretrained:
        """Nothing, as for :meth:`to_huggingface`."""
        raise _not_exported("Llama, whose normalisation needs every variable in dimensions of its own")

    def to_onnx(
        self, path: str | PathLike[str], *, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0
    ) -> None:
        """Nothing: the file would have to label each dimension.

        Raises:
            ExportError: always.
        """
        raise _not_exported("ONNX, whose files have a label for each dimension")

    def save_pretrained(self, path: str | PathLike[str]) -> None:
        """Write the matrices and the original into the folder ``path``, made if need be.

        Raises:
            ModelFileError: the folder cannot be written, or the original holds values that have no JSON form.
        """
        from tracrlab.compress.storage import save_compressed

        save_compressed(self, path)

    def __repr__(self) -> str:
        return f"CompressedModel of {self.original.config.d_model} dimensions in {self.config.d_model}\n" + "\n".join(
            super().__repr__().split("\n")[1:]
        )


def _not_exported(to: str) -> ExportError:
    return ExportError(f"a compressed model cannot be said in {to}; use to_torch, to_transformer_lens or to_jax")


def compressed_model(
    original: CompiledModel, sharing: Sharing, arrays: Mapping[str, Float[np.ndarray, "..."]]
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
