"""An attention head that selects by a predicate on one-hot values."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tracrlab.compat.tracr.craft import bases, transformers, vectorspace_fns


class QueryKeyToAttnLogit(Protocol):
    """Whether a query selects a key."""

    def __call__(self, query: bases.BasisDirection, key: bases.BasisDirection) -> bool:
        """Whether the query selects the key."""


def categorical_attn(
    query_space: bases.VectorSpaceWithBasis,
    key_space: bases.VectorSpaceWithBasis,
    value_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    bos_space: bases.VectorSpaceWithBasis,
    one_space: bases.VectorSpaceWithBasis,
    attn_fn: QueryKeyToAttnLogit,
    default_output: bases.VectorInBasis | None = None,
    causal: bool = False,
    always_attend_to_bos: bool = False,
    use_bos_for_default_output: bool = True,
    softmax_coldness: float = 100.0,
) -> transformers.AttentionHead:
    """A head that writes the mean of the selected values, each to the output direction of its place.

    A selected key has the logit ``softmax_coldness``, another 0, and BOS half of it, so that it is attended where
    nothing is selected and gives ``default_output``; with ``always_attend_to_bos`` it has the whole. What else BOS and
    ``one`` would select or be selected by is not asked, so the spaces of queries, keys and values may hold them. BOS is
    a value like others with ``always_attend_to_bos`` and without ``use_bos_for_default_output``.

    Raises:
        ValueError: BOS or ``one`` is more than one direction, or there are more values than output directions.
    """
    bases.ensure_dims(bos_space, 1, "bos_space")
    bases.ensure_dims(one_space, 1, "one_space")
    (bos,), (one,) = bos_space.basis, one_space.basis
    values = [value for value in value_space.basis if always_attend_to_bos or value != bos]
    bases.ensure_dims(output_space, len(values), "output_space")
    queries, keys = query_space.basis_set - {bos, one}, key_space.basis_set - {bos, one}

    def logit(query: bases.BasisDirection, key: bases.BasisDirection) -> float:
        if query in queries and key in keys:
            return softmax_coldness * bool(attn_fn(query, key))
        if query == one and key == bos:
            return softmax_coldness if always_attend_to_bos else softmax_coldness / 2
        return 0.0

    target = dict(zip(values, output_space.basis, strict=True))
    default = output_space.null_vector() if default_output is None else default_output

    def written(direction: bases.BasisDirection) -> bases.VectorInBasis:
        if direction == bos and use_bos_for_default_output:
            return default
        if direction in target:
            return output_space.vector_from_basis_direction(target[direction])
        return output_space.null_vector()

    return transformers.AttentionHead(
        vectorspace_fns.ScalarBilinear.from_action(
            bases.join_vector_spaces(query_space, one_space), bases.join_vector_spaces(key_space, bos_space), logit
        ),
        vectorspace_fns.Linear.from_action(bases.join_vector_spaces(value_space, bos_space), output_space, written),
        causal=causal,
    )


def bos_share_head(
    query_space: bases.VectorSpaceWithBasis,
    key_space: bases.VectorSpaceWithBasis,
    share: bases.BasisDirection,
    bos_space: bases.VectorSpaceWithBasis,
    one_space: bases.VectorSpaceWithBasis,
    attn_fn: QueryKeyToAttnLogit,
    causal: bool,
    softmax_coldness: float,
) -> transformers.AttentionHead:
    """A head that attends BOS as much as each selected key and writes how much that is: 1/(number selected + 1)."""
    share_space = bases.VectorSpaceWithBasis([share])
    head = categorical_attn(
        query_space,
        key_space,
        bos_space,
        share_space,
        bos_space,
        one_space,
        attn_fn,
        causal=causal,
        always_attend_to_bos=True,
        softmax_coldness=softmax_coldness,
    )
    return transformers.AttentionHead(
        head.w_qk, vectorspace_fns.Linear(bos_space, share_space, np.ones((1, 1))), causal=causal
    )
