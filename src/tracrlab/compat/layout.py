"""A compiled model as Tracr lays its models out: directions, token ids, parameters.

Tracr sorts the residual stream by label, calls the parameters as haiku does, and reads the answer off some directions
of the residual stream. This module says where Tracr Lab's weights go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracrlab.compat.tracr.craft.bases import BasisDirection, VectorSpaceWithBasis, sorted_places
from tracrlab.compat.translation import plain_number
from tracrlab.craft.spaces import Dimension, Layout, Mark
from tracrlab.facade import CompiledModel

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
        return (*own, BasisDirection(self.model.output_name)) if self.has_none_direction else own

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
        return VectorSpaceWithBasis(own + ([BasisDirection(self.model.output_name)] if self.has_none_direction else []))

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
        """The weights, called and shaped as in Tracr; biases are zero."""
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
            for kind, matrices in (("query", weights.W_Q), ("key", weights.W_K), ("value", weights.W_V)):
                joint = np.concatenate(matrices[layer], axis=1)
                params[f"{name}/attn/{kind}"] = linear_params(self._read(joint))
            joint = np.concatenate(weights.W_O[layer], axis=0)
            params[f"{name}/attn/linear"] = linear_params(self._written(joint)[:, self.order])
            params[f"{name}/mlp/linear_1"] = linear_params(self._read(weights.W_in[layer]))
            params[f"{name}/mlp/linear_2"] = linear_params(self._written(weights.W_out[layer])[:, self.order])
        return params

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
