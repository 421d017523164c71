"""Models on disk: ``config.json`` and ``model.safetensors`` in a folder. Loading reads data and executes nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import MISSING, fields
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracrlab.craft.spaces import Dimension, Feature, Layout, Mark, OneOf, Variable
from tracrlab.errors import ModelFileError
from tracrlab.model.compiled import CompiledModel
from tracrlab.model.config import ModelConfig
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.weights import Weights, weight_shapes
from tracrlab.rasp.values import Ratio, Value, is_finite_number, value_key

FORMAT = 2
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_DIGEST = "weights_sha256"


def save_model(model: CompiledModel, path: str | PathLike[str]) -> None:
    """Write a model into the folder ``path``; files already there by the same names are replaced.

    Everything is written beside the goal first, so a failure leaves the folder as it was. Two files cannot be
    replaced at one stroke, so the configuration holds a digest of the weights: a crash in between leaves a mixture of
    two models, which is noticed when it is loaded.

    Raises:
        ModelFileError: the folder cannot be written, or a value has no JSON form.
    """
    from safetensors.numpy import save

    folder = Path(path)
    data = _model_to_json(model)
    weights = save(model.weights.as_dict(), metadata={"format": "np"})
    text = json.dumps(data | {_DIGEST: _digest(io.BytesIO(weights))}, indent=1, allow_nan=False)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            (scratch / CONFIG_FILE).write_text(text, encoding="utf-8")
            (scratch / WEIGHTS_FILE).write_bytes(weights)
            folder.mkdir(exist_ok=True)
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                if (folder / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
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
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}, this version reads {FORMAT}")
        with (folder / WEIGHTS_FILE).open("rb") as weights:
            if data[_DIGEST] != _digest(weights):
                raise ValueError(f"{WEIGHTS_FILE} is not the one saved with {CONFIG_FILE}; save the model again")
        return _model_from_json(data, load_file(folder / WEIGHTS_FILE))
    except OSError as error:
        name = Path(error.filename).name if error.filename else CONFIG_FILE
        raise ModelFileError(f"cannot read {name} in {folder}: {error.strerror or error}") from error
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        SafetensorError,
    ) as error:
        raise ModelFileError(f"{folder} does not hold a Tracr Lab model: {error}") from error


def _digest(weights: io.BufferedIOBase) -> str:
    return hashlib.file_digest(weights, "sha256").hexdigest()


def _model_to_json(model: CompiledModel) -> dict[str, Any]:
    config = dict(vars(model.config)) | {"vocab": [_to_json(token) for token in model.config.vocab]}
    return {
        "format": FORMAT,
        "model_type": "tracrlab",
        "config": config,
        "output": _variable_to_json(model.output),
        "program": [list(line) for line in model.program],
        "variables": [_entry_to_json(entry) for entry in model.labels.variables],
        "heads": [[vars(head) for head in heads] for heads in model.labels.heads],
        "neurons": [[vars(neurons) for neurons in layer] for layer in model.labels.neurons],
    }


def _model_from_json(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> CompiledModel:
    config = _config_from_json(data["config"])
    shapes = weight_shapes(config)
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError("the weights do not have the shapes that the configuration says")
    if {array.dtype.name for array in arrays.values()} != {config.dtype}:
        raise ValueError(f"the weights are not all {config.dtype}, as the configuration says")
    labels = _labels_from_json(data, config)
    program = tuple(
        (_typed(name, str), _typed(text, str), _typed(location, str, type(None)))
        for name, text, location in data["program"]
    )
    output = _variable_from_json(data["output"])
    with_none = output.layout is Layout.ONE_HOT and output.nullable
    if not program or output.layout is Layout.CODE or output.width + with_none != config.d_vocab_out:
        raise ValueError("its output is not what the configuration says")
    return CompiledModel(config, Weights(**arrays), labels, output, program)


def _config_from_json(data: dict[str, Any]) -> ModelConfig:
    vocabulary = tuple(_from_json(token) for token in _typed(data["vocab"], list))
    if None in vocabulary or len(set(map(value_key, vocabulary))) < len(vocabulary):
        raise ValueError("its vocabulary repeats a token or holds None")
    config = ModelConfig(**(data | {"vocab": vocabulary}))
    for field in fields(config):
        _typed(
            getattr(config, field.name), type(field.default) if field.default is not MISSING else _REQUIRED[field.name]
        )
    return config


_REQUIRED = {"vocab": tuple, "max_seq_len": int}


def _labels_from_json(data: dict[str, Any], config: ModelConfig) -> Labels:
    labels = Labels(
        tuple(_entry_from_json(entry) for entry in data["variables"]),
        tuple(tuple(_head_from_json(head) for head in heads) for heads in data["heads"]),
        tuple(tuple(_neurons_from_json(neurons) for neurons in layer) for layer in data["neurons"]),
    )
    starts = [variable.start for variable in labels.variables]
    ends = [variable.start + variable.variable.width for variable in labels.variables]
    if starts != [0, *ends[:-1]] or ends[-1] != config.d_model:
        raise ValueError("its labels do not cover the residual stream")
    if {len(labels.heads), len(labels.neurons)} != {config.n_layers}:
        raise ValueError("its labels do not have a list of heads and neurons for each layer")
    return labels


def _typed(value: Any, *kinds: type) -> Any:
    """The value, if it is of exactly one of these types."""
    if type(value) not in kinds:
        raise ValueError(f"{value!r} stands where a {kinds[0].__name__} should")
    return value


def _head_from_json(data: dict[str, Any]) -> HeadLabel:
    return HeadLabel(_typed(data["writes"], str), _typed(data["expression"], str))


def _neurons_from_json(data: dict[str, Any]) -> NeuronLabel:
    return NeuronLabel(_typed(data["writes"], str), _typed(data["expression"], str), _typed(data["count"], int))


def _entry_to_json(entry: ModelVariable) -> dict[str, Any]:
    return _variable_to_json(entry.variable) | {
        "start": entry.start,
        "sublayer": entry.sublayer,
        "expression": entry.expression,
        "is_value": entry.is_value,
    }


def _entry_from_json(data: dict[str, Any]) -> ModelVariable:
    return ModelVariable(
        _variable_from_json(data),
        _typed(data["start"], int),
        _typed(data["sublayer"], int),
        _typed(data["expression"], str),
        _typed(data["is_value"], bool),
    )


def _variable_to_json(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "layout": variable.layout.value,
        "values": [_to_json(value) for value in variable.values],
        "nullable": variable.nullable,
        "dimensions": [[dimension.variable, _to_json(dimension.value)] for dimension in variable.dimensions],
        "at_bos": variable.at_bos.tolist(),
        "codes": None if variable.codes is None else variable.codes.tolist(),
    }


def _variable_from_json(data: dict[str, Any]) -> Variable:
    codes = data["codes"]
    variable = Variable(
        _typed(data["name"], str),
        Layout(data["layout"]),
        tuple(_from_json(value) for value in data["values"]),
        _typed(data["nullable"], bool),
        tuple(Dimension(_typed(name, str), _from_json(value)) for name, value in data["dimensions"]),
        np.array(data["at_bos"], float),
        codes=None if codes is None else np.array(codes, float),
    )
    if variable.layout is Layout.SCALAR and not all(map(is_finite_number, variable.values)):
        raise ValueError(f"{variable.name} is a scalar whose values are no numbers")
    if (variable.layout is Layout.CODE) != (variable.codes is not None):
        raise ValueError(f"{variable.name} is a code without codes, or has codes but is none")
    width = variable.width
    if variable.codes is None:
        width = len(variable.values) if variable.layout is Layout.ONE_HOT else 1 + variable.nullable
    elif variable.codes.shape != (len(variable.values), width):
        raise ValueError(f"the codes of {variable.name} do not fit its values")
    if variable.width != width or variable.at_bos.shape != (width,):
        raise ValueError(f"the dimensions of {variable.name} do not fit its values")
    return variable


def _to_json(value: Value | Mark | Feature | OneOf) -> Any:
    """A value as JSON that keeps its type: strings, ints and bools as they are, others tagged."""
    if isinstance(value, Mark):
        return {"mark": value.value}
    if isinstance(value, Feature):
        return {"feature": value.text}
    if isinstance(value, OneOf):
        return {"one_of": [_to_json(each) for each in value.values]}
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
    "feature": lambda text: Feature(_typed(text, str)),
    "one_of": lambda values: OneOf(tuple(_from_json(value) for value in _typed(values, list))),
    "ratio": lambda parts: Ratio(Fraction(int(parts[0]), int(parts[1]))),
    "float": float.fromhex,
    "tuple": lambda items: tuple(_from_json(item) for item in _typed(items, list)),
}


def _from_json(data: Any) -> Any:
    if isinstance(data, dict):
        ((tag, content),) = data.items()
        return _READERS[tag](content)
    return _typed(data, str, int, bool, type(None))
