"""What a part writes must tell, through a linear map, which value the part that it stands for writes.

Interchange interventions say only whether the last answer is right, and through two or more parts that says little at
first: a head and an MLP that compute a parity stay at chance for thousands of steps. A linear map from each part to the
values of its counterpart, trained along (as a linear probe is, Alain and Bengio 2016), tells each part what it is for.
It is a scaffold: its weight falls to nothing, and what counts is measured without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tracrlab.learn.losses.cross_entropy import cross_entropy
from tracrlab.learn.losses.interchange import Alignment
from tracrlab.learn.patching import activations
from tracrlab.learn.places import Place

_NEAR = 1e-5  # of the largest: nearer values are one, which float32 may round apart (2**-24, some hundred times)


@dataclass(frozen=True, eq=False)
class Values:
    """Which of its values each place ought to have, on a table of inputs.

    Attributes: ``numbers`` [n, p] of each place, at each position of each input; ``counts`` how many values it has.
    """

    numbers: dict[Place, Tensor]
    counts: dict[Place, int]


def told_values(alignment: Alignment, ids: Tensor, *, most: int = 200) -> Values:
    """The values of the places inside, on inputs ids [n, p]; those with one value, or more than ``most``, are left out.

    Values that only occur at BOS or at padding are none.
    """
    answered = ids != alignment.reference.config.pad_id
    answered[:, 0] = False
    with torch.no_grad():
        written = activations(alignment.reference, ids, dict.fromkeys(there for _, there in alignment.inside))
    numbers, counts = dict[Place, Tensor](), dict[Place, int]()
    for here, there in alignment.inside:
        own, n_values = _numbered(written[there][answered].double().numpy())
        if 1 < n_values <= most:
            counts[here] = n_values
            numbers[here] = torch.zeros(ids.shape, dtype=torch.long)
            numbers[here][answered] = torch.as_tensor(own)
    return Values(numbers, counts)


def linear_maps(values: Values, d_model: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A map [d_model, value] for each place, by a name of its own, small and of chance; leaves that take gradients."""
    return {
        _name(place): (0.1 * torch.randn(d_model, count, generator=generator)).requires_grad_()
        for place, count in values.counts.items()
    }


def telling_loss(
    written: Mapping[Place, Tensor], values: Values, rows: Tensor, maps: Mapping[str, Tensor], counted: Tensor
) -> Tensor:
    """The cross-entropies of the values, given what places write [b, p, d] on rows [b] of the table, summed."""
    return sum(
        (
            cross_entropy(written[place] @ maps[_name(place)], numbers[rows], counted)
            for place, numbers in values.numbers.items()
        ),
        torch.zeros(()),
    )


def _name(place: Place) -> str:
    return f"values of {place}"


def _numbered(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The number of each row [n, d] among the distinct ones, and how many there are.

    In each dimension values are told apart where there is a gap between them, wherever it is; rounding them would tell
    apart what lies on both sides of a boundary.
    """
    order = np.argsort(values, axis=0, kind="stable")
    steps = np.diff(
        np.take_along_axis(values, order, axis=0), axis=0, prepend=values[order[:1], range(values.shape[1])]
    )
    ranks = np.cumsum(steps > _NEAR * np.abs(values).max(axis=0, initial=0.0), axis=0)
    places = np.empty_like(ranks)
    np.put_along_axis(places, order, ranks, axis=0)
    found, numbers = np.unique(places, axis=0, return_inverse=True)
    return numbers.reshape(len(values)), len(found)
