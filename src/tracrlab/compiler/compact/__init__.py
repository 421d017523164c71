"""Stage 3 of compact mode: the same function with few dimensions, heads and neurons.

``normalise`` strips the program to its meaning, ``planning`` decides from the output backwards what must be stored and
how it is computed, ``build`` makes the components.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from tracrlab.compiler.compact.build import Builder, Resolved
from tracrlab.compiler.compact.claiming import TooManyCombinations
from tracrlab.compiler.compact.ir import IR, Carrier
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.normalise import normalise
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.compact.planning import Output, plan_carriers
from tracrlab.compiler.construction import Construction
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.lower import Lowered, lower_graph
from tracrlab.craft.claims import ReadoutClaim
from tracrlab.craft.components import Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import NotSeparable, unit_roundoff
from tracrlab.craft.spaces import Read, Variable, one_hot_variable, scalar_variable
from tracrlab.errors import DomainTooLargeError

__all__ = ["Passes", "lower_compact"]


def lower_compact(analysis: Analysis, bos: str, pad: str, dtype: NumberFormat, passes: Passes) -> Lowered:
    """Lower an analysed graph into few components over few dimensions.

    Where rounding errors are too large for the cheapest constructions, dearer and quieter ones are tried, and last
    those of faithful mode, which makes clean copies of what it compares.

    Raises:
        DomainTooLargeError: a table or combination of values passes the limits.
        PrecisionError: the number format cannot tell values apart that the program must tell apart.
    """
    quieter = replace(passes, bends=False, bold=False)
    attempts = [passes, replace(passes, bends=False), quieter, replace(quieter, codes=False)]
    for ir, layers in _meanings(analysis, dtype, passes):
        for attempt in dict.fromkeys(attempts):
            with suppress(NotSeparable, DomainTooLargeError):
                return _lowered(analysis, ir, layers, bos, dtype, attempt)
    return lower_graph(analysis, bos, pad, dtype)


def _meanings(analysis: Analysis, dtype: NumberFormat, passes: Passes) -> list[tuple[IR, Layers]]:
    """The program's meaning, with counts by cases only if it takes fewer layers so, and then also without.

    Sums over cases add up the errors of several heads, which may be too much.
    """
    found = []
    for each in dict.fromkeys((passes, replace(passes, cases=False))):
        layers = Layers(_precision(dtype), passes)
        ir = normalise(analysis, each, layers)
        found.append((ir, layers))
        if not ir.by_cases:
            break
    depths = [layers.layer(ir.output) for ir, layers in found]
    return found if depths[0] < depths[-1] else found[-1:]


def _precision(dtype: NumberFormat) -> float:
    """How many values a rounded quantity may tell apart."""
    return 1 / (512 * unit_roundoff(dtype))


def _lowered(analysis: Analysis, ir: IR, layers: Layers, bos: str, dtype: NumberFormat, passes: Passes) -> Lowered:
    plans = plan_carriers(ir, layers, passes, _precision(dtype), causal=analysis.causal)
    work = Construction(bos, analysis.max_length, dtype)
    size = len(analysis.vocabulary)
    marks = np.zeros((size + 2, 1))
    marks[size] = 1
    work.embeddings.append(Embedding(work.bos, by_token=marks))
    work.embeddings.append(Embedding(work.one, by_position=np.ones((analysis.max_length + 1, 1))))
    builder = Builder(work, plans, passes, size)
    for node in ir.nodes:
        for carrier in (Carrier(node, raw=True), Carrier(node)):
            if carrier in plans.carriers:
                builder.build(carrier)
    output, reads = _readout(analysis, builder, plans.output)
    variables = {
        carrier.node.place: builder.stored[carrier].variable
        for carrier in sorted(builder.stored, key=lambda each: not each.raw)
    }
    claims = work.all_claims(_readout_claim(builder, plans.output))
    return Lowered(tuple(work.embeddings), tuple(work.components), variables, output, tuple(reads), claims)


def _readout_claim(builder: Builder, output: Output) -> ReadoutClaim | None:
    node = output.feature.node
    with suppress(TooManyCombinations):
        views = builder.views([node], [output.feature])
        return ReadoutClaim(views.quantities, views.views[0], node.values)
    return None


def _readout(analysis: Analysis, builder: Builder, output: Output) -> tuple[Variable, list[Read]]:
    """How the answer is read: a number, or a logit ``2 c v - v²`` for each value's code v, largest for the right one.

    Raises:
        NotSeparable: the answer may be nearer to a wrong value than to the right one.
    """
    node, name = output.feature.node, analysis.graph.output.name
    resolved = builder.resolve(output.feature)
    error = resolved.error_of(np.eye(output.feature.columns.shape[1]))
    if output.codes is None:
        odd = output.feature.columns.shape[1] > 1
        variable = scalar_variable(name, node.values[: len(node.values) - odd], nullable=odd)
        gaps = np.diff(variable.numbers)
        size = float(np.abs(variable.numbers).max(initial=0))
        if len(gaps) and not error + 4 * unit_roundoff(builder.work.dtype) * size <= 0.45 * gaps.min():
            place = int(gaps.argmin())
            raise NotSeparable(variable.values[place], variable.values[place + 1])
        return variable, _never_empty(builder, resolved)
    codes = output.codes
    if not error + 4 * unit_roundoff(builder.work.dtype) * float(np.abs(codes).max() ** 2) <= 0.25:
        raise NotSeparable(node.values[0], node.values[-1])
    logits = Resolved(
        [Read(read.variable, read.matrix * 2 * codes) for read in resolved.reads],
        resolved.offset * 2 * codes - codes * codes,
    )
    nullable = None in node.values
    values = node.values[:-1] if nullable else node.values
    return one_hot_variable(name, values, nullable=nullable), _never_empty(builder, logits)


def _never_empty(builder: Builder, resolved: Resolved) -> list[Read]:
    """The reads, at least one, so that an answer that is always 0 has its width."""
    return builder.complete(resolved) or [Read(builder.work.one, resolved.offset[None, :])]
