"""Which features of which nodes the residual stream must hold, collected from the output backwards.

A *feature* is a number for each value of a node. A consumer reads features, and does not care how they come about:
those of a function of one node are features of that node, sums of features of several nodes are read from all of them,
and only what is neither must be computed by an MLP. What remains is a few *carriers*: nodes that are stored, as the
quantity that attention leaves (``raw``) or as columns of numbers (a code).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracrlab.compiler.compact.affine import affine_basis
from tracrlab.compiler.compact.expand import Expansion, Expansions, node_numbers
from tracrlab.compiler.compact.ir import Affine, Elementwise, IRNode, is_raw
from tracrlab.shapes import Bool, Float

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Carrier:
    """A node that is stored, as a code or as what attention leaves for it."""

    node: IRNode
    raw: bool = False


@dataclass(frozen=True, eq=False)
class Feature:
    """Features of a node, a column each; ``exact``: clean values are wanted, not quantities with rounding errors."""

    node: IRNode
    columns: Float[np.ndarray, "value feature"]
    exact: bool = True


@dataclass(frozen=True, eq=False)
class Parts:
    """Features as a sum over carriers of features of theirs, and a constant."""

    terms: tuple[tuple[Carrier, Float[np.ndarray, "value feature"]], ...]
    offset: Float[np.ndarray, " feature"]


@dataclass(eq=False)
class Demands:
    """What is asked of each carrier so far."""

    expansions: Expansions
    one_hot_codes: bool = False
    _columns: dict[Carrier, list[Float[np.ndarray, "value feature"]]] = field(default_factory=dict)
    _tables: dict[Carrier, Float[np.ndarray, "value column"]] = field(default_factory=dict)

    def add(self, feature: Feature) -> None:
        """Ask for features."""
        for carrier, columns in self.parts(feature).terms:
            assert carrier not in self._tables, f"{carrier.node.name} is asked for too late"
            self._columns.setdefault(carrier, []).append(columns)

    def wanted(self, carrier: Carrier) -> bool:
        """Whether anything has been asked of a carrier."""
        return carrier in self._columns

    def table(self, carrier: Carrier) -> Float[np.ndarray, "value column"]:
        """The columns that a carrier stores: the fewest from which all that was asked of it can be read."""
        if carrier not in self._tables:
            raw = carrier.node.raw_table() if carrier.raw else None
            if raw is not None:
                self._tables[carrier] = raw
            elif self.one_hot_codes:
                self._tables[carrier] = np.eye(len(carrier.node.values))
            else:
                self._tables[carrier] = affine_basis(np.concatenate(self._columns[carrier], axis=1))
        return self._tables[carrier]

    def parts(self, feature: Feature) -> Parts:
        """Where features are read from."""
        node, columns = feature.node, feature.columns
        if not columns.shape[1] or (columns == columns[:1]).all():
            return Parts((), columns[0] if len(columns) else np.zeros(columns.shape[1]))
        if isinstance(node, Affine) and (slope := _slopes(node, columns)) is not None:
            return self._affine_parts(node, slope, columns, exact=feature.exact)
        if isinstance(node, Elementwise | Affine):
            expansion = self.expansions.of(node)
            if expansion.atoms != (node,):
                return self._elementwise_parts(node, expansion, columns, exact=feature.exact)
            return Parts(((Carrier(node), columns),), np.zeros(columns.shape[1]))
        raw = not feature.exact and is_raw(node, columns)
        return Parts(((Carrier(node, raw), columns),), np.zeros(columns.shape[1]))

    def _affine_parts(
        self,
        node: Affine,
        slopes: Float[np.ndarray, " feature"],
        columns: Float[np.ndarray, "value feature"],
        *,
        exact: bool,
    ) -> Parts:
        offset = columns[0] - slopes * node_numbers(node)[0] + slopes * float(node.offset)
        features = [
            Feature(operand, node_numbers(operand)[:, None] * (float(factor) * slopes), exact)
            for operand, factor in zip(node.operands, node.factors, strict=True)
        ]
        return _sum([self.parts(each) for each in features], offset)

    def _elementwise_parts(
        self, node: IRNode, expansion: Expansion, columns: Float[np.ndarray, "value feature"], *, exact: bool
    ) -> Parts:
        tensor = columns[expansion.places]  # what is impossible counts as the last value
        if len(expansion.atoms) == 1:
            return self.parts(Feature(expansion.atoms[0], tensor, exact))
        addends, separable = _separated(tensor)
        own = np.where(separable, 0.0, columns)
        features = [
            Feature(atom, np.where(separable, addend, 0.0), exact)
            for atom, addend in zip(expansion.atoms, addends, strict=True)
        ]
        parts = _sum([self.parts(each) for each in features], np.zeros(columns.shape[1]))
        if separable.all():
            return parts
        return Parts((*parts.terms, (Carrier(node), own)), parts.offset)


def _slopes(node: Affine, columns: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, " feature"] | None:
    """The factors that make the columns of the node's numbers, up to a constant."""
    numbers = node_numbers(node)
    distance = numbers[-1] - numbers[0]
    slopes: np.ndarray = (columns[-1] - columns[0]) / distance if distance else np.zeros(columns.shape[1])
    straight = columns[0] + (numbers - numbers[0])[:, None] * slopes
    size = np.maximum(1.0, np.abs(columns).max(initial=0))
    return slopes if np.abs(straight - columns).max(initial=0) <= _TOLERANCE * size else None


def _separated(
    tensor: Float[np.ndarray, "... feature"],
) -> tuple[list[Float[np.ndarray, "value feature"]], Bool[np.ndarray, " feature"]]:
    """Functions of each axis whose sum is the tensor, and for which features they are."""
    n_axes = tensor.ndim - 1
    origin = tensor[(0,) * n_axes]
    addends, total = [], np.broadcast_to(origin, tensor.shape)
    for axis in range(n_axes):
        line = tensor[tuple(slice(None) if other == axis else 0 for other in range(n_axes))]
        shape = [1] * n_axes
        shape[axis] = len(line)
        total = total + (line - origin).reshape(*shape, -1)
        addends.append(line - origin if axis else line)
    axes = tuple(range(n_axes))
    size = np.maximum(1.0, np.abs(tensor).max(axis=axes))
    return addends, np.abs(total - tensor).max(axis=axes) <= _TOLERANCE * size


def _sum(parts: list[Parts], offset: Float[np.ndarray, " feature"]) -> Parts:
    """Sums of parts, with what is read from one carrier added up."""
    gathered: dict[Carrier, Float[np.ndarray, "value feature"]] = {}
    for part in parts:
        offset = offset + part.offset
        for carrier, columns in part.terms:
            gathered[carrier] = gathered[carrier] + columns if carrier in gathered else columns
    return Parts(tuple(gathered.items()), offset)
