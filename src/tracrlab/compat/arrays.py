"""Arithmetic that runs on NumPy's arrays, and on JAX's if it is given such."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np


def array_namespace(*arrays: Any) -> Any:
    """``jax.numpy`` if one of the arrays is JAX's, else ``numpy``."""
    jax = sys.modules.get("jax")
    if jax is not None and any(isinstance(array, jax.Array) for array in arrays):
        return jax.numpy
    return np


def rows_of(matrix: Any, ids: Any) -> Any:
    """``matrix[ids]``; ids that JAX traces have no values yet, with which NumPy could look up rows."""
    return array_namespace(matrix, ids).asarray(matrix)[ids]


def linear(vectors: Any, params: Mapping[str, Any]) -> Any:
    """``vectors @ w + b``."""
    return vectors @ params["w"] + params["b"]


def relu(x: Any) -> Any:
    """The positive part."""
    return array_namespace(x).maximum(x, 0)


def gelu(x: Any) -> Any:
    """The smooth relu of Gaussian error, in its approximation by tanh."""
    xp = array_namespace(x)
    return 0.5 * x * (1 + xp.tanh(xp.sqrt(2 / xp.pi) * (x + 0.044715 * x**3)))
