"""One attempt at compact components: with some passes, and some precision asked of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from tracrlab.compiler.compact.build import Builder, Resolved
from tracrlab.compiler.compact.carriers import Carrier, Feature
from tracrlab.compiler.compact.claiming import TooManyCombinations
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Attempt
from tracrlab.compiler.compact.planning import Output, Plans, plan_carriers
from tracrlab.compiler.construction import Construction
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.ir.nodes import IR, Total
from tracrlab.compiler.lower import Lowered
from tracrlab.craft.claims import ReadoutClaim
from tracrlab.craft.components import Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.precision import NotSeparable, check_range, unit_roundoff
from tracrlab.craft.spaces import Read, Variable, one_hot_variable, scalar_variable
from tracrlab.rasp.values import Value


class TooNoisy(NotSeparable):
    """Something cannot be built: the node of this ``name``; ``counts`` are the names of the counts that it reads."""

    def __init__(self, first: Value, second: Value, name: str, counts: frozenset[str]) -> None:
        super().__init__(first, second)
        self.name = name
        self.counts = counts


def lowered(analysis: Analysis, ir: IR, layers: Layers, attempt: Attempt, bos: str, dtype: NumberFormat) -> Lowered:
    """The components of a program and how its answer is read.

    Raises:
        TooNoisy: rounding errors are too large for something.
        DomainTooLargeError: a table or combination of values passes the limits.
    """
    plans = plan_carriers(ir, layers, attempt, dtype, causal=analysis.causal)
    work = Construction(bos, analysis.max_length, dtype, off_at_bos=attempt.gentle)
    size = len(analysis.vocabulary)
    marks = np.zeros((size + 2, 1))
    marks[size] = 1
    work.embeddings.append(Embedding(work.bos, by_token=marks))
    work.embeddings.append(Embedding(work.one, by_position=np.ones((analysis.max_length + 1, 1))))
    builder = Builder(work, plans, attempt, size)
    for node in ir.nodes:
        for carrier in (Carrier(node, raw=True), Carrier(node)):
            if carrier in plans.carriers:
                with _telling_counts(plans, node.name, plans.carriers[carrier].features):
                    builder.build(carrier)
    with _telling_counts(plans, ir.output.name, [plans.output.feature]):
        output, reads = _readout(analysis, builder, plans.output)
    variables = {
        carrier.node.place: builder.stored[carrier].variable
        for carrier in sorted(builder.stored, key=lambda each: not each.raw)
    }
    claims = work.all_claims(_readout_claim(builder, plans.output))
    return Lowered(tuple(work.embeddings), tuple(work.components), variables, output, tuple(reads), claims)


@contextmanager
def _telling_counts(plans: Plans, name: str, features: Iterable[Feature]) -> Iterator[None]:
    """Add to an error what counts were read."""
    try:
        yield
    except NotSeparable as error:
        read = [carrier.node for feature in features for carrier, _ in plans.demands.parts(feature).terms]
        counts = frozenset(node.name for node in read if isinstance(node, Total))
        raise TooNoisy(error.args[0], error.args[1], name, counts) from error


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
        check_range(variable.numbers, builder.work.dtype)
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
