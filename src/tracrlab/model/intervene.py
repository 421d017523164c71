"""Interventions by name: a model runs while an expression of its program is given another value.

An intervention says, for the name of an expression or variable, what is to be there instead: a value; ``None`` for
nothing; its value on another input (:class:`Patch`); or what is there and something more (:class:`Steer`). It is given
for all tokens at once, or by the number of the token, from 0; BOS is left alone. The residual stream is changed as soon
as the variable has been written, so everything that reads it later reads what was put there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.spaces import Layout, OneOf, Variable
from tracrlab.errors import InterventionError
from tracrlab.model.config import ModelConfig
from tracrlab.model.forward import Activations, Edit, forward_with_activations
from tracrlab.model.labels import Labels, ModelVariable
from tracrlab.model.readout import decode_output
from tracrlab.model.sublayers import Sublayer
from tracrlab.model.tokenizer import encode_batch
from tracrlab.model.trace import Trace, traced
from tracrlab.model.weights import Weights
from tracrlab.rasp.values import Value, is_finite_number, plain_value, value_key
from tracrlab.shapes import Bool, Float, Int


@dataclass(frozen=True)
class Patch:
    """The value on another input, at the token of the same number."""

    tokens: Sequence[Value]


@dataclass(frozen=True)
class Steer:
    """The encoding of a value, ``strength`` times, on top of what is there."""

    value: Value
    strength: float = 1.0


Instead = Value | Patch | Steer
Interventions = Mapping[str, Instead | Mapping[int, Instead]]


@dataclass(frozen=True, eq=False)
class Change:
    """What a variable becomes on a batch of inputs: where ``changed``, ``kept`` times what is there plus ``added``."""

    variable: ModelVariable
    changed: Bool[np.ndarray, "batch position"]
    kept: Float[np.ndarray, "batch position 1"]
    added: Float[np.ndarray, "batch position width"]

    def apply(
        self, residual: Float[np.ndarray, "batch position d_model"], fmt: NumberFormat
    ) -> Float[np.ndarray, "batch position d_model"]:
        """The residual stream with the change, in the format that it is stored in."""
        own, edited = self.variable.dimensions, residual.copy()
        new = fmt.stored((self.kept * residual[..., own] + self.added).astype(residual.dtype))
        edited[..., own] = np.where(self.changed[..., None], new, residual[..., own])
        return edited


@dataclass(frozen=True, eq=False)
class Intervened:
    """A model with interventions; it is called, and traced, like the model."""

    config: ModelConfig
    weights: Weights
    labels: Labels
    output: Variable
    interventions: Interventions

    def __call__(self, tokens: Sequence[Value]) -> list[Value]:
        """The answer at each token.

        Raises:
            InputError: as for calling the model.
            InterventionError: as for :func:`changes`.
        """
        return self.trace(tokens).output

    def run_batch(self, sequences: Iterable[Sequence[Value]]) -> list[list[Value]]:
        """The answers on many sequences, which may differ in length.

        Raises:
            InputError, InterventionError: as for calling it.
        """
        sequences = list(sequences)
        ids, activations = self._run(sequences)
        rows = zip(activations.logits, ids, strict=True)
        return [decode_output(self.output, row[1:][own[1:] != self.config.pad_id]) for row, own in rows]

    def trace(self, tokens: Sequence[Value]) -> Trace:
        """Run one sequence and keep what happens, as ``trace`` of the model does.

        Raises:
            InputError, InterventionError: as for calling it.
        """
        return traced(self.labels, self.output, tokens, self._run([tokens])[1])

    def changes(self, sequences: Sequence[Sequence[Value]]) -> list[Change]:
        """What becomes of each variable on these inputs; in PyTorch, the same can be done by :mod:`tracrlab.learn`.

        Raises:
            InputError: a sequence, or the input of a patch, does not fit the model.
            InterventionError: nothing in the model has such a name, it cannot have such a value, or an input has no
                token of such a number.
        """
        lengths, n_positions = [len(each) for each in sequences], max(map(len, sequences), default=0) + 1
        return [
            self._change(variable, _by_token(name, instead, lengths), (len(lengths), n_positions))
            for name, instead in self.interventions.items()
            for variable in named_variables(self.labels, name)
        ]

    def _run(self, sequences: Sequence[Sequence[Value]]) -> tuple[Int[np.ndarray, "batch position"], Activations]:
        ids = encode_batch(self.config, sequences)
        return ids, forward_with_activations(self.config, self.weights, ids, edit=self._edit(sequences))

    def _edit(self, sequences: Sequence[Sequence[Value]]) -> Edit:
        """What becomes of the residual stream after each sublayer."""
        changes = self.changes(sequences)

        def edit(
            sublayer: Sublayer, residual: Float[np.ndarray, "batch position d_model"]
        ) -> Float[np.ndarray, "batch position d_model"]:
            for change in changes:
                if change.variable.sublayer == sublayer:
                    residual = change.apply(residual, self.config.number_format)
            return residual

        return edit

    def _change(self, variable: ModelVariable, places: Places, shape: tuple[int, int]) -> Change:
        changed, kept = np.zeros(shape, bool), np.zeros((*shape, 1))
        added, patches = np.zeros((*shape, variable.variable.width)), dict[tuple[int, ...], np.ndarray]()
        for (row, token), instead in places.items():
            at = (row, token + 1)
            changed[at] = True
            match instead:
                case Patch():
                    added[at] = self._patched(variable, instead, token, patches)
                case Steer():
                    kept[at], added[at] = 1, instead.strength * encoded(variable, instead.value)
                case _:
                    added[at] = encoded(variable, instead)
        return Change(variable, changed, kept, added)

    def _patched(
        self, variable: ModelVariable, patch: Patch, token: int, known: dict[tuple[int, ...], np.ndarray]
    ) -> Float[np.ndarray, " width"]:
        """What stands in the dimensions of a variable on the other input, which is run once."""
        if token >= len(patch.tokens):
            raise InterventionError(
                f"{variable.name} cannot be patched at token {token}: the other input has {len(patch.tokens)}"
            )
        ids = encode_batch(self.config, [patch.tokens])
        key = tuple(ids[0].tolist())
        if key not in known:
            residuals = forward_with_activations(self.config, self.weights, ids).residuals
            known[key] = residuals[variable.sublayer + 1][0][:, variable.dimensions]
        vector: np.ndarray = known[key][token + 1]
        return vector


Places = dict[tuple[int, int], Instead]
"""What is to be there instead, by row and number of the token."""


def _by_token(name: str, instead: Instead | Mapping[int, Instead], lengths: Sequence[int]) -> Places:
    """Raises ``InterventionError`` where an input has no token of such a number."""
    if not isinstance(instead, Mapping):
        return {(row, token): instead for row, length in enumerate(lengths) for token in range(length)}
    for token in instead:
        if not 0 <= token < min(lengths, default=0):
            shortest = min(lengths, default=0)
            raise InterventionError(f"{name} has no token {token!r} to be changed at: the input has {shortest}, from 0")
    return {(row, token): each for row in range(len(lengths)) for token, each in instead.items()}


def named_variables(labels: Labels, name: str) -> tuple[ModelVariable, ...]:
    """All variables that hold the value of the expression of this name; or else the variable of this name.

    Raises:
        InterventionError: there are none.
    """
    held = tuple(each for each in labels.variables if each.expression == name and each.is_value)
    found = held or tuple(each for each in labels.variables if each.name == name)
    if not found:
        names = dict.fromkeys(each.expression if each.is_value else each.name for each in labels.variables)
        raise InterventionError(
            f"nothing in the residual stream holds {name!r}; there are {', '.join(names)}. A compact model computes "
            "much on the way, without holding it; in faithful mode every expression has dimensions of its own"
        )
    return found


def encoded(of: ModelVariable, value: Value) -> Float[np.ndarray, " width"]:
    """How a variable holds a value: any number, where it holds numbers; zeros for ``None`` that it does not know.

    Raises:
        InterventionError: it cannot have this value.
    """
    variable, value = of.variable, plain_value(value)
    key = value_key(value)
    if variable.codes is not None:
        for place, own in enumerate(variable.values):
            if key in map(value_key, own.values if isinstance(own, OneOf) else [own]):
                code: np.ndarray = variable.codes[place]
                return code
    elif value is None or key in variable.places or (variable.layout is Layout.SCALAR and is_finite_number(value)):
        return variable.vector(value)
    if value is None:
        return np.zeros(variable.width)
    raise InterventionError(f"{of.name} cannot be {value!r}; its values are {', '.join(map(repr, variable.values))}")
