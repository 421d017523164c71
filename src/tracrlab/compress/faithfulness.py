"""Does a compressed model still compute its program? A verdict, with the evidence (Tracr paper, section 5.3).

A right answer is not enough: section 5.3 finds models that answer right by other means. So the verdict asks of every
variable on the way to the answer:

- *written*: decoded as its labels say, does what the model writes for it have the program's value?
- *own*: where it is given what the model writes for it on another input, does the answer become the one that the
  program gives then? (Interchange interventions.)
- *compiled*: and where it is given the compiled encoding of that value, as its labels say?

The first and the third fail where a variable is encoded in another way, the second where the model goes round it.
The verdict is about the variables of the program. Intermediate results, which the compiler adds between them, are asked
the same, and decide nothing; nor do cosine similarities, which are reported as in Figure 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import FrozenModel, Parameters, forward, frozen_model, model_parameters
from tracrlab.compress.inputs import training_inputs
from tracrlab.compress.interchange import intermediate_variables, same_length_sources, swapped_target
from tracrlab.compress.metrics import answers, measured_model
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target, compiled_target
from tracrlab.learn.checkpoints import Row
from tracrlab.model.labels import ModelVariable
from tracrlab.model.trace import sublayer_name
from tracrlab.rasp.values import Value

_N_PAIRS = 4096


@dataclass(frozen=True)
class VariableEvidence:
    """How one variable fares; shares of tokens, but for ``error``.

    Attributes: ``of_program`` whether it is a variable of the program, or an intermediate result; ``written``, ``own``
    and ``compiled`` as the module says, the last two of the tokens whose answer the exchange changes; ``unchanged`` the
    share of the others whose answer stays right under either exchange; ``n_changed`` how many tokens the exchanges
    change; ``error`` the mean squared distance of what is written for it from the compiled encoding.
    """

    variable: str
    sublayer: str
    of_program: bool
    written: float
    own: float
    compiled: float
    unchanged: float
    n_changed: int
    error: float

    @property
    def least(self) -> float:
        """The least of the shares."""
        return min(self.written, self.own, self.compiled, self.unchanged)


@dataclass(frozen=True)
class Verdict:
    """Whether a model is faithful: its accuracy, and all shares of the program's variables, reach ``threshold``.

    Attributes: ``measures`` of the whole model, as :func:`tracrlab.compress.metrics.measured_model` gives them.
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
        """The variable that most of the error comes from."""
        return max(self.variables, key=lambda each: each.error, default=None)

    def __str__(self) -> str:
        head = f"{'faithful' if self.faithful else 'not faithful'} to the program (threshold {self.threshold})"
        rows = [["variable", "in", "written", "own", "compiled", "unchanged", "error"]]
        for each in self.variables:
            shares = (each.written, each.own, each.compiled, each.unchanged, each.error)
            name = each.variable if each.of_program else f"({each.variable})"
            rows.append([name, each.sublayer, *(f"{share:.3f}" for share in shares)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        written = {name.partition(" ")[2]: each for name, each in self.measures.items() if name.startswith("cosine_wr")}
        cosines = ", ".join(f"{name} {cosine:.3f}" for name, cosine in written.items() if cosine is not None)
        return "\n".join([head, f"accuracy {self.accuracy:.4f}", f"cosine similarity {cosines}", *lines])


def verdict(
    model: CompressedModel,
    *,
    inputs: Iterable[Sequence[Value]] | None = None,
    threshold: float = 0.99,
    seed: int = 0,
) -> Verdict:
    """Whether a compressed model is faithful to the program that it was compiled from.

    Arguments:
        inputs: on which to judge; by default all inputs of the model, or many of them. Each variable is exchanged
            between 4096 pairs of them, of the same length.
        threshold: what every share must reach.
        seed: of the pairs.

    Raises:
        InputError: the inputs do not fit the model.
    """
    frozen = frozen_model(model.original, unfrozen=tuple(model.unfrozen))
    parameters = model_parameters(model)
    rows = None if inputs is None else list(inputs)
    ids = torch.as_tensor(training_inputs(model.original, rows))
    target, settings = compiled_target(frozen, ids), Settings(sharing=model.sharing)
    measures = measured_model(model, rows)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(ids), (_N_PAIRS,), generator=generator)
    sources = same_length_sources(target.present.sum(dim=1)[chosen], generator)
    pairs = target.rows(chosen)
    with torch.no_grad():
        evidence = tuple(
            _evidence(model, frozen, settings, parameters, pairs, variable, sources)
            for variable in intermediate_variables(model.original, frozen)
        )
    return Verdict(threshold, measures, evidence)


def _evidence(
    model: CompressedModel,
    frozen: FrozenModel,
    settings: Settings,
    parameters: Parameters,
    target: Target,
    variable: ModelVariable,
    sources: torch.Tensor,
) -> VariableEvidence:
    place = [each.number for each in frozen.sublayers].index(variable.sublayer)
    columns = frozen.sublayers[place].columns
    own_columns = (columns >= variable.dimensions.start) & (columns < variable.dimensions.stop)
    run = forward(frozen, settings.sharing, parameters, target.ids)
    written, wanted = (each.written[place][target.answered] for each in (run, target.run))
    vectors = []
    for each in (written, wanted):
        vector = torch.zeros(len(each), variable.variable.width)
        vector[:, columns[own_columns] - variable.dimensions.start] = each[:, own_columns]
        vectors.append(vector)
    decoded, true = (variable.variable.decode(vector.numpy()) for vector in vectors)
    own_right, own_changed = _exchanged(model, frozen, settings, parameters, target, variable, sources, compiled=False)
    set_right, set_changed = _exchanged(model, frozen, settings, parameters, target, variable, sources, compiled=True)
    return VariableEvidence(
        variable.name,
        sublayer_name(variable.sublayer),
        variable.is_value,
        float(np.mean([one == other for one, other in zip(decoded, true, strict=True)])),
        _share(own_right, own_changed),
        _share(set_right, set_changed),
        min(_share(own_right, ~own_changed), _share(set_right, ~set_changed)),
        int(own_changed.sum()),
        float(((vectors[0] - vectors[1]) ** 2).sum(dim=1).mean()),
    )


def _exchanged(
    model: CompressedModel,
    frozen: FrozenModel,
    settings: Settings,
    parameters: Parameters,
    target: Target,
    variable: ModelVariable,
    sources: torch.Tensor,
    *,
    compiled: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """At each token, whether the answer is right after the exchange, and whether the exchange changes it."""
    swap = swapped_target(frozen, target, variable, sources, compiled=compiled)
    run = forward(frozen, settings.sharing, parameters, target.ids, swap.interchange)
    before, wanted, found = (
        answers(model.output, logits)[target.answered] for logits in (target.run.logits, swap.logits, run.logits)
    )
    return found == wanted, wanted != before


def _share(right: torch.Tensor, counted: torch.Tensor) -> float:
    """The share of those that count, 1 where none does."""
    return float(right[counted].float().mean()) if counted.any() else 1.0
