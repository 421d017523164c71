"""Stage 3 of compact mode: the same function with few dimensions, heads and neurons.

The program's representation is rewritten, by the rules of ``ir.rewrites``; ``planning`` decides from the output
backwards what must be stored and how it is computed, ``build`` makes the components.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from tracrlab.compiler.compact.attempt import TooNoisy, lowered
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Attempt, Passes
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.ir.build import build_ir, require_all_means
from tracrlab.compiler.ir.nodes import IR, IRNode
from tracrlab.compiler.ir.pool import Pool, in_turn, rewritten
from tracrlab.compiler.ir.rewrites.carries import by_carries
from tracrlab.compiler.ir.rewrites.cases import by_cases, without_first
from tracrlab.compiler.ir.rewrites.cleaning import with_clean_counts
from tracrlab.compiler.ir.rewrites.digits import by_digits
from tracrlab.compiler.ir.rewrites.ridges import by_ridges
from tracrlab.compiler.ir.rewrites.signs import signs_by_sums
from tracrlab.compiler.lower import Lowered, lower_graph
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import NotSeparable
from tracrlab.errors import DomainTooLargeError

__all__ = ["Passes", "compact_alternatives", "representations"]

_MARGIN = 1 / 16  # of the usual precision is asked of numbers where that has turned out not to be there
_MANY = 1024  # positions for which attempts take long, so that counts that are too noisy are cleaned at once
_FEW = 48  # positions for which a feature for each class of what is counted is no great cost


_beyond_range = np.errstate(over="ignore", invalid="ignore")  # what is beyond that of floats is an error nothing bears


def compact_alternatives(
    analysis: Analysis, bos: str, pad: str, dtype: NumberFormat, passes: Passes
) -> Iterator[Lowered]:
    """An analysed graph lowered into few components over few dimensions, in one way after another.

    Where rounding errors are too large for the cheapest constructions, dearer and quieter ones are tried, then those
    that take a layer more, and last those of faithful mode, which makes clean copies of what it compares. The first is
    the smallest; the others are for those who find something wanting in it.

    Raises:
        DomainTooLargeError: a table or combination of values passes the limits.
        PrecisionError: the number format cannot tell values apart that the program must tell apart.
    """
    quieter = replace(passes, bends=False, bold=False)
    cautious = Attempt(quieter, _MARGIN)
    grounded = [Attempt(passes, grounded=True), Attempt(passes, grounded=True, exact_logits=True)]
    grounded = grounded if passes.grounds and not dtype.is_half else []
    attempts = [Attempt(passes), *grounded, Attempt(replace(passes, bends=False)), Attempt(quieter), cautious]
    if analysis.max_length <= _FEW:
        by_classes = [replace(each, count_by_classes=True) for each in (Attempt(quieter), cautious)]
        attempts = [*attempts[:-1], by_classes[0], cautious, by_classes[1]]
    given = False
    later: list[tuple[IR, Attempt, frozenset[str]]] = []
    found = representations(analysis, passes, dtype)
    for ir, layers in found:
        for attempt in dict.fromkeys(attempts):
            noisy: frozenset[str] = frozenset()
            try:
                yield _attempted(analysis, ir, layers if attempt.margin == 1 else None, attempt, bos, dtype)
                given = True
            except TooNoisy as error:
                noisy = error.counts
            except (NotSeparable, DomainTooLargeError):
                pass
            if passes.clean and noisy and attempt in (Attempt(passes), cautious):
                if analysis.max_length <= _MANY:
                    later.append((ir, attempt, noisy))
                    continue
                with suppress(NotSeparable, DomainTooLargeError):
                    yield _lowered_cleanly(analysis, ir, attempt, noisy, bos, dtype)
                    given = True
    for ir, attempt, noisy in later:
        with suppress(NotSeparable, DomainTooLargeError):
            yield _lowered_cleanly(analysis, ir, attempt, noisy, bos, dtype)
            given = True
    if given:  # then classes, which take more dimensions, are still smaller than what faithful mode makes
        for ir, _ in found:
            with suppress(NotSeparable, DomainTooLargeError):
                yield _attempted(analysis, ir, None, Attempt(replace(quieter, codes=False), _MARGIN), bos, dtype)
    yield lower_graph(analysis, bos, pad, dtype, grounds=passes.grounds)


@_beyond_range
def _attempted(
    analysis: Analysis, ir: IR, layers: Layers | None, attempt: Attempt, bos: str, dtype: NumberFormat
) -> Lowered:
    """As :func:`lowered`, in the layers that are given, or else those for the precision of the attempt."""
    return lowered(analysis, ir, layers or Layers(attempt.precision(dtype), attempt.passes), attempt, bos, dtype)


@_beyond_range
def _lowered_cleanly(
    analysis: Analysis, ir: IR, attempt: Attempt, counts: frozenset[str], bos: str, dtype: NumberFormat
) -> Lowered:
    """The same with clean keys and queries for some counts, and for others that turn out to be too noisy.

    Raises:
        NotSeparable: something else is too noisy.
        DomainTooLargeError: a table or combination of values passes the limits.
    """
    while True:
        clean = with_clean_counts(ir, counts)
        try:
            return lowered(analysis, clean, Layers(attempt.precision(dtype), attempt.passes), attempt, bos, dtype)
        except TooNoisy as error:
            if error.counts <= counts:
                raise
            counts |= error.counts


@_beyond_range
def representations(analysis: Analysis, passes: Passes, dtype: NumberFormat) -> list[tuple[IR, Layers]]:
    """The program rewritten, with counts by cases only if it takes fewer layers so, and then also without.

    Sums over cases add up the errors of several heads, which may be too much.

    Raises:
        PrecisionError, DomainTooLargeError
    """
    ir = build_ir(analysis)
    if passes.ridges:
        ir = by_ridges(ir)
    if passes.totals:
        ir = signs_by_sums(ir)
    require_all_means(ir, analysis)
    layers = Layers(Attempt(passes).precision(dtype), passes)
    digits = by_digits(ir.longest) if passes.digits else _as_it_is
    whole = rewritten(ir, digits)
    found = [(whole, layers)]
    if passes.cases:
        split = without_first(rewritten(ir, in_turn(by_cases(layers, ir.longest), digits)))
        found = [(without_first(whole), layers)]
        if layers.layer(split.output) < layers.layer(whole.output):
            found.insert(0, (split, layers))
    return [(by_carries(each), layers) for each, _ in found] if passes.carries else found


def _as_it_is(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
    return renewed
