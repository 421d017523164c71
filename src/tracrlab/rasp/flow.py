"""The flow of a computation: the layers in which an ideal transformer would compute a program.

This is the analysis of the original language (Weiss et al. 2021, section 4 and figure 1). A layer is a step of
attention followed by elementwise functions. An s-op is computed in the first layer in which all it reads is there: an
aggregate or a width one layer after what it reads, an elementwise function in the same layer. What shares a selector in
a layer shares a head. The compiler may need more layers, since the functions of an MLP cannot read one another.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tracrlab.rasp.expressions import (
    Aggregate,
    Comparison,
    Expression,
    Full,
    Indices,
    Length,
    Map,
    Select,
    Selector,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
)
from tracrlab.rasp.identity import structure
from tracrlab.rasp.operations import CONVERSIONS, is_one_of
from tracrlab.rasp.traversal import children_first

Kind = TypeVar("Kind", bound=Expression)

_FULL_SELECTOR = Select(Full(1), Full(1), Comparison.EQ).named("full_s")


@dataclass(frozen=True, eq=False)
class FlowHead:
    """One attention pattern of a layer, and all that is computed with it.

    Attributes: ``selector``; ``parts`` the selectors it is made of, children first and itself last; ``keys`` and
    ``queries`` the s-ops that they compare, constants among them; ``aggregates`` the aggregates and widths computed
    with it, none if the program is the selector itself.
    """

    selector: Selector
    parts: tuple[Selector, ...]
    keys: tuple[SOp, ...]
    queries: tuple[SOp, ...]
    aggregates: tuple[Aggregate | SelectorWidth, ...]


@dataclass(frozen=True, eq=False)
class FlowLayer:
    """The heads of a layer, and the elementwise s-ops after them, each after those it reads."""

    heads: tuple[FlowHead, ...]
    steps: tuple[Map | SequenceMap, ...]


@dataclass(frozen=True, eq=False)
class Flow:
    """A program in layers.

    Every s-op of the program is once in ``sources``, ``constants``, the aggregates of a head or the steps of a layer.
    Expressions that compute the same are one, and ``length`` is the width of the selector of all pairs.

    Attributes:
        program: the s-op or selector, as it appears in the layers.
        sources: the tokens, as they are and as the original language converts them, and the indices.
        constants: s-ops that are the same whatever the input.
        layers: ``layers[0]`` has no heads: its steps read the sources only.
        merged: for the ``id`` of every expression of the given program, the expression that stands for it.
    """

    program: Expression
    sources: tuple[SOp, ...]
    constants: tuple[SOp, ...]
    layers: tuple[FlowLayer, ...]
    merged: Mapping[int, Expression]

    @property
    def depth(self) -> int:
        """How many layers have attention."""
        return len(self.layers) - 1

    @property
    def max_heads(self) -> int:
        """The number of heads in the layer that has most."""
        return max(len(layer.heads) for layer in self.layers)

    def inputs(self, expression: Expression) -> tuple[Expression, ...]:
        """What an expression of the flow reads, as it appears in the flow."""
        return tuple(self.merged[id(child)] for child in expression.children)


def flow_of(program: Expression) -> Flow:
    """The flow of an s-op, or of a selector, whose last layer is then its own head."""
    merged = _merged(program)
    expressions = list({id(expression): expression for expression in merged.values()}.values())
    output = merged[id(program)]
    constants = _constants(expressions, merged)
    first_layer = _first_layers(expressions, merged)
    heads: dict[int, dict[Selector, list[Aggregate | SelectorWidth]]] = {}
    steps: dict[int, list[Map | SequenceMap]] = {}
    sources: list[SOp] = []
    for expression in expressions:
        layer = first_layer[id(expression)]
        match expression:
            case Aggregate() | SelectorWidth():
                selector = merged[id(expression.selector)]
                assert isinstance(selector, Selector)
                heads.setdefault(layer, {}).setdefault(selector, []).append(expression)
            case Selector() if expression is output:
                heads.setdefault(layer + 1, {})[expression] = []
            case SOp() if _is_source(expression):
                sources.append(expression)
            case Map() | SequenceMap() if id(expression) not in constants:
                steps.setdefault(layer, []).append(expression)
    sops = {identity for identity, expression in merged.items() if isinstance(expression, SOp)}
    layers = tuple(
        FlowLayer(
            tuple(_head(selector, aggregates, merged, sops) for selector, aggregates in heads.get(layer, {}).items()),
            tuple(steps.get(layer, ())),
        )
        for layer in range(max([0, *heads, *steps]) + 1)
    )
    return Flow(output, tuple(sources), tuple(constants.values()), layers, merged)


def _merged(program: Expression) -> dict[int, Expression]:
    """What stands for every expression of the program, by ``id``, children first: one of those that are the same.

    The program stands for itself; of others, one that has a name.
    """
    given = children_first(program)
    if any(isinstance(expression, Length) for expression in given):
        given = [*children_first(_FULL_SELECTOR), *given]
    places: dict[Hashable, int] = {}
    place_of: dict[int, int] = {}
    chosen: list[Expression] = []
    for expression in given:
        computation = _counted(expression)
        inputs = tuple(place_of[id(child)] for child in computation.children)
        place = places.setdefault(structure(computation, inputs), len(chosen))
        if place == len(chosen):
            chosen.append(computation)
        elif expression is program or (expression.name and not chosen[place].name):
            chosen[place] = computation
        place_of[id(expression)] = place
    return {identity: chosen[place] for identity, place in place_of.items()}


def _counted(expression: Expression) -> Expression:
    """The length as what a transformer computes, the number of all positions; anything else as it is."""
    if not isinstance(expression, Length):
        return expression
    width = SelectorWidth(_FULL_SELECTOR)
    width.name, width.location = expression.name, expression.location
    return width


def _constants(expressions: Iterable[Expression], merged: Mapping[int, Expression]) -> dict[int, SOp]:
    """The constants and the elementwise functions of nothing but constants, by ``id``."""
    constants: dict[int, SOp] = {}
    for expression in expressions:
        inputs_are = all(id(merged[id(child)]) in constants for child in expression.children)
        if inputs_are and isinstance(expression, Full | Map | SequenceMap):
            constants[id(expression)] = expression
    return constants


def _first_layers(expressions: Iterable[Expression], merged: Mapping[int, Expression]) -> dict[int, int]:
    """The first layer in which each expression can be computed, by ``id``; a selector is there when its s-ops are."""
    layers: dict[int, int] = {}
    for expression in expressions:
        inputs = max((layers[id(merged[id(child)])] for child in expression.children), default=0)
        layers[id(expression)] = inputs + isinstance(expression, Aggregate | SelectorWidth)
    return layers


def _is_source(sop: SOp) -> bool:
    converts = isinstance(sop, Map) and is_one_of(sop.f, *CONVERSIONS) and isinstance(sop.inner, Tokens)
    return converts or isinstance(sop, Tokens | Indices)


def _head(
    selector: Selector,
    aggregates: Iterable[Aggregate | SelectorWidth],
    merged: Mapping[int, Expression],
    sops: Container[int],
) -> FlowHead:
    """The head of a selector; ``sops`` are the ids of the program's s-ops, at which the search for its parts ends."""
    parts = _distinct(children_first(selector, known=sops), merged, Selector)
    selects = [part for part in parts if isinstance(part, Select)]
    keys = _distinct((select.keys for select in selects), merged, SOp)
    queries = _distinct((select.queries for select in selects), merged, SOp)
    return FlowHead(selector, parts, keys, queries, tuple(aggregates))


def _distinct(
    expressions: Iterable[Expression], merged: Mapping[int, Expression], kind: type[Kind]
) -> tuple[Kind, ...]:
    """What stands for the expressions, which are all of one kind, each once."""
    chosen = (merged[id(expression)] for expression in expressions)
    return tuple({id(expression): expression for expression in chosen if isinstance(expression, kind)}.values())
