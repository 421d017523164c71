"""The dimensions of a compiled model that are the same at every token, which exports build on."""

from __future__ import annotations

import numpy as np

from tracrlab.errors import ExportError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.labels import ModelVariable


def constant_variable(model: CompiledModel, elsewhere: float) -> ModelVariable:
    """The embedded variable of one dimension that is 1 at BOS and ``elsewhere`` at every other position.

    Raises:
        ExportError: there is none.
    """
    weights, n_tokens = model.weights, len(model.config.vocab)
    words, places = weights.W_E[:n_tokens], weights.W_pos[1:]
    bos = weights.W_E[n_tokens] + weights.W_pos[0]
    for entry in model.labels.variables:
        own = entry.start
        same = (words[:, own] == words[0, own]).all() and (places[:, own] == places[0, own]).all()
        here = words[0, own] + places[0, own]
        if entry.variable.width == 1 and entry.sublayer < 0 and same and bos[own] == 1 and here == elsewhere:
            return entry
    raise ExportError(f"the model has no dimension that is 1 at BOS and {elsewhere:g} elsewhere; compile it again")


def contents_at_bos(model: CompiledModel) -> np.ndarray:
    """What stands in each dimension of the residual stream at BOS, once it has been written."""
    return np.concatenate([entry.variable.at_bos for entry in model.labels.variables])
