"""What stands in an edge's place when it is ablated, by the ablation that defines a case's truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from tracrlab import learn
from tracrlab.learn.interventions import mean_activation

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case
    from tracrlab.lab.pairs import Pairs

Seen = TypeVar("Seen", bound=learn.Node | str)


def own_activations(case: Case, pairs: Pairs, at: Iterable[Seen]) -> dict[Seen, Tensor]:
    """What parts carry on the clean inputs, [b, p, width]."""
    with torch.no_grad():
        return learn.activations(case.module, pairs.ids, at)


def ablated_activations(case: Case, pairs: Pairs, at: Iterable[Seen]) -> dict[Seen, Tensor]:
    """What they carry where they are ablated: nothing, their mean over clean inputs, or what is on corrupt ones."""
    at = list(at)
    if case.truth.ablation not in ("zero", "mean"):
        with torch.no_grad():
            found = learn.activations(case.module, pairs.corrupt_ids, at)
        return {key: pairs.moved(each) for key, each in found.items()}
    own = own_activations(case, pairs, at)
    if case.truth.ablation == "zero":
        return {key: torch.zeros_like(each) for key, each in own.items()}
    present = pairs.ids != case.module.config.pad_id
    return {key: mean_activation(each, present, pooled=False).expand_as(each) for key, each in own.items()}


def chosen_pairs(pairs: Pairs, chosen: Tensor | slice) -> Pairs:
    """Some of the pairs."""
    own = {each.name: getattr(pairs, each.name) for each in fields(pairs)}
    return replace(pairs, **{name: each[chosen] for name, each in own.items() if isinstance(each, Tensor)})


def divergence(logits: Tensor, clean: Tensor, pairs: Pairs) -> Tensor:
    """KL(clean ‖ other) of each row [b], in nats, mean over what is scored; logits [b, p, class]."""
    clean, logits = clean.log_softmax(dim=-1), logits.log_softmax(dim=-1)
    by_position = (clean.exp() * (clean - logits)).sum(dim=-1)
    mean: Tensor = (by_position * pairs.scored).sum(dim=1) / pairs.scored.sum(dim=1).clamp(min=1)
    return mean


def sources(edges: Iterable[learn.Edge]) -> list[learn.Node]:
    """The parts that edges begin at."""
    return list(dict.fromkeys(edge.source for edge in edges))
