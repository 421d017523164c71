"""From the analysed program to the compact mode's own representation, one node for each meaning."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod

import numpy as np

from tracrlab.compiler.compact.carries import digit_match, digit_tables, named_position
from tracrlab.compiler.compact.cases import cases, of_first_position
from tracrlab.compiler.compact.expand import node_numbers
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.compact.ridges import ridges
from tracrlab.compiler.compact.staircase import digits, staircase
from tracrlab.compiler.compact.totality import most_selected
from tracrlab.compiler.domains import Analysis, too_many_values
from tracrlab.compiler.graph import Node
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
)
from tracrlab.compiler.lower.folding import Slots, fold_predicate, fold_table
from tracrlab.compiler.selections import Conjunction, Selection
from tracrlab.compiler.sums import WholeSum, node_affine_function
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES, TooManyValues
from tracrlab.craft.neurons import distinct_rows
from tracrlab.rasp.expressions import Aggregate, Full, Indices, Length, Map, SelectorWidth, SequenceMap, Tokens
from tracrlab.rasp.operations import Affine as AffineFunction
from tracrlab.rasp.values import Value, exact_number, is_finite_number, value_key
from tracrlab.shapes import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class _Held:
    """Where an s-op's value is found: ``slots`` gives for each value of its domain the place in the node's values."""

    node: IRNode
    slots: Int[np.ndarray, " value"]

    @property
    def merged(self) -> Slots:
        return Slots(self.slots, len(self.node.values))


def normalise(analysis: Analysis, passes: Passes, layers: Layers) -> IR:
    """The meaning of an analysed program, whose nodes are added to ``layers``.

    Raises:
        PrecisionError: the program tells equal numbers of different types apart where they are merged.
        DomainTooLargeError: a selector combines too many values.
    """
    builder = _Builder(analysis, passes, layers)
    for node in analysis.graph.sops():
        builder.add(node)
    output = builder.held[analysis.graph.output.place].node
    return IR(tuple(builder.nodes), output, builder.by_cases)


@dataclass(eq=False)
class _Builder:
    analysis: Analysis
    passes: Passes
    layers: Layers
    by_cases: bool = False
    nodes: list[IRNode] = field(default_factory=list)
    held: dict[int, _Held] = field(default_factory=dict)
    _known: dict[Hashable, IRNode] = field(default_factory=dict)
    _patterns: dict[Hashable, Pattern] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Add the meaning of an s-op whose inputs have been added."""
        domain = self.analysis.domains[node.place]
        values = (*domain.values, None) if domain.nullable else domain.values
        match node.expression:
            case Tokens():
                self._hold(node, self._kept(("tokens",), Source(node.place, node.name, values, True)))
            case Indices():
                self._hold(node, self._kept(("indices",), Source(node.place, node.name, values, False)))
            case Full():
                self._hold(node, self._constant(node, node.expression.fill))
            case Length():
                pattern = self._pattern([], range(1, self.longest + 1), counts=True)
                self._hold(
                    node, self._kept(("total", id(pattern), None), Total(node.place, node.name, values, pattern, None))
                )
            case Map() | SequenceMap():
                self._add_elementwise(node)
            case SelectorWidth():
                self._hold(node, self._width(node, self.analysis.selection(node), values))
            case Aggregate():
                self._add_aggregate(node, node.expression)
            case _:
                raise AssertionError(f"no meaning for {type(node.expression).__name__}")

    @property
    def longest(self) -> int:
        return self.analysis.max_length

    def _kept(self, key: Hashable, node: IRNode) -> IRNode:
        """The node of this meaning, ``node`` itself if it is the first."""
        key = (key, tuple(map(value_key, node.values)), None if self.passes.cse else node.place)
        if key not in self._known:
            self._known[key] = node
            self.nodes.append(node)
            self.layers.add(node)
        return self._known[key]

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
        key = ("map", tuple(map(id, operands)), places.shape, places.tobytes())
        return self._kept(key, Elementwise(node.place, node.name, values, operands, places))

    def _affine(
        self,
        node: Node,
        operands: tuple[IRNode, ...],
        factors: tuple[Fraction, ...],
        offset: Fraction,
        values: tuple[Value, ...],
    ) -> IRNode:
        """A sum of numbers with factors; sums of sums are one sum."""
        total: dict[IRNode, Fraction] = {}
        for operand, factor in zip(operands, factors, strict=True):
            inner = {operand: Fraction(1)}
            if isinstance(operand, Affine):
                inner = dict(zip(operand.operands, operand.factors, strict=True))
                offset += factor * operand.offset
            for addend, share in inner.items():
                total[addend] = total.get(addend, Fraction(0)) + factor * share
        addends, shares = tuple(total), tuple(total.values())
        key = ("affine", tuple(map(id, addends)), shares, offset)
        return self._kept(key, Affine(node.place, node.name, values, addends, shares, offset))

    # Elementwise functions --------------------------------------------------------------------------------------------

    def _add_elementwise(self, node: Node) -> None:
        affine, domain = node_affine_function(node), self.analysis.domains[node.place]
        if node.place in self.analysis.means:
            assert affine is not None
            self._add_mean_of_affine(node, affine)
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
        if affine is not None and numeric and values and all(map(is_finite_number, values)) and not domain.nullable:
            sources = tuple(each.node for each in inputs)
            self._hold(node, self._affine(node, sources, affine.coefficients, affine.offset, values), slots)
            return
        if self.passes.ridges and len(operands) == 2 and not domain.nullable:
            split = self._by_ridges(node, (operands[0], operands[1]), folded.places, values)
            if split is not None:
                self._hold(node, split, slots)
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

    def _by_ridges(
        self, node: Node, operands: tuple[IRNode, IRNode], places: Int[np.ndarray, "x y"], values: tuple[Value, ...]
    ) -> IRNode | None:
        """The sum of a function of the operands' sum and one of their difference, if it is one."""
        x, y = (operand.numbers for operand in operands)
        if x is None or y is None or not all(map(is_finite_number, values)) or (places < 0).any():
            return None
        whole = (x == np.round(x)).all() and (y == np.round(y)).all()
        results = np.array([float(value) for value in values])  # type: ignore[arg-type]
        found = ridges(x, y, results[places]) if whole else None
        if found is None:
            return None
        addends = []
        for sign, name, numbers, function in (
            (1, "sum", found.sums, found.of_sum),
            (-1, "difference", found.differences, found.of_difference),
        ):
            linear = replace(node, name=f"{node.name}.{name}")
            inner = self._affine(
                linear, operands, (Fraction(1), Fraction(sign)), Fraction(0), tuple(map(int, numbers.tolist()))
            )
            outer = replace(node, name=f"{node.name}.of_{name}")
            distinct, which = np.unique(function, return_inverse=True)
            addends.append(self._elementwise(outer, (inner,), which.reshape(-1), tuple(distinct.tolist())))
        return self._affine(node, tuple(addends), (Fraction(1), Fraction(1)), Fraction(0), values)

    def _add_mean_of_affine(self, node: Node, affine: AffineFunction) -> None:
        """An affine function of means over one selector is the mean of the affine function."""
        means = [self.held[place].node for place in node.inputs]
        mean = self.analysis.means[node.place]
        sources = []
        for each in means:
            assert isinstance(each, Mean)
            sources.append(each.source)
        numbers: list[Value] = [int(x) if x.denominator == 1 else float(x) for x in mean.numbers]
        averaged = self._affine(node, tuple(sources), affine.coefficients, affine.offset, tuple(numbers))
        first = means[0]
        assert isinstance(first, Mean)
        self._hold_mean(node, first.pattern, averaged, mean.default)

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

    def _pattern(self, matches: list[Match], widths: range, *, counts: bool) -> Pattern:
        key = (counts, tuple((id(match.queries), id(match.keys), match.matrix.tobytes()) for match in matches))
        if key not in self._patterns:
            self._patterns[key] = Pattern(tuple(matches), counts, widths[0] >= 1, widths[-1])
        return self._patterns[key]

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
        terms = [
            (coefficient, matches)
            for coefficient, conjunction in selection.terms
            for alternative in self._by_cases(self._matches(node, conjunction), None)
            for matches in self._by_digits(node, alternative)
        ]
        counts: list[IRNode] = []
        for number, (_, matches) in enumerate(terms, start=1):
            possible = widths if len(terms) == 1 else range(most_selected(matches, self.longest) + 1)
            pattern = self._pattern(matches, possible, counts=True)
            name = node.name if len(terms) == 1 else f"{node.name}.{number}"
            first = of_first_position(matches) if self.passes.cases else None
            if first is not None:
                counts.append(self._whether_first(replace(node, name=name), first))
                continue
            count = Total(node.place, name, tuple(possible), pattern, None)
            counts.append(self._kept(("total", id(pattern), None), count))
        if len(terms) == 1 and terms[0][0] == 1:
            return counts[0]
        factors = tuple(Fraction(coefficient) for coefficient, _ in terms)
        return self._affine(node, tuple(counts), factors, Fraction(0), values)

    def _by_cases(self, matches: list[Match], source: IRNode | None) -> list[list[Match]]:
        """Conjunctions of which each pair of positions satisfies one at most, without functions to wait for."""
        found = cases(matches, source, self.layers) if self.passes.cases else None
        self.by_cases |= found is not None
        return found or [matches]

    def _whether_first(self, node: Node, match: Match) -> IRNode:
        """How many positions are selected, if it is the first or none."""
        counts, which = np.unique(match.matrix[:, 0], return_inverse=True)
        return self._elementwise(node, (match.queries,), which.reshape(-1), tuple(map(int, counts)))

    def _by_digits(self, node: Node, matches: list[Match]) -> list[list[Match]]:
        """Conjunctions of which each pair of positions satisfies one at most, with order comparisons by digits."""
        alternatives: list[list[Match]] = [[]]
        for match in matches:
            choices = [[match]]
            stairs = staircase(match.matrix) if self.passes.digits else None
            if stairs is not None:
                each = digits(stairs)
                queries = [
                    self._digit(node, match.queries, places, number) for number, places in enumerate(each.query_digits)
                ]
                keys = [self._digit(node, match.keys, places, number) for number, places in enumerate(each.key_digits)]
                less = _between(queries[0], keys[0], each.leading_less)
                equal = _between(queries[0], keys[0], each.leading_equal)
                choices = [[less], [equal, _between(queries[1], keys[1], each.last_at_most)]]
            alternatives = [[*one, *other] for one in alternatives for other in choices]
        return alternatives

    def _digit(self, node: Node, operand: IRNode, places: Int[np.ndarray, " value"], number: int) -> IRNode:
        """A digit of a node's step or level; its own value tells which of the digits occur."""
        used, which = np.unique(places, return_inverse=True)
        named = replace(node, name=f"{operand.name}.digit{number + 1}")
        return self._elementwise(named, (operand,), which.reshape(-1), tuple(used.tolist()))

    def _by_carries(self, node: Node, matches: list[Match]) -> list[Match] | None:
        """A comparison of all positions with a sum that names one, as comparisons of their digits."""
        named = named_position(matches[0], self.longest) if len(matches) == 1 else None
        if named is None:
            return None
        tables = digit_tables(named, self.longest)
        positions = matches[0].keys
        places = np.arange(self.longest)
        high = self._position_digit(positions, "high", places // tables.base)
        low = self._position_digit(positions, "low", places % tables.base)
        last_high, last_low = (self._at_last(positions, digit) for digit in (high, low))
        named_low = self._digit_function(node, "low", (last_low, low), tables.low)
        carry = self._digit_function(node, "carry", (last_low, low), tables.carry)
        operands, factors = (last_high, high, carry), (named.of_last, named.of_position, 1)
        title = replace(node, name=f"{node.name}.high")
        offset, values = Fraction(tables.high_offset), tuple(range(tables.n_high))
        named_high = self._affine(title, operands, tuple(map(Fraction, factors)), offset, values)
        return [digit_match(named_high, high), digit_match(named_low, low)]

    def _position_digit(self, positions: IRNode, name: str, digits: Int[np.ndarray, " position"]) -> IRNode:
        """A digit of the position, embedded by itself."""
        values = tuple(range(int(digits.max()) + 1))
        digit = Source(positions.place, f"{positions.name}.{name}", values, False, digits)
        return self._kept(("digit", digits.tobytes()), digit)

    def _at_last(self, positions: IRNode, source: IRNode) -> IRNode:
        """What the last position holds."""
        pattern = self._patterns.setdefault("latest", Pattern((), False, True, 1, positions))
        name = f"last.{source.name}"
        slots = np.arange(len(source.values))
        copied = Copied(positions.place, name, source.values, pattern, source, slots, None)
        return self._kept(("copy", id(pattern), id(source), None), copied)

    def _digit_function(
        self, node: Node, name: str, operands: tuple[IRNode, IRNode], table: Int[np.ndarray, "last own"]
    ) -> IRNode:
        values, places = np.unique(table, return_inverse=True)
        titled = replace(node, name=f"{node.name}.{name}")
        return self._elementwise(titled, operands, places.reshape(table.shape), tuple(values.tolist()))

    # Aggregates -------------------------------------------------------------------------------------------------------

    def _add_aggregate(self, node: Node, expression: Aggregate) -> None:
        selection = self.analysis.selection(node)
        widths = self.analysis.widths[node.inputs[0]]
        if selection.is_empty:
            self._hold(node, self._constant(node, expression.default))
            return
        matches = self._selection_matches(node, selection)
        by_digits = self._by_carries(node, matches) if self.passes.carries and not self.analysis.causal else None
        pattern = self._pattern(by_digits or matches, range(1, 2) if by_digits else widths, counts=False)
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
        key = ("copy", id(pattern), id(source), default)
        copied = self._kept(key, Copied(node.place, node.name, tuple(values), pattern, source, slots, default))
        own = {
            value_key(value): int(slots[place])
            for value, place in zip(self.analysis.domains[node.inputs[1]].values, held.slots, strict=True)
            if place >= 0
        }
        domain = self.analysis.domains[node.place].values
        held_at = [own.get(value_key(value), places.get(value_key(value), IMPOSSIBLE)) for value in domain]
        self._hold(node, copied, np.array(held_at, int))

    def _hold_mean(self, node: Node, pattern: Pattern, source: IRNode, default: Value) -> None:
        if self.passes.totals and self._sign_suffices(node, pattern, source, default):
            self._hold(node, self._sign(node, pattern, source))
            return
        if node.place in self.analysis.signs:
            self._require_means_read(node)
        domain = self.analysis.domains[node.place]
        merged: dict[Fraction, Value] = {}
        for value in domain.values:
            exact = exact_number(value)
            if exact is not None:
                merged.setdefault(exact, value)
        numbers = [merged[number] for number in sorted(merged)]
        # what means cannot be is no place for a default that is a number, unless nothing can be selected
        odd = not pattern.never_empty and not is_finite_number(default)
        values = (*numbers, default) if odd else tuple(numbers)
        key = ("mean", id(pattern), id(source), value_key(default), odd)
        mean = self._kept(key, Mean(node.place, node.name, values, pattern, source, default, odd))
        order = {number: place for place, number in enumerate(sorted(merged))}
        slots = []
        for value in domain.values:
            exact = exact_number(value)
            slots.append(order[exact] if exact is not None else len(numbers) if odd else IMPOSSIBLE)
        self._hold(node, mean, np.array(slots, int))

    def _require_means_read(self, node: Node) -> None:
        """Refuse a mean of which only the signs are known, unless it is an addend of other means and no more."""
        readers = [each.place for each in self.analysis.graph.nodes if node.place in each.inputs]
        if not self.analysis.means.keys() >= set(readers):
            raise too_many_values(node, self.analysis.signs[node.place])

    # Means of which only the sign matters ----------------------------------------------------------------------------

    def _sign_suffices(self, node: Node, pattern: Pattern, source: IRNode, default: Value) -> bool:
        """Whether nothing that reads a mean of whole numbers tells two means of the same sign apart."""
        numbers = source.numbers
        if numbers is None or (numbers != np.round(numbers)).any() or (not pattern.never_empty and default != 0):
            return False
        readers = [each for each in self.analysis.graph.nodes if node.place in each.inputs]
        if not readers or node is self.analysis.graph.output:
            return False
        signs = np.sign([float(value) for value in self.analysis.domains[node.place].values])  # type: ignore[arg-type]
        return all(self._reads_sign(reader, node, signs) for reader in readers)

    def _reads_sign(self, reader: Node, node: Node, signs: Float[np.ndarray, " value"]) -> bool:
        if not isinstance(reader.expression, Map | SequenceMap) or reader.place in self.analysis.means:
            return False
        table = self.analysis.table(reader)
        slices = np.moveaxis(table.places, table.inputs.index(node.place), 0)
        return all((slices[signs == sign] == slices[signs == sign][0]).all() for sign in np.unique(signs))

    def _sign(self, node: Node, pattern: Pattern, source: IRNode) -> IRNode:
        """A mean of the same sign, by way of the sum, which can be added up from several heads."""
        numbers = source.numbers
        assert numbers is not None
        extremes = int(min(numbers.min(), 0)), int(max(numbers.max(), 0))
        sums = tuple(range(self.longest * extremes[0], self.longest * extremes[1] + 1))
        parts: list[IRNode] = []
        alternatives = [
            matches
            for alternative in self._by_cases(list(pattern.matches), source)
            for matches in self._by_digits(node, alternative)
        ]
        for number, matches in enumerate(alternatives, start=1):
            most = most_selected(matches, self.longest)
            part = self._pattern(matches, range(most + 1), counts=True)
            own = tuple(range(most * extremes[0], most * extremes[1] + 1))
            total = Total(node.place, f"{node.name}.sum{number}", own, part, source)
            parts.append(self._kept(("total", id(part), id(source)), total))
        whole = parts[0]
        if len(parts) > 1:
            named = replace(node, name=f"{node.name}.sum")
            whole = self._affine(named, tuple(parts), (Fraction(1),) * len(parts), Fraction(0), sums)
        values = self.analysis.domains[node.place].values
        signs = np.sign([float(value) for value in values])  # type: ignore[arg-type]
        place = {sign: int(np.flatnonzero(signs == sign)[0]) for sign in np.unique(signs).tolist()}
        nearest = place.get(0.0, 0)
        return self._elementwise(
            node, (whole,), np.array([place.get(float(np.sign(each)), nearest) for each in node_numbers(whole)]), values
        )


def _between(queries: IRNode, keys: IRNode, matrix: Bool[np.ndarray, "query key"]) -> Match:
    """A predicate between digits, for those that occur."""
    rows, columns = np.array(queries.values, int), np.array(keys.values, int)
    return Match(queries, keys, matrix[np.ix_(rows, columns)])
