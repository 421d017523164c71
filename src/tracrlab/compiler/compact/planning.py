"""How each carrier is computed, decided from the output backwards, since what is computed depends on what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.compact.carriers import Carrier, Feature
from tracrlab.compiler.compact.demands import Demands, too_large
from tracrlab.compiler.compact.forms import Form, best_form
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.matching import BY_BITS, BY_CLASSES, Limits, PatternFeatures, pattern_features
from tracrlab.compiler.compact.passes import Attempt
from tracrlab.compiler.compact.totality import always_selects
from tracrlab.compiler.ir.expand import Expansion, node_numbers
from tracrlab.compiler.ir.nodes import (
    IR,
    Affine,
    Cleaned,
    Copied,
    Elementwise,
    IRNode,
    Match,
    Mean,
    Pattern,
    Source,
    Total,
)
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.neurons import Box, box_cover
from tracrlab.craft.ramps import power_above
from tracrlab.shapes import Float

MAX_NEURONS = 2**16
_CLEAN = Limits(1024.0, 2.0**20)  # codes whose squares single precision holds exactly
_BESIDE = Limits(192.0, 2.0**14)  # clean codes beside computed ones, whose rounding grows with all that is added up
_MEASURED = Limits(64.0, 2.0**14)  # … where scores are measured against that of BOS, of which squares are a part
_COMPUTED = Limits(32.0, 256.0)  # codes whose squares an MLP computes precisely enough to be told apart
_COUNTED = Limits(4.0, 4.0)  # … to weigh the same
_CAREFUL = Limits(32.0, 32.0)  # … where larger ones have turned out not to be precise enough
_GENTLE = Limits(12.0, 144.0, of_keys=True)  # codes whose squares are no larger than what else is stored
_GENTLY_COUNTED = Limits(4.0, 16.0)  # … to weigh the same, whatever errors the stream has
# added to rough numbers, so that their spacing in single precision is 2**-10, and steps on them do not round
_OFFSET = 3 * 2.0**12
_MANY = 2**12  # entries of a table for which boxes are not tried where steps are few
_MOST = 2**25  # entries of the memberships of values in boxes
_SMALL = 8  # dimensions of a small model


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


@dataclass(frozen=True, eq=False)
class Recoded:
    """An MLP of steps on a rough number, which take its error away."""

    form: Form

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that is read."""
        return self.form.features


Plan = Embedded | Attended | Digitised | Stepped | LookedUp | Recoded


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


def plan_carriers(ir: IR, layers: Layers, attempt: Attempt, dtype: NumberFormat, *, causal: bool) -> Plans:
    """Plan everything that the output needs."""
    demands = Demands(layers, attempt.passes)
    output = _output(ir.output)
    demands.add(output.feature)
    offset = 0.0 if dtype.is_half or attempt.gentle else _OFFSET
    planner = _Planner(demands, layers, attempt, attempt.precision(dtype), offset, causal)
    plans: dict[Carrier, Plan] = {}
    for node in reversed(ir.nodes):
        for carrier in (Carrier(node), Carrier(node, raw=True)):
            if demands.wanted(carrier):
                plan = planner.plan(carrier)
                plans[carrier] = plan
                for feature in plan.features:
                    demands.add(feature)
    return Plans(plans, output, demands)


def _output(node: IRNode) -> Output:
    """Different numbers are read as they are, other values from an integer code, ``None`` among them."""
    if node.numbers is not None and len(np.unique(node.numbers)) == len(node.values):
        return Output(Feature(node, node.numbers[:, None], exact=False), None)
    if isinstance(node, Mean) and node.values[-1] is None:
        return Output(Feature(node, node.raw_table(), exact=False), None)
    codes = np.arange(len(node.values)) - np.floor(len(node.values) / 2)
    return Output(Feature(node, codes[:, None]), codes)


