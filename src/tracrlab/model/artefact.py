"""``Artefact``: a transformer together with the knowledge of what everything in it means.

It is data that runs. What else one does with a model, such as proving, exporting or drawing it, are functions of other
packages, which the facade (:mod:`tracrlab.facade`) puts together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np

from tracrlab.craft.claims import Claims
from tracrlab.craft.spaces import Variable
from tracrlab.model.certificate import Certificate, verdict
from tracrlab.model.config import ModelConfig, Recipe
from tracrlab.model.forward import Activations, forward, forward_with_activations
from tracrlab.model.labels import Labels
from tracrlab.model.readout import ClassReadout, RawReadout, Readout, class_readout
from tracrlab.model.sublayers import Sublayer
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.trace import Trace, traced
from tracrlab.model.weights import Weights
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float, Int

_BATCH_ELEMENTS = 2**25  # floats of the largest intermediate array of a batch


@dataclass(frozen=True, eq=False)
class ReadOut:
    """The residual stream of a compressed model, seen in the dimensions that its labels name.

    Attributes: ``matrices`` through which it is read; ``places`` which of them, after the embedding and each sublayer.
    """

    matrices: Float[np.ndarray, "matrix d_labels d_model"]
    places: tuple[int, ...]

    def applied(self, activations: Activations) -> Activations:
        """The activations with residual streams [batch, position, d_labels] that are read out."""
        pairs = zip(activations.residuals, self.places, strict=True)
        read = tuple(residual @ self.matrices[place].T.astype(residual.dtype) for residual, place in pairs)
        return replace(activations, residuals=read)


@dataclass(frozen=True, eq=False, repr=False)
class Artefact:
    """A transformer compiled from a RASP program.

    Attributes: ``config``; ``weights``; ``labels`` of dimensions, heads and neurons; ``output`` says how an answer is
    decoded from the logits; ``program`` name, text and source line of each expression, sources first; ``claims`` what
    each part computes, for the proof; ``recipe`` how to compile it again; ``certificate`` what was proven of it,
    ``None`` if nothing was. A copy with other parts, as :func:`dataclasses.replace` makes it, has no certificate.
    """

    config: ModelConfig
    weights: Weights
    labels: Labels
    output: Variable
    program: tuple[tuple[str, str, str | None], ...]
    claims: Claims | None = None
    recipe: Recipe | None = None
    certificate: Certificate | None = field(default=None, init=False)

    def with_certificate(self, certificate: Certificate | None) -> Self:
        """The same model, carrying what was proven of it."""
        model = replace(self)
        object.__setattr__(model, "certificate", certificate)
        return model

    @property
    def output_name(self) -> str:
        """The name of the program's value."""
        return self.output.name

    @property
    def labelled(self) -> Artefact:
        """The model whose parts and dimensions the labels name: itself, or what it was compressed from."""
        return self

    @property
    def read_out(self) -> ReadOut | None:
        """How its residual stream is seen in the dimensions of the labels; ``None`` if these are its own."""
        return None

    def __call__(self, tokens: Sequence[Value]) -> list[Value]:
        """The program's value at each token. BOS is handled inside.

        Raises:
            InputError: a token is not in the vocabulary, or there are more than ``max_seq_len`` of them.
        """
        return self.run_batch([tokens])[0]

    def run_batch(self, sequences: Iterable[Sequence[Value]]) -> list[list[Value]]:
        """The program's values on many sequences, which may differ in length.

        Raises:
            InputError: a token is not in the vocabulary, or a sequence is too long.
        """
        sequences = list(sequences)
        size = max(1, _BATCH_ELEMENTS // self._elements_per_sequence(max(map(len, sequences), default=0) + 1))
        readout, answers = self.readout("raw"), list[list[Value]]()
        for start in range(0, len(sequences), size):
            ids = self.encode(sequences[start : start + size])
            answers += readout.decode(self.forward(ids), ids)
        return answers

    def forward(self, ids: Int[np.ndarray, "batch position"]) -> Float[np.ndarray, "batch position d_vocab_out"]:
        """The raw output for token ids that begin with BOS and are padded at the end.

        For a categorical answer a logit for each value (and one for ``None``, last, if it can occur), for a numerical
        one the number (and 1 where there is one, if it can be ``None``).
        """
        return forward(self.config, self.weights, ids)

    def trace(self, tokens: Sequence[Value]) -> Trace:
        """Run one sequence and keep the residual stream after every sublayer and every attention pattern.

        Residual streams have the dimensions of the labels; those of a compressed model are read out.

        Raises:
            InputError: as for calling the model.
        """
        activations = forward_with_activations(self.config, self.weights, self.encode([tokens]))
        if self.read_out is not None:
            activations = self.read_out.applied(activations)
        return traced(self.labels, self.output, tokens, activations)

    def encode(self, sequences: Sequence[Sequence[Value]]) -> Int[np.ndarray, "batch position"]:
        """The token ids of a batch: BOS, the tokens, padding up to the longest sequence.

        Raises:
            InputError: a token is not in the vocabulary, or a sequence is too long.
        """
        return encode_batch(self.config, sequences)

    def readout(self, logits: Literal["classes", "raw"] = "classes", margin: float = 10.0) -> Readout:
        """An unembedding, and what its logits mean.

        Arguments:
            logits: ``"classes"``, a logit for each answer, or ``"raw"``, what :meth:`forward` gives.
            margin: how far the logit of the right class leads at least, on every input.

        Raises:
            ValueError: there is no such kind of ``logits``, or ``margin`` is not a positive number.
            PrecisionError: the answers are too many, and too close together, for a logit each.
        """
        config, W_U = self.config, self.weights.W_U
        if logits == "classes":
            return self.class_readout(margin)
        if logits == "raw":
            return RawReadout(W_U, np.zeros(W_U.shape[1]), self.output, config.pad_id, config.dtype)
        raise ValueError(f'logits must be "classes" or "raw", not {logits!r}')

    def class_readout(self, margin: float = 10.0) -> ClassReadout:
        """The unembedding with a logit for each answer: see :meth:`readout`.

        Raises:
            ValueError, PrecisionError: as there.
        """
        config = self.config
        return class_readout(self.weights.W_U, self.output, margin, pad_id=config.pad_id, dtype=config.dtype)

    def _elements_per_sequence(self, length: int) -> int:
        config = self.config
        widest = max(config.d_mlp, config.d_model, config.n_heads * max(length, config.d_head, config.d_model))
        return length * widest

    def __repr__(self) -> str:
        config = self.config
        kind = "causal" if config.causal else "bidirectional"
        name, text, _ = self.program[-1]
        lines = [
            f"{type(self).__name__} {name} = {text}",
            f"  {_counted(config.n_layers, 'layer')}, d_model {config.d_model}, "
            f"{_counted(config.n_heads, 'head')} of d_head {config.d_head}, "
            f"d_mlp {config.d_mlp}, {kind}, {config.dtype}",
            f"  {config.n_params:,} parameters, {self.weights.n_nonzero:,} of them not zero",
            f"  {len(config.vocab)} tokens ({_abridged(config.vocab)}), at most {config.max_seq_len} in a sequence",
            f"  {verdict(self.certificate)}",
        ]
        for layer in range(config.n_layers):
            heads = ", ".join(label.writes for label in self.labels.heads[layer])
            attention, mlp = Sublayer.attention(layer), Sublayer.mlp(layer)
            neurons: Counter[str] = Counter()
            for label in self.labels.neurons[layer]:
                neurons[f"clears {label.writes}" if label.clears else label.writes] += label.count
            written = ", ".join(f"{effect} ({_counted(count, 'neuron')})" for effect, count in neurons.items())
            lines += [f"  {attention}: {heads or '-'}", f"  {mlp}: {written or '-'}"]
        return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _abridged(values: Sequence[Value], limit: int = 8) -> str:
    shown = " ".join(map(str, values[:limit]))
    return shown if len(values) <= limit else f"{shown} …"
