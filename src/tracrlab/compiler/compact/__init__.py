"""Stage 3 of compact mode: the same function with few dimensions, heads and neurons.

The program's representation is rewritten, by the rules of ``ir.rewrites``; ``planning`` decides from the output
backwards what must be stored and how it is computed, ``build`` makes the components.
"""

from __future__ import annotations

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

__all__ = ["Passes", "lower_compact", "representations"]

_MARGIN = 1 / 16  # of the usual precision is asked of numbers where that has turned out not to be there
_MANY = 1024  # positions for which attempts take long, so that counts that are too noisy are cleaned at once
_FEW = 48  # positions for which a feature for each class of what is counted is no great cost


@np.errstate(over="ignore", invalid="ignore")  # what is beyond the range of floats is an error that nothing bears
def lower_compact(analysis: Analysis, bos: str, pad: str, dtype: NumberFormat, passes: Passes) -> Lowered:
    """Lower an analysed graph into few components over few dimensions.

    Where rounding errors are too large for the cheapest constructions, dearer and quieter ones are tried, then those
    that take a layer more, and last those of faithful mode, which makes clean copies of what it compares.

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
    later: list[tuple[IR, Attempt, frozenset[str]]] = []
    for ir, layers in representations(analysis, passes, dtype):
        for attempt in dict.fromkeys(attempts):
            noisy: frozenset[str] = frozenset()
            try:
                own = layers if attempt.margin == 1 else Layers(attempt.precision(dtype), attempt.passes)
                return lowered(analysis, ir, own, attempt, bos, dtype)
            except TooNoisy as error:
                noisy = error.counts
            except (NotSeparable, DomainTooLargeError):
                pass
            if passes.clean and noisy and attempt in (Attempt(passes), cautious):
                if analysis.max_length <= _MANY:
                    later.append((ir, attempt, noisy))
                    continue
                with suppress(NotSeparable, DomainTooLargeError):
                    return _lowered_cleanly(analysis, ir, attempt, noisy, bos, dtype)
    for ir, attempt, noisy in later:
        with suppress(NotSeparable, DomainTooLargeError):
            return _lowered_cleanly(analysis, ir, attempt, noisy, bos, dtype)
    return lower_graph(analysis, bos, pad, dtype, grounds=passes.grounds)


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
