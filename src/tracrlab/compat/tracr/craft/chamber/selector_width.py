"""Counting: a head, then an MLP that reads the count off it."""

from __future__ import annotations

from collections.abc import Iterable

from tracrlab.compat.tracr.craft import bases, transformers
from tracrlab.compat.tracr.craft.chamber import categorical_attn, numerical_mlp


def selector_width(
    query_space: bases.VectorSpaceWithBasis,
    key_space: bases.VectorSpaceWithBasis,
    output_space: bases.VectorSpaceWithBasis,
    bos_space: bases.VectorSpaceWithBasis,
    one_space: bases.VectorSpaceWithBasis,
    attn_fn: categorical_attn.QueryKeyToAttnLogit,
    out_value_set: Iterable[float],
    categorical_output: bool,
    causal: bool = False,
    softmax_coldness: float = 100.0,
    mlp_large_number: float = 100.0,
    label: str = "",
) -> transformers.SeriesWithResiduals:
    """Write how many keys each query selects; ``out_value_set`` are the numbers that can occur.

    The head writes 1/(width + 1); between these the steps of the MLP must have room for the inverse of their slope,
    which is made larger than ``mlp_large_number`` where they need it.
    """
    widths = sorted(out_value_set)
    share = bases.BasisDirection(f"{label}_selector_width_attn_output")
    head = categorical_attn.bos_share_head(
        query_space, key_space, share, bos_space, one_space, attn_fn, causal, softmax_coldness
    )
    make_mlp = numerical_mlp.map_numerical_to_categorical_mlp if categorical_output else numerical_mlp.map_numerical_mlp
    widest = max(widths)
    mlp = make_mlp(
        lambda bos_share: round(1 / bos_share - 1),
        bases.VectorSpaceWithBasis([share]),
        output_space,
        [1 / (width + 1) for width in widths],
        one_space,
        max(mlp_large_number, 4.0 * (widest + 1) ** 2),
    )
    return transformers.SeriesWithResiduals([head, mlp])
