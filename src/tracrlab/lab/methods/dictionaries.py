"""Directions of features, found without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tracrlab import learn
from tracrlab.extras import require
from tracrlab.lab.methods import method
from tracrlab.learn.dictionary import DictionarySettings, sparse_dictionary

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

SETTINGS = DictionarySettings(steps=1000, seeds=(0, 1))  # the loss falls by less than a hundredth after that


@method("directions")
def sae(case: Case, rng: np.random.Generator) -> np.ndarray:
    """A sparse autoencoder (Cunningham et al. 2023) with twice as many atoms as the residual stream has dimensions."""
    activations = _activations(case)
    return sparse_dictionary(activations, 2 * activations.shape[1], SETTINGS).atoms


@method("directions")
def pca(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Principal components, each with both signs."""
    decomposition = require("sklearn.decomposition", extra="lab", purpose="the method pca")
    components: np.ndarray = decomposition.PCA().fit(_activations(case).numpy()).components_
    return np.concatenate([components, -components])


@method("directions", role="baseline")
def random_directions(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Gaussian directions, as many as the autoencoder has atoms."""
    d = case.module.config.d_model
    return rng.normal(size=(2 * d, d))


def _activations(case: Case) -> Tensor:
    """The residual stream where the truth has directions, at all tokens of the training pairs, [n, d]."""
    pairs, site = case.pairs("train"), case.truth.directions.site
    ids = torch.cat([pairs.ids, pairs.corrupt_ids])
    there = ids != case.module.config.pad_id
    there[:, 0] = False
    with torch.no_grad():
        return learn.activations(case.module, ids, [site])[site][there]
