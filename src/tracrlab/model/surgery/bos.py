"""Surgery on BOS: the dimensions that mark it, and neurons that have to be silent there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.errors import ExportError
from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import ModelVariable


def constant_variable(model: Artefact, elsewhere: float) -> ModelVariable:
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


def quiet_at_bos(model: Artefact) -> Artefact:
    """The model with neurons that are clearly inactive at BOS, where they are inactive at all.

    Many stand at exactly 0 there, and what rounding or a smooth activation adds to that would pass. So they read the
    dimension that marks BOS with a negative weight on top, as large as their largest.

    Raises:
        ExportError: there is no such dimension.
    """
    W_in = model.weights.W_in.astype(float)
    there = np.concatenate([entry.variable.at_bos for entry in model.labels.variables])
    before, size = there @ W_in, np.abs(there) @ np.abs(W_in)
    largest = np.abs(W_in).max(axis=1, initial=0)
    inactive = (before <= 2.0**-20 * size) & (largest > 0)
    power = 2.0 ** np.ceil(np.log2(np.where(inactive, largest, 1)))
    W_in[:, constant_variable(model, 0.0).start] -= power * inactive
    return replace(model, weights=replace(model.weights, W_in=W_in.astype(model.weights.W_in.dtype)))
