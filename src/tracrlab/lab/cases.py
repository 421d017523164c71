"""``Case``: a model whose circuit is known, with pairs of inputs, a metric and the truth.

>>> from tracrlab import lab
>>> case = lab.case("reverse", "abc", 3)
>>> case.name
'reverse-plain-faithful-0'
>>> print(case.truth.edges[lab.Edge.parse("tokens->a3.h0<v>")].witness["zero"])
on b a a: 'a' becomes None at token 0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tracrlab.errors import LabError
from tracrlab.facade import CompiledModel
from tracrlab.lab.alive import changes_on, checked_edges
from tracrlab.lab.inputs import ABLATIONS, Ablation, Inputs, answered, every_input
from tracrlab.lab.metrics import Metric, metrics
from tracrlab.lab.pairs import N_PAIRS, Pairs, Split, drawn_pairs
from tracrlab.lab.small import settled
from tracrlab.lab.subjects.disguised import compressed, rotated
from tracrlab.lab.subjects.merged import merged
from tracrlab.lab.subjects.noisy import noisy
from tracrlab.lab.subjects.plain import Mode, plain, roomy_model
from tracrlab.lab.subjects.softened import soft
from tracrlab.lab.subjects.subject import Subject
from tracrlab.lab.truth import Truth, Witness
from tracrlab.lab.variables import site_directions, values_of, variable_truths
from tracrlab.learn.interventions import Resample
from tracrlab.learn.patching import run
from tracrlab.learn.places import variable as variable_site
from tracrlab.learn.transformer import Transformer
from tracrlab.model.circuit import Edge, possible_edges
from tracrlab.rasp.expressions import SOp
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float

N_INTERPRETED = 1000  # inputs on which the program is interpreted, too: some milliseconds each


@dataclass(frozen=True, eq=False)
class Case:
    """A model whose circuit is known.

    Attributes: ``program_name``; ``subject`` the kind of model; ``mode`` and ``seed`` of it; ``made`` the subject,
    which has the compiled ``model`` and the ``module`` that methods are given; ``inputs`` it is about; ``truth``;
    ``metric_name``.
    """

    program_name: str
    subject: str
    mode: Mode
    seed: int
    made: Subject
    inputs: Inputs
    truth: Truth
    metric_name: str = "logit_diff"
    _pairs: dict[tuple[Split, int], Pairs] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """What it is called: of which program, which kind of subject, in which mode, from which seed."""
        return f"{self.program_name}-{self.subject}-{self.mode}-{self.seed}"

    @property
    def model(self) -> CompiledModel:
        """The compiled model, whose variables and answers are those of the program."""
        return self.made.model

    @property
    def module(self) -> Transformer:
        """What methods are given."""
        return self.made.module

    @property
    def frame(self) -> Float[np.ndarray, "D d"]:
        """In each row the direction that a dimension of the compiled model has in the module's residual stream."""
        return self.made.frame

    @cached_property
    def reference(self) -> Transformer:
        """The compiled model as a module, with the same classes."""
        return self.model.to_torch()

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge that the module has, in the order of targets, then of sources."""
        return tuple(self.truth.edges)

    @property
    def metric(self) -> Metric:
        """What the case measures of logits [b, p, class] on pairs, [b]: higher is more like the clean answer."""
        return metrics(self.module)[self.metric_name]

    def pairs(self, split: Split = "train", n: int = N_PAIRS) -> Pairs:
        """``n`` pairs of inputs of a split, always the same.

        Raises:
            LabError: there is no such split, or there are too few pairs in it.
        """
        if (split, n) not in self._pairs:
            self._pairs[split, n] = drawn_pairs(
                self.inputs, self.right_answers(self.inputs.tensor), self.truth.ablation, split, n, self.seed
            )
        return self._pairs[split, n]

    def right_answers(self, ids: Tensor) -> Tensor:
        """The numbers of the classes [b, p] that the program answers with."""
        with torch.no_grad():
            answers: Tensor = self.reference(ids).argmax(dim=-1)
        return answers

    def values(self, variable: str, ids: Tensor) -> Tensor:
        """The number, in its domain, of the value that a variable of the program has, [b, p]; −1 where it has none.

        Raises:
            KeyError: there is no such variable.
        """
        return values_of(self.model, variable, ids)

    def exchanged(self, variable: str, ids: Tensor, sources: Tensor) -> Tensor:
        """What the program answers [b, p] where a variable has the value that it has on the sources.

        Raises:
            KeyError: there is no such variable.
        """
        site = variable_site(self.model.labels, variable)
        with torch.no_grad():
            answers: Tensor = run(self.reference, ids, {site: Resample(sources)}).argmax(dim=-1)
        return answers

    def input_circuit(self, tokens: Iterable[Value], ablation: Ablation | None = None) -> dict[Edge, Witness]:
        """The edges that matter on one input: ablating each alone changes an answer to it, as its witness shows.

        Raises:
            InputError: the tokens are none of the model's, or too many.
            LabError: there is no such input among those that the case is about.
        """
        ids = self.model.encode([list(tokens)])
        row = (self.inputs.ids[:, : ids.shape[1]] == ids).all(axis=1) & (self.inputs.lengths == ids.shape[1] - 1)
        if not row.any():
            raise LabError(f"{self.name} is about no such input as {list(tokens)!r}")
        return changes_on(
            self.module, self.edges, self.inputs, int(row.argmax()), ablation or self.truth.ablation, seed=self.seed
        )


def case(
    program: SOp | str,
    vocab: Iterable[Value] | None = None,
    max_seq_len: int | None = None,
    *,
    subject: str = "plain",
    mode: Mode = "faithful",
    causal: bool = False,
    seed: int = 0,
    ablation: Ablation = "resample_lengths",
) -> Case:
    """A case of a program, which may be the name of one of the library.

    Raises:
        LabError: there is no such program or subject, the subject cannot be made of it, or the model did not pass the
            check: then there is no case.
        CompileError, VocabularyError: as for :func:`tracrlab.compile`.
    """
    name, built, tokens, longest = settled(program, vocab, max_seq_len)
    model = roomy_model(built, tokens, longest, mode, causal=causal)
    inputs = every_input(model.config, seed)
    made = SUBJECTS[_known(subject)](model, inputs, seed)
    _check_answers(made, built, inputs, f"{name}-{subject}-{mode}-{seed}")
    return Case(name, subject, mode, seed, made, inputs, subject_truth(made, inputs, ablation, seed))


SUBJECTS: Mapping[str, Callable[[CompiledModel, Inputs, int], Subject]] = {
    "plain": plain,
    "soft": soft,
    "rotated": rotated,
    "merged": merged,
    "noisy": noisy,
    "compressed": compressed,
}


def _known(subject: str) -> str:
    if subject not in SUBJECTS:
        raise LabError(f"there is no subject {subject!r}; there are {', '.join(SUBJECTS)}")
    return subject


def subject_truth(made: Subject, inputs: Inputs, ablation: Ablation, seed: int) -> Truth:
    """The truth of a subject, checked.

    Raises:
        LabError: the circuit is not what the model does: ablating what is outside changes answers.
    """
    config = made.module.config
    edges = possible_edges(config.n_layers, config.n_heads)
    outside = [ablation] if made.is_dense else ABLATIONS
    checked = checked_edges(made.module, edges, made.structural, inputs, outside=outside, seed=seed)
    truth = Truth(
        checked.edges,
        ablation,
        inputs.described,
        checked.joint,
        variable_truths(made.model, inputs, seed),
        site_directions(made),
    )
    for own, changed in checked.joint.items():
        decides = own == ablation or not made.is_dense  # shared directions at zero are unlike any input
        if made.is_exact and decides and (changed or truth.alive_outside[own]):
            alone = ", ".join(map(str, truth.alive_outside[own])) or "none"
            raise LabError(f"ablating ({own}) what is outside the circuit changes {changed} answers; alone: {alone}")
    return truth


def _check_answers(made: Subject, program: SOp, inputs: Inputs, name: str) -> None:
    """Raises ``LabError`` where a subject does not answer as its program does."""
    model, module, counted = made.model, made.module, answered(inputs.config, inputs.tensor)
    rows = range(0, len(inputs), -(-len(inputs) // N_INTERPRETED))
    words = [list(inputs.tokens(row)) for row in rows]
    for word, answer in zip(words, model.run_batch(words), strict=True):
        if program(word, causal=model.config.causal) != answer:  # numbers are numbers: 1 is 1.0
            raise LabError(f"{name} has no case: on {word!r} its model answers {answer!r}")
    with torch.no_grad():
        differ = (module(inputs.tensor).argmax(dim=-1) != model.to_torch()(inputs.tensor).argmax(dim=-1)) & counted
    if made.is_exact and differ.any():
        raise LabError(f"{name} has no case: {int(differ.sum())} of {int(counted.sum())} answers are wrong")
