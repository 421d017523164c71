"""Compressed models on disk: ``compression.json``, ``compression.safetensors``, and the original in a folder inside.

Loading reads data and executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np

from tracrlab.compress.sharing import Sharing
from tracrlab.files import SavedFiles, digest, read_together, save_together
from tracrlab.model.artefact import Artefact
from tracrlab.model.json_values import typed
from tracrlab.model.reading import folder_named, not_finite, reading, writing
from tracrlab.model.storage import COMPRESSION_FILE, CONFIG_FILE, model_files, model_in
from tracrlab.model.weights import weight_shapes
from tracrlab.shapes import Float

FORMAT = 1
MATRICES_FILE, ORIGINAL_FOLDER = "compression.safetensors", "original"
_KIND = "compressed model"

Model = TypeVar("Model")
Built = Callable[[Artefact, Sharing, dict[str, Float[np.ndarray, "..."]]], Model]


def save_compression(
    path: str | PathLike[str],
    original: Artefact,
    sharing: Sharing,
    matrices: Float[np.ndarray, "matrix d_original d_model"],
    unfrozen: Mapping[str, Float[np.ndarray, "..."]],
) -> None:
    """Write what a compressed model is made from into a folder.

    It replaces another model at a stroke, as :func:`tracrlab.model.storage.save_model` does.

    Raises:
        ModelFileError: the folder cannot be written, or the original holds values that have no JSON form.
    """
    from safetensors.numpy import save

    folder = folder_named(path)
    arrays = save({"matrices": matrices.copy(), **unfrozen})
    original_files = model_files(original)
    description = {
        "format": FORMAT,
        "sharing": sharing.value,
        "sha256": digest(arrays),
        "original_sha256": digest(original_files[CONFIG_FILE]),
    }
    contents = {f"{ORIGINAL_FOLDER}/{name}": content for name, content in original_files.items()}
    contents |= {MATRICES_FILE: arrays, COMPRESSION_FILE: json.dumps(description, indent=1).encode()}
    with writing(folder):
        save_together(folder, contents, COMPRESSION_FILE, instead_of=CONFIG_FILE)


def is_compressed(path: str | PathLike[str]) -> bool:
    """Whether the folder holds a compressed model.

    Raises:
        ModelFileError: there is no looking into it.
    """
    folder = folder_named(path)
    with reading(folder, COMPRESSION_FILE):
        return (folder / COMPRESSION_FILE).exists()


def read_compression(path: str | PathLike[str], built: Built[Model]) -> Model:
    """The compressed model that ``built`` makes from what was saved.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    folder = folder_named(path)
    with reading(folder, COMPRESSION_FILE, _KIND):
        return read_together(folder, COMPRESSION_FILE, lambda files: _built_from(files, folder, built))


def _built_from(files: SavedFiles, folder: Path, built: Built[Model]) -> Model:
    from safetensors.numpy import load as from_bytes

    with reading(folder, COMPRESSION_FILE, _KIND):
        description = json.loads(files.content.decode())
        if typed(description["format"], int) != FORMAT:
            raise ValueError(f"its format is {description['format']!r:.20}, this version reads {FORMAT}")
        sharing = Sharing(description["sharing"])
        original_digest = description.get("original_sha256")  # older models have none
    with reading(folder, f"{ORIGINAL_FOLDER}/{CONFIG_FILE}", _KIND):
        original_files = files.below(ORIGINAL_FOLDER, CONFIG_FILE, original_digest)
    original = model_in(original_files, folder / ORIGINAL_FOLDER)
    with reading(folder, MATRICES_FILE, _KIND):
        arrays = from_bytes(files.read(MATRICES_FILE, description.get("sha256")))
        shapes = weight_shapes(original.config)
        if any(array.shape != shapes.get(name) for name, array in arrays.items() if name != "matrices"):
            raise ValueError(f"it does not fit the model in {ORIGINAL_FOLDER}")
        with np.errstate(over="ignore"):  # numbers beyond the model's format become infinite
            stored = {name: array.astype(original.weights.W_E.dtype) for name, array in arrays.items()}
        if stray := not_finite(stored):
            raise ValueError(f"{stray} has entries that are not finite")
        return built(original, sharing, arrays)
