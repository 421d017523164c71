"""Which dimensions of the residual stream a part reads.

What an edge carries in other dimensions is multiplied by zeros only. So if what it carries instead differs in those
alone, not a bit of what the model answers can change, and it need not be tried. That holds without layer norm, which
mixes all dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tracrlab.learn.transformer import Block, Transformer
from tracrlab.model.circuit import Reader


def read_dimensions(module: Transformer, reader: Reader) -> Tensor:
    """The numbers of the dimensions that a part reads, but for what it makes nothing of."""
    return _mask(module, reader).nonzero()[:, 0]


def _mask(module: Transformer, reader: Reader) -> Tensor:
    target = reader.target
    if module.form.layer_norm:
        return torch.ones(module.config.d_model, dtype=torch.bool)
    if reader.kind == "logits":
        return module.unembed.W_U.ne(0).any(dim=1)
    block = module.get_submodule(f"blocks.{target.layer}")
    assert isinstance(block, Block)
    if reader.kind == "mlp":
        working = block.mlp.W_out.ne(0).any(dim=1)
        read: Tensor = block.mlp.W_in[:, working].ne(0).any(dim=1)
        return read
    moves = block.attn.W_O[target.head].ne(0).any()
    matrix: Tensor = getattr(block.attn, f"W_{reader.kind.upper()}")[target.head].ne(0).any(dim=1)
    return matrix & moves
