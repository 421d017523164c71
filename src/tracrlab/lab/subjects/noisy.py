"""Noisy subjects: every weight is a little off, so that every edge there can be has some effect, and no score is 0.

In a compiled model whatever is outside the circuit carries exact zeros, and ``score ≠ 0`` is a perfect answer. The
noise is normal, a share of the root mean square of each kind of matrix, halved until all answers stay right with most
of their lead.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracrlab.errors import LabError
from tracrlab.facade import CompiledModel
from tracrlab.lab.inputs import Inputs
from tracrlab.lab.subjects.leads import Leads
from tracrlab.lab.subjects.plain import plain
from tracrlab.lab.subjects.subject import Subject
from tracrlab.learn.transformer import Transformer, torch_model
from tracrlab.model.weights import Weights

LOUDEST, N_HALVINGS = 2.0**-4, 14  # the least is 2^-18: below, weights of float32 do not change
LEAST_LEAD = 0.5
QUIETER = 2.0**-4  # an edge that is ablated carries noise times what many dimensions differ by, not noise alone


def noisy(model: CompiledModel, inputs: Inputs, seed: int) -> Subject:
    """The model with a sixteenth of the noise that leaves every answer half of the smallest lead.

    Raises:
        LabError: there is no such noise.
    """
    made = plain(model, inputs, seed)
    leads = Leads.of(made.module, inputs)
    shares = [LOUDEST * 2.0**-halvings for halvings in range(N_HALVINGS + 1)]
    for share in shares:
        if leads.kept_by(_with_noise(made, model, share, seed), LEAST_LEAD):
            module = _with_noise(made, model, QUIETER * share, seed)
            return replace(made, module=module, is_dense=True, note=f"noise of {QUIETER * share:.1e} of each matrix")
    raise LabError(f"the model is wrong with noise of {shares[-1]:.0e} of its weights; faithful models bear more")


def _with_noise(made: Subject, model: CompiledModel, share: float, seed: int) -> Transformer:
    rng, noisy = np.random.default_rng(seed), {}
    for name, array in model.weights.as_dict().items():
        size = share * np.sqrt(np.square(array, dtype=float).mean())
        noisy[name] = (array + size * rng.normal(size=array.shape)).astype(model.config.dtype)
    module, quiet = torch_model(model.config, Weights(**noisy), made.readout), made.module
    module.embed.constant, module.pos_embed.constant = quiet.embed.constant, quiet.pos_embed.constant
    return module
