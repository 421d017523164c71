"""Which edges are alive: what each carries is replaced, alone, on inputs of a table, and the answers are compared.

- ``zero``: nothing is carried;
- ``mean``: at each position the mean over all inputs;
- ``resample``: what is carried on another input of the same length, at the same position;
- ``resample_lengths``: on another input of any length, half of the time at another position
  (:func:`tracrlab.lab.inputs.drawn_sources`).

Every input is tried with a source of its own, and where no answer has changed, with others. The first change is the
witness. An edge for which there is none is called dead, which for resampling says: with as many sources as were tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tracrlab.lab.inputs import ABLATIONS, Ablation, Inputs, Sources, answered, drawn_sources
from tracrlab.lab.reading import read_dimensions
from tracrlab.lab.truth import EdgeTruth, Witness
from tracrlab.learn.interventions import Settled, Value, Zero, moved
from tracrlab.learn.patching import activations, run, run_each
from tracrlab.learn.transformer import Transformer
from tracrlab.model.circuit import Edge, Node
from tracrlab.rasp import values

N_ROWS = 2048  # inputs at once: activations of all parts of a large model then take some hundred MB
N_RUNS = 16  # logits of as many runs are kept at once
N_FIRST = 64  # inputs on which an edge is tried first: most that are alive show it there
N_TRIALS = 1024  # pairs of input and source, at least, before an edge that changes nothing is called dead; and
MOST_ROUNDS = 8  # sources of one input, at most: of few inputs there are few pairs


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found: of each edge, and by ablation how many answers all that are not structural change together."""

    edges: dict[Edge, EdgeTruth]
    joint: dict[Ablation, int]
    n_answers: int


def checked_edges(
    module: Transformer,
    edges: Sequence[Edge],
    structural: Mapping[Edge, bool],
    inputs: Inputs,
    *,
    ablations: Sequence[Ablation] = ABLATIONS,
    outside: Sequence[Ablation] = ABLATIONS,
    seed: int = 0,
    least: float = 0.0,
) -> Checked:
    """What is true of ``edges``, of which those that are ``structural`` are given with whether they are constant.

    Those that are not structural are ablated alone by the ablations ``outside``, with one source for each input.
    ``least`` is the share of answers above which a change counts, for modules that are trained: an edge is alive where
    one ablation of every input changes more.
    """
    bench = _Bench(module, inputs, edges, seed)
    inside, others = ([edge for edge in edges if (edge in structural) is wanted] for wanted in (True, False))
    found = {ablation: _Found(least) for ablation in ablations}
    joint = dict.fromkeys(ablations, 0)
    for chunk in bench.chunks():
        for ablation in ablations:
            joint[ablation] += chunk.changes_together(others, ablation)
            chunk.search(inside, ablation, found[ablation])
            if ablation in outside:
                chunk.search(others, ablation, found[ablation], most_rounds=1)
    tried = {ablation: own for ablation, own in found.items() if ablation in outside}
    truths = {edge: _truth(edge, structural, found if edge in structural else tried) for edge in edges}
    return Checked(truths, joint, int(answered(inputs.config, inputs.tensor).sum()))


def changes_on(
    module: Transformer,
    edges: Sequence[Edge],
    inputs: Inputs,
    row: int,
    ablation: Ablation,
    *,
    seed: int = 0,
    n_sources: int = 256,
) -> dict[Edge, Witness]:
    """The edges that change an answer on one of the inputs, each with a witness; ``n_sources`` are drawn for each."""
    rng = np.random.default_rng(seed)
    repeated = inputs.chosen(np.full(1 if ablation in ("zero", "mean") else n_sources, row))
    pool = inputs.chosen(np.append(rng.permutation(len(inputs))[:N_ROWS], row))
    chunk = _Chunk(module, repeated, pool, _means(module, inputs), edges, rng)
    found = _Found(0.0)
    chunk.search(edges, ablation, found)
    return found.witnesses


