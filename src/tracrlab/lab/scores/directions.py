"""How many of the true directions a set of directions recovers.

Values of a one-hot variable span one dimension less than they have: their sum is always 1, so it carries nothing, and a
dictionary may put it anywhere. So both sides are compared without what is the same for all values of a variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.extras import require
from tracrlab.shapes import Float

THRESHOLD = 0.9  # of the cosine, from which a direction counts as recovered: at most 26 degrees off
N_BASELINES = 20


@dataclass(frozen=True)
class DirectionScore:
    """Of true directions: how near found ones are, and how near chance comes.

    Attributes: ``mmcs`` the mean over true directions of the largest cosine; ``recovered`` the share of them whose
    cosine with the direction assigned to it, one to one, is at least ``THRESHOLD``; ``random`` and ``permuted`` the
    mean largest cosines that as many Gaussian directions reach, and the found ones with their coordinates shuffled.
    """

    mmcs: float
    recovered: float
    random: float
    permuted: float
    n_true: int
    n_found: int


def direction_score(
    found: Float[np.ndarray, "atom d"],
    true: Float[np.ndarray, "feature d"],
    variables: Sequence[str],
    rng: np.random.Generator,
) -> DirectionScore:
    """The score of found directions; ``variables`` says of which variable each true direction is a value.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """
    off = _projection(_constants(true, variables))
    wanted, atoms = _without(true, off), _without(found, off)
    if not len(wanted):
        return DirectionScore(float("nan"), float("nan"), float("nan"), float("nan"), 0, len(found))
    random, permuted = [], []
    for _ in range(N_BASELINES):
        random.append(_largest(wanted, _without(rng.normal(size=found.shape), off)).mean())
        permuted.append(_largest(wanted, _without(rng.permuted(found, axis=1), off)).mean())
    return DirectionScore(
        float(_largest(wanted, atoms).mean()),
        float((_assigned(wanted, atoms) >= THRESHOLD).mean()),
        float(np.mean(random)),
        float(np.mean(permuted)),
        len(wanted),
        len(found),
    )


def _constants(true: Float[np.ndarray, "feature d"], variables: Sequence[str]) -> Float[np.ndarray, "variable d"]:
    """What the values of each variable have in common; nothing for a number, which has one direction."""
    groups = {name: [n for n, own in enumerate(variables) if own == name] for name in dict.fromkeys(variables)}
    means = [true[own].mean(axis=0) for own in groups.values() if len(own) > 1]
    constants: np.ndarray = np.array(means).reshape(-1, true.shape[1])
    return constants


def _projection(away: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    """The projection that takes these directions away."""
    basis: np.ndarray = np.linalg.pinv(away) @ away if len(away) else np.zeros((away.shape[1],) * 2)
    rest: np.ndarray = np.eye(away.shape[1]) - basis
    return rest


def _without(rows: Float[np.ndarray, "n d"], off: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "n d"]:
    """The rows projected, of length 1; those of which nothing is left are left out."""
    left = rows @ off
    norms = np.linalg.norm(left, axis=1)
    kept = norms > 1e-6 * np.linalg.norm(rows, axis=1)
    unit: np.ndarray = left[kept] / norms[kept, None]
    return unit


def _largest(wanted: Float[np.ndarray, "feature d"], atoms: Float[np.ndarray, "atom d"]) -> np.ndarray:
    largest: np.ndarray = (wanted @ atoms.T).max(axis=1, initial=0.0)
    return largest


def _assigned(wanted: Float[np.ndarray, "feature d"], atoms: Float[np.ndarray, "atom d"]) -> np.ndarray:
    """The cosine with the direction assigned to each, in the best assignment; 0 where there is none left."""
    optimize = require("scipy.optimize", extra="lab", purpose="scoring directions")
    cosines = wanted @ atoms.T
    rows, columns = optimize.linear_sum_assignment(-cosines)
    assigned = np.zeros(len(wanted))
    assigned[rows] = cosines[rows, columns]
    return assigned
