"""Interchange losses: where a part of a module is given what it carries on another input, the answer must follow.

After Geiger et al. 2022, Inducing Causal Structure for Interpretable Neural Networks (IIT), and Gupta et al. 2024,
InterpBench (SIIT), which adds that the answer must stay where a part outside the circuit is exchanged: strictness on
nodes. That alone leaves edges outside the circuit at work (parts of the circuit write what unused ones pass on), so
there is strictness on edges, too: the answer must stay where any set of edges outside is exchanged.

What a part ought to do is said by the part of a compiled model that it stands for (:class:`Alignment`). Every row of a
batch has an exchange of its own, so one pass over the sources and one over the rest serve all terms; gradients pass
through both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tracrlab.learn.interventions import Resample, Value
from tracrlab.learn.losses.cross_entropy import cross_entropy
from tracrlab.learn.mixing import run_mixed
from tracrlab.learn.patching import activations, run, run_each
from tracrlab.learn.places import Place
from tracrlab.learn.transformer import Transformer
from tracrlab.model.circuit import Circuit, Edge, possible_edges


@dataclass(frozen=True, eq=False)
class Alignment:
    """The map from a module to a program, by a compiled model.

    Attributes: ``reference`` the compiled model, with a logit for each class; ``inside`` places of the module, each
    with the place of the reference that it stands for; ``outside`` parts of the module that the answer ought not to
    depend on; ``outside_edges`` likewise.
    """

    reference: Transformer
    inside: tuple[tuple[Place, Place], ...]
    outside: tuple[Place, ...]
    outside_edges: tuple[Edge, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """All places of the module: first those inside, then those outside."""
        return (*(place for place, _ in self.inside), *self.outside)


def circuit_alignment(circuit: Circuit, reference: Transformer, n_layers: int, n_heads: int) -> Alignment:
    """The map by which each part of a circuit stands for the part of the same name, in a model that may have more.

    Raises:
        ValueError: the model has fewer layers or heads than the circuit.
    """
    edges = possible_edges(n_layers, n_heads, constant=False)
    parts = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target) if node.layer is not None)
    inside = [node for node in circuit.nodes if node.layer is not None]
    if missing := [str(node) for node in inside if node not in parts]:
        raise ValueError(f"a model of {n_layers} layers with {n_heads} heads has no {', '.join(missing)}")
    of_circuit = set(circuit.edges)
    return Alignment(
        reference,
        tuple((node, node) for node in inside),
        tuple(node for node in parts if node not in inside),
        tuple(edge for edge in edges if edge not in of_circuit),
    )


@dataclass(frozen=True, eq=False)
class Exchanges:
    """A batch of inputs, each with its exchanges and what must be answered then.

    Attributes: ``rows`` [b] the numbers of the inputs in the table that they were drawn from; ``ids`` and ``sources``
    [b, p], the inputs and those that parts are taken from; ``answers`` [b, p]
    without an exchange, where ``answered`` [b, p]; ``place`` [b] the number of the place that is exchanged, and
    ``labels`` what must be answered then, where ``counted``; ``edges`` [b, edge] which edges outside are exchanged.
    """

    rows: Tensor
    ids: Tensor
    sources: Tensor
    answers: Tensor
    answered: Tensor
    place: Tensor
    labels: Tensor
    counted: Tensor
    edges: Tensor


def exchanges(
    alignment: Alignment,
    ids: Tensor,
    size: int,
    generator: torch.Generator,
    *,
    same_length: bool = True,
    whole: float = 0.0,
) -> Exchanges:
    """A batch drawn from a table of ids [n, p]: half of the rows exchange a place inside, half one outside.

    The edges that are exchanged are a random share of those outside, from none to all; in a share ``whole`` of the rows
    they are all. Between inputs of different
    length, what the compiled model then gives may be no answer at all; such places do not count.
    """
    chosen = torch.randint(len(ids), (size,), generator=generator)
    own = ids[chosen]
    present = own != alignment.reference.config.pad_id
    order = (
        same_length_sources(present.sum(dim=1), generator) if same_length else torch.randperm(size, generator=generator)
    )
    n_inside, n_outside = len(alignment.inside), len(alignment.outside)
    inside = torch.randint(max(1, n_inside), (size,), generator=generator)
    outside = n_inside + torch.randint(max(1, n_outside), (size,), generator=generator)
    is_inside = torch.arange(size) % 2 == 0 if n_inside and n_outside else torch.full((size,), n_inside > 0)
    place = torch.where(is_inside, inside, outside)
    share = torch.rand(size, 1, generator=generator)
    edges = torch.rand(size, len(alignment.outside_edges), generator=generator) < share
    if whole:
        edges |= torch.rand(size, 1, generator=generator) < whole
    return exchanged(alignment, chosen, own, own[order], place, edges)


def exchanged(
    alignment: Alignment, rows: Tensor, ids: Tensor, sources: Tensor, place: Tensor, edges: Tensor
) -> Exchanges:
    """The batch of these exchanges, with the compiled model's answers."""
    answered = ids != alignment.reference.config.pad_id
    answered[:, 0] = False
    replace = {at: Resample(sources, _rows(place == number, ids)) for number, (_, at) in enumerate(alignment.inside)}
    with torch.no_grad():
        logits, after = alignment.reference(ids), run(alignment.reference, ids, replace)
    clear = _leads(after) >= _leads(logits)[answered].min() / 2
    return Exchanges(
        rows, ids, sources, logits.argmax(dim=-1), answered, place, after.argmax(dim=-1), answered & clear, edges
    )


