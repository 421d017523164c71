"""Compressed models on disk: ``compression.json``, ``compression.safetensors``, and the original in a folder inside.

Loading reads data and executes nothing.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from tracrlab.compress.compressed_model import CompressedModel, compressed_model
from tracrlab.compress.sharing import Sharing
from tracrlab.files import SavedFiles, digest, read_together, save_together
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.reading import folder_named, reading, writing
from tracrlab.model.storage import COMPRESSION_FILE, CONFIG_FILE, load_model, model_files, model_in
from tracrlab.model.weights import weight_shapes

FORMAT = 1
MATRICES_FILE, ORIGINAL_FOLDER = "compression.safetensors", "original"
_KIND = "compressed model"


def save_compressed(model: CompressedModel, path: str | PathLike[str]) -> None:
    """Write a compressed model into the folder ``path``, over another one at a stroke, as :func:`save_model` does.

    Raises:
        ModelFileError: the folder cannot be written, or the original holds values that have no JSON form.
    """
    from safetensors.numpy import save

    folder = folder_named(path)
    matrices = save({"matrices": model.matrices.copy(), **model.unfrozen})
    original = model_files(model.original)
    description = {
        "format": FORMAT,
        "sharing": model.sharing.value,
        "sha256": digest(matrices),
        "original_sha256": digest(original[CONFIG_FILE]),
    }
    contents = {f"{ORIGINAL_FOLDER}/{name}": content for name, content in original.items()}
    contents |= {MATRICES_FILE: matrices, COMPRESSION_FILE: json.dumps(description, indent=1).encode()}
    with writing(folder):
        save_together(folder, contents, COMPRESSION_FILE, instead_of=CONFIG_FILE)


def load(path: str | PathLike[str]) -> CompiledModel:
    """Read a model from the folder that ``save_pretrained`` wrote: a compiled or a compressed one.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    folder = folder_named(path)
    with reading(folder, COMPRESSION_FILE):
        compressed = (folder / COMPRESSION_FILE).exists()
    return load_compressed(folder) if compressed else load_model(folder)


def load_compressed(path: str | PathLike[str]) -> CompressedModel:
    """Read a compressed model.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    folder = folder_named(path)
    with reading(folder, COMPRESSION_FILE, _KIND):
        return read_together(folder, COMPRESSION_FILE, lambda files: _compressed_model_in(files, folder))


def _compressed_model_in(files: SavedFiles, folder: Path) -> CompressedModel:
    from safetensors.numpy import load as from_bytes

    with reading(folder, COMPRESSION_FILE, _KIND):
        description = json.loads(files.content.decode())
        if description["format"] != FORMAT:
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
        return compressed_model(original, sharing, arrays)
