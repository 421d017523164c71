"""How each carrier is computed, decided from the output backwards, since what is computed depends on what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.compact.demands import Carrier, Demands, Feature
from tracrlab.compiler.compact.expand import Expansions, node_numbers
from tracrlab.compiler.compact.forms import Form, best_form
from tracrlab.compiler.compact.ir import IR, Affine, Copied, Count, Elementwise, IRNode, Mean, Pattern, Source
from tracrlab.compiler.compact.matching import PatternFeatures, pattern_features
from tracrlab.compiler.compact.passes import Passes
from tracrlab.craft.neurons import Box, box_cover
from tracrlab.errors import DomainTooLargeError
from tracrlab.rasp.values import is_finite_number
from tracrlab.shapes import Float

MAX_NEURONS = 2**16


@dataclass(frozen=True, eq=False)
class Embedded:
    """A source, held by the embedding."""

    features: tuple[Feature, ...] = ()


@dataclass(frozen=True, eq=False)
class Attended:
    """A head: where it attends, and what it reads there."""

    pattern: PatternFeatures
    value: Feature | None

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that is read."""
        return (*self.pattern.features, *([self.value] if self.value else []))


@dataclass(frozen=True, eq=False)
class Digitised:
    """An MLP that turns the quantity that attention leaves into a code."""

    quantity: Feature

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that is read."""
        return (self.quantity,)


@dataclass(frozen=True, eq=False)
class Stepped:
    """An MLP of steps on a number."""

    form: Form

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that is read."""
        return self.form.features


@dataclass(frozen=True, eq=False)
class LookedUp:
    """An MLP with a neuron for each box of a table: ``memberships`` of each atom's values in the boxes."""

    memberships: tuple[Feature, ...]
    bias: Float[np.ndarray, " box"]
    results: tuple[int, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that is read."""
        return self.memberships


Plan = Embedded | Attended | Digitised | Stepped | LookedUp


@dataclass(frozen=True, eq=False)
class Output:
    """How the answer is read: ``codes`` of the values, or, without them, as a number."""

    feature: Feature
    codes: Float[np.ndarray, " value"] | None


@dataclass(frozen=True, eq=False)
class Plans:
    """The plan of each carrier, and of the output."""

    carriers: dict[Carrier, Plan]
    output: Output
    demands: Demands


def plan_carriers(ir: IR, passes: Passes, precision: float) -> Plans:
    """Plan everything that the output needs; ``precision``: how many values a rounded quantity may tell apart."""
    expansions = Expansions()
    for node in ir.nodes:
        expansions.add(node)
    demands = Demands(expansions, one_hot_codes=not passes.factor)
    output = _output(ir.output)
    demands.add(output.feature)
    plans: dict[Carrier, Plan] = {}
    for node in reversed(ir.nodes):
        for carrier in (Carrier(node), Carrier(node, raw=True)):
            if demands.wanted(carrier):
                plan = (
                    _raw_plan(carrier, demands, passes)
                    if carrier.raw
                    else _code_plan(carrier, demands, passes, precision)
                )
                plans[carrier] = plan
                for feature in plan.features:
                    demands.add(feature)
    return Plans(plans, output, demands)


def _output(node: IRNode) -> Output:
    """Numbers are read as they are, other values from an integer code, ``None`` among them."""
    if node.numbers is not None:
        return Output(Feature(node, node.numbers[:, None], exact=False), None)
    if isinstance(node, Mean) and node.values[-1] is None:
        return Output(Feature(node, node.raw_table(), exact=False), None)
    codes = np.arange(len(node.values)) - np.floor(len(node.values) / 2)
    return Output(Feature(node, codes[:, None]), codes)


def _raw_plan(carrier: Carrier, demands: Demands, passes: Passes) -> Plan:
    node = carrier.node
    if isinstance(node, Count):
        return Attended(_attention(node.pattern, demands.expansions, passes), None)
    assert isinstance(node, Mean)
    numbers = node_numbers(node.source)
    return Attended(
        _attention(node.pattern, demands.expansions, passes), Feature(node.source, numbers[:, None], exact=False)
    )


def _code_plan(carrier: Carrier, demands: Demands, passes: Passes, precision: float) -> Plan:
    node = carrier.node
    match node:
        case Source():
            return Embedded()
        case Copied():
            table = demands.table(carrier)
            value = Feature(node.source, table[node.slots])
            return Attended(_attention(node.pattern, demands.expansions, passes), value)
        case Mean() | Count():
            table = node.raw_table()
            return Digitised(Feature(node, table, exact=False))
        case Affine() if demands.expansions.of(node).atoms == (node,):
            return _affine_plan(node, demands.expansions)
        case Affine() | Elementwise():
            return _elementwise_plan(node, demands.expansions, passes, precision)
        case _:
            raise AssertionError(f"no plan for {type(node).__name__}")


def _attention(pattern: Pattern, expansions: Expansions, passes: Passes) -> PatternFeatures:
    """Where patterns must weigh what they select equally, codes with rounding errors are compared by classes."""
    copies = not pattern.counts and (pattern.longest <= 1 or passes.bold)
    clean = all(expansions.level(node) == 0 for node in pattern.inputs)
    return pattern_features(pattern, parabolas=passes.codes and (copies or clean))


def _affine_plan(node: Affine, expansions: Expansions) -> Plan:
    level = expansions.level(node)
    features = []
    for operand, factor in zip(node.operands, node.factors, strict=True):
        late = expansions.level(operand) == level and isinstance(operand, Mean)
        features.append(Feature(operand, float(factor) * node_numbers(operand)[:, None], exact=not late))
    numbers = node_numbers(node)
    order = np.argsort(numbers)
    return Stepped(Form(tuple(features), numbers[order] - float(node.offset), order))


def _elementwise_plan(node: IRNode, expansions: Expansions, passes: Passes, precision: float) -> Plan:
    expansion, level = expansions.of(node), expansions.level(node)
    analog = [isinstance(atom, Mean | Count) and expansions.level(atom) == level for atom in expansion.atoms]
    form = best_form(expansion, analog, precision) if passes.neurons else None
    if form is not None and any(analog):
        return Stepped(form)
    if form is None and any(analog) and passes.neurons:
        form = best_form(expansion, [False] * len(analog), precision)
    boxes = box_cover(expansion.places)
    memberships = tuple(_memberships(atom, boxes, axis) for axis, atom in enumerate(expansion.atoms))
    n_columns = sum(len(np.unique(feature.columns, axis=1).T) for feature in memberships)
    if form is not None and (2 * form.n_steps <= len(boxes) + 2 * n_columns or len(boxes) > MAX_NEURONS):
        return Stepped(form)
    if len(boxes) > MAX_NEURONS:
        raise DomainTooLargeError(
            node.name,
            None,
            f"its table needs {len(boxes)} neurons, more than {MAX_NEURONS}",
            "Use a smaller vocabulary or length, or a function of fewer or coarser inputs",
        )
    restricted = sum(feature.columns.any(axis=0).astype(float) for feature in memberships)
    return LookedUp(memberships, 1.0 - np.asarray(restricted), tuple(box.result for box in boxes))


def _memberships(atom: IRNode, boxes: Sequence[Box], axis: int) -> Feature:
    """1 for the values of an atom that belong to a box, and nothing where all do."""
    columns = np.array([box.sets[axis] for box in boxes], float).reshape(len(boxes), -1).T
    return Feature(atom, np.where(columns.min(axis=0) == 1, 0.0, columns))


def is_number_default(default: object) -> bool:
    """Whether a mean's default is held as a number, like its values."""
    return is_finite_number(default)
