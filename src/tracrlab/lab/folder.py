"""Cases on disk: a folder that reads without this package, and is read back without executing anything.

- ``case.json`` says what the case is, and the truth of every edge and variable, with digests of all other files;
- ``module.safetensors`` has the module's parameters by their names, what of its embeddings is constant, the frame,
  and the inputs;
- ``pairs.parquet`` the pairs of both splits;
- ``model/`` the compiled model;
- ``CARD.md`` the same for people.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracrlab.errors import LabError, ModelFileError
from tracrlab.extras import require
from tracrlab.facade import CompiledModel
from tracrlab.files import SavedFiles, digest, read_together, save_together
from tracrlab.lab.card import card
from tracrlab.lab.cases import Case
from tracrlab.lab.inputs import Inputs
from tracrlab.lab.pairs import N_PAIRS, SPLITS, Pairs
from tracrlab.lab.subjects.subject import Subject
from tracrlab.lab.truth import EdgeTruth, Truth, VariableTruth, Witness
from tracrlab.lab.variables import site_directions
from tracrlab.learn.transformer import Form, Transformer
from tracrlab.model.circuit import Edge
from tracrlab.model.json_values import value_from_json, value_to_json
from tracrlab.model.reading import folder_named, reading, writing
from tracrlab.model.readout import ClassReadout
from tracrlab.model.storage import CONFIG_FILE, model_files, model_in

FORMAT = 1
CASE_FILE, MODULE_FILE, PAIRS_FILE, CARD_FILE, MODEL_FOLDER = (
    "case.json", "module.safetensors", "pairs.parquet", "CARD.md", "model",
)  # fmt: skip
_SIZES = ("d_model", "n_layers", "n_heads", "d_head", "d_mlp", "d_vocab_out")
_COLUMNS = ("ids", "corrupt_ids", "answers", "corrupt_answers", "scored", "taken")
_NOT_PARAMETERS = ("frame", "inputs", "embed.constant", "pos_embed.constant")


def save(case: Case, path: str | PathLike[str]) -> None:
    """Write a case into the folder ``path``, made if need be: as a whole, or not at all.

    Raises:
        LabError: the case has too few pairs.
        ModelFileError: the folder cannot be written, or a value has no JSON form.
        MissingDependencyError: pyarrow is not installed.
    """
    from safetensors.torch import save as tensors_to_bytes

    folder = folder_named(path)
    contents = {f"{MODEL_FOLDER}/{name}": content for name, content in model_files(case.model).items()}
    contents[MODULE_FILE] = tensors_to_bytes({name: each.contiguous() for name, each in _tensors(case).items()})
    contents[PAIRS_FILE] = _pairs_to_parquet({split: case.pairs(split) for split in SPLITS})
    contents[CARD_FILE] = card(case).encode()
    data = _case_to_json(case) | {"sha256": {name: digest(content) for name, content in sorted(contents.items())}}
    text = json.dumps(data | {"own_sha256": _own_digest(data)}, indent=1, allow_nan=False)
    with writing(folder):
        save_together(folder, contents | {CASE_FILE: text.encode()}, CASE_FILE)


def load(path: str | PathLike[str]) -> Case:
    """Read a case.

    Raises:
        ModelFileError: the files are missing, damaged, changed since, or of another format.
        MissingDependencyError: pyarrow is not installed.
    """
    folder = folder_named(path)
    with reading(folder, CASE_FILE, "case"):
        return read_together(folder, CASE_FILE, lambda files: _case_in(files, folder))


def _case_in(files: SavedFiles, folder: Path) -> Case:
    from safetensors.torch import load as tensors_from_bytes

    with reading(folder, CASE_FILE, "case"):
        data = _checked(folder, json.loads(files.content.decode()))
        digests = data["sha256"]
    below = files.below(MODEL_FOLDER, CONFIG_FILE, digests.get(f"{MODEL_FOLDER}/{CONFIG_FILE}"))
    model = CompiledModel.of(model_in(below, folder / MODEL_FOLDER))
    with reading(folder, MODULE_FILE, "case"):
        tensors = tensors_from_bytes(files.read(MODULE_FILE, digests[MODULE_FILE]))
        module = _module(model, data, tensors)
        inputs = Inputs(model.config, tensors["inputs"].numpy(), bool(data["inputs"]["are_all"]))
        frame = tensors["frame"].numpy()
    with reading(folder, PAIRS_FILE, "case"):
        pairs = _pairs_from_parquet(files.read(PAIRS_FILE, digests[PAIRS_FILE]))
    with reading(folder, CASE_FILE, "case"):
        edges = {Edge.parse(name): _edge_from_json(each) for name, each in data["edges"].items()}
        structural = {edge: own.constant for edge, own in edges.items() if own.structural}
        made = Subject(model, module, frame, structural, data["is_exact"], data["note"], data["is_dense"])
        variables = {
            (each["variable"], each["site"]): VariableTruth(each["held"], each["used"]) for each in data["variables"]
        }
        truth = Truth(edges, data["ablation"], data["checked"], data["joint"], variables, site_directions(made))
        kept = {(split, N_PAIRS): own for split, own in pairs.items()}
        return Case(
            data["program"], data["subject"], data["mode"], data["seed"], made, inputs, truth, data["metric"], kept
        )


def _checked(folder: Path, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    own = dict(data)
    if own.pop("own_sha256", None) != _own_digest(own):
        raise ModelFileError(f"{folder / CASE_FILE} has been changed since it was written; make the case again")
    return data


def _own_digest(data: Mapping[str, Any]) -> str:
    return digest(json.dumps(data, sort_keys=True).encode())


# The parts -----------------------------------------------------------------------------------------------------------


def _case_to_json(case: Case) -> dict[str, Any]:
    truth, module = case.truth, case.module
    return {
        "format": FORMAT,
        "program": case.program_name,
        "text": [[name, text] for name, text, _ in case.model.program],
        "subject": case.subject,
        "mode": case.mode,
        "seed": case.seed,
        "metric": case.metric_name,
        "note": case.made.note,
        "is_exact": case.made.is_exact,
        "is_dense": case.made.is_dense,
        "form": asdict(module.form),
        "sizes": {name: getattr(module.config, name) for name in _SIZES},
        "classes": [value_to_json(each) for each in case.made.readout.classes],
        "inputs": {"n": len(case.inputs), "are_all": case.inputs.are_all},
        "ablation": truth.ablation,
        "checked": truth.checked,
        "joint": dict(truth.joint),
        "edges": {str(edge): _edge_to_json(own) for edge, own in truth.edges.items()},
        "variables": [
            {"variable": variable, "site": site, "held": own.held, "used": own.used}
            for (variable, site), own in truth.variables.items()
        ],
    }


def _edge_to_json(own: EdgeTruth) -> dict[str, Any]:
    return {
        "structural": own.structural,
        "constant": own.constant,
        "alive": dict(own.alive),
        "effect": dict(own.effect),
        "witness": {ablation: _witness_to_json(each) for ablation, each in own.witness.items()},
    }


def _edge_from_json(data: Mapping[str, Any]) -> EdgeTruth:
    witnesses = {ablation: _witness_from_json(each) for ablation, each in data["witness"].items()}
    return EdgeTruth(data["structural"], data["constant"], data["alive"], witnesses, data["effect"])


def _witness_to_json(own: Witness) -> dict[str, Any]:
    return {
        "tokens": [value_to_json(each) for each in own.tokens],
        "source": None if own.source is None else [value_to_json(each) for each in own.source],
        "shift": own.shift,
        "position": own.position,
        "before": value_to_json(own.before),
        "after": value_to_json(own.after),
    }


def _witness_from_json(data: Mapping[str, Any]) -> Witness:
    source = None if data["source"] is None else tuple(map(value_from_json, data["source"]))
    before, after = value_from_json(data["before"]), value_from_json(data["after"])
    return Witness(tuple(map(value_from_json, data["tokens"])), source, data["shift"], data["position"], before, after)


def _tensors(case: Case) -> dict[str, Tensor]:
    module = case.module
    tensors = dict(module.state_dict())
    for name in ("embed", "pos_embed"):
        constant = module.get_submodule(name).constant
        if isinstance(constant, Tensor):
            tensors[f"{name}.constant"] = constant
    return tensors | {"frame": torch.as_tensor(np.array(case.frame)), "inputs": torch.as_tensor(case.inputs.ids)}


def _module(model: CompiledModel, data: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Transformer:
    parameters = {name: each for name, each in tensors.items() if name not in _NOT_PARAMETERS}
    W_U, b_U = (parameters[f"unembed.{name}"] for name in ("W_U", "b_U"))
    dtype = str(W_U.dtype).removeprefix("torch.")
    classes = tuple(map(value_from_json, data["classes"]))
    readout = ClassReadout(W_U.double().numpy(), b_U.double().numpy(), classes, model.config.pad_id, dtype)
    with torch.device("meta"):
        module = Transformer(model.config.with_shape(**data["sizes"]), readout, Form(**data["form"]))
    module.load_state_dict(parameters, assign=True)
    module.embed.constant = tensors.get("embed.constant")
    module.pos_embed.constant = tensors.get("pos_embed.constant")
    return module


def _pairs_to_parquet(pairs: Mapping[str, Pairs]) -> bytes:
    pyarrow = require("pyarrow", extra="lab", purpose="saving a case")
    parquet = require("pyarrow.parquet", extra="lab", purpose="saving a case")
    columns = {"split": [split for split, own in pairs.items() for _ in range(len(own))]} | {
        name: [row for own in pairs.values() for row in getattr(own, name).tolist()] for name in _COLUMNS
    }
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _pairs_from_parquet(content: bytes) -> dict[Any, Pairs]:
    parquet = require("pyarrow.parquet", extra="lab", purpose="loading a case")
    columns = parquet.read_table(io.BytesIO(content)).to_pydict()
    splits = np.array(columns["split"])
    found = {}
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        tensors = {name: torch.tensor([columns[name][row] for row in rows]) for name in _COLUMNS}
        if not len(rows):
            raise LabError(f"there are no pairs of the split {split}")
        found[split] = Pairs(**tensors)
    return found
