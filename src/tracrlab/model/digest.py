"""A digest of all that a model is: the same for two models only if they are the same, byte by byte."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum

import numpy as np

from tracrlab.model.artefact import Artefact
from tracrlab.rasp.values import Ratio, value_key

_NOT_THE_MODEL = ("certificate", "recipe")  # what is known of it, and how it came about


def model_digest(model: Artefact) -> str:
    """SHA-256 over configuration, weights, labels, output, program and claims."""
    digest = hashlib.sha256()
    for each in fields(model):
        if each.name not in _NOT_THE_MODEL:
            _add(digest, each.name)
            _add(digest, getattr(model, each.name))
    return digest.hexdigest()


def _add(digest: hashlib._Hash, part: object) -> None:
    """Feed a part of a model to the digest, with its type and size, so that no two parts look like another one."""
    match part:
        case np.ndarray():
            digest.update(repr((part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        case Enum():
            digest.update(repr(part).encode())
        case tuple() | list():
            digest.update(f"{type(part).__name__}{len(part)}:".encode())
            for each in part:
                _add(digest, each)
        case dict():
            digest.update(f"dict{len(part)}:".encode())
            for name in sorted(part):
                _add(digest, name)
                _add(digest, part[name])
        case frozenset():
            digest.update(repr(sorted(map(repr, map(value_key, part)))).encode())
        case _ if is_dataclass(part) and not isinstance(part, type):
            digest.update(type(part).__name__.encode())
            for field in fields(part):
                _add(digest, getattr(part, field.name))
        case Ratio():
            digest.update(repr(part.exact).encode())
        case _:
            digest.update(f"{type(part).__name__}:{part!r};".encode())
