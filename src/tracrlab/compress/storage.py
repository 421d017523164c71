"""Compressed models on disk: ``compression.json``, ``compression.safetensors``, and the original in a folder inside.

Loading reads data and executes nothing.
"""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path

from tracrlab.compress.compressed_model import CompressedModel, compressed_model
from tracrlab.compress.sharing import Sharing
from tracrlab.errors import ModelFileError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.reading import reading
from tracrlab.model.storage import load_model, save_model
from tracrlab.model.weights import weight_shapes

FORMAT = 1
COMPRESSION_FILE, MATRICES_FILE, ORIGINAL_FOLDER = "compression.json", "compression.safetensors", "original"
_KIND = "compressed model"


def save_compressed(model: CompressedModel, path: str | PathLike[str]) -> None:
    """Write a compressed model into the folder ``path``; the description is replaced last.

    Raises:
        ModelFileError: the folder cannot be written, or the original holds values that have no JSON form.
    """
    from safetensors.numpy import save

    folder = Path(path)
    content = save({"matrices": model.matrices.copy(), **model.unfrozen})
    save_model(model.original, folder / ORIGINAL_FOLDER)
    description = {
        "format": FORMAT,
        "sharing": model.sharing.value,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    try:
        for name, data in ((MATRICES_FILE, content), (COMPRESSION_FILE, json.dumps(description, indent=1).encode())):
            scratch = folder / f".{name}.new"
            scratch.write_bytes(data)
            scratch.replace(folder / name)
    except OSError as error:
        raise ModelFileError(f"cannot write a model to {folder}: {error.strerror or error}") from error


def load(path: str | PathLike[str]) -> CompiledModel:
    """Read a model from the folder that ``save_pretrained`` wrote: a compiled or a compressed one.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    folder = Path(path)
    return load_compressed(folder) if (folder / COMPRESSION_FILE).exists() else load_model(folder)


def load_compressed(path: str | PathLike[str]) -> CompressedModel:
    """Read a compressed model.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    from safetensors.numpy import load as from_bytes

    folder = Path(path)
    with reading(folder, COMPRESSION_FILE, _KIND):
        description = json.loads((folder / COMPRESSION_FILE).read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(f"its format is {description['format']!r:.20}, this version reads {FORMAT}")
        digest, sharing = description["sha256"], Sharing(description["sharing"])
    with reading(folder, MATRICES_FILE, _KIND):
        content = (folder / MATRICES_FILE).read_bytes()
        if digest != hashlib.sha256(content).hexdigest():
            raise ValueError(f"it is not the one saved with {COMPRESSION_FILE}")
        arrays = from_bytes(content)
        original = load_model(folder / ORIGINAL_FOLDER)
        shapes = weight_shapes(original.config)
        if any(array.shape != shapes.get(name) for name, array in arrays.items() if name != "matrices"):
            raise ValueError(f"it does not fit the model in {ORIGINAL_FOLDER}")
        return compressed_model(original, sharing, arrays)
