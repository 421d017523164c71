"""Training many compressions of one model at once (Tracr paper, section 5.1 and appendix E).

Runs of different sizes and seeds are stacked along a first axis, and a smaller size is a larger one whose last columns
are zero: the gradient of a column that is zero is zero, so it stays zero. AdamW works on each element by itself, so one
optimiser over the stack, minimising the sum of the losses, is an optimiser for each run. Gradients are clipped run by
run.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tracrlab.compress import checkpoints
from tracrlab.compress.checkpoints import Checkpoint, Row
from tracrlab.compress.compressed_model import CompressedModel, compressed_model
from tracrlab.compress.forward import MATRICES, FrozenModel, frozen_model
from tracrlab.compress.initial import Initial, initial_matrix
from tracrlab.compress.inputs import training_inputs
from tracrlab.compress.interchange import Swap, intermediate_variables, same_length_sources, swapped_target
from tracrlab.compress.metrics import measured, measured_rows
from tracrlab.compress.objective import losses
from tracrlab.compress.settings import Settings
from tracrlab.compress.target import Target, compiled_target
from tracrlab.errors import CompressionError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.labels import ModelVariable
from tracrlab.rasp.values import Value

_N_MEASUREMENTS = 20  # in a training, each with a checkpoint


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

    model: CompiledModel
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
            MissingDependencyError: pyarrow is not installed.
        """
        checkpoints.write_rows(Path(path), self.metrics)


def train(
    model: CompiledModel,
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
    exchanged = _exchanged(model, frozen, settings)
    state = _State.start(parameters, settings)
    if folder is not None:
        description = _description(model, settings, runs, initial, ids)
        checkpoint = checkpoints.begin(Path(folder), description)
        if checkpoint is not None:
            state.restore(checkpoint)
    target = compiled_target(frozen, ids)
    _train(model, frozen, settings, runs, exchanged, state, target, None if folder is None else Path(folder))
    return Training(
        model,
        settings,
        runs,
        {name: each.detach().cpu() for name, each in state.parameters.items()},
        state.rows,
        state.seconds,
    )


def _runs(d_compressed: int | Sequence[int], seeds: int | Sequence[int]) -> tuple[Run, ...]:
    sizes = [d_compressed] if isinstance(d_compressed, int) else list(d_compressed)
    numbers = [seeds] if isinstance(seeds, int) else list(seeds)
    if not sizes or not numbers:
        raise CompressionError("give at least one size and one seed")
    if len({*sizes}) < len(sizes) or len({*numbers}) < len(numbers):
        raise CompressionError("each size and each seed may be given once only")
    return tuple(Run(d, seed) for d in sizes for seed in numbers)


def _initial_parameters(
    model: CompiledModel,
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


@dataclass(eq=False)
class _State:
    """Everything that changes in a training."""

    parameters: dict[str, Tensor]
    optimizer: torch.optim.AdamW
    generator: torch.Generator
    rows: list[Row]
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, parameters: dict[str, Tensor], settings: Settings) -> _State:
        optimizer = torch.optim.AdamW(
            list(parameters.values()),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
        return cls(parameters, optimizer, torch.Generator().manual_seed(settings.batch_seed), [])

    def checkpoint(self) -> Checkpoint:
        """Everything as tensors by name."""
        tensors = {f"parameter.{name}": each for name, each in self.parameters.items()}
        for name, parameter in self.parameters.items():
            tensors |= {f"optimizer.{name}.{key}": each for key, each in self.optimizer.state[parameter].items()}
        return Checkpoint(self.step, self.seconds, tensors | {"generator": self.generator.get_state()}, self.rows)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        for name, parameter in self.parameters.items():
            parameter.data.copy_(checkpoint.tensors[f"parameter.{name}"])
            prefix = f"optimizer.{name}."
            for key, each in checkpoint.tensors.items():
                if key.startswith(prefix):
                    own = key.removeprefix(prefix)  # AdamW keeps its count of steps on the CPU
                    self.optimizer.state[parameter][own] = each if own == "step" else each.to(parameter.device)
        self.generator.set_state(checkpoint.tensors["generator"])
        self.rows, self.step, self.seconds = checkpoint.rows, checkpoint.step, checkpoint.seconds


def _train(
    model: CompiledModel,
    frozen: FrozenModel,
    settings: Settings,
    runs: tuple[Run, ...],
    exchanged: list[ModelVariable],
    state: _State,
    target: Target,
    folder: Path | None,
) -> None:
    from rich.console import Console
    from rich.progress import track

    interval = max(1, settings.steps // _N_MEASUREMENTS)
    lengths = target.present.sum(dim=1).cpu()
    console = Console(stderr=True)
    steps = track(
        range(state.step, settings.steps),
        "training",
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    start = time.process_time() - state.seconds
    for step in steps:
        chosen = torch.randint(len(lengths), (settings.batch_size,), generator=state.generator)
        batch, swap = target.rows(chosen.to(frozen.device)), None
        if exchanged:
            sources = same_length_sources(lengths[chosen], state.generator).to(frozen.device)
            swap = swapped_target(
                frozen, batch, exchanged[step % len(exchanged)], sources, compiled=settings.swap_compiled
            )
        _step(model, frozen, settings, state, batch, swap)
        if state.step % interval == 0 or state.step == settings.steps:
            measures = measured(frozen, settings, model.output, _detached(state.parameters), target)
            rows = zip(runs, measured_rows(frozen, measures), strict=True)
            state.rows += [{"step": state.step, "d": run.d, "seed": run.seed, **row} for run, row in rows]
            state.seconds = time.process_time() - start
            if folder is not None:
                checkpoints.save(folder, state.checkpoint())


def _step(
    model: CompiledModel,
    frozen: FrozenModel,
    settings: Settings,
    state: _State,
    batch: Target,
    swap: Swap | None,
) -> None:
    sharpness = settings.sharpness_at(state.step)

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        terms = losses(frozen, settings, model.output, parameters, batch, swap, sharpness=sharpness)
        return terms.total(settings)

    state.optimizer.zero_grad()
    torch.func.vmap(loss)(state.parameters).sum().backward()  # type: ignore[no-untyped-call]
    _clip(state.parameters.values(), settings.max_grad_norm)
    for group in state.optimizer.param_groups:
        group["lr"] = settings.learning_rate_at(state.step)
    state.optimizer.step()
    state.step += 1


def _clip(parameters: Iterable[Tensor], max_norm: float) -> None:
    """Scale the gradient of each run down to the norm that is allowed."""
    gradients = [each.grad for each in parameters if each.grad is not None]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in gradients]).norm(dim=0)
    factors = (max_norm / norms.clamp(min=1e-12)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.reshape(-1, *[1] * (gradient.ndim - 1)))


def _exchanged(model: CompiledModel, frozen: FrozenModel, settings: Settings) -> list[ModelVariable]:
    """The variables to exchange, one after another.

    Raises:
        CompressionError: they are asked for, but there is none.
    """
    variables = intermediate_variables(model, frozen) if settings.interchange_weight else []
    if settings.interchange_weight and not variables:
        raise CompressionError("the model computes no variable but its answer, so there is none to exchange")
    return variables


def _detached(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in parameters.items()}


def _total(row: Row, settings: Settings) -> float:
    """The loss by which runs are compared; one that diverged comes last."""
    total = float(settings.output_weight * row["output_loss"] + settings.layer_weight * row["layer_loss"])
    return math.inf if math.isnan(total) else total


def _description(
    model: CompiledModel, settings: Settings, runs: tuple[Run, ...], initial: Initial, ids: Tensor
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
