"""A digest of all that a model is: the same for two models only if they are the same, byte by byte."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.model.claims_json import claims_to_json
from tracrlab.model.storage import model_to_json


def model_digest(model: Artefact) -> str:
    """SHA-256 over configuration, labels, program, weights and claims.

    Raises:
        ModelFileError: a value has no JSON form.
    """
    claims, arrays = ({}, {}) if model.claims is None else claims_to_json(model.claims)
    digest = hashlib.sha256(json.dumps([model_to_json(model), claims], sort_keys=True).encode())
    for name, array in sorted({**model.weights.as_dict(), **arrays}.items()):
        digest.update(repr((name, array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
