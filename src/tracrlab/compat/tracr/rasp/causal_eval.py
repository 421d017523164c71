"""Evaluation as a causal model sees a program: a position selects only itself and earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracrlab.compat import translation
from tracrlab.compat.tracr.rasp import rasp


class CausalEvaluator(rasp.DefaultRASPEvaluator):
    """Masks what every selector selects."""

    def evaluate(self, expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
        """The value of an expression on a sequence."""
        value = super().evaluate(expr, xs)
        return np.tril(np.array(value, bool)).tolist() if isinstance(expr, rasp.Selector) else value


def evaluate(expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
    """The value of an expression on a sequence, as a causal model computes it."""
    return translation.value_of(expr, translation.translated(expr), xs, causal=True)
