"""The heads and MLPs of a compiled model as Tracr's Craft blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracrlab.compat.layout import TracrLayout, direction_of
from tracrlab.compat.tracr.craft.bases import BasisDirection, VectorSpaceWithBasis
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
    """A model's components, each reading and writing only the directions that it does."""

    layout: TracrLayout

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
        scale = np.sqrt(model.config.d_head)
        for number, label in enumerate(model.labels.heads[layer]):
            queries, keys = model.weights.W_Q[layer, number], model.weights.W_K[layer, number]
            values, output = model.weights.W_V[layer, number], model.weights.W_O[layer, number]
            left, right, read, written = map(self._used, (queries, keys, values, output.T))
            w_qk = ScalarBilinear(self._space(left), self._space(right), (queries[left] @ keys[right].T) / scale)
            w_ov = Linear(self._space(read), self._space(written), values[read] @ output[:, written])
            yield label.expression, AttentionHead(w_qk, w_ov, self.layout.residual_space, model.config.causal)

    def _mlps(self, layer: int) -> Iterator[tuple[str, MLP]]:
        model = self.layout.model
        for own, label in model.labels.neuron_groups(layer):
            neurons = slice(own.start, own.stop)
            first, second = model.weights.W_in[layer][:, neurons], model.weights.W_out[layer][neurons]
            read, written = self._used(first), self._used(second.T)
            hidden = VectorSpaceWithBasis([BasisDirection(f"{label.writes}.hidden", n) for n in range(label.count)])
            fst = Linear(self._space(read), hidden, first[read])
            snd = Linear(hidden, self._space(written), second[:, written])
            yield label.expression, MLP(fst, snd, self.layout.residual_space)

    def _used(self, matrix: np.ndarray) -> list[int]:
        """The dimensions whose rows are not zero, in the order of their directions."""
        places = [place for place in self.layout.order.tolist() if place < len(matrix)]
        return [place for place in places if matrix[place].any()]

    def _space(self, dimensions: list[int]) -> VectorSpaceWithBasis:
        labels = self.layout.model.labels.dimensions
        return VectorSpaceWithBasis([direction_of(labels[place]) for place in dimensions])
