"""Pieces of a transformer over labelled directions: attention heads, MLPs and their residual composition."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compat.tracr.craft import bases, vectorspace_fns
from tracrlab.compat.tracr.craft.vectorspace_fns import project

__all__ = [
    "MLP",
    "AttentionHead",
    "Block",
    "HalfLayerBlock",
    "MultiAttentionHead",
    "SeriesWithResiduals",
    "bases",
    "project",
    "relu",
    "vectorspace_fns",
]


def _np_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    weights = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(weights / weights.sum(axis=axis, keepdims=True))


def _np_relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0)


def relu(x: bases.VectorInBasis) -> bases.VectorInBasis:
    """The vectors without their negative parts."""
    return x.copy_with_new_magnitudes(_np_relu(x.magnitudes))


class Block(abc.ABC):
    """What reads a residual space and gives something to add to it."""

    residual_space: bases.VectorSpaceWithBasis

    @abc.abstractmethod
    def apply(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        """What the block adds to the residual vectors ``[position, direction]``."""


@dataclass(eq=False)
class AttentionHead(Block):
    """One attention head: logits ``w_qk(query, key)``, values ``w_ov(key)``.

    ``residual_space`` is the join of what it reads and writes unless given.
    """

    w_qk: vectorspace_fns.ScalarBilinear
    w_ov: vectorspace_fns.Linear
    residual_space: bases.VectorSpaceWithBasis = None  # type: ignore[assignment]
    causal: bool = False

    def __post_init__(self) -> None:
        if self.residual_space is None:
            spaces = self.w_qk.left_space, self.w_qk.right_space, self.w_ov.input_space, self.w_ov.output_space
            self.residual_space = bases.join_vector_spaces(*spaces)

    def apply(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        queries = x.project(self.w_qk.left_space).magnitudes
        keys = x.project(self.w_qk.right_space).magnitudes
        logits = queries @ self.w_qk.matrix @ keys.T
        if self.causal:
            logits = np.where(np.tril(np.ones_like(logits)), logits, -np.inf)
        values = self.w_ov_residual(x)
        return values.copy_with_new_magnitudes(_np_softmax(logits) @ values.magnitudes)

    def w_ov_residual(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        """``w_ov`` of the residual vectors, in the residual space."""
        return self.w_ov(x.project(self.w_ov.input_space)).project(self.residual_space)

    @property
    def num_heads(self) -> int:
        """One."""
        return 1

    def as_multi(self) -> MultiAttentionHead:
        """The same as several heads, of which there is one."""
        return MultiAttentionHead([self])


@dataclass(eq=False)
class MultiAttentionHead(Block):
    """Attention heads side by side."""

    sub_blocks: list[AttentionHead | MultiAttentionHead]

    def __post_init__(self) -> None:
        self.residual_space = bases.join_vector_spaces(*(block.residual_space for block in self.sub_blocks))

    def apply(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        return bases.VectorInBasis.sum([block.apply(x).project(self.residual_space) for block in self.sub_blocks])

    @property
    def num_heads(self) -> int:
        """The number of heads, those of nested blocks included."""
        return sum(block.num_heads for block in self.sub_blocks)

    def heads(self) -> Iterable[AttentionHead]:
        """The heads, those of nested blocks included."""
        for block in self.sub_blocks:
            if isinstance(block, MultiAttentionHead):
                yield from block.heads()
            else:
                yield block

    def as_multi(self) -> MultiAttentionHead:
        """Itself."""
        return self


@dataclass(eq=False)
class MLP(Block):
    """``snd(relu(fst(x)))``."""

    fst: vectorspace_fns.Linear
    snd: vectorspace_fns.Linear
    residual_space: bases.VectorSpaceWithBasis = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.fst.output_space != self.snd.input_space:
            raise ValueError("the hidden spaces of fst and snd differ")
        if self.residual_space is None:
            self.residual_space = bases.join_vector_spaces(self.fst.input_space, self.snd.output_space)

    def apply(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        hidden = self.fst(x.project(self.fst.input_space))
        return self.snd(relu(hidden)).project(self.residual_space)

    @classmethod
    def combine_in_parallel(cls, mlps: Sequence[MLP]) -> MLP:
        """One MLP with the neurons of all; neurons of the same name in several are told apart by a number."""
        hidden = bases.VectorSpaceWithBasis(
            [
                bases.BasisDirection(f"{direction.name}_{number}", direction.value)
                for number, mlp in enumerate(mlps)
                for direction in mlp.fst.output_space.basis
            ]
        )
        place = hidden.index_by_direction
        fst_space = bases.join_vector_spaces(*(mlp.fst.input_space for mlp in mlps))
        snd_space = bases.join_vector_spaces(*(mlp.snd.output_space for mlp in mlps))
        rows, columns = fst_space.index_by_direction, snd_space.index_by_direction
        fst = np.zeros((fst_space.num_dims, hidden.num_dims))
        snd = np.zeros((hidden.num_dims, snd_space.num_dims))
        for number, mlp in enumerate(mlps):
            neurons = [place[bases.BasisDirection(f"{d.name}_{number}", d.value)] for d in mlp.fst.output_space.basis]
            fst[np.ix_([rows[d] for d in mlp.fst.input_space.basis], neurons)] = mlp.fst.matrix
            snd[np.ix_(neurons, [columns[d] for d in mlp.snd.output_space.basis])] = mlp.snd.matrix
        return cls(vectorspace_fns.Linear(fst_space, hidden, fst), vectorspace_fns.Linear(hidden, snd_space, snd))


HalfLayerBlock = MLP | AttentionHead | MultiAttentionHead


@dataclass(eq=False)
class SeriesWithResiduals(Block):
    """Blocks one after the other, each adding to the residual vectors what it gives."""

    blocks: list[HalfLayerBlock]

    def __post_init__(self) -> None:
        self.residual_space = bases.join_vector_spaces(*(block.residual_space for block in self.blocks))

    def apply(self, x: bases.VectorInBasis) -> bases.VectorInBasis:
        """The residual vectors after the last block."""
        residual = x.project(
            bases.join_vector_spaces(self.residual_space, bases.VectorSpaceWithBasis(list(x.basis_set)))
        )
        for block in self.blocks:
            residual = residual.add_directions(block.apply(residual))
        return residual
