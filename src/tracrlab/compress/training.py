"""Training many compressions of one model at once (Tracr paper, section 5.1 and appendix E).

Runs of different sizes and seeds are stacked along a first axis, and a smaller size is a larger one whose last columns
are zero: the gradient of a column that is zero is zero, so it stays zero. :mod:`tracrlab.learn.trainer` has the loop.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from tracrlab.compress.compressed_model import CompressedModel, compressed_model
from tracrlab.compress.forward import MATRICES, FrozenModel, frozen_model
from tracrlab.compress.initial import Initial, initial_matrix
from tracrlab.compress.interchange import Swap, intermediate_variables, swapped_target
from tracrlab.compress.metrics import measured, measured_rows
from tracrlab.compress.objective import losses
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target, compiled_target
from tracrlab.errors import CompressionError, TrainingError
from tracrlab.files import complaint
from tracrlab.learn import checkpoints, trainer
from tracrlab.learn.checkpoints import Row
from tracrlab.learn.inputs import training_inputs
from tracrlab.learn.losses.interchange import same_length_sources
from tracrlab.learn.trainer import each_run
from tracrlab.model.artefact import Artefact
from tracrlab.model.labels import ModelVariable
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class Run:
    """One compression among those trained at once."""

    d: int
    seed: int


@dataclass(frozen=True, eq=False)
class Training:
    """Compressions that were trained together.

    Attributes: ``model`` the compiled one; ``runs`` sizes and seeds; ``parameters`` stacked along a first axis in the
    order of the runs; ``metrics`` a row for each run and measurement, with ``step``, ``d``, ``seed``, the unweighted
    losses, ``accuracy``, and the cosine similarities of each sublayer (``None`` where it has nothing to write).
    """

    model: Artefact
    settings: Settings
    runs: tuple[Run, ...]
    parameters: dict[str, Tensor]
    metrics: list[Row]
    seconds: float

    @property
    def results(self) -> list[Row]:
        """The last measurement of each run."""
        return [row for row in self.metrics if row["step"] == self.settings.steps]

    def compressed(self, d: int | None = None, seed: int | None = None) -> CompressedModel:
        """The compressed model of this size and seed; of those that fit, the one with the least loss.

        Raises:
            CompressionError: there is no such run.
        """
        fitting = [
            (_total(row, self.settings), number)
            for number, (run, row) in enumerate(zip(self.runs, self.results, strict=True))
            if d in (None, run.d) and seed in (None, run.seed)
        ]
        if not fitting:
            raise CompressionError(f"no run has d = {d} and seed {seed}")
        number = min(fitting)[1]
        arrays = {name: tensor[number].numpy() for name, tensor in self.parameters.items()}
        arrays[MATRICES] = arrays[MATRICES][..., : self.runs[number].d]
        return compressed_model(self.model, self.settings.sharing, arrays)

    def save_metrics(self, path: str | PathLike[str]) -> None:
        """Write the metrics as a Parquet file.

        Raises:
            CompressionError: the file cannot be written.
            MissingDependencyError: pyarrow is not installed.
        """
        try:
            checkpoints.write_rows(path, self.metrics)
        except OSError as error:
            raise CompressionError(complaint(path, error)) from error


def train(
    model: Artefact,
    d_compressed: int | Sequence[int],
    *,
    seeds: int | Sequence[int] = 0,
    initial: Initial = "random",
    settings: Settings | None = None,
    inputs: Iterable[Sequence[Value]] | None = None,
    folder: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
) -> Training:
    """Compress the residual stream of a model to one or many sizes, from one or many seeds.

    All weights of the model stay as they are, unless ``settings.unfrozen`` names them; what is learned is the matrix W.
    On a terminal a bar shows how far it is. On a CPU the same arguments give the same numbers, to the bit, and so does
    a training that was interrupted and continued; on a GPU, sums may be rounded in another order.

    Arguments:
        d_compressed: sizes of the compressed residual stream.
        seeds: of the random starts; every size is trained from every seed.
        initial: where W begins: ``"random"``, ``"pca"``, ``"reads"``, or ``"identity"`` for the full size; see
            :mod:`tracrlab.compress.initial`.
        inputs: what to train and measure on; by default all inputs of the model, or many of them.
        folder: where to keep checkpoints; an interrupted training in it, of the same arguments, is continued.
        device: where to compute; by default a GPU if PyTorch finds one.

    Raises:
        CompressionError: a size or setting does not fit the model, or the folder holds something else.
        InputError: the inputs do not fit the model.
    """
    if isinstance(model, CompressedModel):
        raise CompressionError("the model is compressed already; compress its original")
    settings = settings or Settings()
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    frozen = frozen_model(model, unfrozen=settings.unfrozen, device=device)
    ids = torch.as_tensor(training_inputs(model, inputs), device=device)
    runs = _runs(d_compressed, seeds)
    parameters = _initial_parameters(model, frozen, settings, runs, ids, initial)
    work = _Work(model, frozen, settings, runs, compiled_target(frozen, ids), _exchanged(model, frozen, settings))
    try:
        trained = trainer.train(
            parameters,
            each_run(work.loss),
            work.batch,
            settings,
            measure=work.rows,
            folder=folder,
            description=_description(model, settings, runs, initial, ids),
        )
    except TrainingError as error:
        raise CompressionError(str(error)) from error
    parameters = {name: each.detach().cpu() for name, each in trained.parameters.items()}
    return Training(model, settings, runs, parameters, trained.rows, trained.seconds)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is minimised, on which batches, and what is measured on the way."""

    model: Artefact
    frozen: FrozenModel
    settings: Settings
    runs: tuple[Run, ...]
    target: Target
    exchanged: list[ModelVariable]

    def batch(self, step: int, generator: torch.Generator) -> _Batch:
        """Inputs, and, if there are any variables to exchange, one after another, the exchange of one."""
        lengths = self.target.present.sum(dim=1).cpu()
        chosen = torch.randint(len(lengths), (self.settings.batch_size,), generator=generator)
        batch = self.target.rows(chosen.to(self.frozen.device))
        if not self.exchanged:
            return _Batch(batch, None)
        sources = same_length_sources(lengths[chosen], generator).to(self.frozen.device)
        variable = self.exchanged[step % len(self.exchanged)]
        swap = swapped_target(self.frozen, batch, variable, sources, compiled=self.settings.swap_compiled)
        return _Batch(batch, swap)

    def loss(self, parameters: dict[str, Tensor], batch: _Batch, step: int) -> Tensor:
        """The loss of one run."""
        settings, sharpness = self.settings, self.settings.sharpness_at(step)
        output = self.model.output
        terms = losses(self.frozen, settings, output, parameters, batch.target, batch.swap, sharpness=sharpness)
        return terms.total(settings)

    def rows(self, parameters: dict[str, Tensor], step: int) -> Iterable[Row]:
        """A row for each run."""
        measures = measured(self.frozen, self.settings, self.model.output, parameters, self.target)
        for run, row in zip(self.runs, measured_rows(self.frozen, measures), strict=True):
            yield {"d": run.d, "seed": run.seed, **row}


