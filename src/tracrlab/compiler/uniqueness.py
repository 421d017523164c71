"""Which s-ops determine which others within one input, so that an aggregate is known to copy, not to average.

A *fact* says: two positions of one input that hold the same values (none of them ``None``) in the s-ops ``premises``
hold the same value in the s-op ``conclusion``. Facts come from injective functions, from positions being distinct, and
from ranks: the number of positions that precede a position in a strict total order tells positions apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import numpy as np

from tracrlab.compiler.graph import Graph, Node
from tracrlab.compiler.selections import Conjunction, Pair, PredicateMatrix, Selection, Selections
from tracrlab.compiler.sums import WholeSum
from tracrlab.compiler.value_sets import Domain, Table
from tracrlab.rasp.expressions import (
    Aggregate,
    Full,
    Indices,
    Length,
    Map,
    SelectorWidth,
    SequenceMap,
)
from tracrlab.shapes import Bool, Int

Fact = tuple[frozenset[int], int]

_MAX_ORDER_COMPONENTS = 3
_MAX_CELLS = 2**22  # of a predicate traced back to what its keys are computed from
_WEAK_ORDERS = [ranks for ranks in product(range(3), repeat=3) if set(ranks) == set(range(max(ranks) + 1))]


class Uniqueness:
    """What is known about the s-ops of one graph, filled node by node as their domains become known."""

    def __init__(self, graph: Graph, domains: dict[int, Domain], selections: Selections, *, causal: bool) -> None:
        self._graph = graph
        self._domains = domains
        self._selections = selections
        self._causal = causal
        self._facts: list[Fact] = []
        self._uniform: set[int] = set()
        self._tables: dict[int, Table] = {}

    def learn(self, node: Node, table: Table | None, found: WholeSum | None) -> None:
        """Record what follows from this node, whose inputs have been learnt.

        ``table`` is its function, if it is one, or ``found`` the sum that it is a function of.
        """
        expression = node.expression
        if table is not None:
            self._tables[node.place] = table
        if self._is_uniform(node):
            self._uniform.add(node.place)
        elif isinstance(expression, Map | SequenceMap) and table is not None:
            self._facts += self._injectivity_facts(node, table)
        elif found is not None and found.comparison is None:
            self._facts += self._sum_facts(node, found)
        elif isinstance(expression, SelectorWidth):
            self._facts += self._rank_facts(node, self._selections.of(node.inputs[0]))

    def determined(self, premises: Iterable[int]) -> set[int]:
        """All s-ops on which positions agree that agree on ``premises`` (without ``None``)."""
        known = set(premises) | self._uniform
        if self._graph.indices in known:
            return {node.place for node in self._graph.nodes}
        size = -1
        while size != len(known):
            size = len(known)
            known.update(conclusion for needed, conclusion in self._facts if needed <= known)
            if any(isinstance(self._graph.nodes[place].expression, Indices) for place in known):
                return {node.place for node in self._graph.nodes}
            known.update(
                node.place
                for node in self._graph.nodes
                if isinstance(node.expression, Map | SequenceMap) and known.issuperset(node.inputs)
            )
        return known

    def pinned(self, conjunction: Conjunction) -> set[int]:
        """S-ops on which all the positions agree that one query selects."""
        return self.determined(
            place for (keys, _), matrix in conjunction.predicates.items() for place in self._fixed_by(matrix, keys)
        )

    def _fixed_by(self, matrix: PredicateMatrix, keys: int) -> Iterator[int]:
        """S-ops of which each query selects one value at most: the keys, or what they are maps of.

        That the key is ``indices == 3``, say, leaves many positions open where it is false, but one where it is true.
        """
        while True:
            if (matrix.sum(axis=1) <= 1).all():
                yield keys
            node = self._graph.nodes[keys]
            if not isinstance(node.expression, Map) or keys not in self._tables:
                return
            places = self._tables[keys].places
            if len(matrix) * len(places) > _MAX_CELLS:
                return
            matrix = np.where(places < 0, False, matrix[:, places])
            (keys,) = node.inputs

    def selects_one_value(self, selection: Selection, value: int) -> bool:
        """Whether all the positions that one query selects are sure to hold the same value of the s-op ``value``."""
        domain = self._domains[value]
        if len(domain) + domain.nullable <= 1 or value in self._uniform or selection.is_empty:
            return True
        implied = selection.implied
        return value in self.pinned(implied) or any(
            self._rows_agree(matrix, keys, value) for (keys, _), matrix in implied.predicates.items()
        )

    def selects_one_position(self, selection: Selection) -> bool:
        """Whether no query selects two positions."""
        return selection.is_empty or self._graph.indices in self.pinned(selection.implied)

    def _rows_agree(self, matrix: PredicateMatrix, keys: int, value: int) -> bool:
        """Whether ``value`` is a chain of maps of the key s-op that is constant over what each query selects."""
        chain = []
        while value != keys:
            node = self._graph.nodes[value]
            if not isinstance(node.expression, Map) or value not in self._tables:
                return False
            chain.append(self._tables[value].places)
            value = node.inputs[0]
        image = np.arange(matrix.shape[1])
        for places in reversed(chain):
            image = np.where(image < 0, -1, places[image])
        low = np.where(matrix, image, np.iinfo(int).max).min(axis=1, initial=np.iinfo(int).max)
        high = np.where(matrix, image, -2).max(axis=1, initial=-2)
        return bool((low >= high).all())

    def _is_uniform(self, node: Node) -> bool:
        """Whether the s-op has the same value at every position of an input."""
        match node.expression:
            case Length() | Full():
                return True
            case Map() | SequenceMap():
                return self._uniform.issuperset(node.inputs)
            case Aggregate() | SelectorWidth():
                selection = self._selections.of(node.inputs[0])
                return not self._causal and all(queries in self._uniform for _, queries in selection.pairs())
            case _:
                return False

    def _injectivity_facts(self, node: Node, table: Table) -> list[Fact]:
        """The value and all operands but one determine that one; the value alone may determine them all."""
        inputs = table.inputs
        varying = [axis for axis, place in enumerate(inputs) if place not in self._uniform]
        facts: list[Fact] = []
        if _is_injective(table.places, varying):
            facts += [(frozenset({node.place}), inputs[axis]) for axis in varying]
        elif len(varying) > 1:
            for axis in varying:
                if _is_injective(table.places, [axis]):
                    others = {inputs[other] for other in varying if other != axis}
                    facts.append((frozenset({node.place, *others}), inputs[axis]))
        return facts

    def _sum_facts(self, node: Node, found: WholeSum) -> list[Fact]:
        """A sum and all addends but one determine that one; the sum alone determines them if all sums differ."""
        varying = [place for place in found.inputs if place not in self._uniform]
        if len(varying) == 1 or found.is_injective:
            return [(frozenset({node.place}), place) for place in varying]
        return [(frozenset({node.place, *varying}) - {place}, place) for place in varying]

    def _rank_facts(self, node: Node, selection: Selection) -> list[Fact]:
        """A rank in a strict total order of some s-ops tells positions apart that differ in these.

        Let R(key, query) be the selector as a relation between the values of s-ops X1 … Xm, each both key and query.
        If R holds only between positions that agree on some of them (the group), and within a group R is transitive
        and holds one way between any two different value tuples, then of two positions of a group that differ, one
        selects all that the other does and at least one position more, so their widths differ.
        """
        relations = self._order_relations(selection)
        if relations is None:
            return []
        places, holds = relations
        signs = (-1, 0, 1)
        group = [
            axis
            for axis in range(len(places))
            if not any(holds(signs_) for signs_ in product(signs, repeat=len(places)) if signs_[axis] != 0)
        ]
        ordered = [axis for axis in range(len(places)) if axis not in group]
        if not 0 < len(ordered) <= _MAX_ORDER_COMPONENTS:
            return []

        def within_group(ordered_signs: tuple[int, ...]) -> bool:
            full = [0] * len(places)
            for axis, sign in zip(ordered, ordered_signs, strict=True):
                full[axis] = sign
            return holds(tuple(full))

        if not _is_total_order(within_group, len(ordered)):
            return []
        premises = frozenset({node.place, *(places[axis] for axis in group)})
        return [(premises, places[axis]) for axis in ordered]

    def _order_relations(self, selection: Selection) -> tuple[list[int], Callable[[tuple[int, ...]], bool]] | None:
        """The s-ops compared, and whether R holds given the sign of (key - query) in each; ``None`` if it is no such R.

        Signs refer to the order of the domains, whatever that is. Under causal masking the key's position must also
        not come after the query's.
        """
        pairs = selection.pairs()
        if self._causal and (self._graph.indices, self._graph.indices) not in pairs:
            pairs.append((self._graph.indices, self._graph.indices))
        if not pairs or any(keys != queries or self._domains[keys].nullable for keys, queries in pairs):
            return None
        terms: list[tuple[int, dict[Pair, dict[int, bool]]]] = []
        for coefficient, conjunction in selection.terms:
            relations = {pair: _relation(matrix) for pair, matrix in conjunction.predicates.items()}
            if any(relation is None for relation in relations.values()):
                return None
            terms.append((coefficient, {pair: relation for pair, relation in relations.items() if relation}))

        def holds(signs: tuple[int, ...]) -> bool:
            sign = dict(zip(pairs, signs, strict=True))
            if self._causal and sign[self._graph.indices, self._graph.indices] > 0:
                return False
            return sum(c for c, relations in terms if all(r[sign[pair]] for pair, r in relations.items())) > 0

        return [keys for keys, _ in pairs], holds


def _is_injective(places: Int[np.ndarray, "..."], axes: list[int]) -> bool:
    """Whether the function is injective in these axes together, whatever the other axes are fixed to."""
    if not places.size:
        return True
    last = range(places.ndim - len(axes), places.ndim)
    rows = np.moveaxis(places, axes, list(last))
    rows = rows.reshape(-1, int(np.prod(rows.shape[places.ndim - len(axes) :])))
    ascending = np.sort(rows, axis=1)
    return not bool(((ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)).any())


def _relation(matrix: Bool[np.ndarray, "query key"]) -> dict[int, bool] | None:
    """The predicate as a function of the sign of (key place - query place), if it is one."""
    size = len(matrix)
    signs = np.sign(np.arange(size)[None, :] - np.arange(size)[:, None])
    relation = {}
    for sign in (-1, 0, 1):
        cells = matrix[signs == sign]
        if cells.size and cells.any() != cells.all():
            return None
        relation[sign] = bool(cells.size and cells.all())
    return relation


def _is_total_order(holds: Callable[[tuple[int, ...]], bool], n_components: int) -> bool:
    """Whether a relation given by signs is transitive, and holds exactly one way between different tuples."""
    for signs in product((-1, 0, 1), repeat=n_components):
        if any(signs) and holds(signs) == holds(tuple(-sign for sign in signs)):
            return False
    for ranks in product(_WEAK_ORDERS, repeat=n_components):  # three positions, ranked in each component

        def related(key: int, query: int, ranks: tuple[tuple[int, ...], ...] = ranks) -> bool:
            return holds(tuple(int(np.sign(rank[key] - rank[query])) for rank in ranks))

        if related(0, 1) and related(1, 2) and not related(0, 2):
            return False
    return True
