"""Translation validation: a proof, by induction over sublayers, that a model's weights compute what is claimed.

The state of the induction says for each variable of the residual stream how far what is stored can be from what should
be. It starts with the embedding. Each sublayer's components, run on all values that they can meet, give it for what
they write. At the end the answer must come out of the unembedding whatever the errors are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.craft.claims import Claims, EmbeddingClaim, HeadClaim, MLPClaim, NumberClaim
from tracrlab.errors import VerificationError
from tracrlab.model.labels import ModelVariable, NeuronLabel
from tracrlab.shapes import Bool, Float
from tracrlab.verify.answers import prove_readout
from tracrlab.verify.certificate import Certificate, ComponentProof, Kind, Rounding, Status
from tracrlab.verify.embeddings import EmbeddingWeights, embedded_variable
from tracrlab.verify.formats import FORMATS, NumberFormat
from tracrlab.verify.heads import HeadWeights, prove_head
from tracrlab.verify.mlps import NeuronWeights, prove_mlp
from tracrlab.verify.residual import Deviation, Held, Stream, Unproven, Violated
from tracrlab.verify.written import WrittenVariable, tightest

if TYPE_CHECKING:
    from tracrlab.model.compiled import CompiledModel

_UNCLAIMED = "it depends on too many combinations of values to be claimed"


def certify(model: CompiledModel, dtype: str | None = None) -> Certificate:
    """Check the weights of a model against its claims.

    Arguments:
        model: the model.
        dtype: the number format to check it in, to which its weights are rounded first: ``"float64"``, ``"float32"``,
            ``"float16"`` or ``"bfloat16"``; its own unless given.

    Raises:
        VerificationError: the model carries no claims, or there is no such format.
    """
    if model.claims is None:
        raise VerificationError(
            f"the model {model.output_name} says nothing about what its parts compute: compile its program again"
        )
    name = dtype or model.config.dtype
    if name not in FORMATS:
        raise VerificationError(f"there is no number format {name!r} to verify in; there are {', '.join(FORMATS)}")
    _check_labels(model)
    number_format = FORMATS[name]
    weights = {key: number_format.rounded(array) for key, array in model.weights.as_dict().items()}
    with np.errstate(over="ignore", under="ignore"):
        for measure in (False, True):
            proofs = []
            for proof in _Induction(model, model.claims, weights, number_format, measure).proofs():
                proofs.append(proof)
                if proof.status != "proven" and not measure:
                    break
            else:
                break
    config = model.config
    return Certificate(model.output_name, name, len(config.vocab), config.max_seq_len, tuple(_blamed(proofs)))


def _check_labels(model: CompiledModel) -> None:
    """Every label must be of a part that there is, and of a variable that nothing else writes."""
    labels, config = model.labels, model.config
    written = [label.writes for heads in labels.heads for label in heads]
    written += [label.writes for neurons in labels.neurons for label in neurons]
    fits = all(len(heads) <= config.n_heads for heads in labels.heads)
    fits &= all(sum(label.count for label in neurons) <= config.d_mlp for neurons in labels.neurons)
    fits &= all(label.count >= 0 for neurons in labels.neurons for label in neurons)
    if not fits or len(set(written)) < len(written) or not set(written) <= {entry.name for entry in labels.variables}:
        raise VerificationError(f"the labels of {model.output_name} do not fit its weights")


def _blamed(proofs: list[ComponentProof]) -> Iterator[ComponentProof]:
    """Where something fails, so has what writes so wrongly that its values are confused."""
    broken = any(proof.status != "proven" for proof in proofs)
    for proof in proofs:
        if broken and proof.status == "proven" and not proof.error < proof.tolerance:
            off = f"what it writes can be off by {proof.error:.2g}, and its values are {2 * proof.tolerance:.2g} apart"
            yield replace(proof, status="failed", reason=off)
        else:
            yield proof


@dataclass(frozen=True, eq=False)
class _Induction:
    """A model, its claims and weights as float64, and the proofs of its parts in the order in which they are run."""

    model: CompiledModel
    claims: Claims
    weights: Mapping[str, Float[np.ndarray, "..."]]
    number_format: NumberFormat
    measure: bool

    def proofs(self) -> Iterator[ComponentProof]:
        """Prove one part after another; nothing is known of what one writes that is not proven."""
        labels, stream = self.model.labels, dict[str, Held]()
        claims = {claim.writes: claim for claim in self.claims.components}
        if not all(np.isfinite(array).all() for array in self.weights.values()):
            yield _unproven("unused", None, "weights", "", f"some are not finite in {self.number_format.name}")
            return
        for entry in labels.variables:
            yield from self._embed(entry, stream)
        for layer in range(self.model.config.n_layers):
            for write, groups in ((self._head, labels.heads[layer]), (self._mlp, labels.neurons[layer])):
                before, start = dict(stream), 0
                for label in groups:
                    count = label.count if isinstance(label, NeuronLabel) else 1
                    entry = labels.variable(label.writes)
                    proof, held = write(layer, slice(start, start + count), entry, claims.get(entry.name), before)
                    yield proof
                    stream[entry.name] = held
                    start += count
                yield from self._unused(layer, start, neurons=write == self._mlp)
        yield self._readout(stream)

    def _embed(self, entry: ModelVariable, stream: dict[str, Held]) -> Iterator[ComponentProof]:
        """A variable of the embedding; others must be left alone by it."""
        by_token, by_position = (self.weights[name][:, entry.dimensions] for name in ("W_E", "W_pos"))
        weights = EmbeddingWeights(by_token, by_position, self.number_format)
        claim = next((each for each in self.claims.embeddings if each.writes == entry.name), None)
        if entry.sublayer >= 0 and claim is None:
            if weights.by_token.any() or weights.by_position.any():
                yield _unproven("embedding", None, "embedding", entry.name, "it writes to what a later sublayer writes")
            return
        try:
            held = embedded_variable(entry, claim or EmbeddingClaim(entry.name, None, None), weights, self.model.config)
        except Violated as violated:
            stream[entry.name] = _unknown(entry)
            yield _unproven("embedding", None, "embedding", entry.name, violated)
            return
        stream[entry.name] = held
        count = len(weights.by_token) + len(weights.by_position)
        error, tolerance = tightest(held.deviation, _rows(entry))
        yield ComponentProof("embedding", None, "embedding", entry.name, count, error, tolerance, "proven")

    def _head(
        self, layer: int, own: slice, entry: ModelVariable, claim: object, stream: Stream
    ) -> tuple[ComponentProof, Held]:
        place, config = f"head {own.start + 1}", self.model.config
        W_Q, W_K, W_V, W_O = (self.weights[name][layer, own.start] for name in ("W_Q", "W_K", "W_V", "W_O"))
        try:
            _require_own(W_V.any(axis=0), W_O, entry)
            if not isinstance(claim, HeadClaim):
                raise Unproven(_UNCLAIMED)
            weights = HeadWeights(W_Q, W_K, W_V, W_O[:, entry.dimensions], self.number_format)
            if not np.array_equal(entry.variable.at_bos, claim.default):
                raise Unproven("what its variable holds at BOS is not what its claim says")
            written = prove_head(claim, stream, weights, config.max_seq_len, causal=config.causal, measure=self.measure)
        except Unproven as error:
            return _unproven("head", layer, place, entry.name, error), _unknown(entry)
        return _proven("head", layer, place, entry, written)

    def _mlp(
        self, layer: int, own: slice, entry: ModelVariable, claim: object, stream: Stream
    ) -> tuple[ComponentProof, Held]:
        place = f"neurons {own.start + 1}–{own.stop}"
        inputs, outputs = self.weights["W_in"][layer][:, own], self.weights["W_out"][layer][own]
        try:
            _require_own(inputs.any(axis=0), outputs, entry)
            if not isinstance(claim, MLPClaim | NumberClaim):
                raise Unproven(_UNCLAIMED)
            used = inputs.any(axis=0) & outputs.any(axis=1)
            weights = NeuronWeights(inputs[:, used], outputs[used][:, entry.dimensions], self.number_format)
            written = prove_mlp(claim, stream, weights, entry.variable.at_bos, measure=self.measure)
        except Unproven as error:
            return _unproven("mlp", layer, place, entry.name, error), _unknown(entry)
        return _proven("mlp", layer, place, entry, written)

    def _unused(self, layer: int, start: int, *, neurons: bool) -> Iterator[ComponentProof]:
        """Heads or neurons that have no label must write nothing."""
        if neurons:
            used = self.weights["W_in"][layer].any(axis=0) & self.weights["W_out"][layer].any(axis=1)
        else:
            used = (self.weights["W_V"][layer].any(axis=1) & self.weights["W_O"][layer].any(axis=2)).any(axis=1)
        for number in np.flatnonzero(used[start:]).tolist():
            place = f"{'neuron' if neurons else 'head'} {start + number + 1}"
            yield _unproven("unused", layer, place, "", "it should write nothing")

    def _readout(self, stream: Stream) -> ComponentProof:
        model, claim = self.model, self.claims.readout
        place, name = "unembedding", model.output_name
        try:
            if claim is None:
                raise Unproven(_UNCLAIMED)
            error, tolerance, count = prove_readout(
                claim, stream, self.weights["W_U"], model.output, self.number_format
            )
        except Unproven as unproven:
            return _unproven("readout", None, place, name, unproven)
        return ComponentProof("readout", None, place, name, count, error, tolerance, "proven")


def _require_own(
    live: Bool[np.ndarray, " row"], output: Float[np.ndarray, "row d_model"], entry: ModelVariable
) -> None:
    """What can be written at all must be written to the component's own variable.

    Raises:
        Violated: it is not.
    """
    outside = np.delete(output, np.arange(entry.dimensions.start, entry.dimensions.stop), axis=1)
    if (live & outside.any(axis=1)).any():
        raise Violated("it writes outside its variable")


def _rows(entry: ModelVariable) -> Float[np.ndarray, "row width"]:
    """Everything that a variable should ever hold; ``None`` is all zero."""
    variable = entry.variable
    return np.concatenate([variable.table, np.zeros((int(variable.nullable), variable.width))])


def _unknown(entry: ModelVariable) -> Held:
    nothing = np.zeros(entry.variable.width)
    return Held(entry, Deviation(nothing, nothing), entry.variable.at_bos, nothing, proven=False)


def _unproven(kind: Kind, layer: int | None, place: str, writes: str, why: Unproven | str) -> ComponentProof:
    number = None if layer is None else layer + 1
    status: Status = "failed" if isinstance(why, str | Violated) else "not proven"
    return ComponentProof(kind, number, place, writes, 0, np.inf, np.inf, status, str(why))


def _proven(
    kind: Kind, layer: int, place: str, entry: ModelVariable, written: WrittenVariable
) -> tuple[ComponentProof, Held]:
    if not written.is_bounded:
        return _unproven(kind, layer, place, entry.name, "what it writes can be anything"), _unknown(entry)
    error, tolerance = tightest(written.deviation, _rows(entry))
    rounding: Rounding = "measured" if written.measured else "bounded"
    proof = ComponentProof(
        kind, layer + 1, place, entry.name, written.n_combinations, error, tolerance, "proven", rounding=rounding
    )
    return proof, Held(entry, written.deviation, entry.variable.at_bos, written.bos_error)
