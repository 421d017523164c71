"""Finding features again without knowing them: dictionary learning on a compressed model, scored against its W.

A sparse autoencoder (Cunningham et al. 2023, Sparse Autoencoders Find Highly Interpretable Features in Language Models)
is trained on the residual streams of a compressed model: x̂ = ReLU(x A + b) B with rows of B of length 1, and the loss
‖x − x̂‖² + λ ‖ReLU(x A + b)‖₁. Here, unlike elsewhere, the answer is known: the true directions are the rows of W.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import forward, frozen_model, model_parameters
from tracrlab.compress.inputs import training_inputs
from tracrlab.extras import require
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float


@dataclass(frozen=True)
class DictionarySettings:
    """How a dictionary is learned, with Adam on all activations at once.

    Attributes: ``n_atoms`` per dictionary, by default the number of original dimensions; ``sparsity`` λ; ``seeds`` of
    several dictionaries, of which the one with the least loss is taken.
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


def learned_dictionary(
    model: CompressedModel,
    settings: DictionarySettings | None = None,
    inputs: Iterable[Sequence[Value]] | None = None,
) -> Dictionary:
    """A dictionary of the residual streams of a compressed model, after the embedding and every sublayer.

    Raises:
        InputError: the inputs do not fit the model.
    """
    settings = settings or DictionarySettings()
    activations, weights = _activations(model, inputs)
    n_atoms = settings.n_atoms or model.original.config.d_model
    starts = [_start(activations.shape[1], n_atoms, seed) for seed in settings.seeds]
    parameters = [torch.stack(each).requires_grad_() for each in zip(*starts, strict=True)]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    for _ in range(settings.steps):
        optimizer.zero_grad()
        loss, _ = _losses(parameters, activations, weights, settings.sparsity)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        final, active = _losses(parameters, activations, weights, settings.sparsity)
        best = int(final.argmin())
        atoms = functional.normalize(parameters[2][best], dim=-1).numpy()
    return Dictionary(atoms, float(final[best]), float(active[best]))


def recovery(model: CompressedModel, dictionary: Dictionary, threshold: float = 0.9) -> Recovery:
    """The dictionary's score against the rows of W that are there: at least a tenth as long as the longest.

    Raises:
        CompressionError: the model has several matrices.
        MissingDependencyError: SciPy is not installed.
    """
    W, norms = model.W, np.linalg.norm(model.W, axis=1)
    kept = np.flatnonzero(norms >= 0.1 * norms.max())
    directions = W[kept] / norms[kept, None]
    labels = [str(label) for label in model.labels.dimensions]
    rng = np.random.default_rng(0)
    random = [_assigned(directions, rng.normal(size=dictionary.atoms.shape)).mean() for _ in range(20)]
    cosines = _assigned(directions, dictionary.atoms)
    found = {labels[feature]: cosine for feature, cosine in zip(kept.tolist(), cosines.tolist(), strict=True)}
    return Recovery(found, float(np.mean(random)), threshold)


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


def _activations(model: CompressedModel, inputs: Iterable[Sequence[Value]] | None) -> tuple[Tensor, Tensor]:
    """The distinct vectors [n, d] in the residual streams, scaled to mean square length 1, and the share of each."""
    frozen = frozen_model(model.original, unfrozen=tuple(model.unfrozen))
    ids = torch.as_tensor(training_inputs(model.original, inputs))
    with torch.no_grad():
        run = forward(frozen, model.sharing, model_parameters(model), ids)
    present = ids != model.config.pad_id
    vectors = torch.cat([residual[present] for residual in run.residuals])
    distinct, counts = torch.unique((2**10 * vectors).round(), dim=0, return_counts=True)
    scale = ((distinct**2).sum(dim=1) * counts).sum().div(counts.sum()).sqrt()
    return distinct / scale, counts / counts.sum()


def _start(d: int, n_atoms: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Encoder, bias and decoder; the encoder is the decoder's transpose at first."""
    generator = torch.Generator().manual_seed(seed)
    decoder = functional.normalize(torch.randn(n_atoms, d, generator=generator), dim=-1)
    return decoder.T.clone(), torch.zeros(n_atoms), decoder


def _losses(parameters: list[Tensor], x: Tensor, weights: Tensor, sparsity: float) -> tuple[Tensor, Tensor]:
    """The loss of each dictionary, and the mean number of atoms it uses for an activation."""
    encoder, bias, decoder = parameters
    codes = (x @ encoder + bias[:, None]).relu()  # [dictionary, n, atom]
    rebuilt = codes @ functional.normalize(decoder, dim=-1)
    error = ((x - rebuilt) ** 2).sum(dim=-1) + sparsity * codes.sum(dim=-1)
    return (error * weights).sum(dim=-1), ((codes > 1e-3).sum(dim=-1) * weights).sum(dim=-1)