@dataclass(frozen=True, eq=False)
class _Planner:
    """Decides how each carrier is computed."""

    demands: Demands
    layers: Layers
    attempt: Attempt
    precision: float
    offset: float
    causal: bool

    def plan(self, carrier: Carrier) -> Plan:
        """The plan of a carrier, of which all has been asked that will be."""
        node = carrier.node
        match node:
            case Source():
                return Embedded()
            case Copied():
                return Attended(
                    self._attention(node.pattern), Feature(node.source, self.demands.table(carrier)[node.slots])
                )
            case Total() if carrier.raw and node.source is None:
                return Attended(self._attention(node.pattern), None)
            case Mean() | Total() if carrier.raw and node.source is not None:
                number = node_numbers(node.source)[:, None]
                return Attended(self._attention(node.pattern), Feature(node.source, number, exact=False))
            case Mean() | Total():
                return Digitised(Feature(node, node.raw_table(), exact=False))
            case Cleaned():
                return Recoded(_recoding(node, self.offset))
            case Affine() if self.layers.expansion(node).atoms == (node,):
                return self._sum(node)
            case Affine() | Elementwise():
                return self._function(node)
            case _:
                raise AssertionError(f"no plan for {type(node).__name__}")

    def _attention(self, pattern: Pattern) -> PatternFeatures:
        """Where patterns must weigh what they select equally, codes with rounding errors are compared by classes."""
        total = always_selects(pattern, self.layers, causal=self.causal)
        return pattern_features(pattern, total, [self._limits(pattern, match, total) for match in pattern.matches])

    def _limits(self, pattern: Pattern, match: Match, total: bool) -> Limits:
        """The largest codes to compare, since errors grow with codes."""
        clean = all(self._is_exact(node) for node in pattern.inputs)
        if not self.attempt.passes.codes:
            return BY_CLASSES
        if self.attempt.gentle:
            return _GENTLY_COUNTED if pattern.counts else _GENTLE
        if isinstance(match.queries, Cleaned) or isinstance(match.keys, Cleaned):
            return BY_BITS
        if not clean and not self.attempt.passes.bold:
            if not pattern.counts:
                return _CAREFUL
            return BY_CLASSES if self.attempt.count_by_classes else BY_BITS
        if self._is_exact(match.keys) and (clean or not pattern.counts):
            return _CLEAN if clean else _BESIDE if total else _MEASURED
        return _COUNTED if pattern.counts else _COMPUTED

    def _is_exact(self, node: IRNode) -> bool:
        return self.layers.layer(node) == 0 or isinstance(node, Cleaned)

    def _sum(self, node: Affine) -> Plan:
        """Steps on a sum of numbers, read as attention leaves them in the same layer."""
        layer = self.layers.layer(node)
        features = []
        for operand, factor in zip(node.operands, node.factors, strict=True):
            late = self.layers.layer(operand) == layer and operand.is_left_as_number
            features.append(Feature(operand, float(factor) * node_numbers(operand)[:, None], exact=not late))
        numbers = node_numbers(node)
        order = np.argsort(numbers)
        return Stepped(Form(tuple(features), numbers[order] - float(node.offset), order))

    def _function(self, node: IRNode) -> Plan:
        expansion = self.layers.expansion(node)
        late = self.layers.form(node)
        if late is not None and any(self.layers.analog(expansion, self.layers.layer(node))):
            return _stepped(node, late)
        digital = [False] * len(expansion.atoms)
        form = best_form(expansion, digital, self.precision) if self.attempt.passes.neurons else None
        if form is not None and expansion.places.size > _MANY and form.n_steps <= 4 * sum(expansion.places.shape):
            return _stepped(node, form)
        n_results = len(np.unique(expansion.places))
        if n_results * sum(expansion.places.shape) > _MOST:
            raise too_large(node, f"its table has {n_results} results")
        boxes = box_cover(expansion.places, MAX_NEURONS)
        memberships = tuple(_memberships(expansion, boxes, axis) for axis in range(len(expansion.atoms)))
        n_columns = sum(len(np.unique(feature.columns, axis=1).T) for feature in memberships)
        if form is not None and (len(boxes) > MAX_NEURONS or _cheaper(form, len(boxes), n_columns)):
            return _stepped(node, form)
        if len(boxes) > MAX_NEURONS:
            raise too_large(node, f"its table needs more than {MAX_NEURONS:,} neurons")
        restricted = sum(feature.columns.any(axis=0).astype(float) for feature in memberships)
        return LookedUp(memberships, 1.0 - np.asarray(restricted), tuple(box.result for box in boxes))


def _recoding(node: Cleaned, offset: float) -> Form:
    """The rough number, farther up wherever the gate is not 0, so that there all of it is beyond a step."""
    places = np.arange(len(node.values))
    numbers = places + offset
    features = [Feature(node.rough, numbers[:, None])]
    if node.gate is not None:
        beyond = power_above(len(places) + 1)
        features.append(Feature(node.gate, beyond * node_numbers(node.gate)[:, None]))
        numbers = np.concatenate([numbers + beyond * number for number in range(len(node.instead) + 1)])
        places = np.concatenate([places, *(np.full(len(places), each) for each in node.instead)])
    return Form(tuple(features), numbers, places)


def _cheaper(form: Form, n_boxes: int, n_columns: int) -> bool:
    """Whether steps take fewer parameters than a lookup: neurons times what they read, in an otherwise small model."""
    return 2 * form.n_steps * (_SMALL + len(form.features)) <= n_boxes * (_SMALL + n_columns)


def _stepped(node: IRNode, form: Form) -> Stepped:
    if 2 * form.n_steps > MAX_NEURONS:
        raise too_large(node, f"it takes {form.n_steps} steps")
    return Stepped(form)


def _memberships(expansion: Expansion, boxes: Sequence[Box], axis: int) -> Feature:
    """1 for the values of an atom that belong to a box, and nothing where all do."""
    columns = np.array([box.sets[axis] for box in boxes], float).reshape(len(boxes), -1).T
    columns = np.where(columns.min(axis=0) == 1, 0.0, columns)
    return Feature(expansion.atoms[axis], columns[expansion.classes[axis]])
