"""Models on disk: ``config.json`` and ``model.safetensors`` in a folder. Loading reads data and executes nothing."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracrlab.craft.spaces import Dimension, Layout, Mark, Variable
from tracrlab.errors import ModelFileError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.weights import Weights, weight_shapes
from tracrlab.rasp.values import Ratio, Value

FORMAT = 1
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def save_model(model: CompiledModel, path: str | PathLike[str]) -> None:
    """Write a model into the folder ``path``; files already there by the same names are replaced.

    Everything is written beside the goal first, so a failure leaves the folder as it was.

    Raises:
        ModelFileError: the folder cannot be written, or a value has no JSON form.
    """
    from safetensors.numpy import save_file

    folder = Path(path)
    text = json.dumps(_model_to_json(model), indent=1, allow_nan=False)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            (scratch / CONFIG_FILE).write_text(text, encoding="utf-8")
            save_file(model.weights.as_dict(), scratch / WEIGHTS_FILE, metadata={"format": "np"})
            folder.mkdir(exist_ok=True)
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                (scratch / name).replace(folder / name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ModelFileError(f"cannot write a model to {folder}: {error.strerror or error}") from error


def load_model(path: str | PathLike[str]) -> CompiledModel:
    """Read a model that :meth:`CompiledModel.save_pretrained` wrote.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(path)
    try:
        data = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        arrays = load_file(folder / WEIGHTS_FILE)
        return _model_from_json(data, arrays)
    except OSError as error:
        raise ModelFileError(f"cannot read a model from {folder}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, SafetensorError) as error:
        raise ModelFileError(f"{folder} does not hold a Tracr Lab model: {error}") from error


def _model_to_json(model: CompiledModel) -> dict[str, Any]:
    config = dict(vars(model.config)) | {"vocab": [_to_json(token) for token in model.config.vocab]}
    return {
        "format": FORMAT,
        "model_type": "tracrlab",
        "config": config,
        "output": model.output_name,
        "program": [list(line) for line in model.program],
        "variables": [_variable_to_json(variable) for variable in model.labels.variables],
        "heads": [[vars(head) for head in heads] for heads in model.labels.heads],
        "neurons": [[vars(neurons) for neurons in layer] for layer in model.labels.neurons],
    }


def _model_from_json(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> CompiledModel:
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, this version reads {FORMAT}")
    vocabulary = tuple(_from_json(token) for token in data["config"]["vocab"])
    config = ModelConfig(**(data["config"] | {"vocab": vocabulary}))
    shapes = weight_shapes(config)
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError("the weights do not have the shapes that the configuration says")
    labels = Labels(
        tuple(_variable_from_json(variable) for variable in data["variables"]),
        tuple(tuple(HeadLabel(**head) for head in heads) for heads in data["heads"]),
        tuple(tuple(NeuronLabel(**neurons) for neurons in layer) for layer in data["neurons"]),
    )
    program = tuple((name, text, location) for name, text, location in data["program"])
    model = CompiledModel(config, Weights(**arrays), labels, data["output"], program)
    model.output  # noqa: B018 - fails here rather than at the first run
    if len(labels.dimensions) != config.d_model:
        raise ValueError("its labels do not cover the residual stream")
    return model


def _variable_to_json(entry: ModelVariable) -> dict[str, Any]:
    variable = entry.variable
    return {
        "name": variable.name,
        "layout": variable.layout.value,
        "values": [_to_json(value) for value in variable.values],
        "nullable": variable.nullable,
        "dimensions": [[dimension.variable, _to_json(dimension.value)] for dimension in variable.dimensions],
        "at_bos": variable.at_bos.tolist(),
        "start": entry.start,
        "sublayer": entry.sublayer,
        "expression": entry.expression,
        "is_value": entry.is_value,
    }


def _variable_from_json(data: dict[str, Any]) -> ModelVariable:
    variable = Variable(
        data["name"],
        Layout(data["layout"]),
        tuple(_from_json(value) for value in data["values"]),
        data["nullable"],
        tuple(Dimension(name, _from_json(value)) for name, value in data["dimensions"]),
        np.array(data["at_bos"], float),
    )
    return ModelVariable(variable, data["start"], data["sublayer"], data["expression"], data["is_value"])


def _to_json(value: Value | Mark) -> Any:
    """A value as JSON that keeps its type: strings, ints and bools as they are, others tagged."""
    if isinstance(value, Mark):
        return {"mark": value.value}
    if isinstance(value, Ratio):
        return {"ratio": [str(value.exact.numerator), str(value.exact.denominator)]}
    if type(value) is float:
        return {"float": value.hex()}
    if value is None or type(value) in (str, int, bool):
        return value
    if type(value) is tuple:
        return {"tuple": [_to_json(item) for item in value]}
    raise ModelFileError(f"the value {value!r} has no JSON form, so the model cannot be saved")


_READERS: dict[str, Callable[[Any], Any]] = {
    "mark": Mark,
    "ratio": lambda parts: Ratio(Fraction(int(parts[0]), int(parts[1]))),
    "float": float.fromhex,
    "tuple": lambda items: tuple(_from_json(item) for item in items),
}


def _from_json(data: Any) -> Any:
    if isinstance(data, dict):
        ((tag, content),) = data.items()
        return _READERS[tag](content)
    return data
