"""Training: AdamW as by its formulas, runs apart from one another, and resumed to the same bits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tracrlab.errors import TrainingError
from tracrlab.learn import trainer
from tracrlab.learn.optimisation import Optimisation
from tracrlab.learn.trainer import Trained, each_run, stacked, train

pytestmark = pytest.mark.frameworks

TABLE = torch.as_tensor(np.random.default_rng(0).normal(size=(32, 4)), dtype=torch.float32)
HOW = Optimisation(steps=30, learning_rate=1e-2, n_measurements=10)


def draw(step: int, generator: torch.Generator) -> Tensor:
    return TABLE[torch.randint(len(TABLE), (8,), generator=generator)]


def distance(parameters: dict[str, Tensor], batch: Tensor, step: int) -> Tensor:
    """Of a batch from what two matrices make of it: the loss of an autoencoder."""
    return (batch @ parameters["down"] @ parameters["up"] - batch).square().mean()


def start(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in (("down", (4, 2)), ("up", (2, 4)))}


def leaves(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.clone().requires_grad_() for name, each in parameters.items()}


def same(one: Trained, other: Trained) -> bool:
    return one.rows == other.rows and all(torch.equal(one.parameters[n], other.parameters[n]) for n in one.parameters)


# What it computes ----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    rate=st.floats(1e-4, 0.1),
    final=st.floats(0, 1e-3),
    decay=st.floats(0.1, 1),
    warmup=st.floats(0, 0.5),
    beta=st.floats(0.5, 0.99),
    weight_decay=st.floats(0, 0.5),
    norm=st.floats(0.01, 10),
    factor=st.sampled_from([1.0, 0.1]),
)
def test_steps_are_those_of_the_formulas(
    rate: float, final: float, decay: float, warmup: float, beta: float, weight_decay: float, norm: float, factor: float
) -> None:
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) on a quadratic whose gradient is known."""
    how = Optimisation(8, rate, final, decay, warmup, (beta, 0.9), weight_decay, norm)
    goal = {"x": np.array([1.0, -2, 3]), "y": np.array([[0.5]])}
    found = train(
        {name: torch.zeros(value.shape, dtype=torch.float64, requires_grad=True) for name, value in goal.items()},
        lambda p, batch, step: sum((p[name] - torch.as_tensor(goal[name])).square().sum() for name in goal),  # type: ignore[arg-type,return-value]
        lambda step, generator: None,
        how,
        rates={"y": factor},
    )
    x = {name: np.zeros(value.shape) for name, value in goal.items()}
    m, v = ({name: np.zeros(value.shape) for name, value in goal.items()} for _ in range(2))
    for step in range(8):
        gradient = {name: 2 * (x[name] - goal[name]) for name in goal}
        size = math.sqrt(sum((each**2).sum() for each in gradient.values()))
        learning = rate + (final - rate) * min(1, step / max(1, decay * 8))
        learning *= min(1, (step + 1) / max(1, warmup * 8))
        for name, own in (("x", learning), ("y", learning * factor)):
            clipped = gradient[name] * min(1, norm / size)
            m[name] = beta * m[name] + (1 - beta) * clipped
            v[name] = 0.9 * v[name] + 0.1 * clipped**2
            corrected = m[name] / (1 - beta ** (step + 1)), v[name] / (1 - 0.9 ** (step + 1))
            x[name] = x[name] * (1 - own * weight_decay) - own * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    for name in goal:
        np.testing.assert_allclose(found.parameters[name].detach(), x[name], rtol=1e-6, atol=1e-9)


def test_stacked_runs_are_those_one_by_one() -> None:
    starts = [start(seed) for seed in range(3)]
    together = train(stacked(starts), each_run(distance), draw, HOW)
    for number, own in enumerate(starts):
        alone = train(leaves(own), distance, draw, HOW)
        for name in own:
            torch.testing.assert_close(together.parameters[name][number], alone.parameters[name], rtol=1e-4, atol=1e-5)
    assert [row["run"] for row in together.rows[:3]] == [0, 1, 2]
    assert [row["step"] for row in together.rows[::3]] == list(range(3, 31, 3))


def test_the_gradient_of_one_run_is_no_matter_of_another() -> None:
    """A run that diverges is clipped by itself, and the others learn as if it were not there."""
    wild = {name: 1e4 * each for name, each in start(1).items()}
    with_it = train(stacked([start(0), wild]), each_run(distance), draw, HOW)
    without = train(stacked([start(0), start(2)]), each_run(distance), draw, HOW)
    for name in wild:
        torch.testing.assert_close(with_it.parameters[name][0], without.parameters[name][0])