@dataclass(frozen=True, eq=False)
class _Batch:
    """Inputs with what the compiled model does on them, and a variable to exchange between them."""

    target: Target
    swap: Swap | None


def _runs(d_compressed: int | Sequence[int], seeds: int | Sequence[int]) -> tuple[Run, ...]:
    sizes = [d_compressed] if isinstance(d_compressed, int) else list(d_compressed)
    numbers = [seeds] if isinstance(seeds, int) else list(seeds)
    if not sizes or not numbers:
        raise CompressionError("give at least one size and one seed")
    if len({*sizes}) < len(sizes) or len({*numbers}) < len(numbers):
        raise CompressionError("each size and each seed may be given once only")
    return tuple(Run(d, seed) for d in sizes for seed in numbers)


def _initial_parameters(
    model: Artefact,
    frozen: FrozenModel,
    settings: Settings,
    runs: tuple[Run, ...],
    ids: Tensor,
    initial: Initial,
) -> dict[str, Tensor]:
    """The stacked parameters to begin with; all matrices of a run are the same."""
    n_matrices = settings.sharing.places(frozen.config.n_layers).n_matrices
    stack = torch.zeros(len(runs), n_matrices, frozen.config.d_model, max(run.d for run in runs))
    for number, run in enumerate(runs):
        stack[number, :, :, : run.d] = initial_matrix(model, frozen, ids, initial, run.d, run.seed)
    parameters = {MATRICES: stack.to(frozen.device)}
    for name in settings.unfrozen:
        weights = frozen.weights[name]
        parameters[name] = weights.expand(len(runs), *weights.shape).clone()
    return {name: each.requires_grad_() for name, each in parameters.items()}


def _exchanged(model: Artefact, frozen: FrozenModel, settings: Settings) -> list[ModelVariable]:
    """The variables to exchange, one after another.

    Raises:
        CompressionError: they are asked for, but there is none.
    """
    variables = intermediate_variables(model, frozen) if settings.interchange_weight else []
    if settings.interchange_weight and not variables:
        raise CompressionError("the model computes no variable but its answer, so there is none to exchange")
    return variables


def _total(row: Row, settings: Settings) -> float:
    """The loss by which runs are compared; one that diverged comes last."""
    total = float(settings.output_weight * row["output_loss"] + settings.layer_weight * row["layer_loss"])
    return math.inf if math.isnan(total) else total


def _description(
    model: Artefact, settings: Settings, runs: tuple[Run, ...], initial: Initial, ids: Tensor
) -> dict[str, Any]:
    """What is trained, as JSON: two trainings of one description are the same."""
    digest = hashlib.sha256()
    for array in model.weights.as_dict().values():
        digest.update(array.tobytes())
    return {
        "program": model.output_name,
        "weights": digest.hexdigest(),
        "inputs": hashlib.sha256(ids.cpu().numpy().tobytes()).hexdigest(),
        "initial": initial,
        "runs": [asdict(run) for run in runs],
        **asdict(settings),
        "sharing": settings.sharing.value,
    }
