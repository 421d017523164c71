"""Stage 2: the values that every s-op can take (Tracr paper, section 3, step 2).

Domains are supersets of the values that occur on inputs over the vocabulary up to the maximal length. Means are exact:
all the fractions that a selection of some width can give, and differences of means over one selector are recognised as
means of differences, so they do not multiply.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product

from tracrlab.compiler.certainty import Where, means_with, numbers_by_position, position_values, surely_selects
from tracrlab.compiler.graph import Graph, Node
from tracrlab.compiler.selections import Conjunction, Selection, Selections
from tracrlab.compiler.sums import WholeSum, node_affine_function, whole_sum
from tracrlab.compiler.uniqueness import Uniqueness
from tracrlab.compiler.value_sets import (
    MAX_NUMBERS,
    MAX_TABLE_ENTRIES,
    Domain,
    Table,
    TooManyValues,
    domain_of,
    mean_domain,
    tabulate,
)
from tracrlab.errors import (
    CausalError,
    DomainTooLargeError,
    MixedAggregateError,
    TokenConversionError,
    UndefinedValueError,
)
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import (
    Aggregate,
    Full,
    Indices,
    Length,
    Map,
    MeanAggregate,
    SelectorWidth,
    SequenceMap,
    Tokens,
)
from tracrlab.rasp.operations import COMPARISONS, CONVERSIONS, PartialOperation, is_one_of
from tracrlab.rasp.operations import Affine as AffineFunction
from tracrlab.rasp.semantics import CONVERSION_REMEDY, FunctionFailure, apply_function
from tracrlab.rasp.values import Ratio, Value, exact_number, is_finite_number, is_number

_LAST_BITS = 2  # units in the last place: a sum of two products is rounded three times, each time by a half


@dataclass(frozen=True, eq=False)
class Mean:
    """An s-op that is the mean, over what ``selector`` selects, of numbers taken from a finite set.

    ``native`` are the values it takes when all selected values are the same, ``default`` when none is selected
    (``None`` if that cannot happen). ``beside``, where it is known, is the number of the first position, which
    is always selected, and those of the others.
    """

    selector: int
    numbers: tuple[Fraction, ...]
    native: tuple[Value, ...]
    default: Value
    beside: tuple[Fraction, tuple[Fraction, ...]] | None = None


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the later stages need to know about a graph.

    Attributes: ``domains`` by place of the s-op; ``means`` those s-ops that average; ``sums`` functions of sums of
    whole numbers, which need no table; ``selections`` the normal forms of the selectors; ``widths`` how many positions
    each aggregated or counted selector can select; ``most_combinations`` how many a function may have, and how many
    means an aggregate, and ``most_signed`` how many of them are listed where nothing but their signs is read; ``signs``
    those means that have too many values to list, why, and whose domain has no more than values of each sign that they
    can have; ``certain`` whether it is looked for what is sure to be selected, which makes domains smaller.
    """

    graph: Graph
    vocabulary: tuple[Value, ...]
    max_length: int
    causal: bool
    domains: dict[int, Domain]
    means: dict[int, Mean]
    sums: dict[int, WholeSum]
    selections: Selections
    uniqueness: Uniqueness
    widths: dict[int, range]
    most_combinations: int
    most_signed: int
    signs: dict[int, TooManyValues] = field(default_factory=dict)
    certain: bool = False
    _tables: dict[int, Table] = field(default_factory=dict)

    def selection(self, node: Node) -> Selection:
        """The normal form of the selector that an aggregate or a selector width reads."""
        return self.selections.of(node.inputs[0])

    def require_all_values(self) -> None:
        """Refuse domains that only have values of each sign.

        Raises:
            DomainTooLargeError: there is one.
        """
        for place, error in self.signs.items():
            raise too_many_values(self.graph.nodes[place], error)

    def table(self, node: Node) -> Table:
        """The function of an elementwise node over all combinations of its inputs' values.

        Raises:
            UndefinedValueError, DomainTooLargeError
        """
        expression = node.expression
        assert isinstance(expression, Map | SequenceMap)
        if node.place not in self._tables:
            try:
                self._tables[node.place] = tabulate(expression.f, node.inputs, self.domains, self.most_combinations)
            except FunctionFailure as failure:
                raise _undefined_value(self, node, failure) from failure
            except TooManyValues as error:
                raise too_many_values(node, error) from error
        return self._tables[node.place]


