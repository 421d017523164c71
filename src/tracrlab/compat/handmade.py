"""Parameters of a transformer from Craft blocks that were built by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.compat.layout import Params, linear_params
from tracrlab.compat.tracr.craft.bases import BasisDirection, VectorSpaceWithBasis, join_vector_spaces
from tracrlab.compat.tracr.craft.transformers import MLP, AttentionHead, SeriesWithResiduals

_ONE_SPACE = VectorSpaceWithBasis([BasisDirection("one")])


@dataclass(frozen=True, eq=False)
class Handmade:
    """Parameters and the sizes that follow from the blocks."""

    params: Params
    residual_space: VectorSpaceWithBasis
    n_layers: int
    n_heads: int
    key_size: int
    n_neurons: int


def handmade_params(
    craft_model: SeriesWithResiduals,
    tokens_space: VectorSpaceWithBasis,
    indices_space: VectorSpaceWithBasis,
    output_space: VectorSpaceWithBasis,
) -> Handmade:
    """The parameters of a transformer that does what the blocks do, one attention and one MLP a layer."""
    space = join_vector_spaces(craft_model.residual_space, tokens_space, indices_space, output_space, _ONE_SPACE)
    layers = _layers(craft_model)
    heads = [head for attention, _ in layers for head in attention]
    key_size = max([1, *(max(head.w_qk.right_space.num_dims, head.w_ov.output_space.num_dims) for head in heads)])
    n_heads = max([1, *(len(attention) for attention, _ in layers)])
    n_neurons = max([1, *(mlp.fst.output_space.num_dims for _, mlp in layers if mlp is not None)])
    params = embedding_params(tokens_space, indices_space, space)
    for layer, (attention, mlp) in enumerate(layers):
        name = f"transformer/layer_{layer}"
        params.update(_attention_params(f"{name}/attn", attention, space, n_heads, key_size))
        params.update(_mlp_params(f"{name}/mlp", mlp, space, n_neurons))
    return Handmade(params, space, len(layers), n_heads, key_size, n_neurons)


def embedding_params(
    tokens_space: VectorSpaceWithBasis, indices_space: VectorSpaceWithBasis, space: VectorSpaceWithBasis
) -> Params:
    """Unit vectors of a residual space for tokens and positions; BOS has no position, ``one`` is where there is one."""
    by_token = _rows(tokens_space, space)
    if _ONE_SPACE.issubspace(space):
        by_token = by_token + _rows(_ONE_SPACE, space)
    by_position = np.pad(_rows(indices_space, space), ((1, 0), (0, 0)))
    return {"token_embed": {"embeddings": by_token}, "pos_embed": {"embeddings": by_position}}


def _layers(craft_model: SeriesWithResiduals) -> list[tuple[list[AttentionHead], MLP | None]]:
    """The blocks by layer: attention begins one, an MLP ends it."""
    layers: list[tuple[list[AttentionHead], MLP | None]] = []
    open_heads: list[AttentionHead] | None = None
    for block in craft_model.blocks:
        if isinstance(block, MLP):
            layers.append((open_heads or [], block))
            open_heads = None
            continue
        if open_heads is not None:
            layers.append((open_heads, None))
        open_heads = list(block.as_multi().heads())
    return layers if open_heads is None else [*layers, (open_heads, None)]


def _rows(part: VectorSpaceWithBasis, space: VectorSpaceWithBasis) -> np.ndarray:
    """A unit vector of the residual stream for each direction of a part of it."""
    place = space.index_by_direction
    rows: np.ndarray = np.eye(space.num_dims, dtype=np.float32)[[place[direction] for direction in part.basis]]
    return rows


def _attention_params(
    name: str, heads: list[AttentionHead], space: VectorSpaceWithBasis, n_heads: int, key_size: int
) -> Params:
    """Queries go where the keys are, by ``w_qk``; values are ``w_ov`` of what is read."""
    parts = {kind: np.zeros((space.num_dims, n_heads, key_size), np.float32) for kind in ("query", "key", "value")}
    output = np.zeros((n_heads, key_size, space.num_dims), np.float32)
    for number, head in enumerate(heads):
        left, right = _rows(head.w_qk.left_space, space).T, _rows(head.w_qk.right_space, space).T
        read, written = _rows(head.w_ov.input_space, space).T, _rows(head.w_ov.output_space, space)
        parts["query"][:, number, : right.shape[1]] = left @ head.w_qk.matrix * np.sqrt(key_size)
        parts["key"][:, number, : right.shape[1]] = right
        parts["value"][:, number, : len(written)] = read @ head.w_ov.matrix
        output[number, : len(written)] = written
    params = {f"{name}/{kind}": linear_params(part.reshape(space.num_dims, -1)) for kind, part in parts.items()}
    return {**params, f"{name}/linear": linear_params(output.reshape(-1, space.num_dims))}


def _mlp_params(name: str, mlp: MLP | None, space: VectorSpaceWithBasis, n_neurons: int) -> Params:
    reads, writes = np.zeros((space.num_dims, n_neurons), np.float32), np.zeros((n_neurons, space.num_dims), np.float32)
    if mlp is not None:
        used = mlp.fst.output_space.num_dims
        reads[:, :used] = _rows(mlp.fst.input_space, space).T @ mlp.fst.matrix
        writes[:used] = mlp.snd.matrix @ _rows(mlp.snd.output_space, space)
    return {f"{name}/linear_1": linear_params(reads), f"{name}/linear_2": linear_params(writes)}
