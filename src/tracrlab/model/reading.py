"""What is wrong with the files of a model, in words, as they are read and written; and whether numbers are finite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from tracrlab.errors import CompressionError, ModelFileError
from tracrlab.files import checked_path


def folder_named(path: str | PathLike[str]) -> Path:
    """The folder of a model.

    Raises:
        ModelFileError: no folder can have this name.
    """
    try:
        return checked_path(path)
    except OSError as error:
        raise ModelFileError(f"{fspath(path)!r} names no folder for a model: {error.strerror}") from error


_LONGEST_COMPLAINT = 200  # characters: errors quote what a file holds, which may be anything


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """While the files of a model are written: whatever fails is said in one line.

    Raises:
        ModelFileError: a file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ModelFileError(f"cannot write a model to {folder}: {error.strerror or error}") from error


@contextmanager
def reading(folder: Path, name: str, kind: str = "Tracr Lab model") -> Iterator[None]:
    """While a file is read of a folder that holds a ``kind`` of model: whatever is wrong with it is said in one line.

    Raises:
        ModelFileError: the file cannot be read, or is not what it should be.
    """
    from safetensors import SafetensorError

    try:
        yield
        return
    except OSError as error:
        raise ModelFileError(f"cannot read {name} in {folder}: {error.strerror or error}") from error
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        CompressionError,
        SafetensorError,
    ) as error:
        reason = _complaint(error)
    except RecursionError:
        reason = "it is nested too deeply"
    except MemoryError:
        reason = "it is too large for the memory"
    raise ModelFileError(f"{folder} does not hold a {kind}: {name}: {reason}; save the model again")


def _complaint(error: Exception) -> str:
    """What an error says about a file, to a person who did not write the code that reads it."""
    match error:
        case json.JSONDecodeError():
            return f"it is no JSON from line {error.lineno}, column {error.colno} on"
        case UnicodeDecodeError():
            return "it is no text"
        case KeyError(args=(str(key),)):
            return f"it has no {key!r:.80}"
        case LookupError() | TypeError() | AttributeError():
            return "something in it is not of the kind that should stand there"
        case _:
            text = str(error)
            return text if len(text) <= _LONGEST_COMPLAINT else text[:_LONGEST_COMPLAINT] + "…"


def not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The name of an array that holds more than finite numbers, if there is one."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
