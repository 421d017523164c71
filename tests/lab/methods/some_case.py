"""A case of a random transformer, in which nothing saturates, so that calculus can be compared with differences."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from tests.learn.plain_transformer import plain_pair, some_ids
from tracrlab.lab.metrics import log_likelihood
from tracrlab.lab.pairs import Pairs
from tracrlab.learn.transformer import Form
from tracrlab.model.circuit import possible_edges


def random_case(seed: int = 0, ablation: str = "resample") -> Any:
    """What methods use of a case, with no truth but the ablation."""
    module, _ = plain_pair(Form("gelu", biases=True), seed=seed)
    ids = some_ids(module.config)
    answers = module(ids).argmax(dim=-1)
    scored = ids != module.config.pad_id
    taken = torch.arange(ids.shape[1]).expand_as(ids)
    pairs = Pairs(ids, ids.flip(0), answers, answers.flip(0), scored, taken)
    return SimpleNamespace(
        name="random",
        edges=possible_edges(module.config.n_layers, module.config.n_heads),
        module=module,
        metric=log_likelihood,
        pairs=lambda split: pairs,
        truth=SimpleNamespace(ablation=ablation, circuit=frozenset(), ignored=frozenset()),
    )
