"""What is certified: the numbers an architecture computes with, seen as the weights of a compiled model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.model.artefact import Artefact
from tracrlab.shapes import Float
from tracrlab.verify.norms import Norm


@dataclass(frozen=True, eq=False)
class Network:
    """Weights, the arithmetic they are computed in, and what else there is in the architecture.

    Attributes: ``weights`` by the names of :class:`tracrlab.model.weights.Weights`, as float64 numbers of the format;
    heads and neurons may be more than the model has, and larger. ``number_format``. ``norm``, if there is one.
    ``bias`` of the unembedding, which then has a logit for each answer. ``faults``: what of the architecture's other
    parameters and settings is not as it has to be. ``target``: what it is, where it is not the model itself.
    """

    weights: Mapping[str, Float[np.ndarray, "..."]]
    number_format: NumberFormat
    norm: Norm | None = None
    bias: Float[np.ndarray, " class"] | None = None
    faults: tuple[str, ...] = ()
    target: str = ""


def own_network(model: Artefact, number_format: NumberFormat) -> Network:
    """The model itself, its weights rounded to the format."""
    weights = {key: number_format.rounded(array) for key, array in model.weights.as_dict().items()}
    return Network(weights, number_format)
