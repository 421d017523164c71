"""Does a model compute its program? A verdict, with the evidence, for any model with a map to a program.

A right answer is not enough: a model may answer right by other means (Tracr paper, section 5.3). So the verdict asks of
every variable on the way to the answer:

- *written*: decoded as its labels say, does what the model writes for it have the program's value?
- *own*: where it is given what the model writes for it on another input, does the answer become the one that the
  program gives then? (Interchange interventions.)
- *compiled*: and where it is given the compiled encoding of that value, as its labels say?

The first and the third fail where a variable is encoded in another way, the second where the model goes round it. They
are not asked of models whose encodings are their own affair. The verdict is about the variables of the program.
Intermediate results, which the compiler adds between them, are asked the same, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tracrlab.learn.checkpoints import Row
from tracrlab.learn.interventions import Resample, Value
from tracrlab.learn.losses.interchange import Alignment
from tracrlab.learn.mixing import run_mixed, written
from tracrlab.learn.patching import run, run_each
from tracrlab.learn.places import Place
from tracrlab.learn.transformer import Transformer
from tracrlab.model.circuit import Edge


@dataclass(frozen=True)
class MappedVariable:
    """A variable of the map: its name, where it is written, and whether it is one of the program's own."""

    name: str
    where: str
    of_program: bool = True


@dataclass(frozen=True, eq=False)
class Written:
    """What a model writes for a variable: where it is ``right`` when decoded, and its mean squared ``error``."""

    right: Tensor
    error: float


@runtime_checkable
class Mapped(Protocol):
    """A model with a map to a program. Answers are numbers of classes [b, p]."""

    @property
    def variables(self) -> Sequence[MappedVariable]:
        """The variables of the map, in the order in which they are written."""

    @property
    def has_encodings(self) -> bool:
        """Whether it ought to write variables in the compiled encoding."""

    def written(self, variable: MappedVariable) -> Written:
        """What it writes for a variable, asked only where it ``has_encodings``."""

    def right_answers(self) -> Tensor:
        """The program's answers."""

    def exchanged(self, variable: MappedVariable, *, compiled: bool) -> tuple[Tensor, Tensor]:
        """Its answers, and those that the program gives, where a variable has its value on another input.

        ``compiled``: given in the compiled encoding, and not as the model writes it.
        """


@dataclass(frozen=True)
class VariableEvidence:
    """How one variable fares; shares of tokens, but for ``error``; ``None`` where nothing was asked.

    Attributes: ``sublayer`` where it is written; ``of_program`` whether it is a variable of the program, or an
    intermediate result; ``written``, ``own`` and ``compiled`` as the module says, the last two of the tokens whose
    answer the exchange changes; ``unchanged`` the share of the others whose answer stays right under either exchange;
    ``n_changed`` how many tokens the exchanges change; ``error`` the mean squared distance of what is written for it
    from the compiled encoding.
    """

    variable: str
    sublayer: str
    of_program: bool
    written: float | None
    own: float
    compiled: float | None
    unchanged: float
    n_changed: int
    error: float | None

    @property
    def least(self) -> float:
        """The least of the shares."""
        shares = (self.written, self.own, self.compiled, self.unchanged)
        return min(share for share in shares if share is not None)


