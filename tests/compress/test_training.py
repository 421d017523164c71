"""Training: the loss falls, seeds reproduce, interrupted trainings continue, runs do not disturb one another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pyarrow import parquet

import tracrlab
from tests.compress.compressions import every_sequence, frac_prevs, permutations, sort_unique
from tracrlab import rasp
from tracrlab.compress import Settings, Sharing, Training, train
from tracrlab.compress.exact import exact_sizes
from tracrlab.errors import CompressionError, InputError
from tracrlab.learn import trainer

pytestmark = pytest.mark.frameworks

TINY = Settings(steps=40, batch_size=16)
EXCHANGING = replace(TINY, interchange_weight=1.0)


def same(one: Training, other: Training) -> bool:
    """Whether two trainings ended in the same numbers, to the bit."""
    return one.metrics == other.metrics and all(
        torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters
    )


def test_the_loss_falls() -> None:
    trained = train(frac_prevs(), [4, 8], settings=Settings(steps=150, initial_sharpness=0.1))
    first = [row for row in trained.metrics if row["step"] == min(each["step"] for each in trained.metrics)]
    for before, after in zip(first, trained.results, strict=True):
        assert after["output_loss"] + after["layer_loss"] < (before["output_loss"] + before["layer_loss"]) / 2
    assert trained.compressed(8).config.d_model == 8


def test_metrics_are_a_table(tmp_path: Path) -> None:
    trained = train(frac_prevs(), [3, 4], settings=TINY)
    trained.save_metrics(tmp_path / "metrics.parquet")
    rows = parquet.read_table(tmp_path / "metrics.parquet").to_pylist()
    assert rows == trained.metrics
    assert {(row["d"], row["seed"]) for row in rows} == {(3, 0), (4, 0)}
    assert max(row["step"] for row in rows) == TINY.steps


def test_the_identity_at_full_size_is_exact() -> None:
    for model in (frac_prevs(), sort_unique()):
        still = replace(TINY, learning_rate=1e-12, final_learning_rate=0.0, weight_decay=0.0)
        trained = train(model, model.config.d_model, initial="identity", settings=still)
        inputs = list(every_sequence(model))
        assert trained.compressed().run_batch(inputs) == model.run_batch(inputs)
        assert trained.results[0]["accuracy"] == 1
        assert trained.results[0]["layer_loss"] < 1e-6


def test_what_is_read_is_nearly_right_from_the_start() -> None:
    still = replace(TINY, steps=1, learning_rate=1e-12, final_learning_rate=0.0, weight_decay=0.0)
    model = frac_prevs()
    d = exact_sizes(model).read
    read, other = (train(model, d, initial=start, settings=still).results[0] for start in ("reads", "random"))
    assert read["layer_loss"] < other["layer_loss"] / 5
    assert read["output_loss"] < other["output_loss"] / 5


def test_seeds_reproduce_and_differ() -> None:
    one, again, other = (train(frac_prevs(), 5, seeds=seed, settings=TINY) for seed in (3, 3, 4))
    assert same(one, again)
    assert not torch.equal(one.parameters["matrices"], other.parameters["matrices"])


def test_runs_do_not_disturb_one_another() -> None:
    together = train(frac_prevs(), [3, 7], seeds=[0, 1], settings=TINY)
    for run, matrices in zip(together.runs, together.parameters["matrices"], strict=True):
        alone = train(frac_prevs(), run.d, seeds=run.seed, settings=TINY)
        torch.testing.assert_close(matrices[..., : run.d], alone.parameters["matrices"][0], rtol=1e-3, atol=1e-4)
        assert not matrices[..., run.d :].any()


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def test_an_interrupted_training_continues_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(EXCHANGING, unfrozen=("W_in",))
    whole = train(frac_prevs(), [4, 6], settings=settings)
    step, count = trainer._step, 0

    def failing_step(*arguments: object) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == 25:
            raise Interrupted
        return step(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_step", failing_step)
        with pytest.raises(Interrupted):
            train(frac_prevs(), [4, 6], settings=settings, folder=tmp_path)
    count = -1000
    monkeypatch.setattr(trainer, "_step", failing_step)
    assert same(train(frac_prevs(), [4, 6], settings=settings, folder=tmp_path), whole)
    assert -1000 < count < -1000 + settings.steps  # some steps, but not all
    count = -1000
    assert same(train(frac_prevs(), [4, 6], settings=settings, folder=tmp_path), whole)
    assert count == -1000


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    train(frac_prevs(), 4, settings=TINY, folder=tmp_path / "run")
    with pytest.raises(CompressionError, match="differs in batch_seed, runs"):
        train(frac_prevs(), 5, settings=replace(TINY, batch_seed=1), folder=tmp_path / "run")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(CompressionError, match="something else"):
        train(frac_prevs(), 4, settings=TINY, folder=tmp_path / "notes")


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "training.json", "metrics.parquet"])
def test_a_damaged_training_is_refused(tmp_path: Path, name: str) -> None:
    train(frac_prevs(), 4, settings=TINY, folder=tmp_path)
    for content in (b"cut", b"[]"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CompressionError, match=r"cannot|can be continued"):
            train(frac_prevs(), 4, settings=TINY, folder=tmp_path)


@pytest.mark.parametrize(
    "variant",
    [
        {"sharing": Sharing.LAYERS},
        {"sharing": Sharing.NOTHING},
        {"unfrozen": ("W_E", "W_in", "W_out", "W_U")},
        {"compare": "read"},
        {"interchange_weight": 1.0},
        {"interchange_weight": 1.0, "swap_compiled": True},
    ],
    ids=str,
)
def test_variants_train_and_become_models(variant: dict[str, object]) -> None:
    settings = replace(TINY, steps=120, initial_sharpness=1.0, **variant)  # type: ignore[arg-type]
    model, inputs = sort_unique(), permutations(sort_unique())
    trained = train(model, 9, settings=settings, inputs=inputs)
    losses = [row["output_loss"] + row["layer_loss"] for row in trained.metrics]
    assert losses[-1] < losses[0]
    compressed = trained.compressed()
    answers, wanted = compressed.run_batch(inputs), model.run_batch(inputs)
    right = [
        one == other for row, ideal in zip(answers, wanted, strict=True) for one, other in zip(row, ideal, strict=True)
    ]
    assert sum(right) / len(right) == pytest.approx(trained.results[0]["accuracy"], abs=0.05)
    changed = {name for name, array in compressed.unfrozen.items() if (array != getattr(model.weights, name)).any()}
    assert changed == set(settings.unfrozen)


def test_what_cannot_be_trained_is_refused() -> None:
    model = frac_prevs()
    for bad, message in [
        (lambda: train(model, 0), "between 1 and"),
        (lambda: train(model, 99), "between 1 and"),
        (lambda: train(model, 4, initial="identity"), "full size"),
        (lambda: train(model, []), "at least one size"),
        (lambda: train(model, [4, 4]), "once only"),
        (lambda: Settings(steps=0), "steps"),
        (lambda: train(tracrlab.compile(rasp.indices + 1, "ab", 2), 2, settings=EXCHANGING), "none to exchange"),
        (lambda: Settings(learning_rate=float("nan")), "learning_rate"),
        (lambda: Settings(betas=(0.9, 1.0)), "betas"),
        (lambda: Settings(unfrozen=("W_X",)), "W_X"),
        (lambda: train(train(model, 4, settings=TINY).compressed(), 2), "already"),
        (lambda: train(model, 4, settings=TINY).compressed(5), "no run"),
    ]:
        with pytest.raises(CompressionError, match=message):
            bad()
    with pytest.raises(InputError, match="at least one token"):
        train(model, 4, inputs=[""])