def infer_domains(
    graph: Graph,
    vocabulary: Sequence[Value],
    max_length: int,
    *,
    causal: bool,
    most_combinations: int = MAX_TABLE_ENTRIES,
    most_signed: int = MAX_NUMBERS,
) -> Analysis:
    """Find the domain of every s-op of the graph, for inputs of 1 to ``max_length`` tokens of the vocabulary.

    ``most_combinations`` and ``most_signed`` are limits (see :class:`Analysis`). Where a function fails on a value that
    it may be given, it is asked what is sure to be selected: then the value may be one that never occurs.

    Raises:
        UndefinedValueError: a function or predicate of the program fails on a value it may meet; a
            TokenConversionError where that is a conversion of tokens.
        MixedAggregateError: an aggregate may select several values that have no mean.
        DomainTooLargeError: an s-op has too many values, or a function too many combinations of inputs.
        CausalError: the program reads the length of the input, and ``causal`` is true.
    """

    def empty(certain: bool) -> Analysis:
        domains: dict[int, Domain] = {}
        selections = Selections(graph, domains)
        uniqueness = Uniqueness(graph, domains, selections, causal=causal)
        limits = most_combinations, min(most_combinations, most_signed)
        known = graph, tuple(vocabulary), max_length, causal, domains, dict[int, Mean](), dict[int, WholeSum]()
        return Analysis(*known, selections, uniqueness, {}, *limits, certain=certain)

    try:
        return _filled(empty(certain=False))
    except UndefinedValueError as error:
        try:
            return _filled(empty(certain=True))
        except UndefinedValueError:
            raise error from error.__cause__


def _filled(analysis: Analysis) -> Analysis:
    graph, domains, uniqueness = analysis.graph, analysis.domains, analysis.uniqueness
    for node in graph.sops():
        try:
            domains[node.place] = _domain(analysis, node)
            uniqueness.learn(node, analysis._tables.get(node.place), analysis.sums.get(node.place))
        except FunctionFailure as failure:
            raise _undefined_value(analysis, node, failure) from failure
        except TooManyValues as error:
            raise too_many_values(node, error) from error
    return analysis


def _undefined_value(analysis: Analysis, node: Node, failure: FunctionFailure) -> UndefinedValueError:
    """The error for a function of this node that has no value for something it may meet."""
    expression = node.expression
    if isinstance(expression, Map) and is_one_of(expression.f, *CONVERSIONS) and isinstance(expression.inner, Tokens):
        return _token_conversion(analysis, node, expression)
    remedy = "Guard it, or leave the tokens out that lead there"
    return UndefinedValueError(node.title, expression.location, str(failure), remedy)


def _token_conversion(analysis: Analysis, node: Node, conversion: Map) -> TokenConversionError:
    """The error for tokens that the program reads as numbers and that are none.

    The conversion belongs to the language, so its place in the program is that of the first expression that reads it.
    """
    tokens = tuple(token for token in analysis.vocabulary if not _is_defined(conversion, token))
    readers = (reader.expression.location for reader in analysis.graph.nodes if node.place in reader.inputs)
    return TokenConversionError(
        node.title,
        node.expression.location or next(filter(None, readers), None),
        f"tokens of the vocabulary do not convert: {_abridged(tokens)}",
        CONVERSION_REMEDY,
        tokens,
    )


def _is_defined(elementwise: Map, value: Value) -> bool:
    try:
        apply_function(elementwise.f, [value])
    except FunctionFailure:
        return False
    return True


def _abridged(values: Sequence[Value], limit: int = 12) -> str:
    return ", ".join(map(abridged, values[:limit])) + (f", … ({len(values)})" if len(values) > limit else "")


def too_many_values(node: Node, error: TooManyValues) -> DomainTooLargeError:
    """The error for a node that is too large to lay out."""
    return DomainTooLargeError(node.title, node.expression.location, str(error), error.remedy)


def _domain(analysis: Analysis, node: Node) -> Domain:
    expression = node.expression
    match expression:
        case Tokens():
            return Domain(analysis.vocabulary)  # in its own order: the place of a token is its id
        case Indices():
            return Domain(tuple(range(analysis.max_length)))
        case Length():
            if analysis.causal:
                raise CausalError(
                    node.title,
                    expression.location,
                    "a causal model cannot see how many tokens follow",
                    "Compile with causal=False, or use indices + 1, the length so far",
                )
            return Domain(tuple(range(1, analysis.max_length + 1)))
        case Full():
            return domain_of([expression.fill])
        case Map() | SequenceMap():
            return _elementwise_domain(analysis, node)
        case SelectorWidth():
            widths = _widths(analysis, node)
            return Domain(tuple(widths))
        case Aggregate():
            return _aggregate_domain(analysis, node, expression)
        case _:
            raise AssertionError(f"no domain rule for {type(expression).__name__}")


