"""A training on disk: what it is, where it stands, what was measured. Nothing in it is executed when it is read.

``training.json`` says what is trained, ``checkpoint.safetensors`` holds parameters, optimiser and random numbers after
a step, ``metrics.parquet`` the measures so far. Each file is replaced at one stroke, the checkpoint last.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from tracrlab.errors import TrainingError
from tracrlab.extras import require
from tracrlab.files import is_scratch, write_output

TRAINING_FILE, CHECKPOINT_FILE, METRICS_FILE = "training.json", "checkpoint.safetensors", "metrics.parquet"

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a training stands after ``step`` steps: its tensors by name, and the rows measured so far.

    ``seconds`` is the processor time that the steps and measurements took.
    """

    step: int
    seconds: float
    tensors: dict[str, Tensor]
    rows: list[Row]


def begin(folder: Path, description: dict[str, Any]) -> Checkpoint | None:
    """Make the folder of a training, or read where the one in it stands.

    Raises:
        TrainingError: the folder holds another training, or something else, or cannot be written.
        MissingDependencyError: pyarrow is not installed.
    """
    require("pyarrow", extra="compress", purpose="a training with checkpoints")
    text = json.dumps(description, indent=1, sort_keys=True)
    try:
        if (folder / TRAINING_FILE).exists():
            _check_same(folder, json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8")), json.loads(text))
            return _checkpoint(folder) if (folder / CHECKPOINT_FILE).exists() else None
        if folder.is_dir() and not all(map(is_scratch, folder.iterdir())):
            raise TrainingError(f"{folder} holds something else than a training; give a new or empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_output(folder / TRAINING_FILE, text.encode())
    except OSError as error:
        raise TrainingError(f"cannot train in {folder}: {error.strerror or error}") from error
    except ValueError as error:
        raise TrainingError(f"{folder} does not hold a training that can be continued: {error}") from error
    return None


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write where a training stands.

    Raises:
        TrainingError: the folder cannot be written.
    """
    from safetensors.torch import save as to_bytes

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    try:
        write_rows(folder / METRICS_FILE, checkpoint.rows)
        write_output(
            folder / CHECKPOINT_FILE,
            to_bytes(tensors, metadata={"step": str(checkpoint.step), "seconds": str(checkpoint.seconds)}),
        )
    except OSError as error:
        raise TrainingError(f"cannot write a checkpoint to {folder}: {error.strerror or error}") from error


def write_rows(path: str | PathLike[str], rows: list[Row]) -> None:
    """Write rows as a table in the Parquet format.

    Raises:
        OSError: the file cannot be written.
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="compress", purpose="a table of metrics")
    parquet = require("pyarrow.parquet", extra="compress", purpose="a table of metrics")
    content = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), content)
    write_output(path, content.getvalue())


def read_rows(path: Path) -> list[Row]:
    """The rows of such a table."""
    parquet = require("pyarrow.parquet", extra="compress", purpose="a table of metrics")
    rows: list[Row] = parquet.read_table(path).to_pylist()
    return rows


def _checkpoint(folder: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / CHECKPOINT_FILE, "pt") as file:
            step, seconds = int(file.metadata()["step"]), float(file.metadata()["seconds"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dictionary
    except (SafetensorError, LookupError, TypeError) as error:
        raise ValueError(f"{CHECKPOINT_FILE}: {error}") from error
    rows = read_rows(folder / METRICS_FILE)
    return Checkpoint(step, seconds, tensors, [row for row in rows if row["step"] <= step])


def _check_same(folder: Path, found: Any, wanted: dict[str, Any]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{TRAINING_FILE} says nothing about it")
    different = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if different:
        raise TrainingError(
            f"{folder} holds another training, which differs in {', '.join(different)}; "
            "give the same arguments to continue it, or another folder"
        )
