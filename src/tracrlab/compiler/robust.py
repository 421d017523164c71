"""Models that bear a change of basis: nothing in them reads a small difference with a large weight.

A residual stream that holds numbers up to X is known up to about X roundings, whatever its basis. A weight W that reads
it makes W X roundings of them, and so on, from layer to layer. So weights stay below :data:`MOST_WEIGHT`, of which a
float32 stream of moderate numbers bears the square; counts are told from shares of attention instead of sums of tiny
ones, and nothing is stored beside large constants, which round whatever stands in other dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from tracrlab.compiler.compact import representations
from tracrlab.compiler.compact.attempt import TooNoisy, lowered
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Attempt, Passes
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.ir.nodes import IR
from tracrlab.compiler.ir.rewrites.cleaning import with_clean_counts
from tracrlab.compiler.ir.rewrites.shares import by_shares
from tracrlab.compiler.lower import Lowered
from tracrlab.craft.precision import NotSeparable
from tracrlab.errors import DomainTooLargeError, PrecisionError
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig
from tracrlab.model.surgery.balance import balanced, largest_weight

MOST_WEIGHT = 2.0**12
MOST_SUMMED = 64  # positions that are counted by a sum that is off by as large a share as they are of 2**14
_MOST_DIGIT = (5, 3)  # values of a digit that steps make clean: fewer digits, or cleaner ones
_MARGIN = 1 / 16  # of the usual precision is asked of numbers: what is left for the change of basis


@np.errstate(over="ignore", invalid="ignore")  # what is beyond the range of floats is an error that nothing bears
def lowered_gently(analysis: Analysis, config: ModelConfig, passes: Passes) -> list[Lowered]:
    """Several ways to build a program in compact mode so that it magnifies nothing; none where all are too large.

    Sums of counts are shallower and smaller than what shares of attention take; these are for long inputs.
    """
    chosen = list(dict.fromkeys((passes, replace(passes, digits=False))))
    found = [(ir, each) for each in chosen for ir, _ in representations(analysis, each, config.number_format)]
    for most in (MOST_SUMMED, 0):
        ways = []
        for ir, switched in found:
            attempt, gentle = Attempt(switched, _MARGIN, gentle=True), by_shares(ir, most)
            for most_digit in _MOST_DIGIT:
                with suppress(NotSeparable, DomainTooLargeError):
                    ways.append(_lowered_cleanly(analysis, gentle, attempt, config, most_digit))
                    break
        if ways:
            return ways
    return []


def _lowered_cleanly(analysis: Analysis, ir: IR, attempt: Attempt, config: ModelConfig, most_digit: int) -> Lowered:
    """The components, with clean keys and queries for the counts that turn out to be too noisy without.

    Raises:
        NotSeparable: something else is too noisy.
        DomainTooLargeError: a table or combination of values passes the limits.
    """
    counts = frozenset[str]()
    while True:
        clean = with_clean_counts(ir, counts, most_digit) if counts else ir
        layers = Layers(attempt.precision(config.number_format), attempt.passes)
        try:
            return lowered(analysis, clean, layers, attempt, config.bos, config.number_format)
        except TooNoisy as error:
            noisy = error.counts | {error.name}
            if noisy <= counts or not attempt.passes.clean:
                raise
            counts |= noisy


def gentle_by_size(models: Iterable[Artefact]) -> list[Artefact]:
    """The models whose weights, made of one size, are all below the bound, the smallest first."""
    even = [replace(model, weights=balanced(model.weights)) for model in models]
    gentle = [model for model in even if largest_weight(model.weights) < MOST_WEIGHT]
    return sorted(gentle, key=lambda model: model.config.n_params)


def not_gentle(analysis: Analysis) -> PrecisionError:
    """The error for a program of which no model magnifies nothing."""
    output = analysis.graph.output
    return PrecisionError(
        output.title,
        output.expression.location,
        f"no model of it was found whose weights are all below {MOST_WEIGHT:,.0f}",
        "Use a smaller length or vocabulary, or compile it without robust",
    )