def _elementwise_domain(analysis: Analysis, node: Node) -> Domain:
    nullable = any(analysis.domains[place].nullable for place in node.inputs)
    mean = _affine_mean(analysis, node)
    if mean is not None:
        analysis.means[node.place] = mean
        return _mean_values(analysis, node, mean)
    if any(place in analysis.signs for place in node.inputs) and not _is_sign_test(node):
        analysis.require_all_values()
    found = whole_sum(node, analysis.domains)
    if found is not None:
        analysis.sums[node.place] = found
        return found.domain()
    table = analysis.table(node)
    return Domain(table.domain.values, table.domain.nullable or nullable)


def _affine_mean(analysis: Analysis, node: Node) -> Mean | None:
    """An affine function of means over one selector is the mean of the affine function."""
    affine = node_affine_function(node)
    means = [analysis.means.get(place) for place in node.inputs]
    operands = [mean for mean in means if mean is not None]
    if affine is None or len(operands) < len(means) or len({mean.selector for mean in operands}) > 1:
        return None
    expression = node.expression
    assert isinstance(expression, Map | SequenceMap)
    combinations = 1
    for mean in operands:
        combinations *= max(len(mean.numbers), len(mean.native))
    if combinations > analysis.most_combinations:
        raise TooManyValues(f"it combines means in {combinations} ways")
    numbers = {
        sum((c * x for c, x in zip(affine.coefficients, values, strict=True)), affine.offset)
        for values in product(*(mean.numbers for mean in operands))
    }
    if any(abs(number) > sys.float_info.max for number in numbers):
        return None
    natives = list(product(*(mean.native for mean in operands)))
    native = [apply_function(expression.f, values) for values in natives]
    if not all(_is_nearly(value, affine, values) for value, values in zip(native, natives, strict=True)):
        return None
    default = apply_function(expression.f, [mean.default for mean in operands])
    found = Mean(operands[0].selector, tuple(sorted(numbers)), domain_of(native).values, default)
    beside = [mean.beside for mean in operands if mean.beside is not None]
    if len(beside) < len(operands):
        return found
    first = sum((c * each[0] for c, each in zip(affine.coefficients, beside, strict=True)), affine.offset)
    others = {
        sum((c * x for c, x in zip(affine.coefficients, values, strict=True)), affine.offset)
        for values in product(*(each[1] for each in beside))
    }
    return replace(found, beside=(first, tuple(sorted(others))))


def _is_nearly(value: Value, affine: AffineFunction, operands: Sequence[Value]) -> bool:
    """Whether a function's value, as a float, is the exact one but for the last bits, which no model tells apart."""
    if isinstance(value, int):
        return True
    exact = [number for operand in operands if (number := exact_number(operand)) is not None]
    wanted = sum((c * x for c, x in zip(affine.coefficients, exact, strict=True)), affine.offset)
    return is_finite_number(value) and abs(Fraction(value) - wanted) <= _LAST_BITS * Fraction(math.ulp(value))


def _aggregate_domain(analysis: Analysis, node: Node, expression: Aggregate) -> Domain:
    selector, value = node.inputs
    selection = analysis.selection(node)
    values = analysis.domains[value]
    widths = _widths(analysis, node)
    defaults = [expression.default] if 0 in widths else []
    if selection.is_empty:
        return domain_of(defaults)
    averages_equals = isinstance(expression, MeanAggregate)
    if widths[-1] <= 1 or (not averages_equals and analysis.uniqueness.selects_one_value(selection, value)):
        return domain_of([*values.values, *defaults], nullable=values.nullable)
    if averages_equals:
        _check_only_numbers(node, values)
    else:
        _check_averageable(node, values)
    numbers = [exact for number in values.values if (exact := exact_number(number)) is not None]
    beside = None
    if analysis.certain and surely_selects(analysis.graph, analysis.domains, selector, Where.FIRST):
        beside = numbers_by_position(position_values(analysis.graph, analysis.domains, value))
    default = defaults[0] if defaults else None
    mean = Mean(selector, tuple(sorted(set(numbers))), values.values, default, beside)
    analysis.means[node.place] = mean
    return _mean_values(analysis, node, mean)


