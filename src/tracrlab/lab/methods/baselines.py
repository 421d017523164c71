"""Answers that no method should be compared without: the truth, chance, and everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracrlab.lab.methods import method
from tracrlab.model.circuit import Edge

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case


@method("edges", role="oracle")
def oracle(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """The truth."""
    return {edge: float(edge in case.truth.circuit) for edge in case.edges}


@method("edges", role="baseline")
def random(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Chance."""
    return dict(zip(case.edges, rng.random(len(case.edges)).tolist(), strict=True))


@method("edges", role="baseline")
def all_edges(case: Case, rng: np.random.Generator) -> dict[Edge, float]:
    """Every edge alike."""
    return dict.fromkeys(case.edges, 1.0)
