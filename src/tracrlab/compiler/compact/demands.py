"""Which features of which nodes the residual stream must hold, collected from the output backwards.

A *feature* is a number for each value of a node. A consumer reads features, and does not care how they come about:
those of a function of one node are features of that node, sums of features of several nodes are read from all of them,
and only what is neither must be computed by an MLP. What remains is a few *carriers*: nodes that are stored, as the
quantity that attention leaves (``raw``) or as columns of numbers (a code).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracrlab.compiler.compact.affine import column_tolerance, stored_columns
from tracrlab.compiler.compact.carriers import Carrier, Feature, is_raw
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.expand import Expansion, node_numbers
from tracrlab.compiler.ir.nodes import IMPOSSIBLE, Affine, Elementwise, IRNode, Rough
from tracrlab.errors import DomainTooLargeError
from tracrlab.shapes import Bool, Float

_MOST = 2**27  # entries of the features of one node


@dataclass(frozen=True, eq=False)
class Parts:
    """Features as a sum over carriers of features of theirs, and a constant."""

    terms: tuple[tuple[Carrier, Float[np.ndarray, "_ _"]], ...]
    offset: Float[np.ndarray, " feature"]


@dataclass(eq=False)
class Demands:
    """What is asked of each carrier so far."""

    layers: Layers
    passes: Passes
    _columns: dict[Carrier, list[Float[np.ndarray, "_ _"]]] = field(default_factory=dict)
    _tables: dict[Carrier, Float[np.ndarray, "_ _"]] = field(default_factory=dict)

    def add(self, feature: Feature) -> None:
        """Ask for features."""
        for carrier, columns in self.parts(feature).terms:
            assert carrier not in self._tables, f"{carrier.node.name} is asked for too late"
            self._columns.setdefault(carrier, []).append(columns)

    def wanted(self, carrier: Carrier) -> bool:
        """Whether anything has been asked of a carrier."""
        return carrier in self._columns

    def table(self, carrier: Carrier) -> Float[np.ndarray, "value column"]:
        """The columns that a carrier stores: those from which all that was asked of it can be read.

        Raises:
            DomainTooLargeError: they are too many.
        """
        if carrier not in self._tables:
            raw, n_values = carrier.node.raw_table() if carrier.raw else None, len(carrier.node.values)
            one_hot = not self.passes.factor and not isinstance(carrier.node, Rough)
            n_columns = n_values if one_hot else sum(each.shape[1] for each in self._columns[carrier])
            if raw is None and n_values * n_columns > _MOST:
                raise too_large(carrier.node, f"{n_values} values of it are told apart")
            if raw is not None:
                self._tables[carrier] = raw
            elif one_hot:
                self._tables[carrier] = np.eye(n_values)
            else:
                self._tables[carrier] = stored_columns(np.concatenate(self._columns[carrier], axis=1))
        return self._tables[carrier]

    def parts(self, feature: Feature) -> Parts:
        """Where features are read from."""
        node, columns = feature.node, feature.columns
        if not columns.shape[1] or (columns == columns[:1]).all():
            return Parts((), columns[0] if len(columns) else np.zeros(columns.shape[1]))
        if isinstance(node, Elementwise | Affine) and not isinstance(node, Rough):
            expansion = self.layers.expansion(node)
            single = len(expansion.atoms) <= 1 and expansion.atoms != (node,)
            if isinstance(node, Affine) and self.passes.fold and not single:
                slopes = _slopes(node, columns)
                if slopes is not None:
                    return self._affine_parts(node, slopes, columns, exact=feature.exact)
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
        tensor = columns[expansion.places]
        if not expansion.atoms:
            return Parts((), tensor)
        if not self.passes.fold:
            return Parts(((Carrier(node), columns),), np.zeros(columns.shape[1]))
        if len(expansion.atoms) == 1:
            return self.parts(Feature(expansion.atoms[0], tensor[expansion.classes[0]], exact))
        addends, separable = _separated(tensor, expansion.places != IMPOSSIBLE)
        if not separable:  # what is stored anyway serves for all
            return Parts(((Carrier(node), columns),), np.zeros(columns.shape[1]))
        features = [
            Feature(atom, addend[classes], exact)
            for atom, classes, addend in zip(expansion.atoms, expansion.classes, addends, strict=True)
        ]
        return _sum([self.parts(each) for each in features], np.zeros(columns.shape[1]))


def too_large(node: IRNode, reason: str) -> DomainTooLargeError:
    """The error for a node that takes too many features or neurons."""
    return DomainTooLargeError(
        node.name, None, reason, "Use a smaller vocabulary or length, or fewer or coarser values"
    )


def _slopes(node: Affine, columns: Float[np.ndarray, "value feature"]) -> Float[np.ndarray, " feature"] | None:
    """The factors that make the columns of the node's numbers, up to a constant."""
    numbers = node_numbers(node)
    distance = numbers[-1] - numbers[0]
    slopes: np.ndarray = (columns[-1] - columns[0]) / distance if distance else np.zeros(columns.shape[1])
    straight = columns[0] + (numbers - numbers[0])[:, None] * slopes
    return slopes if (np.abs(straight - columns) <= column_tolerance(columns)).all() else None


def _separated(
    tensor: Float[np.ndarray, "... feature"], possible: Bool[np.ndarray, "..."]
) -> tuple[list[Float[np.ndarray, "_ _"]], bool]:
    """Functions of each axis whose sum is the tensor wherever possible, and whether there are any.

    They are read off the lines through the origin, the entry with the most possible ones in line with it.
    """
    n_axes = tensor.ndim - 1
    counts = [possible.sum(axis=tuple(other for other in range(n_axes) if other != axis)) for axis in range(n_axes)]
    origin = tuple(int(count.argmax()) for count in counts)
    middle = tensor[origin]
    addends, total = [], np.broadcast_to(middle, tensor.shape)
    for axis in range(n_axes):
        line = tensor[tuple(slice(None) if other == axis else origin[other] for other in range(n_axes))]
        shape = [1] * n_axes
        shape[axis] = len(line)
        total = total + (line - middle).reshape(*shape, -1)
        addends.append(line - middle if axis else line)
    off = np.abs(total - tensor) * possible[..., None]
    return addends, bool((off <= column_tolerance(tensor.reshape(-1, tensor.shape[-1]))).all())


def _sum(parts: list[Parts], offset: Float[np.ndarray, " feature"]) -> Parts:
    """Sums of parts, with what is read from one carrier added up."""
    gathered: dict[Carrier, Float[np.ndarray, "_ _"]] = {}
    for part in parts:
        offset = offset + part.offset
        for carrier, columns in part.terms:
            gathered[carrier] = gathered[carrier] + columns if carrier in gathered else columns
    return Parts(tuple(gathered.items()), offset)
