"""Probes: linear classifiers that read a variable from the residual stream.

What a probe finds is that a variable can be read there, not that the model does (Belinkov 2022, Probing Classifiers).
Activations of small models are few: a probe that has seen each token at each position knows them by heart, and solves
the control tasks of Hewitt and Liang (2019) as well. So it is judged by types, a token at a position, that it has not
seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tracrlab import learn
from tracrlab.extras import require
from tracrlab.lab.methods import method

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

N_FOLDS = 4  # parts of the types, each held out once


@method("decodes")
def probes(case: Case, rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """Ridge classifiers on types held out: the share that is right, beyond always saying the most frequent value."""
    linear, validation, pipeline, scaling = (
        require(f"sklearn.{name}", extra="lab", purpose="the method probes")
        for name in ("linear_model", "model_selection", "pipeline", "preprocessing")
    )
    ids = case.pairs("train").ids
    there = ids != case.module.config.pad_id
    there[:, 0] = False
    types = (ids * ids.shape[1] + torch.arange(ids.shape[1]))[there].numpy()
    sites = list(dict.fromkeys(site for _, site in case.truth.variables))
    with torch.no_grad():
        residual = {site: own[there].numpy() for site, own in learn.activations(case.module, ids, sites).items()}
    values = {name: case.values(name, ids)[there].numpy() for name in dict.fromkeys(n for n, _ in case.truth.variables)}
    folds = validation.GroupKFold(min(N_FOLDS, len(set(types.tolist()))))
    probe = pipeline.make_pipeline(scaling.StandardScaler(), linear.RidgeClassifier())

    def claim(name: str, site: str) -> float:
        known = values[name] >= 0
        x, y, groups = residual[site][known], values[name][known], types[known]
        right, usual = [], []
        for seen, unseen in folds.split(x, y, groups):
            kinds, counts = np.unique(y[seen], return_counts=True)
            if len(kinds) < 2:
                return 0.0  # nothing to tell apart
            right.append((probe.fit(x[seen], y[seen]).predict(x[unseen]) == y[unseen]).mean())
            usual.append((y[unseen] == kinds[counts.argmax()]).mean())
        majority = float(np.mean(usual))
        return max(0.0, (float(np.mean(right)) - majority) / (1 - majority)) if majority < 1 else 0.0

    return {(name, site): claim(name, site) for name, site in case.truth.variables}


@method("decodes", role="baseline")
def random_claims(case: Case, rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """Chance."""
    return {key: float(rng.random()) for key in case.truth.variables}
