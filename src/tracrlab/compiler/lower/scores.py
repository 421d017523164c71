"""From the predicates of a selector to the scores of an attention head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.folding import fold_predicate
from tracrlab.compiler.lower.workspace import Stored, Workspace
from tracrlab.compiler.selections import Conjunction
from tracrlab.craft.heads import Predicate, Scores, conjunction_scores
from tracrlab.craft.precision import few_bits
from tracrlab.shapes import Bool


@dataclass(frozen=True, eq=False)
class Match:
    """A predicate between stored values; a head's pattern is the conjunction of one or more."""

    keys: Stored
    queries: Stored
    matrix: Bool[np.ndarray, "query key"]


def conjunction_matches(work: Workspace, conjunction: Conjunction) -> list[Match]:
    """The predicates of a conjunction, with where their keys and queries are stored."""
    return [
        Match(work.stored[keys], work.stored[queries], matrix)
        for (keys, queries), matrix in conjunction.predicates.items()
    ]


def head_scores(work: Workspace, node: Node, matches: Sequence[Match], *, attend_bos: bool, tolerance: float) -> Scores:
    """The scores of a conjunction's head, with the logits of equal scores equal to within ``tolerance``.

    Queries and keys are read as they are stored if their noise allows it, otherwise from exact copies.

    Raises:
        PrecisionError: a predicate tells values apart that share a slot.
    """
    scores = _scores(work, node, matches, attend_bos=attend_bos, exact=False)
    if scores.error <= 1 / 4 and logit_error(work, scores) <= tolerance:
        return scores
    return _scores(work, node, matches, attend_bos=attend_bos, exact=True)


def logit_error(work: Workspace, scores: Scores) -> float:
    """How far the logits of two positions with the same score can be apart.

    The factor from scores to logits is rounded up to a power of two when the width of the heads is known.
    """
    return 2 * 2 * work.sharpness(scores) * scores.error


def weight_error(work: Workspace, scores: Scores) -> float:
    """The relative error that noisy scores cause in attention weights."""
    return few_bits(math.expm1(logit_error(work, scores)))


def _scores(work: Workspace, node: Node, matches: Sequence[Match], *, attend_bos: bool, exact: bool) -> Scores:
    predicates = []
    for match in matches:
        keys, queries = (_as_one_hot(work, node, stored, exact) for stored in (match.keys, match.queries))
        folded = fold_predicate(node, match.matrix, queries.merged, keys.merged)
        predicates.append(Predicate(queries.variable, keys.variable, folded))
    return conjunction_scores(predicates, work.one, work.bos, attend_bos=attend_bos)


def _as_one_hot(work: Workspace, node: Node, stored: Stored, exact: bool) -> Stored:
    variable = work.one_hot(node, stored.variable)
    return Stored(work.exact(node, variable) if exact else variable, stored.slots)
