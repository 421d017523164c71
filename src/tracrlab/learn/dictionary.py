"""Dictionaries: the directions that activations are sparse sums of, and how many of the true ones they recover.

They are those of a sparse autoencoder (Cunningham et al. 2023, Sparse Autoencoders Find Highly Interpretable Features
in Language Models): x̂ = ReLU(x A + b) B with rows of B of length 1, and the loss ‖x − x̂‖² + λ ‖ReLU(x A + b)‖₁.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tracrlab.extras import require
from tracrlab.learn.optimisation import Optimisation
from tracrlab.learn.trainer import stacked, train
from tracrlab.shapes import Float

_IN_USE = 1e-3  # an atom that an activation takes less of is not in use


@dataclass(frozen=True)
class DictionarySettings:
    """How a dictionary is learned, with Adam on all activations at once.

    Attributes: ``n_atoms`` per dictionary, by default the number of features that there are; ``sparsity`` λ; ``seeds``
    of several dictionaries, of which the one with the least loss is taken.
    """

    n_atoms: int | None = None
    sparsity: float = 0.03
    steps: int = 4000
    learning_rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2, 3)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A learned dictionary: ``atoms`` [atom, d] of length 1, the ``loss``, and how many atoms an activation takes."""

    atoms: Float[np.ndarray, "atom d"]
    loss: float
    active: float


@dataclass(frozen=True)
class Recovery:
    """How well a dictionary recovers the features.

    Attributes: ``cosines`` by feature, that of its direction and the atom assigned to it, the assignment being the best
    one to one; ``chance`` the mean cosine that random atoms reach, in the same number; ``threshold`` above which a
    feature counts as recovered.
    """

    cosines: dict[str, float]
    chance: float
    threshold: float

    @property
    def mean(self) -> float:
        """The mean cosine."""
        return float(np.mean(list(self.cosines.values())))

    @property
    def recovered(self) -> float:
        """The share of features that are recovered."""
        return float(np.mean([cosine >= self.threshold for cosine in self.cosines.values()]))


def sparse_dictionary(activations: Tensor, n_atoms: int, settings: DictionarySettings | None = None) -> Dictionary:
    """A dictionary of activations [n, d], which are scaled to mean square length 1; equal ones are counted together."""
    settings = settings or DictionarySettings()
    vectors, weights = _distinct(activations)
    starts = [_start(vectors.shape[1], settings.n_atoms or n_atoms, seed) for seed in settings.seeds]
    how = Optimisation(
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.learning_rate,
        max_grad_norm=math.inf,
    )
    trained = train(
        stacked(starts),
        lambda parameters, batch, step: _losses(parameters, vectors, weights, settings.sparsity)[0],
        lambda step, generator: None,
        how,
    )
    with torch.no_grad():
        final, active = _losses(trained.parameters, vectors, weights, settings.sparsity)
        best = int(final.argmin())
        atoms = functional.normalize(trained.parameters["decoder"][best], dim=-1).numpy()
    return Dictionary(atoms, float(final[best]), float(active[best]))


def recovered(
    dictionary: Dictionary,
    directions: Float[np.ndarray, "feature d"],
    labels: Sequence[str],
    threshold: float = 0.9,
) -> Recovery:
    """The dictionary's score against the true directions of features.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    random = [_assigned(unit, rng.normal(size=dictionary.atoms.shape)).mean() for _ in range(20)]
    cosines = _assigned(unit, dictionary.atoms)
    return Recovery(dict(zip(labels, cosines.tolist(), strict=True)), float(np.mean(random)), threshold)


def _assigned(
    directions: Float[np.ndarray, "feature d"], atoms: Float[np.ndarray, "atom d"]
) -> Float[np.ndarray, " feature"]:
    """The cosine of each feature with its atom, in the best assignment; 0 for one that is left without."""
    optimize = require("scipy.optimize", extra="compress", purpose="scoring a dictionary")
    cosines = directions @ (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).T
    rows, columns = optimize.linear_sum_assignment(-cosines)
    assigned = np.zeros(len(directions))
    assigned[rows] = cosines[rows, columns]
    return assigned


def _distinct(activations: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct vectors [n, d], scaled to mean square length 1, and the share of each."""
    distinct, counts = torch.unique((2**10 * activations).round(), dim=0, return_counts=True)
    scale = ((distinct**2).sum(dim=1) * counts).sum().div(counts.sum()).sqrt()
    return distinct / scale, counts / counts.sum()


def _start(d: int, n_atoms: int, seed: int) -> dict[str, Tensor]:
    """The encoder is the decoder's transpose at first."""
    generator = torch.Generator().manual_seed(seed)
    decoder = functional.normalize(torch.randn(n_atoms, d, generator=generator), dim=-1)
    return {"encoder": decoder.T.clone(), "bias": torch.zeros(n_atoms), "decoder": decoder}


def _losses(parameters: dict[str, Tensor], x: Tensor, weights: Tensor, sparsity: float) -> tuple[Tensor, Tensor]:
    """The loss of each dictionary, and the mean number of atoms it uses for an activation."""
    codes = (x @ parameters["encoder"] + parameters["bias"][:, None]).relu()  # [dictionary, n, atom]
    rebuilt = codes @ functional.normalize(parameters["decoder"], dim=-1)
    error = ((x - rebuilt) ** 2).sum(dim=-1) + sparsity * codes.sum(dim=-1)
    return (error * weights).sum(dim=-1), ((codes > _IN_USE).sum(dim=-1) * weights).sum(dim=-1)
