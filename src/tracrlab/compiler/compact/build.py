"""From plans to Craft components, inputs first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from tracrlab.compiler.compact.affine import affine_read
from tracrlab.compiler.compact.carriers import Carrier, Feature
from tracrlab.compiler.compact.claiming import TooManyCombinations, Views, views_of
from tracrlab.compiler.compact.forms import Form
from tracrlab.compiler.compact.matching import MatchFeatures, PatternFeatures
from tracrlab.compiler.compact.passes import Attempt
from tracrlab.compiler.compact.planning import (
    Attended,
    Digitised,
    Embedded,
    LookedUp,
    Plan,
    Plans,
    Recoded,
    Stepped,
)
from tracrlab.compiler.construction import Construction
from tracrlab.compiler.ir.nodes import Cleaned, Copied, IRNode, Mean, Pattern, Rough, Share, Source, Total
from tracrlab.craft.claims import HeadClaim, MLPClaim, NumberClaim, PredicateClaim, Quantity, View
from tracrlab.craft.components import Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.grounds import grounds, noise_beside
from tracrlab.craft.heads import DIVIDING, Scores
from tracrlab.craft.neurons import (
    Neurons,
    Number,
    cleaning,
    interpolation_neurons,
    ordered_sum,
    outward_neurons,
    step_neurons,
)
from tracrlab.craft.precision import (
    Noise,
    NotSeparable,
    check_range,
    few_bits,
    noise_of,
    number_noise,
    roundings,
    summing_alike,
    unit_roundoff,
)
from tracrlab.craft.ramps import power_above
from tracrlab.craft.spaces import Feature as Label
from tracrlab.craft.spaces import Layout, Mark, Read, Variable, code_variable, grounded, scalar_variable
from tracrlab.rasp.values import Value, is_finite_number
from tracrlab.shapes import Float

_LEAK, _HALF_LEAK = 2.0**-14, 2.0**-10  # how much all that is not selected may add to a count
_LEAKS = 8.0  # times that it may do so: at BOS, where nothing else is selected, and rounded as often
_EXCESS = 24.0  # by how much the logit of BOS exceeds that of a selected position in a head that counts
# how far off counts may be because logits round, beside grounds or not, before heads are made wider
_GROUNDED, _PLAIN, _EXACT = 1 / 16, 1 / 64, 2.0**-12
_NOTHING = View((), np.zeros((), int))
_ROUGH = 11 / 64  # how far a rough number may be off
_HIGHEST_GROUND = 2.0**20  # of which several, and quarters of whole numbers, add up without rounding
_STRAY = 2.0**-14  # of the attention may go to what is not selected where a share tells a count
_GENTLE_LEAK = 2.0**-10  # how much all that is not selected may add to a count where it is magnified moderately only
_GAIN = 2.0**14  # by which what BOS leaves is multiplied there
_TURNED_AT_BOS = 2.0**-21  # how far off what is read at BOS may be after a change of basis: little stands there
_TURNED = 2.0**-19  # how far off what is read of the stream may be after a change of its basis
_STREAM = 2.0**5  # the size of a stream in which nothing is large
_SURE = 0.5  # times that: five times the deviation of errors that are as good as independent
_QUIET = 2.0**-8  # how far the errors of a polygon stay below the distances between its values


@dataclass(frozen=True, eq=False)
class Stored:
    """A carrier's variable and what it holds for each value of the node."""

    variable: Variable
    table: Float[np.ndarray, "value width"]


@dataclass(frozen=True, eq=False)
class Resolved:
    """Reads of features, and bounds on their errors."""

    reads: list[Read]
    offset: Float[np.ndarray, " feature"]

    def error_of(self, matrix: Float[np.ndarray, "feature other"]) -> float:
        """The largest error of the features times a matrix."""
        return sum(read.variable.noise.of_read(read.matrix @ matrix) for read in self.reads)

    @property
    def is_exact(self) -> bool:
        """Whether whole numbers are read by quarters of whole numbers, and without any error."""
        quarters = all((4 * read.matrix == np.round(4 * read.matrix)).all() for read in self.reads)
        grounds = [
            read.variable.ground[:, None] * read.matrix for read in self.reads if read.variable.ground is not None
        ]
        quarters = quarters and all((np.abs(each) <= _HIGHEST_GROUND).all() for each in grounds)
        return quarters and all(read.variable.noise.is_exact for read in self.reads)


