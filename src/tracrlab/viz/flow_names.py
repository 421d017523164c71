"""What the s-ops of a flow are called in its drawing, and which of them are hidden."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tracrlab.rasp.expressions import Expression, Full, Indices, SOp
from tracrlab.rasp.flow import Flow
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.naming import Naming, naming_of
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.values import value_key

LONGEST_LABEL = 26  # characters
_DEEPEST = 3  # operations in a text that stands inside another one


TOKENS = "tokens"


@dataclass(frozen=True)
class FlowNames:
    """The names, and what they make of sources and steps.

    Attributes: ``naming`` the names of the expressions and functions of the program; ``sources`` the sources beside the
    tokens; ``hidden`` the ids of the steps without a name and a row of their own.
    """

    naming: Naming
    sources: tuple[SOp, ...]
    hidden: frozenset[int]

    def label(self, sop: SOp) -> str:
        """How an s-op is called, or its text if it is hidden."""
        return self.naming.names.get(id(sop)) or expression_text(sop, naming=self.naming)

    def title(self, expression: Expression) -> str | None:
        """The name of an expression that the program gives one."""
        return self.naming.names.get(id(expression)) if expression.name else None


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
            for part in head.parts:
                if part.name:
                    naming.give_unique(part)
            for aggregate in head.aggregates:
                naming.give_unique(aggregate)
        for step in layer.steps:
            if not naming.hides(step):
                naming.give_unique(step)
    return FlowNames(naming.naming, sources, frozenset(naming.hidden))


def _repeats_tokens(source: SOp, evaluation: Evaluation) -> bool:
    tokens, values = (list(map(value_key, values)) for values in (evaluation.sequence, evaluation.value(source)))
    return not isinstance(source, Indices) and values == tokens


class _Naming:
    """Names given so far."""

    def __init__(self, flow: Flow) -> None:
        self.by_id: dict[int, str] = {}
        self.naming = Naming(self.by_id, {}, naming_of(flow.program).functions)
        self.hidden: dict[int, int] = {}  # how many operations deep the text of a hidden s-op is
        self._flow = flow
        self._originals: dict[int, list[int]] = {}
        self._taken = {TOKENS}
        self._unnamed = 0
        for original, expression in flow.merged.items():
            self._originals.setdefault(id(expression), []).append(original)
        expressions = {id(expression): expression for expression in flow.merged.values()}
        self._readers = Counter(
            child for each in expressions.values() for child in {id(merged) for merged in flow.inputs(each)}
        )

    def give(self, expression: Expression, name: str) -> None:
        """Call an expression and all that it stands for by this name."""
        self.by_id.update(dict.fromkeys([id(expression), *self._originals[id(expression)]], name))

    def give_unique(self, expression: Expression) -> None:
        """Call an expression by its own name, as far as no other one has it."""
        if id(expression) in self.by_id:
            return
        if expression.name:
            name, times = expression.name, 1
            while name in self._taken:
                times += 1
                name = f"{expression.name}·{times}"
            self._taken.add(name)
            self.give(expression, name)
        else:
            self._unnamed += 1
            self.give(expression, f"({self._unnamed})")

    def hides(self, step: SOp) -> bool:
        """Whether a step is hidden; what it reads has been named or hidden."""
        if step.name or step is self._flow.program or self._readers[id(step)] != 1:
            return False
        depth = 1 + max(self.hidden.get(id(each), 0) for each in self._flow.inputs(step))
        if depth > _DEEPEST or len(expression_text(step, naming=self.naming)) > LONGEST_LABEL:
            return False
        self.hidden[id(step)] = depth
        return True
