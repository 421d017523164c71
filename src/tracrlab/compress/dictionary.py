"""Finding features again without knowing them: dictionaries of a compressed model's activations, scored against its W.

Here, unlike elsewhere, the answer is known: the true directions are the rows of W.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import forward, frozen_model, model_parameters
from tracrlab.learn.dictionary import Dictionary, DictionarySettings, Recovery, recovered, sparse_dictionary
from tracrlab.learn.inputs import training_inputs
from tracrlab.rasp.values import Value


def learned_dictionary(
    model: CompressedModel,
    settings: DictionarySettings | None = None,
    inputs: Iterable[Sequence[Value]] | None = None,
) -> Dictionary:
    """A dictionary of the residual streams of a compressed model, after the embedding and every sublayer.

    Raises:
        InputError: the inputs do not fit the model.
    """
    frozen = frozen_model(model.original, unfrozen=tuple(model.unfrozen))
    ids = torch.as_tensor(training_inputs(model.original, inputs))
    with torch.no_grad():
        run = forward(frozen, model.sharing, model_parameters(model), ids)
    present = ids != model.config.pad_id
    activations = torch.cat([residual[present] for residual in run.residuals])
    return sparse_dictionary(activations, model.original.config.d_model, settings)


def recovery(model: CompressedModel, dictionary: Dictionary, threshold: float = 0.9) -> Recovery:
    """The dictionary's score against the rows of W that are there: at least a tenth as long as the longest.

    Raises:
        CompressionError: the model has several matrices.
        MissingDependencyError: SciPy is not installed.
    """
    norms = np.linalg.norm(model.W, axis=1)
    kept = np.flatnonzero(norms >= 0.1 * norms.max())
    labels = [str(label) for label in model.labels.dimensions]
    return recovered(dictionary, model.W[kept], [labels[feature] for feature in kept.tolist()], threshold)