@dataclass(eq=False)
class _Found:
    """What has been found of edges under one ablation: witnesses, and how many answers each changed at first."""

    least: float
    witnesses: dict[Edge, Witness] = field(default_factory=dict)
    changed: dict[Edge, int] = field(default_factory=dict)
    tried: dict[Edge, int] = field(default_factory=dict)

    def effect(self, edge: Edge) -> float:
        """The share of answers that changed, of those tried with a first source."""
        return self.changed.get(edge, 0) / max(1, self.tried.get(edge, 0))

    def is_settled(self, edge: Edge, number: int) -> bool:
        """Whether the next source would tell nothing new; the first one measures the effect."""
        return edge in self.witnesses and (number > 0 or self.least == 0)

    def is_alive(self, edge: Edge) -> bool:
        """Whether it changes answers, and enough of them."""
        return edge in self.witnesses and self.effect(edge) >= self.least


def _truth(edge: Edge, structural: Mapping[Edge, bool], found: Mapping[Ablation, _Found]) -> EdgeTruth:
    alive = {ablation: own.is_alive(edge) for ablation, own in found.items()}
    return EdgeTruth(
        edge in structural,
        structural.get(edge, False),
        alive,
        {ablation: found[ablation].witnesses[edge] for ablation, lives in alive.items() if lives},
        {ablation: own.effect(edge) for ablation, own in found.items()},
    )


@dataclass(frozen=True, eq=False)
class _Bench:
    """A module, and the inputs on which it is tried."""

    module: Transformer
    inputs: Inputs
    edges: Sequence[Edge]
    seed: int

    def chunks(self) -> Iterator[_Chunk]:
        """The inputs, in an order of chance: a few, then as many as are run at once."""
        rng = np.random.default_rng(self.seed)
        order, means = rng.permutation(len(self.inputs)), _means(self.module, self.inputs)
        bounds = [0, *range(min(N_FIRST, len(order)), len(order), N_ROWS), len(order)]
        for start, end in pairwise(dict.fromkeys(bounds)):
            own = self.inputs.chosen(order[start:end])
            yield _Chunk(self.module, own, own, means, self.edges, rng)


