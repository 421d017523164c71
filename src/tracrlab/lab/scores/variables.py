"""Whether a subspace is where a variable is: judged by what exchanging it does, never by angles.

A one-hot variable of n values spans n − 1 dimensions and a constant, and what nobody reads may point anywhere, so many
subspaces are as good as the true one. What counts is the *cause*: where the variable's exchange changes the program's
answer, is the model's answer that one; and the *isolation*: where it does not, does the answer stay (Huang et al. 2024,
RAVEL). Over all tokens together, doing nothing would score well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from tracrlab import learn
from tracrlab.lab.interchange import asked, drawn

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case


def subspace_score(
    case: Case, found: Mapping[tuple[str, str], np.ndarray], rng: np.random.Generator
) -> dict[str, float]:
    """The means over variables of cause and isolation; a variable that has no subspace is exchanged in none.

    ``cause_one_hot`` and ``cause_numeric`` are those of variables with a dimension for each value, and with one in all.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    causes: dict[str, list[float]] = {"one_hot": [], "numeric": []}
    isolation = []
    for name, site in asked(case):
        exchange = drawn(case, name, case.pairs("test").ids, generator)
        basis = found.get((name, site), np.zeros((case.module.config.d_model, 1)))
        place = learn.Subspace(learn.Site(site), torch.as_tensor(basis, dtype=torch.float32))
        with torch.no_grad():
            given = learn.run(case.module, exchange.ids, {place: learn.Resample(exchange.sources)}).argmax(dim=-1)
        right, changed = given == exchange.after, exchange.changed
        stays = exchange.scored & ~changed
        if changed.any():
            numeric = case.model.labels.variable(name).variable.width == 1
            causes["numeric" if numeric else "one_hot"].append(float(right[changed].float().mean()))
        if stays.any():
            isolation.append(float(right[stays].float().mean()))
    return {
        "cause": _mean(causes["one_hot"] + causes["numeric"]),
        "isolation": _mean(isolation),
        "cause_one_hot": _mean(causes["one_hot"]),
        "cause_numeric": _mean(causes["numeric"]),
        "n_variables": len(causes["one_hot"]) + len(causes["numeric"]),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