@dataclass(eq=False)
class Builder:
    """Builds carriers one after another into a construction."""

    work: Construction
    plans: Plans
    attempt: Attempt
    vocabulary_size: int
    stored: dict[Carrier, Stored] = field(default_factory=dict)
    _contents: dict[Carrier, tuple[str, Float[np.ndarray, "_ _"]]] = field(default_factory=dict)

    @cached_property
    def _read(self) -> frozenset[Carrier]:
        """The carriers that some component reads."""
        asked = (feature for plan in self.plans.carriers.values() for feature in plan.features)
        return frozenset(carrier for feature in asked for carrier, _ in self.plans.demands.parts(feature).terms)

    def build(self, carrier: Carrier) -> None:
        """Build what stores a carrier.

        Raises:
            NotSeparable: rounding errors are too large for what reads it.
        """
        plan = self.plans.carriers[carrier]
        if carrier.raw:
            assert isinstance(plan, Attended)
            self._build_raw(carrier, plan)
        else:
            self._build_code(carrier, plan)

    def resolve(self, feature: Feature) -> Resolved:
        """The reads that give features.

        Raises:
            NotSeparable: what is stored does not hold them precisely enough, since its numbers are too far apart.
        """
        parts = self.plans.demands.parts(feature)
        reads, offset = [], np.array(parts.offset, float)
        for carrier, columns in parts.terms:
            stored = self.stored[carrier]
            solved = affine_read(stored.table, columns)
            if solved is None:
                raise NotSeparable(carrier.node.values[0], carrier.node.values[-1])
            matrix, constant = solved
            reads.append(Read(stored.variable, matrix))
            offset = offset + constant
            if stored.variable.ground is not None:
                offset = offset - ordered_sum(stored.variable.ground[:, None] * matrix)
        return Resolved(reads, offset)

    def complete(self, resolved: Resolved) -> list[Read]:
        """The reads with the constant added."""
        if not resolved.offset.any():
            return list(resolved.reads)
        return [*resolved.reads, *self.work.constant_reads(resolved.offset)]

    # Codes ------------------------------------------------------------------------------------------------------------

    def _build_code(self, carrier: Carrier, plan: Plan) -> None:
        node, table = carrier.node, self.plans.demands.table(carrier)
        match plan:
            case Embedded():
                assert isinstance(node, Source)
                self._embed(carrier, node, table)
            case Attended():
                assert isinstance(node, Copied)
                self._copy(carrier, node, plan, table)
            case Digitised():
                self._digitise(carrier, table)
            case Stepped():
                number, results = self._number(plan.form), table[plan.form.places]
                function = self._rough_function if isinstance(node, Rough) else self._function
                variable = self._finish_mlp(carrier, table, function(number, results))
                self._claim_mlp(variable, node, plan, table)
            case LookedUp():
                neurons = self._lookup(plan.memberships, plan.bias, table[list(plan.results)])
                self._claim_mlp(self._finish_mlp(carrier, table, neurons), node, plan, table)
            case Recoded():
                assert isinstance(node, Cleaned)
                neurons = step_neurons(self._number(plan.form), table[plan.form.places], self.work.dtype)
                self._claim_recoded(self._finish_mlp(carrier, table, neurons), node, plan, table)

    def _embed(self, carrier: Carrier, node: Source, table: Float[np.ndarray, "value width"]) -> None:
        variable = self._variable(node, table, np.zeros(table.shape[1]), Noise())
        if node.by_token:
            special = np.zeros((2, table.shape[1]))
            embedding = Embedding(variable, by_token=np.concatenate([table, special]))
        else:
            by_position = table if node.digits is None else table[node.digits]
            embedding = Embedding(variable, by_position=np.concatenate([np.zeros((1, table.shape[1])), by_position]))
        self.work.embeddings.append(embedding)
        self._store(carrier, variable, table)

    def _copy(self, carrier: Carrier, node: Copied, plan: Attended, table: Float[np.ndarray, "value width"]) -> None:
        assert plan.value is not None
        default = table[node.default] if node.default is not None else np.zeros(table.shape[1])
        value, scores = self.resolve(plan.value), self._scores(plan.pattern)
        longest = min(node.pattern.longest, self.work.max_length)
        averaging = roundings(self.work.dtype, 2 if longest <= 1 else 2 * longest + 8)
        errors = averaging * np.abs(table).max(axis=0, initial=0.0) + np.array(
            [value.error_of(column[:, None]) for column in np.eye(table.shape[1])]
        )
        variable = self._grounded(carrier, self._variable(node, table, default, noise_of(errors[None, :])), table)
        self.work.add_head(node.place, variable, scores, self.complete(value), default)
        self._claim_head(variable, "copy", node.pattern, plan, table[node.slots], default)
        self._store(carrier, variable, table)

    def _digitise(self, carrier: Carrier, table: Float[np.ndarray, "value width"]) -> None:
        """Steps on what attention leaves; an odd default is where there is no number, and is stored as zero."""
        node = carrier.node
        raw = self.stored[Carrier(node, raw=True)]
        if isinstance(node, Mean) and node.odd_default:
            table = table - table[-1]
        if isinstance(node, Share):
            number = self._share_number(raw)
            neurons = self._function(number, table[::-1])
        else:
            number = self.work.number(raw.variable)
            neurons = self._function(number, table[: len(number.values)])
        variable = self._finish_mlp(carrier, table, neurons)
        name, contents = self._contents[Carrier(node, raw=True)]
        quantity = Quantity(len(table), {name: contents})
        self.work.claims.append(MLPClaim(variable.name, (quantity,), View((0,), np.arange(len(table))), table))

    def _share_number(self, raw: Stored) -> Number:
        """The share of attention that BOS keeps; it falls as the count rises."""
        shares = raw.table[::-1, 0]
        error = np.full(len(shares), raw.variable.noise.of_read(np.ones((1, 1))))
        return Number((Read(raw.variable, np.ones((1, 1))),), self.work.constant_columns, shares, error)

    def _number(self, form: Form) -> Number:
        """The number that the features add up to, without their constants, which thresholds take in."""
        resolved = [self.resolve(feature) for feature in form.features]
        numbers = form.numbers - sum(float(part.offset[0]) for part in resolved)
        error = self._sum_error(resolved, numbers) if self.attempt.gentle else None
        if error is None:
            error = np.full(len(numbers), sum(part.error_of(np.ones((1, 1))) for part in resolved))
        reads = tuple(read for part in resolved for read in part.reads)
        return Number(reads, self.work.constant_columns, numbers, error)

    def _sum_error(
        self, resolved: Sequence[Resolved], numbers: Float[np.ndarray, " value"]
    ) -> Float[np.ndarray, " value"] | None:
        """How far off a sum of positive multiples of counts can be, each off by a share of itself and a constant.

        All the shares together are at most the largest of them of the sum.
        """
        largest = constant = 0.0
        for read in (each for part in resolved for each in part.reads):
            own, factor = read.variable.noise.at_numbers, float(read.matrix[0, 0])
            counts = read.variable.numbers if read.variable.layout is Layout.SCALAR else np.zeros(0)
            if own is None or read.variable.width > 1 or factor < 0 or len(counts) < 2 or counts[0] < 0:
                return None
            share = float((own[-1] - own[0]) / (counts[-1] - counts[0]))
            largest, constant = max(largest, share), constant + factor * float(own[0])
        error: np.ndarray = largest * np.maximum(numbers, 0.0) + constant
        return error

    def _rough_function(self, number: Number, results: Float[np.ndarray, "value 1"]) -> Neurons:
        """A polygon or steps, whichever takes fewer neurons and leaves an error that steps can take away.

        Raises:
            NotSeparable: neither does.
        """
        one = np.ones((1, 1))
        polygon = outward_neurons(replace(number, error=np.zeros_like(number.error)), results, self.work.dtype)
        slopes = np.abs(np.diff(results[:, 0]) / np.diff(number.values))
        steepest = np.maximum(np.append(slopes, 0.0), np.append(0.0, slopes))  # beside each value
        passed = float((steepest * number.error).max(initial=0.0))
        built = [replace(polygon, noise=number_noise(polygon.noise.of_read(one) + passed))]
        with suppress(NotSeparable):
            built.append(step_neurons(number, results, self.work.dtype))
        for neurons in sorted(built, key=lambda each: len(each.output)):
            if neurons.noise.of_read(one) <= _ROUGH:
                return neurons
        raise NotSeparable(results[0, 0], results[-1, 0])

    def _function(self, number: Number, results: Float[np.ndarray, "value width"]) -> Neurons:
        """Steps, or a polygon where that takes fewer neurons and is quiet enough."""
        polygon = interpolation_neurons(number, results, self.work.dtype) if self.attempt.passes.bends else None
        if polygon is not None and not _is_quiet(polygon, results):
            polygon = None
        try:
            steps = step_neurons(number, results, self.work.dtype)
        except NotSeparable:
            if polygon is None:
                raise
            return polygon
        return polygon if polygon is not None and len(polygon.output) < len(steps.output) else steps

    def _lookup(
        self, memberships: Sequence[Feature], bias: Float[np.ndarray, " box"], results: Float[np.ndarray, "box width"]
    ) -> Neurons:
        """A neuron for each box, 1 inside and 0 outside; a pair, flat around both, where inputs are noisy."""
        resolved = [self.resolve(feature) for feature in memberships]
        n_boxes = len(results)
        each = np.eye(n_boxes)
        error = sum(max((part.error_of(each[:, [box]]) for box in range(n_boxes)), default=0.0) for part in resolved)
        exact = error == 0 and all(part.is_exact for part in resolved)
        slope, shifts, signs = cleaning(error, self.work.dtype, exact=exact)
        bias = bias + sum((part.offset for part in resolved), np.zeros(n_boxes))
        reads = [
            Read(read.variable, np.concatenate([slope * read.matrix] * len(shifts), axis=1))
            for part in resolved
            for read in part.reads
        ]
        reads += self.work.constant_reads(np.concatenate([slope * bias - shift for shift in shifts]))
        whole = exact and bool((results == np.round(results)).all())
        noise = Noise() if whole else Noise(relative=roundings(self.work.dtype, 2 if exact else 16))
        return Neurons(tuple(reads), np.concatenate([sign * results for sign in signs]), noise)

    def _finish_mlp(self, carrier: Carrier, table: Float[np.ndarray, "value width"], neurons: Neurons) -> Variable:
        variable = self._variable(carrier.node, table, np.zeros(table.shape[1]), Noise())
        if self.attempt.gentle:
            turned = _turned(neurons, self.work.dtype)
            own = neurons.noise.absolute(np.abs(table).max(axis=0, initial=0.0))
            neurons = replace(neurons, noise=noise_of(turned[None] if own.bounds is None else own.bounds + turned))
        variable = self.work.add_mlp(carrier.node.place, variable, neurons)
        self._store(carrier, variable, table)
        return variable

    def _grounded(self, carrier: Carrier, variable: Variable, table: Float[np.ndarray, "value width"]) -> Variable:
        """What a head writes, beside a ground where that takes away errors; the answer alone needs none."""
        if not self.attempt.grounded or carrier not in self._read:
            return variable
        ground = grounds(table, variable.noise, self.work.dtype)
        return grounded(variable, ground, noise_beside(table, variable.noise, ground, self.work.dtype))

    def _store(self, carrier: Carrier, variable: Variable, table: Float[np.ndarray, "value width"]) -> None:
        self.stored[carrier] = Stored(variable, table)
        ground = 0.0 if variable.ground is None else variable.ground
        self._contents[carrier] = (variable.name, table + ground)

    def _variable(
        self, node: IRNode, table: Float[np.ndarray, "value width"], at_bos: Float[np.ndarray, " width"], noise: Noise
    ) -> Variable:
        """A variable that holds the rows of a table.

        Raises:
            NotSeparable: its numbers are too large, too small or too close together for arithmetic in the format.
        """
        if not self.work.dtype.is_half:  # whose codes are few bits long, and may come near the ends of their range
            check_range(table.reshape(-1), self.work.dtype)
        name = self.work.own_name(node.name)
        return code_variable(name, node.values, table, _labels(node, table), at_bos, noise)

    # Claims -----------------------------------------------------------------------------------------------------------

    def views(self, nodes: Sequence[IRNode], features: Iterable[Feature]) -> Views:
        """Nodes as views of what is read for them.

        Raises:
            TooManyCombinations: they depend on too many values.
        """
        carriers = {carrier for each in features for carrier, _ in self.plans.demands.parts(each).terms}
        read = frozenset(carrier.node for carrier in carriers)
        return views_of(nodes, read, self.plans.demands.layers, self._contents)

    def _claim_mlp(
        self,
        variable: Variable,
        node: IRNode,
        plan: Stepped | LookedUp | Recoded,
        table: Float[np.ndarray, "value width"],
    ) -> None:
        with suppress(TooManyCombinations):
            views = self.views([node], plan.features)
            self.work.claims.append(MLPClaim(variable.name, views.quantities, views.views[0], table))
            return
        if isinstance(plan, Stepped):
            form, resolved = plan.form, [self.resolve(feature) for feature in plan.features]
            factors: dict[str, Float[np.ndarray, " _"]] = {}
            for read in [read for part in resolved for read in part.reads]:
                factors[read.variable.name] = factors.get(read.variable.name, 0.0) + read.matrix[:, 0]
            numbers = form.numbers - sum(float(part.offset[0]) for part in resolved)
            self.work.claims.append(NumberClaim(variable.name, tuple(factors.items()), numbers, table[form.places]))

    def _claim_recoded(
        self, variable: Variable, node: Cleaned, plan: Recoded, table: Float[np.ndarray, "value width"]
    ) -> None:
        if node.gate is None:
            self._claim_mlp(variable, node.rough, plan, table)
            return
        with suppress(TooManyCombinations):
            views = self.views([node.rough, node.gate], plan.features)
            rough, gate = views.views
            shape = (*rough.places.shape, *gate.places.shape)
            places = np.broadcast_to(rough.places.reshape(rough.places.shape + (1,) * gate.places.ndim), shape)
            gates = np.broadcast_to(gate.places, shape)
            constant = np.array([0, *node.instead])[np.maximum(gates, 0)]
            joint = np.where(gates < 0, gates, np.where(gates > 0, constant, places))
            view = View((*rough.quantities, *gate.quantities), joint)
            self.work.claims.append(MLPClaim(variable.name, views.quantities, view, table))

    def _claim_head(
        self,
        variable: Variable,
        kind: Literal["copy", "mean", "total", "share"],
        pattern: Pattern,
        plan: Attended,
        results: Float[np.ndarray, "result width"],
        default: Float[np.ndarray, " width"],
    ) -> None:
        queries = [match.queries for match in pattern.matches]
        keys = [match.keys for match in pattern.matches] if pattern.latest is None else [pattern.latest]
        comparisons = plan.pattern.comparisons
        asked = [feature for each in comparisons for feature in (each.queries, each.bos) if feature is not None]
        try:
            query_views = self.views(queries, asked)
            key_views = self.views(keys, [each.keys for each in comparisons])
            value = self.views([plan.value.node], [plan.value]) if plan.value else Views((), (_NOTHING,))
        except TooManyCombinations:
            return
        matrices = [match.matrix for match in pattern.matches]
        if variable.ground is not None:
            results, default = results + variable.ground, default + variable.ground
        self.work.claims.append(
            HeadClaim(
                variable.name,
                kind,
                query_views.quantities,
                key_views.quantities,
                tuple(map(PredicateClaim, query_views.views, key_views.views, matrices)),
                value.quantities,
                value.views[0],
                results,
                default,
                plan.pattern.total and kind not in ("total", "share"),
                pattern.longest,
                pattern.latest is not None,
            )
        )

    # What attention leaves --------------------------------------------------------------------------------------------

    def _build_raw(self, carrier: Carrier, plan: Attended) -> None:
        node = carrier.node
        scores = self._scores(plan.pattern)
        if isinstance(node, Share):
            self._share(carrier, node, plan, scores)
        elif isinstance(node, Total):
            self._total(carrier, node, plan, scores)
        else:
            assert isinstance(node, Mean)
            self._mean(carrier, node, plan, scores)

    def _total(self, carrier: Carrier, node: Total, plan: Attended, scores: Scores) -> None:
        """Each selected position gets exp(-excess) of the attention, nearly all of which goes to BOS.

        Values v exp(excess) then add up to their sum over ``1 + w exp(-excess)`` for w selected positions, which is the
        sum but for a relative error of w exp(-excess).
        """
        feature = plan.value
        value = Resolved([], np.ones(1)) if feature is None else self.resolve(feature)
        longest, size = (
            min(node.pattern.longest, self.work.max_length),
            1.0 if feature is None else float(np.abs(feature.columns).max(initial=0)),
        )
        if self.attempt.gentle:
            self._moderate_total(carrier, node, plan, scores)
            return
        half = self.work.dtype.is_half
        leak = _HALF_LEAK if half else _LEAK
        sharpness = power_above(self.work.sharpness(scores, leak=leak / max(size, 1.0)) / 2)
        # the format holds the inverse of the share that a position gets, times numbers, and a half one the share, too
        room = min(_EXCESS, few_bits(0.9 * math.log(self.work.dtype.largest / max(size, 1.0))))
        excess = math.floor(room / sharpness) if half or room < _EXCESS else math.ceil(_EXCESS / sharpness)
        if excess < 1:
            raise NotSeparable(0, 1)
        relative = few_bits(math.expm1(2 * sharpness * scores.error) + longest * math.exp(-excess * sharpness))
        roundoff = unit_roundoff(self.work.dtype)
        relative += roundings(self.work.dtype, 16, half=3) + summing_alike(longest, self.work.dtype) / longest
        # of the logits of BOS and of what is selected, where the division rounds
        rounding = 2 * DIVIDING * roundoff * sharpness * (scores.level + excess)
        borne = _EXACT if self.attempt.exact_logits else _GROUNDED if self.attempt.grounded else _PLAIN
        must_be_exact = half or longest * rounding > borne
        relative += 0.0 if must_be_exact else rounding
        leaks = leak if half else _LEAKS * leak
        error = longest * (relative * size + value.error_of(np.ones((1, 1)))) + leaks
        noise = number_noise(error)
        if feature is None:
            noise = replace(noise, at_numbers=relative * np.array(node.values, float) + leaks)
        total = scalar_variable(
            self.work.own_name(f"{node.name}.total" if self.plans.demands.wanted(Carrier(node)) else node.name),
            node.values,
            nullable=False,
            at_bos=0,
            noise=noise,
        )
        total = self._grounded(carrier, total, total.table)
        ahead = Read(self.work.one, np.array([[float(excess)]]))
        raised = (*scores.queries, _placed(ahead, _last(scores), _last(scores) + 1))
        self.work.add_head(
            node.place,
            total,
            replace(scores, queries=raised),
            self.complete(value),
            np.zeros(1),
            sharpness=sharpness,
            excess=excess,
            needs_exact_logits=must_be_exact,
        )
        self._claim_head(
            total, "total", node.pattern, plan, np.ones((1, 1)) if feature is None else feature.columns, np.zeros(1)
        )
        self._store(carrier, total, node.raw_table())

    def _moderate_total(self, carrier: Carrier, node: Total, plan: Attended, scores: Scores) -> None:
        """The same with BOS so little ahead that what BOS leaves is multiplied by ``_GAIN`` only.

        The sum is then off by w / _GAIN of itself for w selected positions.
        """
        value = Resolved([], np.ones(1)) if plan.value is None else self.resolve(plan.value)
        rows = np.ones((1, 1)) if plan.value is None else plan.value.columns
        longest, size = min(node.pattern.longest, self.work.max_length), float(np.abs(rows).max(initial=0))
        sharpness = self.work.sharpness(scores, leak=_GENTLE_LEAK / max(size, 1.0)) / 2
        relative = few_bits(math.expm1(4 * sharpness * scores.error)) + longest / _GAIN
        relative += roundings(self.work.dtype, 16 + 2 * longest)
        turned = _GAIN * _TURNED_AT_BOS * max(size, 1.0)
        error = longest * (relative * size + value.error_of(np.ones((1, 1)))) + turned + _LEAKS * _GENTLE_LEAK
        noise = number_noise(error)
        if plan.value is None:
            counts = np.array(node.values, float)
            noise = replace(noise, at_numbers=relative * counts + turned + _LEAKS * _GENTLE_LEAK)
        name = self.work.own_name(f"{node.name}.total" if self.plans.demands.wanted(Carrier(node)) else node.name)
        total = scalar_variable(name, node.values, nullable=False, at_bos=0, noise=noise)
        last = _last(scores)
        self.work.add_head(
            node.place,
            total,
            scores,
            self.complete(value),
            np.zeros(1),
            sharpness=sharpness,
            lead=few_bits(math.log(_GAIN)),
            ahead=[_placed(Read(self.work.one, np.ones((1, 1))), last, last + 1)],
        )
        self._claim_head(total, "total", node.pattern, plan, rows, np.zeros(1))
        self._store(carrier, total, node.raw_table())

    def _share(self, carrier: Carrier, node: Share, plan: Attended, scores: Scores) -> None:
        """BOS weighs as much as each selected position, and is all that is read: it gets ``1 / (1 + w)``."""
        table = node.raw_table()
        sharpness = self.work.sharpness(scores, leak=_STRAY) / 2
        relative = few_bits(math.expm1(4 * sharpness * scores.error)) + 2 * _STRAY
        relative += roundings(self.work.dtype, 16)
        noise = number_noise(relative + _TURNED)
        name = self.work.own_name(f"{node.name}.share" if self.plans.demands.wanted(Carrier(node)) else node.name)
        share = code_variable(name, node.values, table, [Label("share")], np.ones(1), noise)
        self.work.add_head(
            node.place, share, scores, [Read(self.work.bos, np.ones((1, 1)))], np.zeros(1), sharpness=sharpness
        )
        self._claim_head(share, "share", node.pattern, plan, np.zeros((1, 1)), np.ones(1))
        self._store(carrier, share, table)

    def _mean(self, carrier: Carrier, node: Mean, plan: Attended, scores: Scores) -> None:
        feature = plan.value
        assert feature is not None
        numbers = np.array([float(value) for value in node.values[: node.n_numbers]])  # type: ignore[arg-type]
        size = max(float(np.abs(feature.columns).max(initial=0)), 1.0)
        leak = unit_roundoff(self.work.dtype) / 64
        if scores.error:  # the sharper the pattern, the more it makes of errors
            leak = max(float(np.diff(numbers).min(initial=1.0)) / (256 * size), leak)
        sharpness = power_above(self.work.sharpness(scores, leak=leak))
        weights = few_bits(math.expm1(2 * sharpness * scores.error))
        value = self.resolve(feature)
        longest = min(node.pattern.longest, self.work.max_length)
        spread = roundings(self.work.dtype, 2 * longest + 8) + 2 * weights + leak
        error = value.error_of(np.ones((1, 1))) + spread * size
        number_default: Value = node.default if is_finite_number(node.default) else None
        mean = scalar_variable(
            self.work.own_name(f"{node.name}.mean" if self.plans.demands.wanted(Carrier(node)) else node.name),
            node.values[: node.n_numbers],
            nullable=node.odd_default,
            at_bos=number_default,
            noise=number_noise(error, spread) if node.odd_default else number_noise(error),
        )
        default, mean = mean.vector(number_default), self._grounded(carrier, mean, mean.table)
        reads = self.complete(value)
        if node.odd_default:
            reads = [Read(read.variable, np.pad(read.matrix, ((0, 0), (0, 1)))) for read in reads]
            reads += self.work.constant_reads(np.array([0.0, 1.0]))
        self.work.add_head(node.place, mean, scores, reads, default, sharpness=sharpness)
        rows = np.concatenate([feature.columns, np.ones((len(feature.columns), int(node.odd_default)))], axis=1)
        self._claim_head(mean, "mean", node.pattern, plan, rows, default)
        self._store(carrier, mean, node.raw_table())

    # Scores -----------------------------------------------------------------------------------------------------------

    def _scores(self, pattern: PatternFeatures) -> Scores:
        """The features of all comparisons beside each other, and last that of BOS.

        At the BOS position itself a query gives BOS 4 and everything else nothing, so nothing else is read there.
        """
        queries: list[Read] = []
        keys: list[Read] = []
        ends = np.cumsum([0, *(match.keys.columns.shape[1] for match in pattern.comparisons)])
        width = max(int(ends[-1]), 1)
        error = largest = level = 0.0
        exact = True
        for match, start in zip(pattern.comparisons, ends.tolist(), strict=False):
            query, key = self.resolve(match.queries), self.resolve(match.keys)
            queries += [_placed(read, start, width + 1) for read in self.complete(query)]
            keys += [_placed(read, start, width + 1) for read in self.complete(key)]
            if match.bos is not None:
                bos = self.resolve(match.bos)
                queries += [_placed(read, width, width + 1) for read in self.complete(bos)]
                error += bos.error_of(np.ones((1, 1)))
                exact &= bos.is_exact
                largest += float(np.abs(match.bos.columns).max())
                level += float(np.abs(match.bos.columns).max())
            error += _score_error(match, query, key)
            level += abs(match.score)
            exact &= query.is_exact and key.is_exact
            largest += float((np.abs(match.queries.columns).max(axis=0) * np.abs(match.keys.columns).max(axis=0)).sum())
        if not pattern.comparisons:  # everything is selected, with a score of 2
            queries += [_placed(read, 0, 2) for read in self.work.constant_reads(np.array([2.0]))]
            keys += [_placed(read, 0, 2) for read in self.work.constant_reads(np.array([1.0]))]
        queries += [_placed(read, width, width + 1) for read in self.work.constant_reads(np.array([pattern.bos]))]
        queries.append(_placed(Read(self.work.bos, np.array([[4.0]])), width, width + 1))
        keys.append(_placed(Read(self.work.bos, np.ones((1, 1))), width, width + 1))
        roundoff = unit_roundoff(self.work.dtype)
        # sums of whole numbers or quarters, times a power of two, are exact as long as they fit the format
        whole = all((read.matrix == np.round(read.matrix)).all() for read in (*queries, *keys))
        if not exact or (largest if whole else 16 * largest) >= 1 / roundoff:
            error += 4 * roundoff * largest
        return Scores(tuple(queries), tuple(keys), error, largest, level + abs(pattern.bos) + 2)