@dataclass(frozen=True)
class InterchangeWeights:
    """Of the terms: right answers, exchanged places inside and outside, exchanged edges outside."""

    answers: float = 1.0
    places: float = 1.0
    edges: float = 1.0


def interchange_loss(
    module: Transformer,
    alignment: Alignment,
    batch: Exchanges,
    weights: InterchangeWeights | None = None,
    parameters: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The weighted sum of the cross-entropies of all that must be answered; what has no weight is not computed.

    The last run of the module is the one with exchanged edges. ``parameters``, by their names, may take the place of
    the module's own.
    """
    weights, ids = weights or InterchangeWeights(), batch.ids
    sources = dict.fromkeys(edge.source for edge in alignment.outside_edges)
    other = activations(module, batch.sources, [*dict.fromkeys([*alignment.places, *sources])], parameters=parameters)
    total = torch.zeros((), device=ids.device)
    if weights.answers or weights.places:
        answers, places = run_each(module, ids, [{}, _of_places(alignment, batch, other)], parameters=parameters)
        total = total + weights.answers * cross_entropy(answers, batch.answers, batch.answered)
        total = total + weights.places * cross_entropy(places, batch.labels, batch.counted)
    if weights.edges:
        elsewhere, shares = {source: other[source] for source in sources}, batch.edges.float()
        edges = run_mixed(module, ids, elsewhere, alignment.outside_edges, shares, parameters=parameters)
        total = total + weights.edges * cross_entropy(edges, batch.answers, batch.answered)
    return total


def same_length_sources(lengths: Tensor, generator: torch.Generator) -> Tensor:
    """For each input of a batch, by ``lengths`` [b], another one of the same length, or itself if there is none."""
    order = torch.randperm(len(lengths), generator=generator)
    order = order[lengths[order].argsort(stable=True)]
    ordered = lengths[order]
    first, end = torch.searchsorted(ordered, ordered), torch.searchsorted(ordered, ordered, right=True)
    following = torch.arange(1, len(lengths) + 1)
    sources = torch.empty_like(order)
    sources[order] = order[torch.where(following < end, following, first)]
    return sources


def _of_places(alignment: Alignment, batch: Exchanges, other: Mapping[Place, Tensor]) -> dict[Place, Value]:
    return {at: Value(other[at], _rows(batch.place == number, batch.ids)) for number, at in enumerate(alignment.places)}


def _rows(chosen: Tensor, ids: Tensor) -> Tensor:
    """All positions of the rows that are chosen."""
    return chosen[:, None].expand(ids.shape)


def _leads(logits: Tensor) -> Tensor:
    """How far the first class leads, [b, p]; without end where there is one only."""
    if logits.shape[-1] == 1:
        return torch.full_like(logits[..., 0], torch.inf)
    best = logits.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]
