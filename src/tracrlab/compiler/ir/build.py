"""From the analysed program to the intermediate representation, one node for each meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod

import numpy as np

from tracrlab.compiler.domains import Analysis, too_many_values
from tracrlab.compiler.graph import Node
from tracrlab.compiler.ir.exactness import inherited_rounding, is_nearly_exact, sum_rounding
from tracrlab.compiler.ir.nodes import (
    IMPOSSIBLE,
    IR,
    Affine,
    Copied,
    Elementwise,
    IRNode,
    Match,
    Mean,
    Pattern,
    Source,
    Total,
    numbers_tell_apart,
)
from tracrlab.compiler.ir.pool import Pool, needed
from tracrlab.compiler.ir.widths import most_selected
from tracrlab.compiler.lower.folding import Slots, fold_predicate, fold_table
from tracrlab.compiler.selections import Conjunction, Selection
from tracrlab.compiler.sums import WholeSum, node_affine_function
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES, TooManyValues
from tracrlab.craft.neurons import distinct_rows
from tracrlab.errors import PrecisionError
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import Aggregate, Full, Indices, Length, Map, SelectorWidth, SequenceMap, Tokens
from tracrlab.rasp.operations import Affine as AffineFunction
from tracrlab.rasp.values import Value, is_finite_number, is_number, value_key
from tracrlab.shapes import Bool, Int


@dataclass(frozen=True, eq=False)
class _Held:
    """Where an s-op's value is found: ``slots`` gives for each value of its domain the place in the node's values."""

    node: IRNode
    slots: Int[np.ndarray, " value"]

    @property
    def merged(self) -> Slots:
        return Slots(self.slots, len(self.node.values))


def build_ir(analysis: Analysis) -> IR:
    """The meaning of an analysed program.

    Raises:
        PrecisionError: the program tells equal numbers of different types apart where they are merged.
        DomainTooLargeError: a selector combines too many values.
    """
    builder = _Builder(analysis)
    for node in analysis.graph.sops():
        builder.add(node)
    output = builder.held[analysis.graph.output.place].node
    return needed(IR(tuple(builder.pool.nodes), output, analysis.max_length, analysis.causal))


def require_all_means(ir: IR, analysis: Analysis) -> None:
    """Refuse means of which only signs are known, and more is read.

    Raises:
        DomainTooLargeError: there is one.
    """
    for node in ir.nodes:
        if isinstance(node, Mean) and node.signs_only:
            raise too_many_values(analysis.graph.nodes[node.place], analysis.signs[node.place])


@dataclass(eq=False)
class _Builder:
    """The nodes so far, where each s-op is held, and how far the values of sums are from the exact sums."""

    analysis: Analysis
    pool: Pool = field(default_factory=Pool)
    held: dict[int, _Held] = field(default_factory=dict)
    rounding: dict[IRNode, float] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Add the meaning of an s-op whose inputs have been added."""
        domain = self.analysis.domains[node.place]
        values = (*domain.values, None) if domain.nullable else domain.values
        match node.expression:
            case Tokens():
                self._hold(node, self.pool.add(Source(node.place, node.name, values, True)))
            case Indices():
                self._hold(node, self.pool.add(Source(node.place, node.name, values, False)))
            case Full():
                self._hold(node, self._constant(node, node.expression.fill))
            case Length():
                pattern = self.pool.pattern([], range(1, self.analysis.max_length + 1), counts=True)
                self._hold(node, self.pool.add(Total(node.place, node.name, values, pattern, None)))
            case Map() | SequenceMap():
                self._add_elementwise(node)
            case SelectorWidth():
                self._hold(node, self._width(node, self.analysis.selection(node), values))
            case Aggregate():
                self._add_aggregate(node, node.expression)
            case _:
                raise AssertionError(f"no meaning for {type(node.expression).__name__}")

    def _hold(self, node: Node, meaning: IRNode, slots: Int[np.ndarray, " value"] | None = None) -> None:
        if slots is None:
            places = {value_key(value): place for place, value in enumerate(meaning.values)}
            domain = self.analysis.domains[node.place].values
            slots = np.array([places.get(value_key(value), IMPOSSIBLE) for value in domain], int)
        self.held[node.place] = _Held(meaning, slots)

    def _constant(self, node: Node, value: Value) -> IRNode:
        return self._elementwise(node, (), np.zeros((), int), (value,))

    def _elementwise(
        self, node: Node, operands: tuple[IRNode, ...], places: Int[np.ndarray, "..."], values: tuple[Value, ...]
    ) -> IRNode:
        return self.pool.add(Elementwise(node.place, node.name, values, operands, places))

    def _affine(
        self,
        node: Node,
        operands: tuple[IRNode, ...],
        factors: tuple[Fraction, ...],
        offset: Fraction,
        values: tuple[Value, ...],
    ) -> IRNode:
        """A sum of numbers with factors."""
        return self.pool.add(Affine(node.place, node.name, values, operands, factors, offset))

    # Elementwise functions --------------------------------------------------------------------------------------------

    def _add_elementwise(self, node: Node) -> None:
        affine, domain = node_affine_function(node), self.analysis.domains[node.place]
        if node.place in self.analysis.means and self._added_mean_of_affine(node, affine):
            return
        inputs = [self.held[place] for place in node.inputs]
        found = self.analysis.sums.get(node.place)
        if found is not None and all(self.held[place].node.numbers is not None for place in found.inputs):
            self._hold(node, self._of_sum(node, found), np.arange(len(domain)))
            return
        table = self.analysis.table(node)
        held = [self.held[place] for place in table.inputs]
        folded = fold_table(node, table, [each.merged for each in held])
        operands = tuple(each.node for each in held)
        values = tuple(folded.values)
        slot_of = dict(zip(table.domain.places, folded.slots.tolist(), strict=True))
        slots = np.array([slot_of.get(key, IMPOSSIBLE) for key in domain.places], int)
        numeric = all(each.node.numbers is not None for each in inputs)
        if affine is not None and numeric and not domain.nullable and numbers_tell_apart(values):
            sources = tuple(each.node for each in inputs)
            rounding = sum_rounding(sources, affine, self.rounding)
            if is_nearly_exact(rounding, max(abs(value) for value in values if is_number(value))):
                self._hold(node, self._affine(node, sources, affine.coefficients, affine.offset, values), slots)
                self.rounding.setdefault(self.held[node.place].node, rounding)
                return
        none = len(values)
        places = folded.places
        if domain.nullable:
            values = (*values, None)
            places = np.where(places < 0, none, places)
        for axis, operand in enumerate(operands):  # None gives None
            missing = len(operand.values) - places.shape[axis]
            if missing or None in operand.values:
                index = [slice(None)] * places.ndim
                index[axis] = slice(len(operand.values) - 1, None)
                places[tuple(index)] = none
        self._hold(node, self._elementwise(node, operands, places, values), slots)

    def _of_sum(self, node: Node, found: WholeSum) -> IRNode:
        """A sum of whole numbers, or what a comparison makes of one."""
        totals = tuple(found.numbers.tolist())
        operands = tuple(self.held[place].node for place in found.inputs)
        factors, offset = tuple(map(Fraction, found.factors)), Fraction(found.offset)
        if found.comparison is None:
            return self._affine(node, operands, factors, offset, totals)
        difference = self._affine(replace(node, name=f"{node.name}.difference"), operands, factors, offset, totals)
        domain = self.analysis.domains[node.place]
        places = np.array([domain.places[value_key(found.value_of(total))] for total in totals])
        return self._elementwise(node, (difference,), places, domain.values)

    def _added_mean_of_affine(self, node: Node, affine: AffineFunction | None) -> bool:
        """Hold an affine function of means over one selector as the mean of the affine function.

        Whether it could be done: not where what is averaged is off by more, for rounding, than the result may be.
        """
        assert affine is not None
        mean, means = self.analysis.means[node.place], [self.held[place].node for place in node.inputs]
        averages = [each for each in means if isinstance(each, Mean)]
        sources = tuple(each.source for each in averages)
        if len(sources) < len(means):
            return False
        rounding = inherited_rounding(sources, affine, self.rounding)
        if not is_nearly_exact(rounding, float(max(map(abs, mean.numbers)))):
            return False
        numbers: list[Value] = [int(x) if x.denominator == 1 else float(x) for x in mean.numbers]
        averaged = self._affine(node, sources, affine.coefficients, affine.offset, tuple(numbers))
        self.rounding.setdefault(averaged, rounding)
        self._hold_mean(node, averages[0].pattern, averaged, mean.default)
        return True

    # Selectors --------------------------------------------------------------------------------------------------------

    def _matches(self, node: Node, conjunction: Conjunction) -> list[Match]:
        matches = []
        for (keys, queries), matrix in conjunction.predicates.items():
            held = self.held[queries], self.held[keys]
            folded = fold_predicate(node, matrix, held[0].merged, held[1].merged)
            matches.append(Match(held[0].node, held[1].node, self._padded(folded, held[0].node, held[1].node)))
        return matches

    def _padded(
        self, matrix: Bool[np.ndarray, "query key"], queries: IRNode, keys: IRNode
    ) -> Bool[np.ndarray, "query key"]:
        """``None``, the last value where it can occur, selects nothing and is not selected."""
        full = np.zeros((len(queries.values), len(keys.values)), bool)
        full[: matrix.shape[0], : matrix.shape[1]] = matrix
        for axis, each in enumerate((queries, keys)):
            if None in each.values:
                full[(slice(None),) * axis + (each.values.index(None),)] = False
        return full

    def _selection_matches(self, node: Node, selection: Selection) -> list[Match]:
        if selection.conjunction is not None:
            return self._matches(node, selection.conjunction)
        return [self._product_match(node, selection)]

    def _product_match(self, node: Node, selection: Selection) -> Match:
        """A selector that is no conjunction as one predicate between classes of combined values.

        The product construction of the Tracr paper, appendix B, on classes that the selector tells apart.
        """
        terms = [(coefficient, self._matches(node, conjunction)) for coefficient, conjunction in selection.terms]
        queries = list({match.queries: None for _, matches in terms for match in matches})
        keys = list({match.keys: None for _, matches in terms for match in matches})
        shape = tuple(len(each.values) for each in queries), tuple(len(each.values) for each in keys)
        sizes = prod(shape[0]), prod(shape[1])
        if prod(sizes) > 8 * MAX_TABLE_ENTRIES:
            reason = f"its selector combines {sizes[1]} key values with {sizes[0]} query values"
            raise too_many_values(node, TooManyValues(reason))
        grids = np.indices(shape[0]).reshape(len(queries), -1), np.indices(shape[1]).reshape(len(keys), -1)
        total = np.zeros(sizes, np.int16)
        for coefficient, matches in terms:
            holds = np.ones(sizes, bool)
            for match in matches:
                rows, columns = grids[0][queries.index(match.queries)], grids[1][keys.index(match.keys)]
                holds &= match.matrix[np.ix_(rows, columns)]
            total += np.int16(coefficient) * holds
        selected = total > 0
        query_node, rows = self._classes(node, "queries", queries, shape[0], selected)
        key_node, columns = self._classes(node, "keys", keys, shape[1], selected.T)
        return Match(query_node, key_node, selected[np.ix_(rows, columns)])

    def _classes(
        self,
        node: Node,
        role: str,
        operands: Sequence[IRNode],
        shape: tuple[int, ...],
        rows: Bool[np.ndarray, "row column"],
    ) -> tuple[IRNode, Int[np.ndarray, " _"]]:
        """A node that tells the rows apart that differ, and a row for each of its values."""
        first, which = distinct_rows(rows)
        if len(operands) == 1:
            return operands[0], np.arange(len(rows))
        named = replace(node, name=f"{node.name}.{role}")
        return self._elementwise(named, tuple(operands), which.reshape(shape), tuple(range(len(first)))), first

    def _width(self, node: Node, selection: Selection, values: tuple[Value, ...]) -> IRNode:
        if selection.is_empty:
            return self._constant(node, 0)
        widths = self.analysis.widths[node.inputs[0]]
        terms = [(coefficient, self._matches(node, conjunction)) for coefficient, conjunction in selection.terms]
        counts: list[IRNode] = []
        for number, (_, matches) in enumerate(terms, start=1):
            only = len(terms) == 1
            possible = widths if only else range(most_selected(matches, self.analysis.max_length) + 1)
            pattern = self.pool.pattern(matches, possible, counts=True)
            name = node.name if only else f"{node.name}.{number}"
            counts.append(self.pool.add(Total(node.place, name, tuple(possible), pattern, None)))
        if len(terms) == 1 and terms[0][0] == 1:
            return counts[0]
        factors = tuple(Fraction(coefficient) for coefficient, _ in terms)
        return self._affine(node, tuple(counts), factors, Fraction(0), values)

    # Aggregates -------------------------------------------------------------------------------------------------------

    def _add_aggregate(self, node: Node, expression: Aggregate) -> None:
        selection = self.analysis.selection(node)
        widths = self.analysis.widths[node.inputs[0]]
        if selection.is_empty:
            self._hold(node, self._constant(node, expression.default))
            return
        pattern = self.pool.pattern(self._selection_matches(node, selection), widths, counts=False)
        held = self.held[node.inputs[1]]
        if node.place in self.analysis.means:
            self._hold_mean(node, pattern, held.node, expression.default)
            return
        source = held.node
        values, default = list(source.values), None
        if 0 in widths:
            places = {value_key(value): place for place, value in enumerate(values)}
            default = places.get(value_key(expression.default), len(values))
            values += [expression.default][: default == len(values)]
            if values[-1] is not None and None in values:  # None stays last
                values.remove(None)
                values.append(None)
                default = [value_key(value) for value in values].index(value_key(expression.default))
        places = {value_key(value): place for place, value in enumerate(values)}
        slots = np.array([places[value_key(value)] for value in source.values], int)
        copied = self.pool.add(Copied(node.place, node.name, tuple(values), pattern, source, slots, default))
        own = {
            value_key(value): int(slots[place])
            for value, place in zip(self.analysis.domains[node.inputs[1]].values, held.slots, strict=True)
            if place >= 0
        }
        domain = self.analysis.domains[node.place].values
        held_at = [own.get(value_key(value), places.get(value_key(value), IMPOSSIBLE)) for value in domain]
        self._hold(node, copied, np.array(held_at, int))

    def _hold_mean(self, node: Node, pattern: Pattern, source: IRNode, default: Value) -> None:
        domain = self.analysis.domains[node.place]
        merged: dict[float, Value] = {}  # attention leaves a number, whatever its type and how it came about
        for value in domain.values:
            if is_finite_number(value) and merged.setdefault(float(value), value) != value:
                raise _same_float(node, merged[float(value)], value)
        numbers = [merged[number] for number in sorted(merged)]
        # what means cannot be is no place for a default that is a number, unless nothing can be selected
        odd = not pattern.never_empty and not is_finite_number(default)
        values = (*numbers, default) if odd else tuple(numbers)
        signs_only = node.place in self.analysis.signs
        mean = self.pool.add(Mean(node.place, node.name, values, pattern, source, default, odd, signs_only))
        order = {number: place for place, number in enumerate(sorted(merged))}
        slots = []
        for value in domain.values:
            place = order[float(value)] if is_finite_number(value) else len(numbers) if odd else IMPOSSIBLE
            slots.append(place)
        self._hold(node, mean, np.array(slots, int))


def _same_float(node: Node, one: Value, other: Value) -> PrecisionError:
    return PrecisionError(
        node.title,
        node.expression.location,
        f"it can be {abridged(one)} and {abridged(other)}, which are the same number to a model",
        "Use numbers below 2**53, or tell positions apart so that they are copied and not averaged",
    )
