"""How the features of a program are laid out in fewer dimensions, and whether the program says so beforehand.

A feature is a dimension of the compiled model; its direction in the compressed one is its row W_i. With Ŵ_i the row at
length 1 (Elhage et al. 2022, Toy Models of Superposition):

- *interference* Σ_{j≠i} (Ŵ_i · W_j)²: how much of the others is read along with it;
- *dimensions* ‖W_i‖² / Σ_j (Ŵ_i · W_j)²: the share of a dimension that is its own, 1 if it shares it with none.

What a feature ought to get can be foretold from the program alone: by its importance, the loss where nothing can be
read from its dimension any more, and its density, the share of positions where it is not zero (1 − sparsity).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import MATRICES, forward, frozen_model, model_parameters
from tracrlab.compress.metrics import measured
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import compiled_target
from tracrlab.errors import CompressionError
from tracrlab.extras import require
from tracrlab.learn.inputs import training_inputs
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.values import Value, value_key
from tracrlab.shapes import Float

_NOTHING = 1e-3  # a row of W that is shorter is not represented, an activation that is smaller not there


@dataclass(frozen=True)
class Feature:
    """A feature in a compressed model: its label, ‖W_i‖, interference and dimensions."""

    label: str
    norm: float
    interference: float
    dimensions: float


def superposition(model: CompressedModel) -> Float[np.ndarray, "feature feature"]:
    """W Wᵀ, the heat map of Figure 7: 1 where a feature is kept whole, 0 where two do not meet.

    Raises:
        CompressionError: the model has several matrices.
    """
    product: np.ndarray = model.W @ model.W.T
    return product


def feature_geometry(W: Float[np.ndarray, "feature d"], labels: Sequence[str]) -> tuple[Feature, ...]:
    """Norm, interference and dimensions of each feature, by its row of W."""
    norms = np.linalg.norm(W, axis=1)
    unit = W / np.maximum(norms, _NOTHING)[:, None]
    overlaps = (unit @ W.T) ** 2
    own = np.diagonal(overlaps)
    dimensions = np.where(norms > _NOTHING, norms**2 / np.maximum(overlaps.sum(axis=1), _NOTHING**2), 0)
    columns = zip(labels, norms.tolist(), (overlaps.sum(axis=1) - own).tolist(), dimensions.tolist(), strict=True)
    return tuple(Feature(*each) for each in columns)


@dataclass(frozen=True)
class Line:
    """How near a variable's values lie to one line in the compressed residual stream.

    Attributes: ``share`` of the variance of their mean positions that is along it; ``correlation`` Spearman's, of the
    values' order and the places on it, as an absolute value: 1 for a numerical encoding.
    """

    share: float
    correlation: float


def value_line(model: CompressedModel, name: str, inputs: Iterable[Sequence[Value]] | None = None) -> Line:
    """Whether what is written for a variable is a number in disguise, as section 5.3 finds of ``target_pos``.

    Raises:
        KeyError: there is no such variable.
        CompressionError: no sublayer writes it.
        InputError: the inputs do not fit the model.
        MissingDependencyError: SciPy is not installed.
    """
    stats = require("scipy.stats", extra="compress", purpose="comparing orders")
    variable = model.labels.variable(name)
    frozen = frozen_model(model.original, unfrozen=tuple(model.unfrozen))
    target = compiled_target(frozen, torch.as_tensor(training_inputs(model.original, inputs)))
    with torch.no_grad():
        run = forward(frozen, model.sharing, model_parameters(model), target.ids)
    sublayers = [each.number for each in frozen.sublayers]
    if variable.sublayer not in sublayers:
        raise CompressionError(f"no sublayer writes {name}; give a variable that one of them computes")
    place = sublayers.index(variable.sublayer)
    columns = frozen.sublayers[place].columns
    own = (columns >= variable.dimensions.start) & (columns < variable.dimensions.stop)
    matrix = model.matrices[model.sharing.places(model.config.n_layers).layers[variable.sublayer.layer]]
    written = run.written[place][target.answered][:, own].numpy() @ matrix[columns[own].numpy()]
    residual = target.run.residuals[place + 1][target.answered].numpy()
    places = [variable.variable.places[value_key(value)] for value in variable.decode(residual)]
    means = np.stack([written[np.equal(places, each)].mean(axis=0) for each in sorted(set(places))])
    means = means - means.mean(axis=0)
    _, lengths, directions = np.linalg.svd(means, full_matrices=False)
    correlation = stats.spearmanr(means @ directions[0], range(len(means))).statistic
    return Line(float(lengths[0] ** 2 / (lengths**2).sum()), abs(float(correlation)))


@dataclass(frozen=True)
class Foretold:
    """What the program says about a feature: importance, density, and their product."""

    label: str
    importance: float
    density: float

    @property
    def product(self) -> float:
        """Importance × density, that is, × (1 − sparsity)."""
        return self.importance * self.density


def foretold_features(model: Artefact, inputs: Iterable[Sequence[Value]] | None = None) -> tuple[Foretold, ...]:
    """Importance and density of every feature of a compiled model, over these inputs or all.

    Importance is output loss plus layer loss of the compiled model without this one dimension.

    Raises:
        InputError: the inputs do not fit the model.
    """
    frozen = frozen_model(model)
    target = compiled_target(frozen, torch.as_tensor(training_inputs(model, inputs)))
    D = model.config.d_model
    without = torch.eye(D).expand(D, 1, D, D) * (1 - torch.eye(D))[:, None, :, None]
    measures = measured(frozen, Settings(), model.output, {MATRICES: without}, target)
    last = target.run.residuals[-1][target.present]
    density = (last.abs() > _NOTHING).float().mean(dim=0)
    importance = measures.output_loss + measures.layer_loss
    labels = map(str, model.labels.dimensions)
    return tuple(map(Foretold, labels, importance.tolist(), density.tolist()))


def prediction_scores(foretold: Sequence[Foretold], found: Sequence[Feature]) -> dict[str, float]:
    """Spearman's rank correlation of what is foretold with the norms ‖W_i‖² and with the dimensions that are found.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    stats = require("scipy.stats", extra="compress", purpose="scoring a prediction")
    scores = {}
    for name in ("importance", "density", "product"):
        predicted = [getattr(each, name) for each in foretold]
        for what in ("norm", "dimensions"):
            ranks = stats.spearmanr(predicted, [getattr(each, what) for each in found])
            scores[f"{name} → {what}"] = float(ranks.statistic)
    return scores


def feature_rows(foretold: Sequence[Foretold], found: Sequence[Feature]) -> list[dict[str, Any]]:
    """A row of a table for each feature."""
    return [
        asdict(one) | asdict(other) | {"importance × density": one.product}
        for one, other in zip(foretold, found, strict=True)
    ]
