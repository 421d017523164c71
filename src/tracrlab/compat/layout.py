"""A compiled model as Tracr lays its models out: directions, token ids, parameters.

Tracr sorts the residual stream by label, calls the parameters as haiku does, and reads the answer off some directions
of the residual stream. This module says where Tracr Lab's weights go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracrlab.compat.tracr.craft.bases import BasisDirection, NoneDirection, VectorSpaceWithBasis, sorted_places
from tracrlab.compat.translation import plain_number
from tracrlab.craft.ramps import power_above
from tracrlab.craft.spaces import Dimension, Layout, Mark
from tracrlab.facade import CompiledModel
from tracrlab.shapes import Float

_NO_WEIGHT = 256.0  # a logit lower by 104 has the weight 0 in float32; the rest is for the rounding of large logits

Params = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class TracrLayout:
    """Where everything of a model lies in Tracr's form of it.

    An answer that can be ``None`` is read off one direction more than the model has, which holds 1/2 everywhere and
    stands for ``None``: it is the greatest where no value is 1. So the answer is always a projection.
    """

    model: CompiledModel

    @cached_property
    def directions(self) -> tuple[BasisDirection, ...]:
        """A direction for each dimension of the model, in the model's order, then that of ``None``, if there is one."""
        own = tuple(direction_of(dimension) for dimension in self.model.labels.dimensions)
        return (*own, NoneDirection(self.model.output_name)) if self.has_none_direction else own

    @property
    def is_categorical(self) -> bool:
        """Whether the answer has a direction for each value."""
        return self.model.output.layout is Layout.ONE_HOT

    @property
    def has_none_direction(self) -> bool:
        """Whether there is a direction for the answer ``None``."""
        return self.is_categorical and self.model.output.nullable

    @cached_property
    def order(self) -> np.ndarray:
        """The place in ``directions`` of each direction of Tracr's residual stream, which is sorted."""
        return np.array(sorted_places(self.directions))

    @cached_property
    def residual_space(self) -> VectorSpaceWithBasis:
        """The residual stream."""
        return VectorSpaceWithBasis(self.directions)

    @cached_property
    def output_space(self) -> VectorSpaceWithBasis:
        """The directions that the answer is read off: one for each value, or one that holds the number."""
        width = len(self.model.output.values) if self.is_categorical else 1
        own = [direction_of(dimension) for dimension in self.model.output.dimensions[:width]]
        return VectorSpaceWithBasis(own + ([NoneDirection(self.model.output_name)] if self.has_none_direction else []))

    @cached_property
    def presence(self) -> int | None:
        """The place of the direction that is 1 where a numerical answer is not ``None``, if it can be."""
        output = self.model.output
        if self.is_categorical or not output.nullable:
            return None
        place = self.model.labels.variable(output.name).start + 1
        return int(np.flatnonzero(self.order == place)[0])

    @cached_property
    def token_space(self) -> VectorSpaceWithBasis:
        """The tokens, BOS and PAD; ids number them in this order."""
        return VectorSpaceWithBasis([BasisDirection("tokens", token) for token in self._tokens])

    @property
    def _tokens(self) -> tuple[object, ...]:
        return (*self.model.config.vocab, self.model.config.bos, self.model.config.pad)

    @cached_property
    def params(self) -> Params:
        """The weights, called and shaped as in Tracr; biases are zero.

        No head attends PAD: in its last dimension, which the model leaves free, every query holds 1 and the key of PAD
        a score so low that its weight is zero, so that padding is hidden from whatever runs on these parameters.
        """
        weights, config = self.model.weights, self.model.config
        ids = sorted_places([BasisDirection("tokens", token) for token in self._tokens])
        by_token = self._written(weights.W_E)
        by_token[:, len(self.model.labels.dimensions) :] = 0.5
        params = {
            "token_embed": {"embeddings": by_token[ids][:, self.order]},
            "pos_embed": {"embeddings": self._written(weights.W_pos)[:, self.order]},
        }
        for layer in range(config.n_layers):
            name = f"transformer/layer_{layer}"
            queries, keys = weights.W_Q[layer].copy(), weights.W_K[layer].copy()
            queries[:, self._token_dimensions, -1] = 1
            keys[:, self._token_dimensions[config.pad_id], -1] = self._scores_of_padding(layer)
            for kind, matrices in (("query", queries), ("key", keys), ("value", weights.W_V[layer])):
                joint = np.concatenate(matrices, axis=1)
                params[f"{name}/attn/{kind}"] = linear_params(self._read(joint))
            joint = np.concatenate(weights.W_O[layer], axis=0)
            params[f"{name}/attn/linear"] = linear_params(self._written(joint)[:, self.order])
            params[f"{name}/mlp/linear_1"] = linear_params(self._read(weights.W_in[layer]))
            params[f"{name}/mlp/linear_2"] = linear_params(self._written(weights.W_out[layer])[:, self.order])
        return params

    @property
    def _token_dimensions(self) -> np.ndarray:
        """The dimension of each token, BOS and PAD, by id: exactly one of them is 1 at every position."""
        labels = self.model.labels.dimensions
        return np.array([place for place, dimension in enumerate(labels) if dimension.variable == "tokens"])

    def _scores_of_padding(self, layer: int) -> Float[np.ndarray, " head"]:
        """A score for each head of a layer that is lower than any other of its keys, by more than a weight can show.

        It is no lower than needed, as the parameters may be trained. No score is beyond the bound, what a key of PAD
        would have without this is at most twice that.
        """
        weights, d_head = self.model.weights, self.model.config.d_head
        bounds = self._read_bounds(weights.W_Q[layer]) * self._read_bounds(weights.W_K[layer])
        scores = 4 * bounds.sum(axis=1) + _NO_WEIGHT * np.sqrt(d_head)
        return -np.array([power_above(score) for score in scores.tolist()])

    def _read_bounds(self, matrices: Float[np.ndarray, "head d_model d_head"]) -> Float[np.ndarray, "head d_head"]:
        """How large what is read can be, whichever values the variables hold together."""
        bounds = np.zeros(matrices.shape[::2])
        for held in self.model.labels.variables:
            variable = held.variable
            empty = np.zeros(variable.width) if variable.ground is None else variable.ground
            contents = np.concatenate([variable.table, variable.at_bos[None], empty[None]])
            bounds += np.abs(contents @ matrices[:, held.dimensions]).max(axis=1)
        return bounds

    def _written(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix that writes the residual stream, with a column of zeros for each added direction."""
        return np.pad(matrix, ((0, 0), (0, len(self.directions) - matrix.shape[1])))

    def _read(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix that reads the residual stream, with a row of zeros for each added direction."""
        read: np.ndarray = np.pad(matrix, ((0, len(self.directions) - len(matrix)), (0, 0)))[self.order]
        return read


def direction_of(dimension: Dimension) -> BasisDirection:
    """Tracr's name for a dimension; what a width's head writes has a name of its own there."""
    name = dimension.variable
    if name.endswith(".attn"):
        name = f"{name.removesuffix('.attn')}_selector_width_attn_output"
    match dimension.value:
        case Mark.NUMBER:
            return BasisDirection(name)
        case Mark.PRESENT:
            return BasisDirection(name, Mark.PRESENT.value)
        case value:
            return BasisDirection(name, plain_number(value))


def linear_params(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters of a linear map as haiku calls them; it has no bias."""
    return {"w": matrix, "b": np.zeros(matrix.shape[1], matrix.dtype)}
