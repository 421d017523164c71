"""One loop for all that is trained here, read top to bottom: batch, loss, gradient, step, now and then a measurement.

What is trained is a dictionary of parameters, and how good it is a function of them. Many runs can be trained at once:
their parameters are stacked along a first axis, and the loss has one number for each (:func:`each_run`). AdamW works on
each element by itself, so one optimiser over the stack, minimising the sum of the losses, is one for each run;
gradients are clipped run by run.

On a CPU the same arguments give the same numbers, to the bit, and so does a training that was interrupted and continued
from its folder; on a GPU, sums may be rounded in another order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from tracrlab.learn import checkpoints
from tracrlab.learn.checkpoints import Checkpoint, Row
from tracrlab.learn.optimisation import Optimisation

Batch = TypeVar("Batch")
Parameters = Mapping[str, Tensor]
Loss = Callable[[dict[str, Tensor], Batch, int], Tensor]
"""Of parameters, a batch and the number of the step: a number, or one for each of the runs that are stacked."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training ends with.

    Attributes: ``parameters``, as they were given, trained; ``rows`` what was measured, each with its ``step``;
    ``steps`` how many there were; ``seconds`` of processor time.
    """

    parameters: dict[str, Tensor]
    rows: list[Row]
    steps: int
    seconds: float


def train(
    parameters: Parameters,
    loss: Loss[Batch],
    draw: Callable[[int, torch.Generator], Batch],
    how: Optimisation,
    *,
    measure: Callable[[dict[str, Tensor], int], Iterable[Row]] | None = None,
    stop: Callable[[list[Row]], bool] | None = None,
    rates: Mapping[str, float] | None = None,
    folder: str | PathLike[str] | None = None,
    description: Mapping[str, Any] | None = None,
) -> Trained:
    """Minimise a loss. The parameters are changed in place; on a terminal a bar shows how far it is.

    Arguments:
        parameters: by name, leaves that take gradients: ``dict(module.named_parameters())``, or a stack.
        loss: what is minimised.
        draw: the batch of a step, by a generator of random numbers that is part of every checkpoint.
        measure: rows of a table about the parameters after a step; by default the loss of the batch.
        stop: whether to stop early, by the rows so far.
        rates: factors of the learning rate for some parameters.
        folder: where to keep checkpoints; an interrupted training in it, of the same arguments, is continued.
        description: as JSON, what tells this training from others in the ``folder``: data, seeds, sizes.

    Raises:
        TrainingError: the folder holds something else, or cannot be written.
        MissingDependencyError: there is a folder, and pyarrow is not installed.
    """
    place = None if folder is None else Path(folder)
    state = _State.start(dict(parameters), how, rates or {})
    with torch.random.fork_rng(_devices(parameters)):
        torch.manual_seed(how.batch_seed)  # for what draws from the generator that all share, as dropout does
        if place is not None:
            checkpoint = checkpoints.begin(place, {**asdict(how), "shapes": _shapes(parameters), **(description or {})})
            if checkpoint is not None:
                state.restore(checkpoint)
        start = time.process_time() - state.seconds
        for step in _with_progress(range(state.step, how.steps)):
            if stop is not None and stop(state.rows):
                break
            losses = _step(state, loss, draw(step, state.generator), how)
            if state.step % how.interval == 0 or state.step == how.steps:
                found = _losses(losses) if measure is None else measure(_detached(state.parameters), state.step)
                state.rows += [{"step": state.step, **row} for row in found]
                state.seconds = time.process_time() - start
                if place is not None:
                    checkpoints.save(place, state.checkpoint())
    return Trained(state.parameters, state.rows, state.step, state.seconds)


def each_run(loss: Loss[Batch]) -> Loss[Batch]:
    """The losses of runs that are stacked, by the loss of one."""

    def losses(parameters: dict[str, Tensor], batch: Batch, step: int) -> Tensor:
        found: Tensor = torch.func.vmap(lambda own: loss(own, batch, step), randomness="same")(parameters)
        return found

    return losses


def stacked(runs: Iterable[Parameters]) -> dict[str, Tensor]:
    """The parameters of several runs along a first axis, as leaves that take gradients."""
    runs = list(runs)
    return {name: torch.stack([run[name].detach() for run in runs]).requires_grad_() for name in runs[0]}


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
    def start(cls, parameters: dict[str, Tensor], how: Optimisation, rates: Mapping[str, float]) -> _State:
        factors = {name: rates.get(name, 1.0) for name in parameters}
        groups = [
            {"params": [parameters[name] for name in parameters if factors[name] == factor], "factor": factor}
            for factor in dict.fromkeys(factors.values())
        ]
        optimizer = torch.optim.AdamW(groups, lr=how.learning_rate, betas=how.betas, weight_decay=how.weight_decay)
        return cls(parameters, optimizer, torch.Generator().manual_seed(how.batch_seed), [])

    def checkpoint(self) -> Checkpoint:
        """Everything as tensors by name."""
        tensors = {f"parameter.{name}": each for name, each in self.parameters.items()}
        for name, parameter in self.parameters.items():
            tensors |= {f"optimizer.{name}.{key}": each for key, each in self.optimizer.state[parameter].items()}
        tensors |= {"generator": self.generator.get_state(), "shared generator": torch.get_rng_state()}
        return Checkpoint(self.step, self.seconds, tensors, self.rows)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        for name, parameter in self.parameters.items():
            parameter.data.copy_(checkpoint.tensors[f"parameter.{name}"])
            prefix = f"optimizer.{name}."
            for key, each in checkpoint.tensors.items():
                if key.startswith(prefix) and "." not in (own := key.removeprefix(prefix)):
                    # AdamW keeps its count of steps on the CPU
                    self.optimizer.state[parameter][own] = each if own == "step" else each.to(parameter.device)
        self.generator.set_state(checkpoint.tensors["generator"])
        torch.set_rng_state(checkpoint.tensors["shared generator"])
        self.rows, self.step, self.seconds = checkpoint.rows, checkpoint.step, checkpoint.seconds


def _step(state: _State, loss: Loss[Batch], batch: Batch, how: Optimisation) -> Tensor:
    """One step of gradient descent; the losses before it."""
    state.optimizer.zero_grad()
    losses = loss(state.parameters, batch, state.step)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    _clip(state.parameters.values(), how.max_grad_norm, stack=losses.ndim > 0)
    for group in state.optimizer.param_groups:
        group["lr"] = group["factor"] * how.learning_rate_at(state.step)
    state.optimizer.step()
    state.step += 1
    return losses.detach()


def _clip(parameters: Iterable[Tensor], max_norm: float, *, stack: bool) -> None:
    """Scale the gradient, of each run if they are stacked, down to the norm that is allowed."""
    gradients = [each.grad for each in parameters if each.grad is not None]
    rows = [each if stack else each[None] for each in gradients]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in rows]).norm(dim=0)
    factors = (max_norm / norms.clamp(min=1e-12)).clamp(max=1.0)
    for gradient in rows:
        gradient.mul_(factors.reshape(-1, *[1] * (gradient.ndim - 1)))


def _losses(losses: Tensor) -> list[Row]:
    """The losses as rows of a table."""
    if losses.ndim == 0:
        return [{"loss": losses.item()}]
    return [{"run": number, "loss": each} for number, each in enumerate(losses.tolist())]


def _detached(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in parameters.items()}


def _shapes(parameters: Parameters) -> dict[str, list[int]]:
    return {name: list(each.shape) for name, each in parameters.items()}


def _devices(parameters: Parameters) -> list[torch.device]:
    """The devices, beside the CPU, whose generators draw."""
    return list({each.device for each in parameters.values() if each.device.type == "cuda"})


def _with_progress(steps: range) -> Iterable[int]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(steps, "training", console=console, transient=True, disable=not console.is_terminal)
