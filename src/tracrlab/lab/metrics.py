"""What methods measure of the logits on pairs, a number for each: higher is more like the clean answer.

Of a metric's sign nothing depends that ranks by size, but of its form much does: where a softmax is saturated,
cross-entropy has no gradient, and on a clean run KL has none at all, since it is smallest there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from tracrlab.lab.pairs import Pairs
from tracrlab.learn.transformer import Transformer

Metric = Callable[[Tensor, Pairs], Tensor]
"""Of logits [b, p, class] and the pairs, a number for each, [b]."""


def logit_difference(logits: Tensor, pairs: Pairs) -> Tensor:
    """How far the clean answer's logit is above the corrupt one's, on average over tokens where they differ; else 0."""
    clean, corrupt = (_of_class(logits, each) for each in (pairs.answers, pairs.corrupt_answers))
    return _mean(clean - corrupt, pairs.changed)


def log_likelihood(logits: Tensor, pairs: Pairs) -> Tensor:
    """The logarithm of the clean answer's probability, on average: cross-entropy with its sign changed."""
    return _mean(_of_class(logits.log_softmax(dim=-1), pairs.answers), pairs.scored)


def negative_divergence(logits: Tensor, pairs: Pairs, module: Transformer) -> Tensor:
    """−KL(p_clean ‖ p), of the module's own clean run, on average."""
    with torch.no_grad():
        wanted = module(pairs.ids).log_softmax(dim=-1)
    divergence = (wanted.exp() * (wanted - logits.log_softmax(dim=-1))).sum(dim=-1)
    return _mean(-divergence, pairs.scored)


def metrics(module: Transformer) -> Mapping[str, Metric]:
    """The metrics by the names that cases know them by."""
    return {
        "logit_diff": logit_difference,
        "cross_entropy": log_likelihood,
        "kl": partial(negative_divergence, module=module),
    }


def _of_class(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(-1, classes[..., None])[..., 0]


def _mean(each: Tensor, counted: Tensor) -> Tensor:
    """The mean over the places of each row that count, [b]; 0 where there is none."""
    return torch.where(counted, each, 0).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
