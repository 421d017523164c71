"""What is known of a program that was found: on which inputs it equals the model, and how that is known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Certificate:
    """On which inputs model and program were compared, and what came of it.

    Attributes: ``kind``: ``"all inputs"`` if there are no others over the vocabulary up to ``max_length``, ``"tested"``
    if fresh random ones were run, ``"none"`` if there is no program; ``n_inputs`` how many were run, of which
    ``n_equal`` had the same answer at every position; ``min_length`` and ``max_length`` in tokens; ``n_tokens`` of the
    vocabulary; ``bound``: with 95 % confidence at least this share of inputs drawn likewise has the same answers.
    """

    kind: Literal["all inputs", "tested", "none"]
    n_tokens: int
    min_length: int
    max_length: int
    n_inputs: int = 0
    n_equal: int = 0
    bound: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the program is known to equal the model on every input of the domain, which was run."""
        return self.kind == "all inputs" and self.n_equal == self.n_inputs

    @property
    def domain(self) -> str:
        """The inputs of which it speaks, in words."""
        lengths = f"of {self.min_length} to {self.max_length} tokens"
        if self.kind == "tested":
            return f"{self.n_inputs:,} random inputs {lengths} over {self.n_tokens} tokens"
        return f"all inputs {lengths} over {self.n_tokens} tokens"

    def summary(self) -> str:
        """What is known, in a line."""
        if self.kind == "none":
            return "no program was found"
        if self.holds:
            return f"equal on {self.domain} ({self.n_inputs:,})"
        return (
            f"unproved: equal on {self.n_equal:,} of {self.domain}; at least {self.bound:.2%} of such inputs, "
            f"with {CONFIDENCE:.0%} confidence"
        )

    def to_json(self) -> str:
        """The certificate as a JSON object."""
        return json.dumps(
            {**asdict(self), "holds": self.holds, "domain": self.domain, "summary": self.summary()}, indent=2
        )


def lower_bound(n_equal: int, n_inputs: int) -> float:
    """The share of equal inputs that is exceeded with 95 % confidence (Clopper and Pearson, 1934, one-sided).

    It is the share at which as many equal inputs or more would be seen with probability 5 %, found by bisection.

    >>> round(lower_bound(59, 59), 3), lower_bound(0, 10)
    (0.95, 0.0)
    """
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        share = (low + high) / 2
        if _at_least(n_equal, n_inputs, share) < 1 - CONFIDENCE:
            low = share
        else:
            high = share
    return low if n_equal else 0.0


def _at_least(successes: int, trials: int, share: float) -> float:
    """The probability of as many successes or more: 1 minus that of fewer, term by term from the top."""
    term, total = share**trials, 0.0
    for count in range(trials, successes - 1, -1):
        total += term
        if share in (0.0, 1.0):
            break
        term *= count / (trials - count + 1) * (1 - share) / share
    return total