def _mean_values(analysis: Analysis, node: Node, mean: Mean) -> Domain:
    widths = analysis.widths[mean.selector]
    defaults = [mean.default] if 0 in widths else []
    if mean.beside is not None:
        native = [value for value in mean.native if exact_number(value) == mean.beside[0]]
        return domain_of([*native, *map(Ratio, means_with(*mean.beside, widths))])
    signed = _only_sign_is_read(analysis.graph, node)
    limit = min(MAX_NUMBERS, analysis.most_signed if signed else analysis.most_combinations)
    try:
        means = mean_domain(mean.numbers, mean.native, widths, limit)
    except TooManyValues as error:
        if not signed:
            raise
        analysis.signs[node.place] = error
        return domain_of([*mean.native, Ratio(Fraction(0)), *defaults])
    return domain_of([*means.values, *defaults]) if defaults else means


def _only_sign_is_read(graph: Graph, node: Node) -> bool:
    """Whether what reads a mean compares it with 0, or is an affine function, of which the same must hold."""
    readers = [each for each in graph.nodes if node.place in each.inputs]
    return node is not graph.output and all(_is_sign_test(each) or node_affine_function(each) for each in readers)


def _is_sign_test(node: Node) -> bool:
    """Whether an s-op compares another one with 0."""
    function = node.expression.f if isinstance(node.expression, Map) else None
    return (
        isinstance(function, PartialOperation)
        and function.operation in COMPARISONS
        and all(exact_number(value) == 0 for _, value in function.fixed)
    )


def _check_averageable(node: Node, values: Domain) -> None:
    """Refuse an aggregate that might have to average different values which are not all finite numbers."""
    odd = None if values.nullable else next((value for value in values.values if not is_finite_number(value)), ...)
    if odd is not ...:
        other = next(value for value in values.values if value is not odd)
        raise _no_mean(node, odd, f"a row may select {abridged(odd)} and {abridged(other)} together")


def _check_only_numbers(node: Node, values: Domain) -> None:
    """Refuse an aggregate of the original language that might select several values, even equal ones, but numbers."""
    odd = None if values.nullable else next((value for value in values.values if not _is_plain_number(value)), ...)
    if odd is not ...:
        raise _no_mean(node, odd, f"a row may select several positions that hold {abridged(odd)}")


def _is_plain_number(value: Value) -> bool:
    return is_finite_number(value) and not isinstance(value, bool)


def _no_mean(node: Node, odd: Value, selected: str) -> MixedAggregateError:
    """The error for values, ``odd`` among them, that can be selected together and not be averaged."""
    is_infinite = is_number(odd) and not is_finite_number(odd)
    reason = "the model cannot hold their mean" if is_infinite else "they have no mean"
    remedy = "Select by something that tells positions apart, such as indices, or aggregate numbers"
    if odd is None:
        remedy = "Give the aggregate that makes the None a default"
    elif isinstance(odd, bool):
        remedy += ", which indicator makes of bools"
    return MixedAggregateError(node.title, node.expression.location, f"{selected}, and {reason}", remedy)


def _widths(analysis: Analysis, node: Node) -> range:
    """How many positions the selector of this node can select at once."""
    selector = node.inputs[0]
    if selector not in analysis.widths:
        widths = _selection_widths(analysis, analysis.selections.of(selector))
        if analysis.certain and any(
            surely_selects(analysis.graph, analysis.domains, selector, where) for where in Where
        ):
            widths = range(max(widths.start, 1), widths.stop)
        analysis.widths[selector] = widths
    return analysis.widths[selector]


def _selection_widths(analysis: Analysis, selection: Selection) -> range:
    if selection.is_empty:
        return range(1)
    conjunction = selection.conjunction
    lowest = 1 if conjunction is not None and _selects_itself(analysis, conjunction) else 0
    highest = 1 if analysis.uniqueness.selects_one_position(selection) else analysis.max_length
    return range(lowest, highest + 1)


def _selects_itself(analysis: Analysis, conjunction: Conjunction) -> bool:
    """Whether every position is sure to select at least itself (also under a causal mask)."""
    return all(
        bool(matrix.all()) or (keys == queries and bool(matrix.diagonal().all()))
        for (keys, queries), matrix in conjunction.predicates.items()
        if not _may_be_none(analysis, keys, queries)
    ) and not any(_may_be_none(analysis, *pair) for pair in conjunction.predicates)


def _may_be_none(analysis: Analysis, *places: int) -> bool:
    return any(analysis.domains[place].nullable for place in places)
