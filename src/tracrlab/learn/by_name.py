"""Interventions on expressions by their names in PyTorch: those of :mod:`tracrlab.model.intervene`, to be inserted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from tracrlab.learn.interventions import Plus, Value
from tracrlab.learn.places import Site, variable
from tracrlab.model.intervene import Change, Intervened
from tracrlab.rasp import values


def by_name(model: Intervened, sequences: Sequence[Sequence[values.Value]]) -> list[tuple[Site, Value | Plus]]:
    """The interventions of a model on these inputs, for :func:`tracrlab.learn.run` and the module of the model.

    Raises:
        InputError, InterventionError: as for :meth:`tracrlab.model.intervene.Intervened.changes`.
    """
    return [
        pair
        for change in model.changes(sequences)
        for pair in _inserted(variable(model.labels, change.variable.name), change)
    ]


def _inserted(site: Site, change: Change) -> Iterator[tuple[Site, Value | Plus]]:
    for kind, kept in ((Value, 0), (Plus, 1)):
        where: np.ndarray = change.changed & (change.kept[..., 0] == kept)
        if where.any():
            yield site, kind(change.added, positions=torch.as_tensor(where))
