"""How much of what a model does is left of it when only the best edges are left: CPR and CMD.

Of a circuit C the faithfulness is ``(m(C) − m(∅)) / (m(all) − m(∅))``, with m the mean metric where all edges outside C
are ablated. CPR is the area under it over the share of edges that are kept, CMD the area between it and 1 (Mueller et
al. 2025, MIB: A Mechanistic Interpretability Benchmark). The circuits of each share hold the edges with the largest
scores, whatever their sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from tracrlab import learn
from tracrlab.lab.methods.ablating import ablated_activations, chosen_pairs, sources
from tracrlab.lab.scores.ranking import floored
from tracrlab.model.circuit import Edge
from tracrlab.shapes import Float

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # those of MIB
N_PAIRS = 64  # the mean over them decides; they are not those that methods see


def faithfulness_areas(case: Case, scores: Mapping[Edge, float], rng: np.random.Generator) -> tuple[float, float]:
    """CPR and CMD; ``nan`` where ablating everything leaves the metric as it is. Ties are broken by chance."""
    pairs = chosen_pairs(case.pairs("test"), slice(N_PAIRS))
    other = ablated_activations(case, pairs, sources(case.edges))
    sizes = floored(np.array([scores[edge] for edge in case.edges]))
    order = np.lexsort((rng.random(len(sizes)), -sizes))
    numbers = sorted({0, *(round(share * len(order)) for share in SHARES)})

    def metric(kept: int) -> float:
        shares = torch.zeros(len(order))
        shares[order[kept:].copy()] = 1
        with torch.no_grad():
            logits = learn.run_mixed(case.module, pairs.ids, other, case.edges, shares)
            return float(case.metric(logits, pairs).mean())

    values = np.array([metric(number) for number in numbers])
    if abs(values[-1] - values[0]) <= 1e-6 * np.abs(values).max():
        return float("nan"), float("nan")
    faithfulness = (values - values[0]) / (values[-1] - values[0])
    shares = np.array(numbers) / len(order)
    return _area(shares, faithfulness), _area(shares, np.abs(1 - faithfulness))


def _area(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """The area under the line through these points."""
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