def _last(scores: Scores) -> int:
    """The place of BOS's own feature."""
    width: int = scores.keys[0].matrix.shape[1]
    return width - 1


def _score_error(match: MatchFeatures, query: Resolved, key: Resolved) -> float:
    """How far the dot product of one comparison can be off, apart from what all keys have in common.

    Where no score of BOS is at stake, an error of a query's code only moves the parabola: what is d away from the match
    gains 4 d times that of the code, where it is 2 d² behind.
    """
    queries, keys = match.queries.columns, match.keys.columns
    if match.parabola and match.bos is None:
        codes = np.arange(queries.shape[1]) % 2 == 0  # beside each stands the factor of the keys' squares
        from_queries = query.error_of(codes.astype(float)[:, None])
    else:
        from_queries = query.error_of(keys.T)
    from_keys = key.error_of(queries.T)
    both: float = query.error_of(np.eye(queries.shape[1])) * key.error_of(np.eye(keys.shape[1])) * keys.shape[1]
    return from_queries + from_keys + both


def _turned(neurons: Neurons, dtype: NumberFormat) -> Float[np.ndarray, " width"]:
    """How far off what neurons write may be after a change of basis.

    Each then reads the whole stream, and is off by a rounding of its size times that of its weights; the errors of
    neurons are as good as independent.
    """
    squares = sum(((read.matrix**2).sum(axis=0) for read in neurons.reads), np.zeros(len(neurons.output)))
    bound: np.ndarray = _SURE * unit_roundoff(dtype) * _STREAM * np.sqrt(squares @ neurons.output**2)
    return bound


