"""The heads and MLPs of a compiled model as Tracr's Craft blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tracrlab.compat.layout import TracrLayout
from tracrlab.compat.tracr.craft.bases import BasisDirection, VectorSpaceWithBasis, sorted_places
from tracrlab.compat.tracr.craft.transformers import (
    MLP,
    AttentionHead,
    HalfLayerBlock,
    MultiAttentionHead,
    SeriesWithResiduals,
)
from tracrlab.compat.tracr.craft.vectorspace_fns import Linear, ScalarBilinear


@dataclass(frozen=True, eq=False)
class CraftView:
    """A model's components, each reading and writing only the directions that it does.

    ``renamed`` are directions that have another name for those who run the blocks.
    """

    layout: TracrLayout
    renamed: Mapping[BasisDirection, BasisDirection] = field(default_factory=dict)

    @cached_property
    def model(self) -> SeriesWithResiduals:
        """The components in order: the heads of a layer as one block, its MLP as another, empty ones left out."""
        blocks: list[HalfLayerBlock] = []
        for layer in range(self.layout.model.config.n_layers):
            if heads := [head for _, head in self._heads(layer)]:
                blocks.append(MultiAttentionHead([*heads]))
            if mlps := [mlp for _, mlp in self._mlps(layer)]:
                blocks.append(mlps[0] if len(mlps) == 1 else MLP.combine_in_parallel(mlps))
        return SeriesWithResiduals(blocks)

    def block(self, label: str) -> HalfLayerBlock | SeriesWithResiduals | None:
        """What computes the expression with this label, ``None`` if the embedding does."""
        blocks: list[HalfLayerBlock] = [
            block
            for layer in range(self.layout.model.config.n_layers)
            for expression, block in self._components(layer)
            if expression == label or expression.startswith(f"{label}.")
        ]
        if not blocks:
            return None
        return blocks[0] if len(blocks) == 1 else SeriesWithResiduals(blocks)

    def _components(self, layer: int) -> Iterator[tuple[str, HalfLayerBlock]]:
        yield from self._heads(layer)
        yield from self._mlps(layer)

    def _heads(self, layer: int) -> Iterator[tuple[str, AttentionHead]]:
        model = self.layout.model
        residual_space = VectorSpaceWithBasis(self._directions)
        scale = np.sqrt(model.config.d_head)
        for number, label in enumerate(model.labels.heads[layer]):
            queries, keys = model.weights.W_Q[layer, number], model.weights.W_K[layer, number]
            values, output = model.weights.W_V[layer, number], model.weights.W_O[layer, number]
            left, right, read = map(self._read, (queries, keys, values))
            written = self._used(output.T)
            w_qk = ScalarBilinear(self._space(left), self._space(right), (queries[left] @ keys[right].T) / scale)
            w_ov = Linear(self._space(read), self._space(written), values[read] @ output[:, written])
            yield label.expression, AttentionHead(w_qk, w_ov, residual_space, model.config.causal)

    def _mlps(self, layer: int) -> Iterator[tuple[str, MLP]]:
        model, residual_space = self.layout.model, VectorSpaceWithBasis(self._directions)
        for own, label in model.labels.neuron_groups(layer):
            neurons = slice(own.start, own.stop)
            first, second = model.weights.W_in[layer][:, neurons], model.weights.W_out[layer][neurons]
            read, written = self._read(first), self._used(second.T)
            hidden = VectorSpaceWithBasis([BasisDirection(f"{label.writes}.hidden", n) for n in range(label.count)])
            fst = Linear(self._space(read), hidden, first[read])
            snd = Linear(hidden, self._space(written), second[:, written])
            yield label.expression, MLP(fst, snd, residual_space)

    def _read(self, matrix: np.ndarray) -> list[int]:
        """The dimensions of the variables that are read, in the order of their directions."""
        used = set(self._used(matrix))
        variables = (range(each.start, each.start + each.variable.width) for each in self.layout.model.labels.variables)
        read = {place for own in variables if used.intersection(own) for place in own}
        return [place for place in self._order if place in read]

    def _used(self, matrix: np.ndarray) -> list[int]:
        """The dimensions whose rows are not zero, in the order of their directions."""
        places = [place for place in self._order if place < len(matrix)]
        return [place for place in places if matrix[place].any()]

    def _space(self, dimensions: list[int]) -> VectorSpaceWithBasis:
        return VectorSpaceWithBasis([self._directions[place] for place in dimensions])

    @cached_property
    def _directions(self) -> list[BasisDirection]:
        """Those of the residual stream, in the model's order, as they are called here."""
        return [self.renamed.get(direction, direction) for direction in self.layout.directions]

    @cached_property
    def _order(self) -> list[int]:
        """The place in the model of each direction, in the order that spaces give them."""
        return sorted_places(self._directions)
