"""Does a compressed model still compute its program? Its verdict (Tracr paper, section 5.3; tracrlab.learn.verdict).

A variable's part of what a sublayer writes is exchanged before W. Cosine similarities are reported as in Figure 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tracrlab.compress.compressed_model import CompressedModel
from tracrlab.compress.forward import FrozenModel, Parameters, Pass, forward, frozen_model, model_parameters
from tracrlab.compress.interchange import intermediate_variables, swapped_target
from tracrlab.compress.metrics import answers, measured_model
from tracrlab.compress.target import Target, compiled_target
from tracrlab.learn.inputs import training_inputs
from tracrlab.learn.losses.interchange import same_length_sources
from tracrlab.learn.verdict import MappedVariable, Verdict, Written, evidence
from tracrlab.model.labels import ModelVariable
from tracrlab.rasp.values import Value

_N_PAIRS = 4096


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
    rows = None if inputs is None else list(inputs)
    ids = torch.as_tensor(training_inputs(model.original, rows))
    target = compiled_target(frozen, ids)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(ids), (_N_PAIRS,), generator=generator)
    sources = same_length_sources(target.present.sum(dim=1)[chosen], generator)
    pairs = target.rows(chosen)
    with torch.no_grad():
        found = evidence(_Compressed(model, frozen, model_parameters(model), pairs, sources), pairs.answered)
    return Verdict(threshold, measured_model(model, rows), found)


@dataclass(frozen=True, eq=False)
class _Compressed:
    """A compressed model with its map to the program: the labels of its original."""

    model: CompressedModel
    frozen: FrozenModel
    parameters: Parameters
    target: Target
    sources: Tensor
    has_encodings: bool = True

    @cached_property
    def of_labels(self) -> dict[str, ModelVariable]:
        """Those that are computed on the way to the answer, by their names."""
        return {each.name: each for each in intermediate_variables(self.model.original, self.frozen)}

    @property
    def variables(self) -> Sequence[MappedVariable]:
        """The variables that are computed on the way to the answer."""
        return [
            MappedVariable(name, str(variable.sublayer), variable.is_value) for name, variable in self.of_labels.items()
        ]

    @cached_property
    def run(self) -> Pass:
        """Its forward pass."""
        return forward(self.frozen, self.model.sharing, self.parameters, self.target.ids)

    def right_answers(self) -> Tensor:
        """The compiled model's."""
        return answers(self.model.output, self.target.run.logits)

    def exchanged(self, mapped: MappedVariable, *, compiled: bool) -> tuple[Tensor, Tensor]:
        """Its answers after the exchange, and the compiled model's."""
        variable = self.of_labels[mapped.name]
        swap = swapped_target(self.frozen, self.target, variable, self.sources, compiled=compiled)
        run = forward(self.frozen, self.model.sharing, self.parameters, self.target.ids, swap.interchange)
        output = self.model.output
        return answers(output, run.logits), answers(output, swap.logits)

    def written(self, mapped: MappedVariable) -> Written:
        """What it writes for a variable in the dimensions of the compiled model."""
        variable = self.of_labels[mapped.name]
        vectors = [self._own(variable, each.written)[self.target.answered] for each in (self.run, self.target.run)]
        decoded, true = (variable.variable.decode(vector.numpy()) for vector in vectors)
        right = torch.tensor([one == other for one, other in zip(decoded, true, strict=True)])
        return Written(right, float(((vectors[0] - vectors[1]) ** 2).sum(dim=1).mean()))

    def _own(self, variable: ModelVariable, written: Sequence[Tensor]) -> Tensor:
        """The dimensions [b, p, width] of a variable in what its sublayer writes."""
        place = [each.number for each in self.frozen.sublayers].index(variable.sublayer)
        columns = self.frozen.sublayers[place].columns
        own = (columns >= variable.dimensions.start) & (columns < variable.dimensions.stop)
        vectors = torch.zeros(*written[place].shape[:-1], variable.variable.width)
        vectors[..., columns[own] - variable.dimensions.start] = written[place][..., own]
        return vectors