def _placed(read: Read, start: int, total: int) -> Read:
    matrix = np.zeros((read.matrix.shape[0], total))
    matrix[:, start : start + read.matrix.shape[1]] = read.matrix
    return Read(read.variable, matrix)


def _is_quiet(neurons: Neurons, results: Float[np.ndarray, "value width"]) -> bool:
    """Whether errors stay far below the distances between different values, in every column."""
    for place, column in enumerate(results.T):
        gaps = np.diff(np.unique(column))
        unit = np.zeros((results.shape[1], 1))
        unit[place] = 1
        if neurons.noise.absolute(np.abs(results).max(axis=0)).of_read(unit) > _QUIET * float(gaps.min(initial=np.inf)):
            return False
    return True


def _labels(node: IRNode, table: Float[np.ndarray, "value column"]) -> Sequence[Value | Mark | Label]:
    """What to call the columns of a code: a value if it marks one, the number itself, or what is stored."""
    labels: list[Value | Mark | Label] = []
    for place, column in enumerate(table.T):
        marked = np.flatnonzero(column)
        if node.numbers is not None and (column == node.numbers).all():
            labels.append(Mark.NUMBER)
        elif len(marked) == 1 and column[marked[0]] == 1:
            labels.append(node.values[marked[0]])
        elif np.isin(column, (0, 1)).all():
            labels.append(Label("|".join(str(node.values[each]) for each in marked[:8])))
        else:
            labels.append(Label(f"code{place + 1}" if table.shape[1] > 1 else "code"))
    return labels
