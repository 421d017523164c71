"""What lowering builds up: the variables and components of the program so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.compiler.domains import Analysis
from tracrlab.compiler.graph import Node
from tracrlab.craft.components import MLP, AttentionHead, Component, Embedding
from tracrlab.craft.heads import Scores, sharpness
from tracrlab.craft.neurons import Box, Neurons, Number, lookup_neurons, step_neurons
from tracrlab.craft.precision import check_range
from tracrlab.craft.spaces import (
    Dimension,
    Layout,
    Read,
    Variable,
    one_hot_variable,
)
from tracrlab.errors import DomainTooLargeError
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Float, Int

MAX_ONE_HOT = 2**13


@dataclass(frozen=True, eq=False)
class Stored:
    """Where the value of an s-op is kept: ``slots`` gives for each value of its domain the place in the variable.

    It is -1 for values of the domain that turn out not to occur. Values that are the same number share a slot of a
    scalar, and of one-hots computed from one.
    """

    variable: Variable
    slots: Int[np.ndarray, " value"]


@dataclass(frozen=True, eq=False)
class Placed:
    """A component and the place in the graph of the expression it serves."""

    node: int
    component: Component


class Workspace:
    """The state of lowering one graph: sources, what is stored where, and the components in order of creation."""

    def __init__(self, analysis: Analysis, bos: str, pad: str, dtype: np.dtype) -> None:
        self.analysis = analysis
        self.dtype = dtype
        self.stored: dict[int, Stored] = {}
        self.components: list[Placed] = []
        self.embeddings: list[Embedding] = []
        self._derived: dict[tuple[Variable, str], Variable] = {}
        self._make_sources(bos, pad)

    def _make_sources(self, bos: str, pad: str) -> None:
        size, length = len(self.analysis.vocabulary), self.analysis.max_length
        tokens = one_hot_variable("tokens", self.analysis.vocabulary, nullable=False)
        self.bos, self.pad = _special_variable(bos, at_bos=1), _special_variable(pad, at_bos=0)
        self.indices = one_hot_variable("indices", range(length), nullable=False)
        self.one = Variable("one", Layout.SCALAR, (1,), False, (Dimension("one"),), np.ones(1))
        ids = np.eye(size + 2)
        self.embeddings += [
            Embedding(tokens, by_token=ids[:, :size]),
            Embedding(self.bos, by_token=ids[:, size : size + 1]),
            Embedding(self.pad, by_token=ids[:, size + 1 :]),
            Embedding(self.indices, by_position=np.eye(length + 1)[:, 1:]),
            Embedding(self.one, by_position=np.ones((length + 1, 1))),
        ]
        self.tokens = tokens

    @property
    def constant(self) -> tuple[tuple[Variable, float], ...]:
        """Reads that give 1 at every position except BOS, 0 there."""
        return (self.one, 1.0), (self.bos, -1.0)

    def constant_reads(self, row: Float[np.ndarray, " feature"]) -> list[Read]:
        """Reads that give ``row`` at every position except BOS, zero there."""
        return [Read(variable, coefficient * row[None, :]) for variable, coefficient in self.constant]

    def store(self, node: Node, variable: Variable, slots: Int[np.ndarray, " value"] | None = None) -> None:
        """Record that the value of ``node`` is kept in ``variable``."""
        if slots is None:
            slots = self.slots_in(variable, self.analysis.domains[node.place].values)
        self.stored[node.place] = Stored(variable, slots)

    def slots_in(self, variable: Variable, values: Sequence[Value]) -> Int[np.ndarray, " value"]:
        """The place of each value in the variable; in a scalar, that of the same number."""
        if variable.layout is Layout.SCALAR:
            numbers = np.array([value for value in values if is_finite_number(value)], float)
            return np.searchsorted(variable.numbers, numbers)
        return np.array([variable.places[value_key(value)] for value in values], int)

    def add_mlp(self, node: Node, variable: Variable, neurons: Neurons) -> Variable:
        """Add an MLP that writes ``variable``; returns it with the noise of the construction.

        Without neurons (it is always zero, as ``None`` and the number 0 are) nothing is added.
        """
        one_hot = variable.layout is Layout.ONE_HOT or not variable.values
        self._check_range(variable)
        noise = neurons.noise if one_hot else neurons.noise.absolute(np.abs(variable.table).max(axis=0))
        finished = replace(variable, noise=noise)
        if not len(neurons.output):
            return finished
        self.components.append(Placed(node.place, MLP(finished, self.clear_of_bos(neurons.reads), neurons.output)))
        return finished

    def add_head(
        self, node: Node, variable: Variable, scores: Scores, values: Sequence[Read], at_bos: Value
    ) -> Variable:
        """Add an attention head that writes the attended ``values`` (a feature a dimension) to ``variable``.

        Where it attends BOS it writes ``at_bos``.
        """
        self._check_range(variable)
        default = variable.vector(at_bos)
        reads = self.clear_of_bos(values)
        if default.any():
            reads = (*reads, Read(self.bos, default[None, :]))
        head = AttentionHead(
            variable,
            self.clear_of_bos(scores.queries),
            self.clear_of_bos(scores.keys),
            reads,
            np.eye(variable.width),
            self.sharpness(scores),
        )
        self.components.append(Placed(node.place, head))
        return variable

    def sharpness(self, scores: Scores) -> float:
        """The factor from scores to logits that this length and number format need."""
        return sharpness(self.analysis.max_length + 1, scores, self.dtype)

    def embed(self, variable: Variable, by_position: Float[np.ndarray, "position width"]) -> Variable:
        """Put a function of the position into the position embedding."""
        self._check_range(variable)
        self.embeddings.append(Embedding(variable, by_position=by_position))
        return variable

    def _check_range(self, variable: Variable) -> None:
        """A scalar's numbers must lie where the number format computes with them safely."""
        if variable.layout is Layout.SCALAR:
            check_range(variable.numbers, self.dtype)

    def clear_of_bos(self, reads: Sequence[Read]) -> tuple[Read, ...]:
        """The same reads, corrected to give zero at BOS where a variable holds something there.

        Reads of ``one`` and of the BOS mark itself are meant as they are.
        """
        corrected = []
        for read in reads:
            corrected.append(read)
            at_bos = read.variable.at_bos @ read.matrix
            if read.variable not in (self.bos, self.one) and at_bos.any():
                corrected.append(Read(self.bos, -at_bos[None, :]))
        return tuple(corrected)

    def number(self, variable: Variable) -> Number:
        """A scalar variable as something to step on."""
        column = np.zeros((variable.width, 1))
        column[0] = 1
        error = np.full(len(variable.values), variable.noise.of_read(column))
        reads = (Read(variable, column),)
        if not variable.nullable:
            return Number(reads, self.constant_columns, variable.numbers, error)
        present = np.array([0.0, 1.0])
        present_error = variable.noise.of_read(present[:, None])
        return Number(reads, ((variable, present),), variable.numbers, error, present_error)

    @property
    def constant_columns(self) -> tuple[tuple[Variable, Float[np.ndarray, " _"]], ...]:
        """The constant 1 of all positions but BOS, as columns."""
        return tuple((variable, np.array([coefficient])) for variable, coefficient in self.constant)

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
            copy = one_hot_variable(f"{variable.name}.onehot", variable.values, nullable=variable.nullable)
            neurons = step_neurons(self.number(variable), copy.table, self.dtype)
            self._derived[variable, "onehot"] = self.add_mlp(node, copy, neurons)
        return self._derived[variable, "onehot"]

    def exact(self, node: Node, variable: Variable) -> Variable:
        """A noiseless copy of a one-hot variable, made by an MLP, once; the variable itself if it is exact."""
        if variable.noise.is_exact:
            return variable
        if (variable, "exact") not in self._derived:
            copy = one_hot_variable(f"{variable.name}.exact", variable.values, nullable=variable.nullable)
            boxes = [Box((row,), place) for place, row in enumerate(np.eye(variable.width, dtype=bool))]
            neurons = lookup_neurons([variable], boxes, copy.table, self.constant, self.dtype)
            self._derived[variable, "exact"] = self.add_mlp(node, copy, neurons)
        return self._derived[variable, "exact"]

    def check_size(self, node: Node, n_values: int) -> None:
        """Refuse to lay out more values one-hot than ``MAX_ONE_HOT``."""
        if n_values > MAX_ONE_HOT:
            raise DomainTooLargeError(
                node.title,
                node.expression.location,
                f"it would need {n_values} one-hot dimensions, more than {MAX_ONE_HOT}",
                "Round it to fewer values, or use a smaller vocabulary or length",
            )


def _special_variable(token: str, *, at_bos: int) -> Variable:
    """The dimension that is 1 at a special token and 0 elsewhere; its label is that of a token."""
    dimension = Dimension("tokens", token)
    return Variable(str(dimension), Layout.SCALAR, (0, 1), False, (dimension,), np.array([float(at_bos)]))