@dataclass(frozen=True)
class Verdict:
    """Whether a model is faithful: its accuracy, and all shares of the program's variables, reach ``threshold``.

    Attributes: ``measures`` of the whole model: the ``accuracy``, and maybe cosine similarities.
    """

    threshold: float
    measures: Row
    variables: tuple[VariableEvidence, ...]

    @property
    def accuracy(self) -> float:
        """The share of tokens with the right answer."""
        return float(self.measures["accuracy"])

    @property
    def faithful(self) -> bool:
        """The verdict."""
        return self.accuracy >= self.threshold and all(
            each.least >= self.threshold for each in self.variables if each.of_program
        )

    @property
    def worst(self) -> VariableEvidence | None:
        """The variable that most of the error comes from; where errors are not known, that with the least share."""
        return max(self.variables, key=lambda each: (each.error or 0.0, -each.least), default=None)

    def __str__(self) -> str:
        head = f"{'faithful' if self.faithful else 'not faithful'} to the program (threshold {self.threshold})"
        rows = [["variable", "in", "written", "own", "compiled", "unchanged", "error"]]
        for each in self.variables:
            shares = (each.written, each.own, each.compiled, each.unchanged, each.error)
            name = each.variable if each.of_program else f"({each.variable})"
            rows.append([name, each.sublayer, *("-" if share is None else f"{share:.3f}" for share in shares)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        written = {name.partition(" ")[2]: each for name, each in self.measures.items() if name.startswith("cosine_wr")}
        cosines = ", ".join(f"{name} {cosine:.3f}" for name, cosine in written.items() if cosine is not None)
        similarity = [f"cosine similarity {cosines}"] if written else []
        return "\n".join([head, f"accuracy {self.accuracy:.4f}", *similarity, *lines])


def evidence(model: Mapped, answered: Tensor) -> tuple[VariableEvidence, ...]:
    """How each variable of a model's map fares at the tokens that are ``answered`` [b, p]."""
    before = model.right_answers()[answered]
    return tuple(_evidence(model, variable, before, answered) for variable in model.variables)


def _evidence(model: Mapped, variable: MappedVariable, before: Tensor, answered: Tensor) -> VariableEvidence:
    def shares(*, compiled: bool) -> tuple[float, float, int]:
        """Of the answers that the exchange changes, how many are right, and of those that it does not; their number."""
        found, wanted = (each[answered] for each in model.exchanged(variable, compiled=compiled))
        right, changed = found == wanted, wanted != before
        return _share(right, changed), _share(right, ~changed), int(changed.sum())

    own, unchanged, n_changed = shares(compiled=False)
    if not model.has_encodings:
        return VariableEvidence(
            variable.name, variable.where, variable.of_program, None, own, None, unchanged, n_changed, None
        )
    compiled, still_unchanged, _ = shares(compiled=True)
    written = model.written(variable)
    return VariableEvidence(
        variable.name,
        variable.where,
        variable.of_program,
        _share(written.right, torch.ones_like(written.right)),
        own,
        compiled,
        min(unchanged, still_unchanged),
        n_changed,
        written.error,
    )


def _share(right: Tensor, counted: Tensor) -> float:
    """The share of those that count, 1 where none does."""
    return float(right[counted].float().mean()) if counted.any() else 1.0


# Modules -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MappedModule:
    """A module whose parts stand for those of a compiled model, on inputs ``ids`` and ``sources`` [b, p]."""

    module: Transformer
    alignment: Alignment
    ids: Tensor
    sources: Tensor

    @property
    def variables(self) -> Sequence[MappedVariable]:
        """The places inside, by the names of those that they stand for."""
        return [MappedVariable(str(stands_for), str(place)) for place, stands_for in self.alignment.inside]

    @property
    def has_encodings(self) -> bool:
        """How it encodes them is its own affair."""
        return False

    def written(self, variable: MappedVariable) -> Written:
        """Not asked."""
        raise NotImplementedError

    def right_answers(self) -> Tensor:
        """Those of the compiled model."""
        return _classes(self.alignment.reference(self.ids))

    def exchanged(self, variable: MappedVariable, *, compiled: bool) -> tuple[Tensor, Tensor]:
        """Its answers, and the compiled model's, where both are given what their own part carries on the sources."""
        place, stands_for = next(each for each in self.alignment.inside if str(each[1]) == variable.name)
        other = Resample(self.sources)
        return _classes(run(self.module, self.ids, {place: other})), _classes(
            run(self.alignment.reference, self.ids, {stands_for: other})
        )


def module_verdict(
    module: Transformer, alignment: Alignment, ids: Tensor, sources: Tensor, *, threshold: float = 0.99
) -> Verdict:
    """Whether a module does what the compiled model does, part for part, on inputs and sources [b, p]."""
    mapped, answered = MappedModule(module, alignment, ids, sources), _answered(module, ids)
    with torch.no_grad():
        right = (_classes(module(ids)) == mapped.right_answers())[answered]
        return Verdict(threshold, {"accuracy": float(right.float().mean())}, evidence(mapped, answered))


@dataclass(frozen=True)
class Strictness:
    """Whether what is outside the circuit is without effect when it is given what it carries on other inputs.

    Attributes: shares of answers that change, of the module's own: ``places`` for each place outside, ``edges`` for
    each edge; and ``joint``, the share of the program's answers that is left where all edges outside are exchanged.
    """

    places: dict[Place, float]
    edges: dict[Edge, float]
    joint: float


def strictness(module: Transformer, alignment: Alignment, ids: Tensor, sources: Tensor) -> Strictness:
    """The strictness of a module on inputs and sources [b, p]."""
    answered, outside = _answered(module, ids), alignment.outside_edges
    with torch.no_grad():
        own, right = _classes(module(ids))[answered], _classes(alignment.reference(ids))[answered]
        other = written(module, sources, outside)
        alone: list[dict[Place, Resample | Value]] = [{place: Resample(sources)} for place in alignment.outside]
        alone += [{edge: Value(other[edge.source])} for edge in outside]
        after = run_each(module, ids, alone)
        together = _classes(run_mixed(module, ids, other, outside, torch.ones(len(outside), device=ids.device)))
    changed = [float((_classes(each)[answered] != own).float().mean()) for each in after]
    n_places, joint = len(alignment.outside), float((together[answered] == right).float().mean())
    return Strictness(
        dict(zip(alignment.outside, changed[:n_places], strict=True)),
        dict(zip(outside, changed[n_places:], strict=True)),
        joint,
    )


def _classes(logits: Tensor) -> Tensor:
    return logits.argmax(dim=-1)


def _answered(module: Transformer, ids: Tensor) -> Tensor:
    answered = ids != module.config.pad_id
    answered[:, 0] = False
    return answered
