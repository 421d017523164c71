"""What lowering builds up: the variables and components of the program so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.compiler.construction import Construction
from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.graph import Node
from tracrlab.compiler.lower.claiming import same_value_claim
from tracrlab.compiler.lower.folding import Slots
from tracrlab.craft.components import Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.neurons import Box, lookup_neurons, step_neurons
from tracrlab.craft.precision import unit_roundoff
from tracrlab.craft.spaces import Layout, Variable, one_hot_variable
from tracrlab.errors import DomainTooLargeError
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Int

MAX_ONE_HOT = 2**13
_DECODABLE = 2.0**-3


@dataclass(frozen=True, eq=False)
class Stored:
    """Where the value of an s-op is kept: ``slots`` gives for each value of its domain the place in the variable.

    It is -1 for values of the domain that turn out not to occur. Values that are the same number share a slot of a
    scalar, and of one-hots computed from one.
    """

    variable: Variable
    slots: Int[np.ndarray, " value"]

    @property
    def merged(self) -> Slots:
        """The slots, for folding tables onto them."""
        return Slots(self.slots, len(self.variable.values))


class Workspace(Construction):
    """The state of lowering one graph: sources, what is stored where, and the components in order of creation.

    ``grounded`` are the places of nodes whose widths must be counted beside grounds, if any may be, ``loud`` those of
    others whose widths were not exact enough for some reader; ``widths`` says which node's width a variable holds.
    """

    def __init__(
        self, analysis: Analysis, bos: str, pad: str, dtype: NumberFormat, grounded: frozenset[int] | None = None
    ) -> None:
        super().__init__(bos, analysis.max_length, dtype, names=[node.name for node in analysis.graph.sops()])
        self.grounded = grounded
        self.loud: set[int] = set()
        self.widths: dict[Variable, int] = {}
        self.analysis = analysis
        self.stored: dict[int, Stored] = {}
        self._derived: dict[tuple[Variable, str], Variable] = {}
        self._make_sources(pad)

    def _make_sources(self, pad: str) -> None:
        size, length = len(self.analysis.vocabulary), self.analysis.max_length
        tokens = one_hot_variable("tokens", self.analysis.vocabulary, nullable=False)
        self.pad = self.special(pad, at_bos=0)
        self.indices = one_hot_variable("indices", range(length), nullable=False)
        ids = np.eye(size + 2)
        self.embeddings += [
            Embedding(tokens, by_token=ids[:, :size]),
            Embedding(self.bos, by_token=ids[:, size : size + 1]),
            Embedding(self.pad, by_token=ids[:, size + 1 :]),
            Embedding(self.indices, by_position=np.eye(length + 1)[:, 1:]),
            Embedding(self.one, by_position=np.ones((length + 1, 1))),
        ]
        self.tokens = tokens

    def store(self, node: Node, variable: Variable, slots: Int[np.ndarray, " value"] | None = None) -> None:
        """Record that the value of ``node`` is kept in ``variable``."""
        if slots is None:
            slots = self.slots_in(variable, self.analysis.domains[node.place].values)
        if self.dtype.is_half and variable.layout is Layout.ONE_HOT:
            is_answer = node is self.analysis.graph.output
            variable = self.quiet(node, variable, _DECODABLE if is_answer else None)
        self.stored[node.place] = Stored(variable, slots)

    def slots_in(self, variable: Variable, values: Sequence[Value]) -> Int[np.ndarray, " value"]:
        """The place of each value in the variable; in a scalar, that of the same number."""
        if variable.layout is Layout.SCALAR:
            numbers = np.array([value for value in values if is_finite_number(value)], float)
            return np.searchsorted(variable.numbers, numbers)
        return np.array([variable.places[value_key(value)] for value in values], int)

    def one_hot(self, node: Node, variable: Variable) -> Variable:
        """The variable laid out one-hot; a scalar is discretised by an MLP, once.

        Raises:
            DomainTooLargeError: it has too many values.
            NotSeparable: the number format cannot tell its values apart.
        """
        if variable.layout is Layout.ONE_HOT:
            return variable
        if (variable, "onehot") not in self._derived:
            self.check_size(node, len(variable.values))
            copy = one_hot_variable(
                self.own_name(f"{variable.name}.onehot"), variable.values, nullable=variable.nullable
            )
            neurons = step_neurons(self.number(variable), copy.table, self.dtype)
            copy = self.add_mlp(node.place, copy, neurons)
            self.claims.append(same_value_claim(variable, copy))
            self._derived[variable, "onehot"] = self.quiet(node, copy) if self.dtype.is_half else copy
        return self._derived[variable, "onehot"]

    def one_hot_of(self, variable: Variable) -> list[Variable]:
        """The one-hot copy of a scalar, if there is one."""
        return [self._derived[variable, "onehot"]] if (variable, "onehot") in self._derived else []

    def exact(self, node: Node, variable: Variable) -> Variable:
        """A noiseless copy of a one-hot variable, made by an MLP, once; the variable itself if it is exact."""
        if variable.noise.is_exact:
            return variable
        self.notice(variable)
        if (variable, "exact") not in self._derived:
            copy = one_hot_variable(
                self.own_name(f"{variable.name}.exact"), variable.values, nullable=variable.nullable
            )
            boxes = [Box((row,), place) for place, row in enumerate(np.eye(variable.width, dtype=bool))]
            neurons = lookup_neurons([variable], boxes, copy.table, self.constant, self.dtype)
            self._derived[variable, "exact"] = self.add_mlp(node.place, copy, neurons)
            self.claims.append(same_value_claim(variable, copy))
        return self._derived[variable, "exact"]

    def notice(self, variable: Variable) -> None:
        """Note that a variable is not exact enough for a reader; if it holds a width, that can be helped."""
        if variable in self.widths and not variable.noise.is_exact:
            self.loud.add(self.widths[variable])

    def quiet(self, node: Node, variable: Variable, limit: float | None = None) -> Variable:
        """A one-hot variable, or a noiseless copy where its entries are further off than ``limit``, 8 roundings."""
        loud = variable.noise.of_read(np.eye(variable.width)) > (limit or 8 * unit_roundoff(self.dtype))
        return self.exact(node, variable) if loud else variable

    def check_size(self, node: Node, n_values: int) -> None:
        """Refuse to lay out more values one-hot than ``MAX_ONE_HOT``.

        Raises:
            DomainTooLargeError: there are more.
        """
        if n_values > MAX_ONE_HOT:
            raise DomainTooLargeError(
                node.title,
                node.expression.location,
                f"it would need {n_values} one-hot dimensions, more than {MAX_ONE_HOT}",
                "Round it to fewer values, or use a smaller vocabulary or length",
            )
