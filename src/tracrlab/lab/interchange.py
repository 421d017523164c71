"""Interchange of a variable: what the answer must be where it has its value on another input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tracrlab.learn.losses.interchange import same_length_sources

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case


@dataclass(frozen=True, eq=False)
class Interchange:
    """Inputs and sources of the same lengths, [b, p]: the right answers ``before`` and ``after``, where ``scored``."""

    ids: Tensor
    sources: Tensor
    before: Tensor
    after: Tensor
    scored: Tensor

    @property
    def changed(self) -> Tensor:
        """Where the exchange changes the answer."""
        return self.scored & (self.before != self.after)


def drawn(case: Case, variable: str, ids: Tensor, generator: torch.Generator) -> Interchange:
    """An interchange of a variable between each of these inputs and another one, drawn from them."""
    present = ids != case.module.config.pad_id
    sources = ids[same_length_sources(present.sum(dim=1), generator)]
    scored = present.clone()
    scored[:, 0] = False
    return Interchange(ids, sources, case.exchanged(variable, ids, ids), case.exchanged(variable, ids, sources), scored)


def asked(case: Case) -> list[tuple[str, str]]:
    """The variables that are held and used, each with the first site where it is."""
    first: dict[str, str] = {}
    for (name, site), truth in case.truth.variables.items():
        if truth.held and truth.used:
            first.setdefault(name, site)
    return list(first.items())
