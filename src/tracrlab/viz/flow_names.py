"""What the s-ops of a flow are called in its drawing, and which of them are hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tracrlab.rasp.expressions import Full, Indices, SOp
from tracrlab.rasp.flow import Flow
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.values import value_key

LONGEST_LABEL = 26  # characters
_DEEPEST = 3  # operations in a text that stands inside another one


TOKENS = "tokens"


@dataclass(frozen=True)
class FlowNames:
    """The names, and what they make of sources and steps.

    Attributes: ``by_id`` the names of the expressions of the program, by ``id``; ``sources`` the sources beside the
    tokens; ``hidden`` the ids of the steps without a name and a row of their own.
    """

    by_id: Mapping[int, str]
    sources: tuple[SOp, ...]
    hidden: frozenset[int]

    def label(self, sop: SOp) -> str:
        """How an s-op is called, or its text if it is hidden."""
        return self.by_id.get(id(sop)) or expression_text(sop, names=self.by_id)


def flow_names(flow: Flow, evaluation: Evaluation) -> FlowNames:
    """Names for the s-ops of a flow, whose values ``evaluation`` gives.

    An s-op keeps its name; one called like another gets a number after it, one without a name a number in parentheses.
    Hidden are unnamed elementwise s-ops with a short text that only one expression reads. A conversion that leaves the
    tokens of this input as they are is called like them.
    """
    naming = _Naming(flow)
    for constant in flow.constants:
        if not isinstance(constant, Full):
            naming.give(constant, repr(evaluation.value(constant)[0]))
    repeating = [sop for sop in flow.sources if _repeats_tokens(sop, evaluation)]
    for sop in repeating:
        naming.give(sop, TOKENS)
    sources = tuple(sop for sop in flow.sources if not any(sop is each for each in repeating))
    for sop in sources:
        naming.give_unique(sop)
    for layer in flow.layers:
        for head in layer.heads:
            for aggregate in head.aggregates:
                naming.give_unique(aggregate)
        for step in layer.steps:
            if not naming.hides(step):
                naming.give_unique(step)
    return FlowNames(naming.by_id, sources, frozenset(naming.hidden))


def _repeats_tokens(source: SOp, evaluation: Evaluation) -> bool:
    tokens, values = (list(map(value_key, values)) for values in (evaluation.sequence, evaluation.value(source)))
    return not isinstance(source, Indices) and values == tokens


class _Naming:
    """Names given so far."""

    def __init__(self, flow: Flow) -> None:
        self.by_id: dict[int, str] = {}
        self.hidden: dict[int, int] = {}  # how many operations deep the text of a hidden s-op is
        self._flow = flow
        self._originals: dict[int, list[int]] = {}
        self._taken: Counter[str] = Counter([TOKENS])
        self._unnamed = 0
        for original, expression in flow.merged.items():
            self._originals.setdefault(id(expression), []).append(original)
        expressions = {id(expression): expression for expression in flow.merged.values()}
        self._readers = Counter(
            child for each in expressions.values() for child in {id(merged) for merged in flow.inputs(each)}
        )

    def give(self, sop: SOp, name: str) -> None:
        """Call an s-op and all that it stands for by this name."""
        self.by_id.update(dict.fromkeys([id(sop), *self._originals[id(sop)]], name))

    def give_unique(self, sop: SOp) -> None:
        """Call an s-op by its own name, as far as no other one has it."""
        if sop.name:
            self._taken[sop.name] += 1
            times = self._taken[sop.name]
            self.give(sop, sop.name if times == 1 else f"{sop.name}·{times}")
        else:
            self._unnamed += 1
            self.give(sop, f"({self._unnamed})")

    def hides(self, step: SOp) -> bool:
        """Whether a step is hidden; what it reads has been named or hidden."""
        if step.name or step is self._flow.program or self._readers[id(step)] != 1:
            return False
        depth = 1 + max(self.hidden.get(id(each), 0) for each in self._flow.inputs(step))
        if depth > _DEEPEST or len(expression_text(step, names=self.by_id)) > LONGEST_LABEL:
            return False
        self.hidden[id(step)] = depth
        return True
