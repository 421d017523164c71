"""The weights of a model with an unembedding, in a number format."""

from __future__ import annotations

import numpy as np

from tracrlab.errors import PrecisionError
from tracrlab.model.artefact import Artefact
from tracrlab.model.readout import Readout
from tracrlab.model.weights import state_dict
from tracrlab.shapes import Float


def readout_arrays(model: Artefact, readout: Readout) -> dict[str, Float[np.ndarray, "..."]]:
    """The arrays by their names in TransformerLens, in the readout's number format.

    Raises:
        PrecisionError: they are beyond its range.
    """
    arrays = {}
    for name, array in state_dict(model.weights, readout.W_U, readout.b_U).items():
        with np.errstate(over="ignore"):
            arrays[name] = array.astype(readout.dtype)
        if not np.isfinite(arrays[name]).all():
            raise PrecisionError(name, None, f"its weights are beyond the range of {readout.dtype}", "Lower the margin")
    return arrays