class _Chunk:
    """Some inputs with their sources, and what is carried on either."""

    def __init__(
        self,
        module: Transformer,
        inputs: Inputs,
        pool: Inputs,
        means: Mapping[Node, Tensor],
        edges: Sequence[Edge],
        rng: np.random.Generator,
    ) -> None:
        self.module, self.inputs, self.pool, self.means, self.rng = module, inputs, pool, means, rng
        self.ids = inputs.tensor
        self.present, self.counted = self.ids != inputs.config.pad_id, answered(inputs.config, self.ids)
        with torch.no_grad():
            self.answers: Tensor = module(self.ids).argmax(dim=-1)
            self.carried = activations(module, pool.tensor, list(means))
            self.own = self.carried if inputs is pool else activations(module, self.ids, list(means))
        self.read = {reader: read_dimensions(module, reader) for reader in dict.fromkeys(each.reader for each in edges)}
        self.carrying = {edge for edge in edges if self.carried[edge.source][..., self.read[edge.reader]].any()}

    def changes_together(self, edges: Sequence[Edge], ablation: Ablation) -> int:
        """How many answers change where all these edges are ablated."""
        instead = self._instead(ablation, self._sources(ablation))
        edits = {edge: instead[edge.source] for edge in edges if self._differs(edge, instead[edge.source])}
        with torch.no_grad():
            after = run(self.module, self.ids, edits).argmax(dim=-1) if edits else self.answers
        return int(((after != self.answers) & self.counted).sum())

    def search(
        self, edges: Sequence[Edge], ablation: Ablation, found: _Found, *, most_rounds: int = MOST_ROUNDS
    ) -> None:
        """Look for changes by each edge alone, and note them."""
        n_rounds = min(most_rounds, -(-N_TRIALS // len(self.ids))) if ablation.startswith("resample") else 1
        for number in range(n_rounds):
            left = [edge for edge in edges if not found.is_settled(edge, number)]
            if not left:
                return
            for edge in left if number == 0 else ():
                found.tried[edge] = found.tried.get(edge, 0) + int(self.counted.sum())
            sources = self._sources(ablation)
            instead = self._instead(ablation, sources)
            tried = [edge for edge in left if self._differs(edge, instead[edge.source])]
            for edge, after in zip(tried, self._answers(tried, instead), strict=True):
                changed = (after != self.answers) & self.counted
                if number == 0:
                    found.changed[edge] = found.changed.get(edge, 0) + int(changed.sum())
                if edge not in found.witnesses and changed.any():
                    found.witnesses[edge] = self._witness(changed, after, sources)

    def _answers(self, edges: Sequence[Edge], instead: Mapping[Node, Settled]) -> Iterator[Tensor]:
        for start in range(0, len(edges), N_RUNS):
            own = [{edge: instead[edge.source]} for edge in edges[start : start + N_RUNS]]
            with torch.no_grad():
                yield from run_each(self.module, self.ids, own).argmax(dim=-1)

    def _differs(self, edge: Edge, instead: Settled) -> bool:
        """Whether what an edge would carry instead differs in anything that its target reads."""
        if edge not in self.carrying:
            return False
        own, read = self.own[edge.source], self.read[edge.reader]
        differs = own[..., read] != instead.instead_of(own)[..., read]
        return bool((differs & self.present[..., None]).any())

    def _sources(self, ablation: Ablation) -> Sources | None:
        if ablation in ("zero", "mean"):
            return None
        return drawn_sources(self.inputs.lengths, self.pool.lengths, ablation, self.ids.shape[1], self.rng)

    def _instead(self, ablation: Ablation, sources: Sources | None) -> dict[Node, Settled]:
        """What each part's edges carry instead."""
        if sources is None:
            return {node: Zero() if ablation == "zero" else Value(mean) for node, mean in self.means.items()}
        rows, taken = torch.as_tensor(sources.rows), torch.as_tensor(sources.taken)
        return {node: Value(moved(carried[rows], taken)) for node, carried in self.carried.items()}

    def _witness(self, changed: Tensor, after: Tensor, sources: Sources | None) -> Witness:
        row, position = (int(each) for each in changed.nonzero()[0])
        source, shift = None, 0
        if sources is not None:
            source = self.pool.tokens(int(sources.rows[row]))
            shift = int(sources.taken[row, 1]) - 1
        before, instead = (self._answer(int(each[row, position])) for each in (self.answers, after))
        return Witness(self.inputs.tokens(row), source, shift, position - 1, before, instead)

    def _answer(self, number: int) -> values.Value:
        return self.module.readout.classes[number]  # type: ignore[union-attr]


def _means(module: Transformer, inputs: Inputs) -> dict[Node, Tensor]:
    """What each part carries on average, [p, d], at each position of the inputs that have it."""
    config, heads = module.config, range(module.config.n_heads)
    nodes = [Node("tokens"), Node("positions"), Node("constant")]
    for layer in range(config.n_layers):
        nodes += [*(Node("attn", layer, head) for head in heads), Node("mlp", layer)]
    totals: dict[Node, Tensor] = {}
    present = (inputs.tensor != config.pad_id).double()
    with torch.no_grad():
        for start in range(0, len(inputs), N_ROWS):
            rows = slice(start, start + N_ROWS)
            for node, carried in activations(module, inputs.tensor[rows], nodes).items():
                total = torch.einsum("np,npd->pd", present[rows], carried.double())
                totals[node] = totals.get(node, torch.zeros_like(total)) + total
    counts = present.sum(dim=0).clamp(min=1)[:, None]
    return {node: total / counts for node, total in totals.items()}
