"""What programs of several tasks are made of: counts over all that a causal model sees."""

from __future__ import annotations

from tracrlab.rasp import functions as rasp
from tracrlab.rasp.expressions import Comparison, SOp
from tracrlab.rasp.values import Value


def number_of(token: Value) -> SOp:
    """How often a token has occurred so far."""
    return rasp.selector_width(rasp.select(rasp.tokens, token, Comparison.EQ))


def times(condition: SOp) -> SOp:
    """At how many positions so far a condition held."""
    return rasp.selector_width(rasp.select(condition, True, Comparison.EQ))


def asked_and_to_answer() -> SOp:
    """Whether the question's word and the one that announces the answer have been seen; other text is left alone."""
    return ((number_of("asked") > 0) & (number_of("answer") > 0)).named("asked_and_to_answer")
