"""Building components over labelled variables: what both modes of the compiler share.

Every construction is corrected for BOS, at which nothing may be left that a later head could take for a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.claims import Claims, EmbeddingClaim, HeadClaim, MLPClaim, NumberClaim, ReadoutClaim
from tracrlab.craft.components import MLP, AttentionHead, Component, Embedding
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.heads import Scores, sharpness
from tracrlab.craft.neurons import Neurons, Number
from tracrlab.craft.precision import check_range
from tracrlab.craft.spaces import Dimension, Layout, Read, Variable
from tracrlab.shapes import Float


@dataclass(frozen=True, eq=False)
class Placed:
    """A component and the place in the graph of the expression it serves."""

    node: int
    component: Component


class Construction:
    """The embeddings and components of a program so far, in an order that respects their reads.

    ``bos`` marks BOS, ``one`` is 1 at every position; the caller embeds them. No two variables have one name: ``names``
    are kept for the program's own. ``off_at_bos``: neurons are clearly off at BOS, whatever errors there are.
    """

    def __init__(
        self, bos: str, max_length: int, dtype: NumberFormat, names: Iterable[str] = (), *, off_at_bos: bool = False
    ) -> None:
        self.max_length = max_length
        self.dtype = dtype
        self._off_at_bos = off_at_bos or dtype.is_half
        self.components: list[Placed] = []
        self.embeddings: list[Embedding] = []
        self.claims: list[MLPClaim | NumberClaim | HeadClaim] = []
        self._names = set(names)
        self.bos = self.special(bos, at_bos=1)
        name = self.own_name("one")
        self.one = Variable(name, Layout.SCALAR, (1,), False, (Dimension(name),), np.ones(1))

    def claim(self, claim: MLPClaim | NumberClaim | HeadClaim | None) -> None:
        """Record what a component computes, where it can be said."""
        if claim is not None:
            self.claims.append(claim)

    def own_name(self, name: str) -> str:
        """A name for a variable that no other variable has."""
        number, own = 1, name
        while own in self._names:
            number += 1
            own = f"{name}#{number}"
        self._names.add(own)
        return own

    def special(self, token: str, at_bos: int) -> Variable:
        """The dimension that is 1 at a special token and 0 elsewhere; its label is that of a token."""
        dimension = Dimension("tokens", token)
        name = self.own_name(str(dimension))
        return Variable(name, Layout.SCALAR, (0, 1), False, (dimension,), np.array([float(at_bos)]))

    def all_claims(self, readout: ReadoutClaim | None) -> Claims:
        """What is claimed of everything built so far, and of the readout."""
        embedded = [EmbeddingClaim(each.writes.name, each.by_token, each.by_position) for each in self.embeddings]
        return Claims(tuple(embedded), tuple(self.claims), readout)

    @property
    def constant(self) -> tuple[tuple[Variable, float], ...]:
        """Reads that give 1 at every position except BOS, 0 there."""
        return (self.one, 1.0), (self.bos, -1.0)

    def constant_reads(self, row: Float[np.ndarray, " feature"]) -> list[Read]:
        """Reads that give ``row`` at every position except BOS, zero there."""
        return [Read(variable, coefficient * row[None, :]) for variable, coefficient in self.constant]

    def add_mlp(self, place: int, variable: Variable, neurons: Neurons) -> Variable:
        """Add an MLP that writes ``variable``; returns it with the noise of the construction.

        Without neurons (it is always zero, as ``None`` and the number 0 are) nothing is added.
        """
        one_hot = variable.layout is Layout.ONE_HOT or not variable.values
        self._check_range(variable)
        noise = neurons.noise if one_hot else neurons.noise.absolute(np.abs(variable.table).max(axis=0))
        finished = replace(variable, noise=noise)
        if not len(neurons.output):
            return finished
        reads = self._silenced(self.clear_of_bos(neurons.reads))
        self.components.append(Placed(place, MLP(finished, reads, neurons.output)))
        return finished

    def _silenced(self, reads: tuple[Read, ...]) -> tuple[Read, ...]:
        """The same reads, with weights on BOS that keep all neurons off there, though a half format rounds them."""
        if not self._off_at_bos:
            return reads
        total = sum((read.matrix[0] for read in reads if read.variable is self.bos), np.zeros(reads[0].matrix.shape[1]))
        lower = self.dtype.rounded_down(total - 1) - total
        return (*reads, Read(self.bos, lower[None, :]))

    def add_head(
        self,
        place: int,
        variable: Variable,
        scores: Scores,
        values: Sequence[Read],
        default: Float[np.ndarray, " width"],
        *,
        sharpness: float | None = None,
        excess: float = 0.0,
        needs_exact_logits: bool = False,
        lead: float = 0.0,
        ahead: Sequence[Read] = (),
    ) -> Variable:
        """Add an attention head that writes the attended ``values`` (a feature a dimension) to ``variable``.

        Where it attends BOS it writes ``default``. ``sharpness`` is what the format needs unless given; for the rest
        see :class:`AttentionHead`.
        """
        self._check_range(variable)
        reads = self.clear_of_bos(values)
        if default.any():
            reads = (*reads, Read(self.bos, default[None, :]))
        head = AttentionHead(
            variable,
            self.clear_of_bos(scores.queries),
            self.clear_of_bos(scores.keys),
            reads,
            np.eye(variable.width),
            sharpness or self.sharpness(scores),
            excess,
            needs_exact_logits,
            lead,
            tuple(ahead),
        )
        self.components.append(Placed(place, head))
        return variable

    def sharpness(self, scores: Scores, leak: float | None = None) -> float:
        """The factor from scores to logits that this length and number format need."""
        return sharpness(self.max_length + 1, scores, self.dtype, leak=leak)

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
        """A scalar variable as something to step on, with its ground."""
        values = variable.numbers if variable.ground is None else variable.numbers + variable.ground[0]
        column = np.zeros((variable.width, 1))
        column[0] = 1
        error = np.full(len(variable.values), variable.noise.of_read(column))
        if variable.noise.at_numbers is not None:
            error = variable.noise.at_numbers
        reads = (Read(variable, column),)
        if not variable.nullable:
            return Number(reads, self.constant_columns, values, error)
        present = np.array([0.0, 1.0])
        present_error = variable.noise.of_read(present[:, None])
        return Number(reads, ((variable, present),), values, error, present_error)

    @property
    def constant_columns(self) -> tuple[tuple[Variable, Float[np.ndarray, " _"]], ...]:
        """The constant 1 of all positions but BOS, as columns."""
        return tuple((variable, np.array([coefficient])) for variable, coefficient in self.constant)
