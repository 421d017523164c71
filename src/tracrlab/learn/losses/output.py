"""Output losses: of the answer in the layout of a compiled model's unembedding, as in the Tracr paper, section 5.1."""

from __future__ import annotations

from torch import Tensor

from tracrlab.craft.spaces import Layout, Variable
from tracrlab.learn.losses import mean_over
from tracrlab.learn.losses.cross_entropy import cross_entropy


def output_loss(
    output: Variable, logits: Tensor, wanted: Tensor, answered: Tensor, *, logit_scale: float = 1.0
) -> Tensor:
    """The mean loss of the answers, ``logits`` and ``wanted`` [b, p, output], at the places that are ``answered``.

    The squared error of a number; the cross-entropy of the softmax over the logits of a one-hot answer, which are
    multiplied by ``logit_scale``, since those of a compiled model are 0 and 1.
    """
    if output.layout is Layout.ONE_HOT:
        return cross_entropy(logit_scale * logits, wanted.argmax(dim=-1), answered)
    return mean_over(((logits - wanted) ** 2).sum(dim=-1), answered)
