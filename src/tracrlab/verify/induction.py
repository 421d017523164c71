"""Translation validation: a proof, by induction over sublayers, that a model's weights compute what is claimed.

The state of the induction says for each variable of the residual stream how far what is stored can be from what should
be. It starts with the embedding. Each sublayer's components, run on all values that they can meet, give it for what
they write, in dimensions that are zero before: nothing has stood there, or it has been cleared. At the end the answer
must come out of the unembedding whatever the errors are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tracrlab.craft.claims import Claims, EmbeddingClaim, HeadClaim, MLPClaim, NumberClaim
from tracrlab.craft.formats import FORMATS, NumberFormat
from tracrlab.errors import VerificationError
from tracrlab.model.certificate import (
    ASSUMPTIONS,
    SCOPE_ASSUMPTION,
    STOCK_ASSUMPTIONS,
    Certificate,
    ComponentProof,
    Kind,
    Status,
)
from tracrlab.model.labels import ModelVariable, NeuronLabel
from tracrlab.model.sublayers import Sublayer, head_name, neurons_name
from tracrlab.shapes import Bool, Float
from tracrlab.verify.answers import prove_readout
from tracrlab.verify.clearing import prove_clearing
from tracrlab.verify.embeddings import EmbeddingWeights, embedded_variable
from tracrlab.verify.heads import Attention, HeadWeights, head_attention, prove_head
from tracrlab.verify.mlps import NeuronWeights, prove_mlp
from tracrlab.verify.network import Network, own_network
from tracrlab.verify.norms import (
    LayerNorm,
    RMSNorm,
    balanced,
    embedding_imbalance,
    mean_bound,
    read_blur,
    root_blur,
    silent_at_bos,
    stored_blur,
)
from tracrlab.verify.residual import Deviation, Held, Stream, Unproven, Violated
from tracrlab.verify.written import WrittenVariable, tightest

if TYPE_CHECKING:
    from tracrlab.model.artefact import Artefact

_UNCLAIMED = "it depends on too many combinations of values to be claimed"


def certify(model: Artefact, dtype: str | None = None) -> Certificate:
    """Check the weights of a model against its claims.

    Arguments:
        model: the model.
        dtype: the number format to check it in, to which its weights are rounded first: ``"float64"``, ``"float32"``,
            ``"float16"`` or ``"bfloat16"``; its own unless given.

    Raises:
        VerificationError: the model carries no claims, or there is no such format.
    """
    name = dtype or model.config.dtype
    if name not in FORMATS:
        raise VerificationError(f"there is no number format {name!r} to verify in; there are {', '.join(FORMATS)}")
    return certify_network(model, own_network(model, FORMATS[name]))


def certify_network(model: Artefact, network: Network) -> Certificate:
    """Check what an architecture computes with against the claims of the model that it should be equal to.

    Raises:
        VerificationError: the model carries no claims, or labels that do not fit it.
    """
    if model.claims is None:
        raise VerificationError(
            f"the model {model.output_name} says nothing about what its parts compute: compile its program again"
        )
    _check_labels(model)
    proofs = list(_out_of_scope(model, model.claims))
    if not proofs:
        with np.errstate(over="ignore", under="ignore"):
            proofs = _proofs(model, model.claims, network)
    config, name = model.config, network.number_format.name
    size = len(config.vocab), config.max_seq_len
    assumptions = ASSUMPTIONS + SCOPE_ASSUMPTION * (model.claims.scope is None)
    assumptions += STOCK_ASSUMPTIONS * bool(network.target)
    return Certificate(model.output_name, name, *size, tuple(_blamed(proofs)), assumptions, network.target)


def _out_of_scope(model: Artefact, claims: Claims) -> Iterator[ComponentProof]:
    """What makes the model another one than that which the claims were made for; older ones do not say."""
    if claims.scope is not None and (different := claims.scope.differences(model.config.scope)):
        yield _unproven("scope", None, "claims", "", f"they were made for another {' and another '.join(different)}")


def _proofs(model: Artefact, claims: Claims, network: Network) -> list[ComponentProof]:
    """The proofs of all parts."""
    if not all(np.isfinite(array).all() for array in network.weights.values()):
        return [_unproven("unused", None, "weights", "", f"some are not finite in {network.number_format.name}")]
    return list(_Induction(model, claims, network, _embedded(model, claims, network)).proofs())


def _check_labels(model: Artefact) -> None:
    """Every label must be of a part that there is, and of a variable that nothing else writes or clears."""
    labels, config = model.labels, model.config
    groups = [label for neurons in labels.neurons for label in neurons]
    written = [label.writes for heads in labels.heads for label in heads]
    written += [label.writes for label in groups if not label.clears]
    cleared = [label.writes for label in groups if label.clears]
    fits = all(len(heads) <= config.n_heads for heads in labels.heads)
    fits &= all(sum(label.count for label in neurons) <= config.d_mlp for neurons in labels.neurons)
    fits &= all(label.count >= 0 for neurons in labels.neurons for label in neurons)
    fits &= len(set(written)) == len(written) and len(set(cleared)) == len(cleared)
    fits &= {*written, *cleared} <= {entry.name for entry in labels.variables}
    if not fits or not labels.are_consistent(config.d_model):
        raise VerificationError(f"the labels of {model.output_name} do not fit its weights")


def _blamed(proofs: list[ComponentProof]) -> Iterator[ComponentProof]:
    """Where something fails, so has what writes so wrongly that its values are confused; elsewhere that is harmless."""
    broken = any(proof.status != "proven" for proof in proofs)
    for proof in proofs:
        if not broken and not proof.error < proof.tolerance:
            yield replace(proof, reason="it is off, which changes no answer")
        elif broken and proof.status == "proven" and not proof.error < proof.tolerance:
            off = f"what it writes can be off by {proof.error:.2g}, and its values are {2 * proof.tolerance:.2g} apart"
            yield replace(proof, status="failed", reason=off)
        else:
            yield proof


@dataclass(frozen=True, eq=False)
class _Embedded:
    """The stream after the embedding, the proofs of that, and the dimensions of variables that nothing else writes.

    ``left`` is what stands in the other dimensions.
    """

    stream: Stream
    proofs: tuple[ComponentProof, ...]
    dimensions: Bool[np.ndarray, " d_model"]
    left: Float[np.ndarray, " d_model"]


@dataclass(frozen=True, eq=False)
class _Induction:
    """A model, its claims and what it computes with, and the proofs of its parts in the order in which they are run.

    It starts with what is ``embedded``.
    """

    model: Artefact
    claims: Claims
    network: Network
    embedded: _Embedded

    @property
    def weights(self) -> Mapping[str, Float[np.ndarray, "..."]]:
        """The weights as float64."""
        return self.network.weights

    @property
    def number_format(self) -> NumberFormat:
        """The format that they are computed in."""
        return self.network.number_format

    def proofs(self) -> Iterator[ComponentProof]:
        """Prove one part after another; nothing is known of what one writes that is not proven."""
        labels, stream, drift = self.model.labels, dict(self.embedded.stream), 0.0
        claims = {claim.writes: claim for claim in self.claims.components}
        yield from (_unproven("architecture", None, "architecture", "", fault) for fault in self.network.faults)
        yield from self.embedded.proofs
        free, left = ~self.embedded.dimensions, self.embedded.left.copy()
        for layer in range(self.model.config.n_layers):
            for write, groups in ((self._head, labels.heads[layer]), (self._mlp, labels.neurons[layer])):
                sublayer = Sublayer.mlp(layer) if write == self._mlp else Sublayer.attention(layer)
                norm, stream, before, drift = self._normed(sublayer, stream, drift)
                yield from norm
                start, cleared = 0, np.zeros_like(free)
                for label in groups:
                    count = label.count if isinstance(label, NeuronLabel) else 1
                    own, entry = slice(start, start + count), labels.variable(label.writes)
                    start += count
                    if isinstance(label, NeuronLabel) and label.clears:
                        proof, places = self._clear(layer, own, entry, before)
                        cleared[entry.dimensions] |= places
                        stream.pop(entry.name, None)
                        yield proof
                        continue
                    proof, held = write(layer, own, entry, claims.get(entry.name), before)
                    ground = _ground(entry)
                    if not (free[entry.dimensions].all() and np.array_equal(left[entry.dimensions], ground)):
                        proof, held = _replacing(proof), _unknown(entry)
                    yield proof
                    stream[entry.name] = held
                    free[entry.dimensions] = False
                free |= cleared
                left[cleared] = 0.0
                yield from self._unused(sublayer, start)
        norm, _, before, _ = self._normed(None, stream, drift)
        yield from norm
        yield self._readout(before)

    def _normed(
        self, sublayer: Sublayer | None, stream: dict[str, Held], drift: float
    ) -> tuple[list[ComponentProof], dict[str, Held], dict[str, Held], float]:
        """The proof of a norm, if there is one; the stream and what is read of it; the mean taken off it so far.

        It stands before a sublayer, or at the end.
        """
        norm, fmt = self.network.norm, self.number_format
        layer, place = (None, "norm") if sublayer is None else (sublayer.layer, f"{sublayer}.norm")
        if norm is None:
            return [], stream, dict(stream), drift
        try:
            if unknown := [name for name, held in stream.items() if not held.proven]:
                raise Unproven(f"it reads {unknown[0]}, which is not proven")
            if isinstance(norm, RMSNorm):
                blur = root_blur(norm, stream, fmt)
            else:
                mean = mean_bound(norm, embedding_imbalance(norm, self.weights), stream, drift, fmt)
                if norm.post:
                    stream, drift = stored_blur(mean, drift, fmt).of(stream), drift + mean
                blur = read_blur(drift if norm.post else mean, self.model.config.d_model, fmt)
        except Unproven as error:
            unread = {name: _unknown(held.entry) for name, held in stream.items()}
            return [_unproven("norm", layer, place, "", error)], stream, unread, drift
        proof = ComponentProof("norm", layer, place, "", 0, blur.largest(stream), np.inf, "proven")
        return [proof], stream, blur.of(stream), drift

    def _head(
        self, layer: int, own: slice, entry: ModelVariable, claim: object, stream: Stream
    ) -> tuple[ComponentProof, Held]:
        place = head_name(layer, own.start)
        try:
            written = prove_head(self._attention(layer, own.start, entry, claim, stream), self.number_format)
        except Unproven as error:
            return _unproven("head", layer, place, entry.name, error), _unknown(entry)
        return self._proven("head", layer, place, entry, written)

    def _attention(self, layer: int, number: int, entry: ModelVariable, claim: object, stream: Stream) -> Attention:
        """What a head attends to and reads there; it must write to its own variable only."""
        config = self.model.config
        W_Q, W_K, W_V, W_O = (self.weights[name][layer, number] for name in ("W_Q", "W_K", "W_V", "W_O"))
        _require_own(W_V.any(axis=0), W_O, entry)
        if not isinstance(claim, HeadClaim):
            raise Unproven(_UNCLAIMED)
        if not np.array_equal(entry.variable.at_bos, claim.default):
            raise Unproven("what its variable holds at BOS is not what its claim says")
        claim = replace(claim, results=claim.results - _ground(entry), default=claim.default - _ground(entry))
        outputs, silent = W_O[:, entry.dimensions], np.zeros(W_V.shape[1], bool)
        if isinstance(norm := self.network.norm, LayerNorm):
            outputs = np.column_stack([outputs, norm.balance["W_O"][layer, number]])
            claim = replace(claim, results=balanced(claim.results), default=balanced(claim.default))
            silent = silent_at_bos(stream, W_V, norm.zero[layer, number])
        weights = HeadWeights(W_Q, W_K, W_V, outputs, self.number_format, silent)
        return head_attention(claim, stream, weights, config.max_seq_len, causal=config.causal)

    def _mlp(
        self, layer: int, own: slice, entry: ModelVariable, claim: object, stream: Stream
    ) -> tuple[ComponentProof, Held]:
        place = _neurons(layer, own)
        inputs, outputs = self.weights["W_in"][layer][:, own], self.weights["W_out"][layer][own]
        try:
            _require_own(inputs.any(axis=0), outputs, entry)
            if not isinstance(claim, MLPClaim | NumberClaim):
                raise Unproven(_UNCLAIMED)
            used = inputs.any(axis=0) & outputs.any(axis=1)
            written_to, at_bos = outputs[used][:, entry.dimensions], entry.variable.at_bos - _ground(entry)
            claim = replace(claim, results=claim.results - _ground(entry))
            if isinstance(norm := self.network.norm, LayerNorm):
                written_to = np.column_stack([written_to, norm.balance["W_out"][layer, own][used]])
                claim, at_bos = replace(claim, results=balanced(claim.results)), balanced(at_bos)
            weights = NeuronWeights(inputs[:, used], written_to, self.number_format)
            written = prove_mlp(claim, stream, weights, at_bos)
        except Unproven as error:
            return _unproven("mlp", layer, place, entry.name, error), _unknown(entry)
        return self._proven("mlp", layer, place, entry, written)

    def _proven(
        self, kind: Kind, layer: int, place: str, entry: ModelVariable, written: WrittenVariable
    ) -> tuple[ComponentProof, Held]:
        if not written.is_bounded:
            return _unproven(kind, layer, place, entry.name, "what it writes can be anything"), _unknown(entry)
        ground = _ground(entry)
        rows, imbalance = _rows(entry), 0.0
        if isinstance(self.network.norm, LayerNorm):
            imbalance, written = written.imbalance(balanced(rows - ground)), written.without_balance
        if ground.any():
            written = written.beside(ground, rows - ground, entry.variable.at_bos - ground, self.number_format)
        error, tolerance = tightest(written.deviation, rows)
        proof = ComponentProof(kind, layer, place, entry.name, written.n_combinations, error, tolerance, "proven")
        held = Held(
            entry,
            written.deviation,
            entry.variable.at_bos,
            written.bos_error,
            imbalance=imbalance,
            exact_at_bos=written.bos_error == 0,
        )
        return proof, held

    def _clear(
        self, layer: int, own: slice, entry: ModelVariable, stream: Stream
    ) -> tuple[ComponentProof, Bool[np.ndarray, " width"]]:
        """Neurons that clear dimensions of a variable; which ones."""
        place = f"{_neurons(layer, own)}, clearing"
        inputs, outputs = self.weights["W_in"][layer][:, own], self.weights["W_out"][layer][own]
        try:
            if self.network.norm is not None:
                raise Unproven("what a norm rounds is not taken off")
            if entry.cleared != Sublayer.mlp(layer) or entry.name not in stream:
                raise Violated("its variable is not there, or is said to be cleared elsewhere")
            cleared = prove_clearing(stream[entry.name], NeuronWeights(inputs, outputs, self.number_format))
        except Unproven as error:
            return _unproven("clearing", layer, place, entry.name, error), np.zeros(entry.variable.width, bool)
        proof = ComponentProof("clearing", layer, place, entry.name, int(cleared.sum()), 0.0, np.inf, "proven")
        return proof, cleared

    def _unused(self, sublayer: Sublayer, start: int) -> Iterator[ComponentProof]:
        """Heads or neurons that have no label must write nothing."""
        layer = sublayer.layer
        if sublayer.is_mlp:
            used = self.weights["W_in"][layer].any(axis=0) & self.weights["W_out"][layer].any(axis=1)
        else:
            used = (self.weights["W_V"][layer].any(axis=1) & self.weights["W_O"][layer].any(axis=2)).any(axis=1)
        for number in (start + np.flatnonzero(used[start:])).tolist():
            place = neurons_name(layer, range(number, number + 1)) if sublayer.is_mlp else head_name(layer, number)
            yield _unproven("unused", layer, place, "", "it should write nothing")

    def _readout(self, stream: Stream) -> ComponentProof:
        model, claim = self.model, self.claims.readout
        place, name = "unembedding", model.output_name
        try:
            if claim is None:
                raise Unproven(_UNCLAIMED)
            error, tolerance, count = prove_readout(
                claim, stream, self.weights["W_U"], model.output, self.number_format, self.network.bias
            )
        except Unproven as unproven:
            return _unproven("readout", None, place, name, unproven)
        return ComponentProof("readout", None, place, name, count, error, tolerance, "proven")


def _embedded(model: Artefact, claims: Claims, network: Network) -> _Embedded:
    """What the embedding writes; it must leave others alone, but where they follow on what it writes."""
    stream, proofs = dict[str, Held](), []
    embedded = np.zeros(model.config.d_model, bool)
    for entry in model.labels.variables:
        embedded[entry.dimensions] |= entry.sublayer < 0
    left = np.zeros(model.config.d_model)
    for entry in model.labels.variables:
        if entry.sublayer >= 0:
            left[entry.dimensions] += _ground(entry)  # of what shares dimensions, one at most
    for entry in model.labels.variables:
        by_token, by_position = (network.weights[name][:, entry.dimensions] for name in ("W_E", "W_pos"))
        claim = next((each for each in claims.embeddings if each.writes == entry.name), None)
        if entry.sublayer >= 0 and claim is None:
            alone = ~embedded[entry.dimensions]
            beside = left[entry.dimensions][alone]
            if (by_token[:, alone] != beside).any() or by_position[:, alone].any():
                why = "it writes to what a later sublayer writes, and not what is claimed to stand there"
                proofs.append(_unproven("embedding", None, "embedding", entry.name, why))
            continue
        weights = EmbeddingWeights(by_token, by_position, network.number_format)
        try:
            held = embedded_variable(entry, claim or EmbeddingClaim(entry.name, None, None), weights, model.config)
        except Violated as violated:
            stream[entry.name] = _unknown(entry)
            proofs.append(_unproven("embedding", None, "embedding", entry.name, violated))
            continue
        stream[entry.name] = held
        count = len(by_token) + len(by_position)
        error, tolerance = tightest(held.deviation, _rows(entry))
        proofs.append(ComponentProof("embedding", None, "embedding", entry.name, count, error, tolerance, "proven"))
    return _Embedded(stream, tuple(proofs), embedded, np.where(embedded, 0.0, left))


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


def _ground(entry: ModelVariable) -> Float[np.ndarray, " width"]:
    """What stands in a variable's dimensions before it is written."""
    ground = entry.variable.ground
    return np.zeros(entry.variable.width) if ground is None else ground


def _unknown(entry: ModelVariable) -> Held:
    nothing = np.zeros(entry.variable.width)
    return Held(entry, Deviation(nothing, nothing), entry.variable.at_bos, nothing, proven=False)


def _unproven(kind: Kind, layer: int | None, place: str, writes: str, why: Unproven | str) -> ComponentProof:
    status: Status = "failed" if isinstance(why, str | Violated) else "not proven"
    return ComponentProof(kind, layer, place, writes, 0, np.inf, np.inf, status, str(why))


def _replacing(proof: ComponentProof) -> ComponentProof:
    """The proof of a component that writes where something else has not been cleared."""
    return replace(proof, status="failed", reason="it writes to dimensions that are not zero before")


def _neurons(layer: int, own: slice) -> str:
    """Which neurons of a layer these are; the layer alone where there are none."""
    neurons = range(own.start, own.stop)
    return neurons_name(layer, neurons) if neurons else str(Sublayer.mlp(layer))