def test_a_module_is_trained_in_place() -> None:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 4))

    def loss(parameters: dict[str, Tensor], batch: Tensor, step: int) -> Tensor:
        found: Tensor = (module(batch) - batch).square().mean()
        return found

    state = torch.get_rng_state()
    trained = train(dict(module.named_parameters()), loss, draw, replace(HOW, steps=200))
    assert trained.rows[-1]["loss"] < trained.rows[0]["loss"] / 2
    assert torch.equal(torch.get_rng_state(), state)  # dropout draws from it, but leaves no trace
    assert all(trained.parameters[name] is each for name, each in module.named_parameters())


def test_it_stops_when_it_is_told_to() -> None:
    trained = train(leaves(start(0)), distance, draw, HOW, stop=lambda rows: len(rows) == 4)
    assert (trained.steps, len(trained.rows)) == (12, 4)


def test_what_is_measured_are_rows_of_the_parameters() -> None:
    sizes: list[float] = []

    def measure(parameters: dict[str, Tensor], step: int) -> list[dict[str, Any]]:
        assert not any(each.requires_grad for each in parameters.values())
        sizes.append(float(parameters["down"].norm()))
        return [{"size": sizes[-1], "half": step / 2}]

    trained = train(leaves(start(0)), distance, draw, HOW, measure=measure)
    assert trained.rows == [
        {"step": s, "size": size, "half": s / 2} for s, size in zip(range(3, 31, 3), sizes, strict=True)
    ]


# Interrupted ---------------------------------------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands for Ctrl-C."""


@pytest.mark.parametrize("at", [1, 3, 4, 17, 29])
def test_an_interrupted_training_continues_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Dropout too: all random numbers go on where they were."""

    def dropping(parameters: dict[str, Tensor], batch: Tensor, step: int) -> Tensor:
        return distance(parameters, nn.functional.dropout(batch, 0.3), step)

    def trained(folder: Path | None) -> Trained:
        torch.manual_seed(int.from_bytes(str(folder).encode()) % 1000)  # what was drawn before is no matter
        parameters = leaves({"up.x": start(0)["up"], "up": start(1)["up"], **start(2)})
        return train(parameters, dropping, draw, HOW, rates={"up": 0.3}, folder=folder)

    whole, step, steps = trained(None), trainer._step, list[int]()

    def failing(*arguments: Any) -> Tensor:
        steps.append(arguments[0].step)
        if len(steps) == at:
            raise Interrupted
        return step(*arguments)

    monkeypatch.setattr(trainer, "_step", failing)
    with pytest.raises(Interrupted):
        trained(tmp_path)
    assert same(trained(tmp_path), whole)
    assert steps[at] == (at - 1) // 3 * 3  # it went on from the last checkpoint
    n_steps = len(steps)
    assert same(trained(tmp_path), whole)
    assert len(steps) == n_steps


def test_early_stopping_is_remembered(tmp_path: Path) -> None:
    def trained(folder: Path | None) -> Trained:
        return train(leaves(start(0)), distance, draw, HOW, stop=lambda rows: len(rows) == 4, folder=folder)

    first = trained(tmp_path)
    assert same(first, trained(None))
    assert same(first, trained(tmp_path))


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    train(leaves(start(0)), distance, draw, HOW, folder=tmp_path, description={"data": "this"})
    for how, description, parameters, different in [
        (replace(HOW, batch_seed=1), {"data": "this"}, start(0), "batch_seed"),
        (HOW, {"data": "that"}, start(0), "data"),
        (HOW, {"data": "this"}, {"down": torch.zeros(4, 3), "up": torch.zeros(3, 4)}, "shapes"),
    ]:
        with pytest.raises(TrainingError, match=f"differs in {different};"):
            train(leaves(parameters), distance, draw, how, folder=tmp_path, description=description)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"n_measurements": 0}, "n_measurements"),
        ({"learning_rate": math.nan}, "learning_rate must be a positive number, not nan"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"final_learning_rate": -1.0}, "non-negative"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
        ({"warmup_share": 1.5}, "between 0 and 1"),
        ({"betas": (0.9, 1.0)}, "betas"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(HOW, **bad)
