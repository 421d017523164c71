"""The score of a method on a case, as a row of a table."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tracrlab.errors import TracrLabError
from tracrlab.lab import answers
from tracrlab.lab.methods import Method, by_name
from tracrlab.lab.scores.directions import direction_score
from tracrlab.lab.scores.ranking import ranking

if TYPE_CHECKING:
    from tracrlab.lab.cases import Case

CLAIMED = 0.9  # from which a claim counts as made: nearly all that a majority vote gets wrong is right

ProgramClass = Literal["values", "queries and keys", "MLPs"]


@dataclass(frozen=True)
class Row:
    """How a method fares on a case.

    Attributes: ``values`` the scores by their names; ``seconds`` of a processor that the method alone took; ``error``
    what went wrong, if it did.
    """

    method: str
    kind: str
    role: str
    case: str
    program: str
    subject: str
    mode: str
    program_class: str
    seed: int
    seconds: float
    values: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    def __str__(self) -> str:
        head = f"{self.method} on {self.case}: "
        return head + (self.error or ", ".join(f"{name} {value:.3g}" for name, value in self.values.items()))


def score(method: Method | str, case: Case, *, seed: int = 0) -> Row:
    """Let a method answer on a case and score it.

    Raises:
        MethodError: there is no such method, or its answer cannot be scored; the message says where.
    """
    method = by_name(method) if isinstance(method, str) else method
    rng = np.random.default_rng([seed, *method.name.encode()])
    start = time.process_time()
    answer = method(case, rng)
    seconds = time.process_time() - start
    return _row(method, case, seed, seconds, _SCORES[method.kind](answer, method, case, rng), None)


def attempt(method: Method, case: Case, *, seed: int = 0) -> Row:
    """The same where nothing may stop the rest: a row that says what went wrong."""
    try:
        return score(method, case, seed=seed)
    except TracrLabError as error:
        reason = str(error)
    except Exception as error:  # whatever a user's method does
        reason = f"{method.name} on {case.name}: {type(error).__name__}: {error}"
    return _row(method, case, seed, float("nan"), {}, " ".join(reason.split()))


def program_class(case: Case) -> ProgramClass:
    """What the answer depends on: where attention looks, else what MLPs compute, else only what values carry."""
    kinds = {edge.kind for edge in case.truth.circuit}
    if kinds & {"q", "k"}:
        return "queries and keys"
    return "MLPs" if "mlp" in kinds else "values"


def _edges(answer: Any, method: Method, case: Case, rng: np.random.Generator) -> dict[str, float]:
    from tracrlab.lab.scores.faithfulness import faithfulness_areas

    scores = answers.edge_scores(answer, method, case)
    counted = [edge for edge in case.edges if edge not in case.truth.ignored]
    found = ranking(
        np.array([scores[edge] for edge in counted]), np.array([edge in case.truth.circuit for edge in counted])
    )
    cpr, cmd = faithfulness_areas(case, scores, rng)
    return {
        "auroc": found.auroc,
        "average_precision": found.average_precision,
        "f1": found.f1,
        "cpr": cpr,
        "cmd": cmd,
        "n_edges": len(counted),
        "n_true": sum(edge in case.truth.circuit for edge in counted),
        "n_ignored": len(case.edges) - len(counted),
    }


def _decodes(answer: Any, method: Method, case: Case, rng: np.random.Generator) -> dict[str, float]:
    claims = answers.claims(answer, method, case)
    truths = case.truth.variables
    sizes = np.array([claims[key] for key in truths])
    held = np.array([truth.held for truth in truths.values()])
    used = np.array([truth.held and truth.used for truth in truths.values()])
    claimed = sizes >= CLAIMED
    return {
        "average_precision": ranking(sizes, used).average_precision,
        "precision": float(used[claimed].mean()) if claimed.any() else math.nan,
        "recall": float(claimed[used].mean()) if used.any() else math.nan,
        "held_precision": float(held[claimed].mean()) if claimed.any() else math.nan,
        "n_true": int(used.sum()),
        "n_pairs": len(used),
    }


def _directions(answer: Any, method: Method, case: Case, rng: np.random.Generator) -> dict[str, float]:
    truth = case.truth.directions
    found = answers.matrix(answer, None, truth.vectors.shape[1], f"{method.name} on {case.name}")
    return asdict(direction_score(found, truth.vectors, truth.variables, rng))


def _subspace(answer: Any, method: Method, case: Case, rng: np.random.Generator) -> dict[str, float]:
    from tracrlab.lab.scores.variables import subspace_score

    return subspace_score(case, answers.subspaces(answer, method, case), rng)


_SCORES = {"edges": _edges, "decodes": _decodes, "directions": _directions, "subspace": _subspace}


def _row(method: Method, case: Case, seed: int, seconds: float, values: dict[str, float], error: str | None) -> Row:
    return Row(
        method.name,
        method.kind,
        method.role,
        case.name,
        case.program_name,
        case.subject,
        case.mode,
        program_class(case),
        seed,
        seconds,
        values,
        error,
    )
