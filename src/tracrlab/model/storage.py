"""Models on disk: a folder with ``config.json``, ``model.safetensors``, and the model's claims in two files more.

Loading reads data and executes nothing.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tracrlab.craft.spaces import Dimension, Layout, Variable
from tracrlab.errors import ModelFileError, VerificationError
from tracrlab.files import SavedFiles, digest, read_together, save_together
from tracrlab.model.artefact import Artefact
from tracrlab.model.certificate import Certificate
from tracrlab.model.claims_json import claims_from_json, claims_to_json
from tracrlab.model.config import ModelConfig, Recipe
from tracrlab.model.json_values import typed, value_from_json, value_to_json
from tracrlab.model.labels import HeadLabel, Labels, ModelVariable, NeuronLabel
from tracrlab.model.reading import folder_named, not_finite, reading, writing
from tracrlab.model.sublayers import Sublayer
from tracrlab.model.weights import Weights, weight_shapes
from tracrlab.rasp.values import is_finite_number, value_key

FORMAT = 2
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
CLAIMS_FILE, CLAIM_ARRAYS_FILE = "claims.json", "claims.safetensors"
CERTIFICATE_FILE = "certificate.json"
COMPRESSION_FILE = "compression.json"  # of a model of another kind: a folder with this one holds a compressed model
_DIGESTS = {
    WEIGHTS_FILE: "weights_sha256",
    CLAIM_ARRAYS_FILE: "claim_arrays_sha256",
    CLAIMS_FILE: "claims_sha256",
    CERTIFICATE_FILE: "certificate_sha256",
}
_OWN_DIGEST = "config_sha256"


def save_model(model: Artefact, path: str | PathLike[str]) -> None:
    """Write a model into the folder ``path``; files already there by the same names are replaced.

    The configuration holds digests of the other files and is replaced first, at a stroke: whenever the process is
    killed, the folder holds the old model or the new one (:mod:`tracrlab.files.together`). It holds a digest of itself,
    too, since the claims are true of no other vocabulary or kind of attention. Digests detect damage, not tampering:
    whoever changes a file can change them.

    Raises:
        ModelFileError: the folder cannot be written, a weight is not finite, or a value has no JSON form.
    """
    folder = folder_named(path)
    contents = model_files(model)
    with writing(folder):
        save_together(folder, contents, CONFIG_FILE, instead_of=COMPRESSION_FILE)


def model_files(model: Artefact) -> dict[str, bytes]:
    """What is saved of a model, by the names of the files.

    Raises:
        ModelFileError: a weight is not finite, or a value has no JSON form.
    """
    from safetensors.numpy import save

    if stray := not_finite(model.weights.as_dict()):
        raise ModelFileError(f"{stray} of the model has entries that are not finite, so it cannot be saved")
    data = _model_to_json(model)
    contents = {WEIGHTS_FILE: save(model.weights.as_dict(), metadata={"format": "np"})}
    if model.claims is not None:
        claims, arrays = claims_to_json(model.claims)
        contents[CLAIM_ARRAYS_FILE] = save(arrays, metadata={"format": "np"})
        contents[CLAIMS_FILE] = json.dumps(claims, allow_nan=False).encode()
    if model.certificate is not None:
        contents[CERTIFICATE_FILE] = model.certificate.to_json().encode()
    data |= {_DIGESTS[name]: digest(content) for name, content in contents.items()}
    text = json.dumps(data | {_OWN_DIGEST: _own_digest(data)}, indent=1, allow_nan=False)
    return contents | {CONFIG_FILE: text.encode()}


def load_model(path: str | PathLike[str]) -> Artefact:
    """Read a model that :meth:`Artefact.save_pretrained` wrote.

    Raises:
        ModelFileError: the files are missing, damaged, or of another format.
    """
    folder = folder_named(path)
    with reading(folder, CONFIG_FILE):
        if folder.is_file():
            raise ModelFileError(f"{folder} is a file; give the folder that the model was saved in")
        return read_together(folder, CONFIG_FILE, lambda files: model_in(files, folder))


def model_in(files: SavedFiles, folder: Path) -> Artefact:
    """The model of which ``files`` reads the configuration first, as of a ``folder``.

    Raises:
        ModelFileError: a file is missing, damaged, or of another format.
    """
    from safetensors.numpy import load

    with reading(folder, CONFIG_FILE):
        data = _checked_config(folder, json.loads(files.content.decode()))
    with reading(folder, WEIGHTS_FILE):
        arrays = load(files.read(WEIGHTS_FILE, data.get(_DIGESTS[WEIGHTS_FILE])))
        if stray := not_finite(arrays):
            raise ValueError(f"{stray} has entries that are not finite")
    with reading(folder, CONFIG_FILE):
        model = _model_from_json(data, arrays)
    certificate = _saved_certificate(files, folder, data)
    if _DIGESTS[CLAIMS_FILE] not in data:  # older models have none
        return model.with_certificate(certificate)
    with reading(folder, CLAIM_ARRAYS_FILE):
        claim_arrays = load(files.read(CLAIM_ARRAYS_FILE, data.get(_DIGESTS[CLAIM_ARRAYS_FILE])))
    with reading(folder, CLAIMS_FILE):
        claims = json.loads(files.read(CLAIMS_FILE, data[_DIGESTS[CLAIMS_FILE]]).decode())
        model = replace(model, claims=claims_from_json(claims, claim_arrays, model.labels))
    return model.with_certificate(certificate)


def _saved_certificate(files: SavedFiles, folder: Path, data: dict[str, Any]) -> Certificate | None:
    """The certificate that was saved with a model, if there is one.

    Raises:
        ModelFileError: it is missing or damaged.
    """
    if _DIGESTS[CERTIFICATE_FILE] not in data:
        return None
    with reading(folder, CERTIFICATE_FILE):
        text = files.read(CERTIFICATE_FILE, data[_DIGESTS[CERTIFICATE_FILE]]).decode()
        try:
            return replace(Certificate.from_json(text), from_files=True)
        except VerificationError as error:
            raise ValueError(str(error)) from error


def _checked_config(folder: Path, data: Any) -> dict[str, Any]:
    """A configuration of this format that is as it was saved.

    Raises:
        ModelFileError, ValueError: it is another one.
    """
    if not isinstance(data, dict) or "format" not in data:
        raise ModelFileError(f"{folder} does not hold a Tracr Lab model: its {CONFIG_FILE} is another program's")
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r:.20}, this version reads {FORMAT}")
    own = data.pop(_OWN_DIGEST, None)  # older models have none
    if own not in (None, _own_digest(data)):
        raise ValueError("it was changed after it was saved")
    return data


def _own_digest(data: dict[str, Any]) -> str:
    return digest(json.dumps(data, sort_keys=True).encode())


def _model_to_json(model: Artefact) -> dict[str, Any]:
    config = dict(vars(model.config)) | {"vocab": [value_to_json(token) for token in model.config.vocab]}
    return {
        "format": FORMAT,
        "model_type": "tracrlab",
        "config": config,
        "output": _variable_to_json(model.output),
        "program": [list(line) for line in model.program],
        "recipe": None if model.recipe is None else vars(model.recipe),
        "variables": [_entry_to_json(entry) for entry in model.labels.variables],
        "heads": [[vars(head) for head in heads] for heads in model.labels.heads],
        "neurons": [[vars(neurons) for neurons in layer] for layer in model.labels.neurons],
    }


def _model_from_json(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> Artefact:
    config = _config_from_json(data["config"])
    shapes = weight_shapes(config)
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError("the weights do not have the shapes that the configuration says")
    stored = config.number_format.accumulator
    if {array.dtype.name for array in arrays.values()} != {stored}:
        raise ValueError(f"the weights are not all {stored}, as the configuration says")
    labels = _labels_from_json(data, config)
    program = tuple(
        (typed(name, str), typed(text, str), typed(location, str, type(None)))
        for name, text, location in data["program"]
    )
    output = _variable_from_json(data["output"])
    with_none = output.layout is Layout.ONE_HOT and output.nullable
    if not program or output.layout is Layout.CODE or output.width + with_none != config.d_vocab_out:
        raise ValueError("its output is not what the configuration says")
    recipe = None if data.get("recipe") is None else _recipe_from_json(data["recipe"])  # older models have none
    return Artefact(config, Weights(**arrays), labels, output, program, recipe=recipe)


def _recipe_from_json(data: dict[str, Any]) -> Recipe:
    passes, fit = data["passes"], data["fit"]
    return Recipe(
        None if passes is None else tuple(typed(name, str) for name in passes),
        None if fit is None else tuple((typed(name, str), typed(size, int)) for name, size in fit),
        typed(data["most_combinations"], int),
        typed(data.get("grounds", True), bool),
        typed(data.get("robust", False), bool),
    )


def _config_from_json(data: dict[str, Any]) -> ModelConfig:
    vocabulary = tuple(value_from_json(token) for token in typed(data["vocab"], list))
    if None in vocabulary or len(set(map(value_key, vocabulary))) < len(vocabulary):
        raise ValueError("its vocabulary repeats a token or holds None")
    config = ModelConfig(**(data | {"vocab": vocabulary}))
    for field in fields(config):
        typed(
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
    if {len(labels.heads), len(labels.neurons)} != {config.n_layers}:
        raise ValueError("its labels do not have a list of heads and neurons for each layer")
    if not labels.are_consistent(config.d_model):
        raise ValueError("its labels do not cover the residual stream, one variable at a time")
    return labels


def _head_from_json(data: dict[str, Any]) -> HeadLabel:
    return HeadLabel(typed(data["writes"], str), typed(data["expression"], str))


def _neurons_from_json(data: dict[str, Any]) -> NeuronLabel:
    clears = data.get("clears", False)  # older models have no neurons that clear dimensions
    return NeuronLabel(
        typed(data["writes"], str), typed(data["expression"], str), typed(data["count"], int), typed(clears, bool)
    )


def _entry_to_json(entry: ModelVariable) -> dict[str, Any]:
    return _variable_to_json(entry.variable) | {
        "start": entry.start,
        "sublayer": entry.sublayer,
        "expression": entry.expression,
        "is_value": entry.is_value,
        "cleared": entry.cleared,
    }


def _entry_from_json(data: dict[str, Any]) -> ModelVariable:
    cleared = typed(data.get("cleared"), int, type(None))
    return ModelVariable(
        _variable_from_json(data),
        typed(data["start"], int),
        Sublayer(typed(data["sublayer"], int)),
        typed(data["expression"], str),
        typed(data["is_value"], bool),
        None if cleared is None else Sublayer(cleared),
    )


def _variable_to_json(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "layout": variable.layout.value,
        "values": [value_to_json(value) for value in variable.values],
        "nullable": variable.nullable,
        "dimensions": [[dimension.variable, value_to_json(dimension.value)] for dimension in variable.dimensions],
        "at_bos": variable.at_bos.tolist(),
        "codes": None if variable.codes is None else variable.codes.tolist(),
    } | ({} if variable.ground is None else {"ground": variable.ground.tolist()})


def _variable_from_json(data: dict[str, Any]) -> Variable:
    codes, ground = data["codes"], data.get("ground")
    variable = Variable(
        typed(data["name"], str),
        Layout(data["layout"]),
        tuple(value_from_json(value) for value in data["values"]),
        typed(data["nullable"], bool),
        tuple(Dimension(typed(name, str), value_from_json(value)) for name, value in data["dimensions"]),
        np.array(data["at_bos"], float),
        codes=None if codes is None else np.array(codes, float),
        ground=None if ground is None else np.array(ground, float),
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
    if variable.ground is not None and variable.ground.shape != (width,):
        raise ValueError(f"the ground of {variable.name} does not fit its dimensions")
    if variable.width != width or variable.at_bos.shape != (width,):
        raise ValueError(f"the dimensions of {variable.name} do not fit its values")
    return variable
