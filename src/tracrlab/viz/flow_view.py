"""What a drawing of a flow shows: rows of labelled values and grids of selected pairs, all of it text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tracrlab.rasp.expressions import Aggregate, Expression, Selector, SelectorWidth, SOp
from tracrlab.rasp.flow import Flow, FlowHead, FlowLayer
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.text import expression_text
from tracrlab.rasp.textual.display import element_text, shown_input
from tracrlab.rasp.values import Value
from tracrlab.viz.flow_names import LONGEST_LABEL, TOKENS, flow_names

_LONGEST_VALUE, _LONGEST_FORMULA, _LONGEST_TITLE = 12, 72, 90  # characters; what is longer is cut
_SELECTOR_DEPTH, _MOST_PARTS = 8, 4  # operations in the text of a selector, parts that are explained


@dataclass(frozen=True)
class Row:
    """An s-op: its label, its value at each position, and for an elementwise one what it is computed from."""

    label: str
    values: tuple[str, ...]
    formula: str = ""


@dataclass(frozen=True)
class Output:
    """What a head computes: the row it reads, none for a width, and the row it writes."""

    value: Row | None
    result: Row


@dataclass(frozen=True)
class HeadView:
    """A head: its selector and those it is made of that have names, what it compares, what it selects and computes.

    ``grid[i][j]``: whether position i, the query, selects position j, the key. Constants are no keys or queries here.
    """

    selectors: tuple[str, ...]
    keys: tuple[Row, ...]
    queries: tuple[Row, ...]
    grid: tuple[tuple[bool, ...], ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class LayerView:
    """A layer; the first one, without heads, begins with the input."""

    title: str
    heads: tuple[HeadView, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class FlowView:
    """A whole drawing; ``answer`` is what an s-op is in the end, ``None`` for a selector."""

    title: str
    layers: tuple[LayerView, ...]
    answer: Row | None


def flow_view(flow: Flow, sequence: Sequence[Value], drawable: Callable[[str], str]) -> FlowView:
    """The drawing of a flow on an input; ``drawable`` escapes the characters that cannot be drawn.

    Raises:
        EvaluationError: the program fails on this input.
    """
    return _Viewer(flow, Evaluation(sequence), drawable).view(sequence)


class _Viewer:
    """Makes rows and heads of the s-ops of one flow on one input."""

    def __init__(self, flow: Flow, evaluation: Evaluation, drawable: Callable[[str], str]) -> None:
        evaluation.value(flow.program)  # all at once, so that an error is that of the program
        self.flow = flow
        self.evaluation = evaluation
        self.drawable = drawable
        self.names = flow_names(flow, evaluation)
        self.constants = {id(constant) for constant in flow.constants}

    def view(self, sequence: Sequence[Value]) -> FlowView:
        program = self.flow.program
        title = f"{program.name or 'out'}({shown_input(sequence if isinstance(sequence, str) else list(sequence))})"
        tokens = Row(TOKENS, tuple(map(self._value_text, self.evaluation.sequence)))
        sources = (self._row(source, self.names.label(source)) for source in self.names.sources)
        before, *layers = self.flow.layers
        first = LayerView("input", (), (tokens, *sources, *self._steps(before)))
        others = (
            LayerView(f"layer {number}", tuple(map(self._head, layer.heads)), self._steps(layer))
            for number, layer in enumerate(layers)
        )
        answer = self._row(program, program.name or "out") if isinstance(program, SOp) else None
        return FlowView(self._text(title, _LONGEST_TITLE), (first, *others), answer)

    def _steps(self, layer: FlowLayer) -> tuple[Row, ...]:
        shown = (step for step in layer.steps if id(step) not in self.names.hidden)
        return tuple(self._row(step, self.names.label(step), self._formula(step)) for step in shown)

    def _head(self, head: FlowHead) -> HeadView:
        grid = tuple(map(tuple, self.evaluation.value(head.selector)))
        selects_nothing = not all(map(any, grid))
        return HeadView(
            self._selectors(head),
            self._compared(head.keys),
            self._compared(head.queries),
            grid,
            tuple(self._output(aggregate, selects_nothing) for aggregate in head.aggregates),
        )

    def _selectors(self, head: FlowHead) -> tuple[str, ...]:
        *parts, whole = (self._selector_text(part) for part in head.parts)
        named = [text for text, part in zip(parts, head.parts, strict=False) if part.name]
        return (whole, *named[::-1][:_MOST_PARTS], *["…"] * (len(named) > _MOST_PARTS))

    def _selector_text(self, selector: Selector) -> str:
        name = self.names.title(selector)
        text = expression_text(selector, depth=_SELECTOR_DEPTH, naming=self.names.naming)
        return self._text(f"{name} = {text}" if name else text, _LONGEST_TITLE)

    def _compared(self, sops: Iterable[SOp]) -> tuple[Row, ...]:
        return tuple(self._row(sop, self.names.label(sop)) for sop in sops if id(sop) not in self.constants)

    def _output(self, aggregate: Aggregate | SelectorWidth, selects_nothing: bool) -> Output:
        label = self.names.label(aggregate)
        if isinstance(aggregate, SelectorWidth):
            return Output(None, self._row(aggregate, label, note=" (width)"))
        read = self.flow.inputs(aggregate)[1]
        assert isinstance(read, SOp)
        default = f", else {self._value_text(aggregate.default) or 'nothing'}" if selects_nothing else ""
        return Output(self._row(read, self.names.label(read), note=default), self._row(aggregate, label))

    def _formula(self, step: Expression) -> str:
        return self._text(expression_text(step, naming=self.names.naming), _LONGEST_FORMULA)

    def _row(self, sop: SOp, label: str, formula: str = "", note: str = "") -> Row:
        """An s-op; the note is part of its label and stays whole where a long label is cut."""
        values = tuple(map(self._value_text, self.evaluation.value(sop)))
        return Row(self._text(label, LONGEST_LABEL) + note, values, formula)

    def _value_text(self, value: Value) -> str:
        """A value; nothing for ``None``, and quotes around strings that would look like nothing."""
        if value is None:
            return ""
        if isinstance(value, str) and not value.strip():
            return self._text(repr(value), _LONGEST_VALUE)
        return self._text(element_text(value), _LONGEST_VALUE)

    def _text(self, text: str, longest: int) -> str:
        text = self.drawable(text)
        return text if len(text) <= longest else text[: longest - 1] + "…"
