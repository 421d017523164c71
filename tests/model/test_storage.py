"""Saved models come back as they were; damaged ones are refused in one line; failures leave nothing behind."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import pickle
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import tracrlab
from tests.files.crashes import crashes
from tests.model.cases import CASES, identity, inputs_of, model_of
from tracrlab import CompiledModel, rasp
from tracrlab.errors import ModelFileError, VerificationError
from tracrlab.model import storage
from tracrlab.rasp import Ratio

CONFIG, WEIGHTS = "config.json", "model.safetensors"
CLAIMS, ARRAYS = "claims.json", "claims.safetensors"
FILES = sorted([CONFIG, WEIGHTS, CLAIMS, ARRAYS])
values = st.recursive(
    st.text(max_size=3)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.fractions(-5, 5).map(lambda fraction: ("ratio", fraction)),
    lambda items: st.lists(items, max_size=3).map(tuple),
    max_leaves=4,
)


def with_ratios(value: Any) -> Any:
    """The value with every tagged fraction made a ratio (strategies must not call checked code)."""
    if isinstance(value, tuple):
        return Ratio(value[1]) if len(value) == 2 and isinstance(value[1], Fraction) else tuple(map(with_ratios, value))
    return value


def everything_in(model: CompiledModel) -> list[Any]:
    """All that a model holds but its weights, comparable."""
    labels = [
        (v.start, v.sublayer, v.expression, v.is_value, v.name, v.variable.layout, v.variable.nullable)
        for v in model.labels.variables
    ]
    contents = [
        (identity(v.variable.values), list(map(str, v.variable.dimensions)), v.variable.at_bos.tolist())
        for v in model.labels.variables
    ]
    config = replace(model.config, vocab=())
    vocabulary = list(map(identity, model.config.vocab))
    return [
        config,
        vocabulary,
        labels,
        contents,
        model.labels.heads,
        model.labels.neurons,
        model.program,
        model.output_name,
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good model."""
    path = tmp_path_factory.mktemp("models") / "good"
    model_of("fractions").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def good(folder: Path) -> dict[str, Any]:
    """The configuration file of the good model."""
    data: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    return data


@pytest.fixture(scope="module")
def damaged(folder: Path) -> Path:
    """A folder for a model that is not right."""
    path = folder.parent / "damaged"
    path.mkdir()
    return path


_LOADER = """
import json, sys, tracrlab
for line in sys.stdin:
    try:
        model = tracrlab.load(json.loads(line))
    except tracrlab.errors.ModelFileError as error:
        reply = "refused", str(error)
    except Exception as error:
        reply = "crashed", repr(error)
    else:
        try:
            tokens = list(model.config.vocab[:2])
            assert len(model(tokens)) == len(tokens)
            names = {variable.name for variable in model.labels.variables}
            assert model.trace(tokens).values.keys() == names
            reply = "loaded", repr(model)
        except Exception as error:
            reply = "unusable", repr(error)
    print(json.dumps(reply), flush=True)
"""


class Loader:
    """Loads, shows, runs and traces models in a process of its own, as it is for users: without run-time type checks,
    which would refuse much of what this is about before the package sees it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def outcome(self, path: Path | str) -> tuple[str, str]:
        """What happened, and the message or what the model looks like."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(str(path)), file=self.process.stdin, flush=True)
        assert select.select([self.process.stdout], [], [], 120)[0], "loading does not end"
        outcome, message = json.loads(self.process.stdout.readline())
        return outcome, message

    def refusal(self, path: Path | str) -> str:
        """The message of the refusal to load."""
        outcome, message = self.outcome(path)
        assert outcome == "refused", message
        assert (str(path) in message) or (repr(path) in message)
        assert "\n" not in message
        assert len(message) < 500 + len(str(path))
        return message


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    command = [sys.executable, "-c", _LOADER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Loader(process)


def with_config(path: Path, config: Any) -> Path:
    """The folder with another configuration, which says that it was saved so."""
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "config_sha256"}
    (path / CONFIG).write_text(json.dumps(config))
    return path


# Round trips ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_model_is_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.save_pretrained(tmp_path / "model")
    loaded = tracrlab.load(str(tmp_path / "model"))
    assert everything_in(loaded) == everything_in(model)
    for array, other in zip(model.weights.as_dict().items(), loaded.weights.as_dict().items(), strict=True):
        assert array[0] == other[0]
        assert array[1].dtype == other[1].dtype == model.config.dtype
        assert np.array_equal(array[1], other[1])
    assert repr(loaded) == repr(model)
    for tokens in inputs_of(name, seed=3):
        assert list(map(identity, loaded(tokens))) == list(map(identity, model(tokens)))
        one, two = loaded.trace(tokens), model.trace(tokens)
        assert repr(one) == repr(two)
        assert {key: identity(found) for key, found in one.values.items()} == {
            key: identity(found) for key, found in two.values.items()
        }
        for step, other_step in zip(one.steps, two.steps, strict=True):
            assert (step.name, *(v.name for v in step.written)) == (
                other_step.name,
                *(v.name for v in other_step.written),
            )
            assert np.array_equal(step.residual, other_step.residual)


@settings(max_examples=25)
@given(st.lists(values, min_size=1, max_size=5), values)
@example(["a", 1, 1.0, True, math.inf, -math.inf, math.nan, -0.0, ("x", (1, (2.5, False)))], ())
@example(['ä\n"\\', "\ud800", "", 10**30, ("ratio", Fraction(1, 3))], (("ratio", Fraction(2, 7)), None))
def test_values_of_all_kinds_are_kept(folder: Path, vocab: list[Any], constant: Any) -> None:
    vocab, constant = list(map(with_ratios, vocab)), with_ratios(constant)
    program = rasp.elementwise_map(lambda token: (token, constant), rasp.tokens)
    model = tracrlab.compile(
        program, [token for token in vocab if token not in ("bos", "pad")] or ["a"], 2, prove=False
    )
    path = folder.parent / "values"
    model.save_pretrained(path)
    loaded = tracrlab.load(path)
    assert everything_in(loaded) == everything_in(model)
    for token in model.config.vocab:
        assert identity(loaded([token])) == identity([(token, constant)])


def test_what_is_saved_is_plain_files(folder: Path, good: dict[str, Any]) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    arrays = load_file(folder / WEIGHTS)
    assert sorted(arrays) == sorted(["W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"])
    assert good["config"]["vocab"] == ["x", "y", "z"]
    assert good["model_type"] == "tracrlab"


def test_saving_leaves_nothing_but_the_model(tmp_path: Path) -> None:
    model_of("hist").save_pretrained(tmp_path / "new" / "deep" / "model")
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == ["model"]


def test_a_model_is_saved_over_another_one_and_other_files_stay(tmp_path: Path) -> None:
    model_of("reverse").save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    model_of("hist").save_pretrained(tmp_path / "model")
    assert tracrlab.load(tmp_path / "model")("aab") == [2, 2, 1]
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_current_folder_can_be_saved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model_of("hist").save_pretrained(".")
    assert tracrlab.load(".")("aab") == [2, 2, 1]
    assert sorted(path.name for path in Path().iterdir()) == FILES


# Failures to save ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [frozenset("a"), Fraction(1, 3), b"bytes", 1j, ("a", frozenset("b"))])
def test_a_value_without_json_form_is_refused_and_nothing_is_written(token: Any, tmp_path: Path) -> None:
    model = tracrlab.compile(rasp.tokens, [token], 2, prove=False)
    assert model([token]) == [token]
    with pytest.raises(ModelFileError, match="no JSON form") as refusal:
        model.save_pretrained(tmp_path / "deep" / "model")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "rename", "replace"])
def test_a_failure_while_writing_leaves_the_old_model(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    model_of("hist").save_pretrained(path)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(ModelFileError, match=r"cannot write a model to .*model: No space left") as refusal:
            model_of("reverse").save_pretrained(path)
    assert "\n" not in str(refusal.value)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert sorted(file.name for file in path.iterdir()) == FILES
    assert tracrlab.load(path)("aab") == [2, 2, 1]


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_saves_over_a_model_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    """At every moment; the models have the same shapes and labels, so that only their weights tell them apart."""
    new = model_of("hist")
    old = replace(new, weights=replace(new.weights, W_U=new.weights.W_U * 2))
    for folder, step in ((tmp_path / "one", 1), (tmp_path / "one" / "below", 5)):
        old.save_pretrained(folder)
        found = []
        for _ in crashes(partial(new.save_pretrained, folder), step):
            loaded = tracrlab.load(folder)
            assert loaded.claims is not None
            found.append(float(loaded.weights.W_U.max() / new.weights.W_U.max()))
            old.save_pretrained(folder)
        assert set(found) == {1.0, 2.0}
        assert sorted(file.name for file in folder.iterdir()) == FILES


def test_a_goal_that_is_a_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ModelFileError, match="cannot write"):
            model_of("hist").save_pretrained(path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300])
def test_paths_that_name_no_folder_are_refused(
    name: str, loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError) as refusal:
        model_of("hist").save_pretrained(name)
    for message in (str(refusal.value), loader.refusal(name)):
        assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


# Failures to load ----------------------------------------------------------------------------------------------------


def test_a_missing_folder_or_file_is_named(loader: Loader, folder: Path, tmp_path: Path) -> None:
    assert "No such file" in loader.refusal(tmp_path / "nowhere")
    for name in FILES:
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / name).unlink()
        assert name in loader.refusal(tmp_path / name)
    (tmp_path / "file").touch()
    loader.refusal(tmp_path / "file")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_a_pipe_or_a_folder_is_refused_at_once(
    name: str, loader: Loader, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    shutil.copytree(folder, path)
    (path / name).unlink()
    os.mkfifo(path / name)
    assert f"{name}: it is a pipe or a device, not a file" in loader.refusal(path)
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")
    assert f"{name}: it is a pipe or a device, not a file" in loader.refusal(path)
    (path / name).unlink()
    (path / name).mkdir()
    assert name in loader.refusal(path)


@settings(max_examples=30)
@given(st.data())
def test_truncated_files_are_refused(loader: Loader, folder: Path, damaged: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FILES))
    content = (folder / name).read_bytes()
    for file in FILES:
        shutil.copy(folder / file, damaged / file)
    (damaged / name).write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    loader.refusal(damaged)
    shutil.copy(folder / name, damaged / name)
    assert loader.outcome(damaged)[0] == "loaded"


@pytest.mark.parametrize("text", ["", "null", "[]", "1", '"text"', "{}", "{", "\xff", "[" * 100_000, '{"format": 1}'])
def test_what_is_no_configuration_is_refused(text: str, loader: Loader, folder: Path, damaged: Path) -> None:
    shutil.copy(folder / WEIGHTS, damaged / WEIGHTS)
    (damaged / CONFIG).write_bytes(text.encode("latin-1"))
    loader.refusal(damaged)


def replaced(config: Any, path: tuple[str | int, ...], value: Any) -> Any:
    config = copy.deepcopy(config)
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 1),
        (("format",), "1"),
        (("config", "d_model"), 12),
        (("config", "n_heads"), 2),
        (("config", "max_seq_len"), 7.0),
        (("config", "max_seq_len"), 6),
        (("config", "causal"), "no"),
        (("config", "dtype"), "float64"),
        (("config", "dtype"), "no such type"),
        (("config", "surprise"), 1),
        (("config", "vocab"), "xyz"),
        (("config", "vocab"), ["x", "y"]),
        (("config", "vocab", 0), ["x"]),
        (("config", "vocab", 0), None),
        (("config", "vocab", 0), {"ratio": ["1", "0"]}),
        (("config", "vocab", 0), {"ratio": ["one", "two"]}),
        (("config", "vocab", 0), {"float": "0x1p99999"}),
        (("config", "vocab", 0), {"tuple": 5}),
        (("config", "vocab", 0), {"object": "os.system"}),
        (("config", "vocab", 0), {}),
        (("output",), "nothing"),
        (("output",), ["frac_prevs"]),
        (("program",), []),
        (("program",), [["name", "text"]]),
        (("heads",), []),
        (("neurons",), [[]]),
        (("neurons", 0, 0, "count"), "many"),
        (("neurons", 0, 0, "clears"), 1),
        (("variables",), []),
        (("variables", 0, "layout"), "pile"),
        (("variables", 0, "start"), 1),
        (("variables", 0, "cleared"), 0),
        (("variables", 0, "cleared"), "soon"),
        (("variables", 0, "sublayer"), 99),
        (("variables", 0, "values"), ["x"]),
        (("variables", 0, "dimensions"), []),
        (("variables", 0, "at_bos"), [0]),
        (("variables", 0, "at_bos"), ["a", "b", "c"]),
        (("variables", 0, "nullable"), 0),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    path: tuple[str | int, ...], value: Any, loader: Loader, folder: Path, damaged: Path, good: dict[str, Any]
) -> None:
    shutil.copy(folder / WEIGHTS, damaged / WEIGHTS)
    loader.refusal(with_config(damaged, replaced(good, path, value)))


def test_variables_that_do_not_fit_the_residual_stream_are_refused(
    loader: Loader, folder: Path, damaged: Path, good: dict[str, Any]
) -> None:
    shutil.copy(folder / WEIGHTS, damaged / WEIGHTS)
    beyond = good["variables"][-1] | {"name": "beyond", "start": good["config"]["d_model"]}
    loader.refusal(with_config(damaged, good | {"variables": [*good["variables"], beyond]}))
    narrower = good["variables"][0] | {"values": ["x", "y"], "at_bos": [0, 0]}
    loader.refusal(with_config(damaged, good | {"variables": [narrower, *good["variables"][1:]]}))


def places_in(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of everything below the root of a JSON document."""
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in below:
        yield (*path, key)
        yield from places_in(value, (*path, key))


numbers = [-1, 0, 1, 10**6, 10**18, 10**400, 1.5, 1e308, math.nan, math.inf]
texts = ["", "x", "one", "\ud800", "a" * 10**4]
junk = st.sampled_from([None, True, *numbers, *texts, [], [[]], {}, {"a": 1}, ["x", "y", "z"]])
odd_values = st.sampled_from(
    [{"float": "nan"}, {"float": "0x1p99999"}, {"ratio": ["1", "0"]}, {"tuple": [[]]}, {"mark": "number"}]
)


@settings(max_examples=200)
@given(st.data(), junk | odd_values, st.booleans())
def test_a_changed_configuration_is_refused_or_harmless(
    loader: Loader, folder: Path, damaged: Path, good: dict[str, Any], data: st.DataObject, value: Any, remove: bool
) -> None:
    """What loads can be shown, run and traced."""
    path = data.draw(st.sampled_from(list(places_in(good))))
    config = replaced(good, path, value)
    if remove:
        place = config
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
    shutil.copy(folder / WEIGHTS, damaged / WEIGHTS)
    outcome, message = loader.outcome(with_config(damaged, config))
    assert outcome in ("refused", "loaded"), message
    assert outcome == "loaded" or "\n" not in message


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data(), st.sampled_from([CLAIMS, WEIGHTS, ARRAYS]), junk | odd_values)
def test_files_that_are_changed_with_their_digests_are_refused_or_harmless(
    loader: Loader, folder: Path, damaged: Path, good: dict[str, Any], data: st.DataObject, name: str, value: Any
) -> None:
    """Claims, or the headers or bytes of arrays, as nobody would save them."""
    for file in FILES:
        shutil.copy(folder / file, damaged / file)
    content = (folder / name).read_bytes()
    if name == CLAIMS:
        claims = json.loads(content)
        content = json.dumps(replaced(claims, data.draw(st.sampled_from(list(places_in(claims)))), value)).encode()
    else:
        size = int.from_bytes(content[:8], "little")
        header, rest = json.loads(content[8 : 8 + size]), content[8 + size :]
        header = json.dumps(replaced(header, data.draw(st.sampled_from(list(places_in(header)))), value)).encode()
        stated = data.draw(st.sampled_from([len(header), len(header), size, 0, 2**63, 2**64 - 1]))
        content = (stated.to_bytes(8, "little") + header + rest)[: data.draw(st.none() | st.integers(0, len(content)))]
    (damaged / name).write_bytes(content)
    key = {CLAIMS: "claims_sha256", WEIGHTS: "weights_sha256", ARRAYS: "claim_arrays_sha256"}[name]
    outcome, message = loader.outcome(with_config(damaged, good | {key: hashlib.sha256(content).hexdigest()}))
    assert outcome in ("refused", "loaded"), message
    assert outcome == "loaded" or ("\n" not in message and len(message) < 500 + len(str(damaged)))


@pytest.mark.parametrize("damage", ["shape", "missing", "extra", "integers", "half", "other model"])
def test_weights_that_do_not_fit_are_refused(
    damage: str, loader: Loader, damaged: Path, folder: Path, good: dict[str, Any]
) -> None:
    arrays = load_file(folder / WEIGHTS)
    if damage == "shape":
        arrays["W_U"] = arrays["W_U"].T.copy()
    elif damage == "missing":
        del arrays["W_U"]
    elif damage == "extra":
        arrays["W_extra"] = np.zeros(3)
    elif damage == "integers":
        arrays["W_E"] = arrays["W_E"].astype(np.int32)
    elif damage == "half":
        arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    else:
        arrays = dict(model_of("hist").weights.as_dict())
    save_file(arrays, damaged / WEIGHTS)
    digest = hashlib.sha256((damaged / WEIGHTS).read_bytes()).hexdigest()
    assert "not the one saved" not in loader.refusal(with_config(damaged, good | {"weights_sha256": digest}))


@settings(max_examples=20)
@given(st.data())
def test_a_changed_byte_of_the_weights_is_noticed(
    loader: Loader, folder: Path, damaged: Path, data: st.DataObject
) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    shutil.copy(folder / CONFIG, damaged / CONFIG)
    (damaged / WEIGHTS).write_bytes(content)
    loader.refusal(damaged)


# Loading executes nothing --------------------------------------------------------------------------------------------

_WATCHED_LOAD = """
import sys
import numpy, safetensors.numpy, tracrlab, tracrlab.compress.storage, tracrlab.facade
forbidden = ("exec", "compile", "import", "pickle.", "os.system", "os.exec", "os.spawn", "subprocess.", "marshal.")
watching = False
def watch(event, arguments):
    if watching and event.startswith(forbidden):
        print("ran", event, arguments)
sys.addaudithook(watch)
watching = True
model = tracrlab.load(sys.argv[1])
answer = model(["x"]), repr(model), model.trace(["x"])
watching = False
print("loaded")
"""


def test_loading_executes_nothing(folder: Path, good: dict[str, Any], tmp_path: Path) -> None:
    """Strings that are code stay strings; Python's own audit events say that nothing was compiled, run or imported."""
    code = f"__import__('os').system('touch {tmp_path / 'executed'}')"
    for path in (("config", "vocab", 1), ("program", 0, 1), ("variables", 0, "values", 1), ("config", "bos")):
        good = replaced(good, path, code)
    shutil.copytree(folder, tmp_path / "model")
    with_config(tmp_path / "model", good)
    command = [sys.executable, "-c", _WATCHED_LOAD, str(tmp_path / "model")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "loaded\n"
    assert tracrlab.load(tmp_path / "model").config.vocab[1] == code
    assert not (tmp_path / "executed").exists()


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_pickles_are_refused(name: str, loader: Loader, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    loader.refusal(tmp_path / "model")
    assert not (tmp_path / "exploded").exists()
    pickle.loads((tmp_path / "model" / name).read_bytes())
    assert (tmp_path / "exploded").exists()  # so the bomb was live


def test_the_format_has_a_number(good: dict[str, Any]) -> None:
    assert good["format"] == storage.FORMAT == 2


# Claims --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", CASES)
def test_claims_come_back_as_they_were(name: str, mode: Literal["faithful", "compact"], tmp_path: Path) -> None:
    case = CASES[name]
    dtype: Any = case.dtype
    model = tracrlab.compile(
        case.program, case.vocab, case.max_seq_len, causal=case.causal, dtype=dtype, mode=mode, prove=False
    )
    model.save_pretrained(tmp_path)
    loaded = tracrlab.load(tmp_path)
    assert claimed(loaded.claims) == claimed(model.claims)
    assert loaded.verify().holds == model.verify().holds


def claimed(part: Any) -> Any:
    """Claims in a form that can be compared."""
    if isinstance(part, np.ndarray):
        return part.dtype.kind, part.shape, part.tolist()
    if is_dataclass(part):
        return [type(part), *(claimed(getattr(part, field.name)) for field in fields(part))]
    if isinstance(part, dict):
        return {name: claimed(each) for name, each in part.items()}
    return list(map(claimed, part)) if isinstance(part, tuple) else (type(part), repr(part))


def test_models_without_claims_are_saved_and_loaded(tmp_path: Path) -> None:
    model_of("hist").save_pretrained(tmp_path / "model")
    silent = replace(model_of("reverse"), claims=None)
    silent.save_pretrained(tmp_path / "model")
    assert tracrlab.load(tmp_path / "model").claims is None
    silent.save_pretrained(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [CONFIG, WEIGHTS]
    with pytest.raises(VerificationError, match="compile its program again"):
        tracrlab.load(tmp_path / "new").verify()


@pytest.mark.parametrize(
    ("path", "value"),
    [(("config", "causal"), True), (("config", "vocab"), ["x", "y", "other"]), (("config", "bos"), "begin")],
)
def test_a_configuration_edited_by_hand_is_refused_since_the_claims_are_about_the_other_one(
    path: tuple[str | int, ...], value: Any, loader: Loader, folder: Path, good: dict[str, Any], tmp_path: Path
) -> None:
    """Each of these fits the weights, and the claims would certify what the program does not do."""
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / CONFIG).write_text(json.dumps(replaced(good, path, value)))
    assert "config.json: it was changed after it was saved; save the model again" in loader.refusal(tmp_path / "model")
    (tmp_path / "model" / CONFIG).write_text(json.dumps(good, indent=4))  # the same in other words
    assert loader.outcome(tmp_path / "model")[0] == "loaded"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(
    number: float, loader: Loader, folder: Path, good: dict[str, Any], tmp_path: Path
) -> None:
    model = model_of("hist")
    odd = model.weights.W_U.copy()
    odd[0, 0] = number
    with pytest.raises(ModelFileError, match="W_U of the model has entries that are not finite"):
        replace(model, weights=replace(model.weights, W_U=odd)).save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    shutil.copytree(folder, tmp_path / "model")
    arrays = load_file(folder / WEIGHTS)
    arrays["W_U"][0, 0] = number
    save_file(arrays, tmp_path / "model" / WEIGHTS)
    digest = hashlib.sha256((tmp_path / "model" / WEIGHTS).read_bytes()).hexdigest()
    refusal = loader.refusal(with_config(tmp_path / "model", good | {"weights_sha256": digest}))
    assert "model.safetensors: W_U has entries that are not finite" in refusal


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (CONFIG, "{", "config.json: it is no JSON from line 1, column 2 on"),
        (CONFIG, "\xff", "config.json: it is no text"),
        (CONFIG, "3", "its config.json is another program's"),
        (CONFIG, '{"format": 2}', "model.safetensors: it is not the one saved with config.json"),
        (CLAIMS, "", "claims.json: it is no JSON from line 1, column 1 on"),
        (CLAIMS, "{}", "claims.json: it has no 'embeddings'"),
        (CLAIMS, "[]", "claims.json: something in it is not of the kind that should stand there"),
        (CLAIMS, "[" * 100_000, "claims.json: it is nested too deeply"),
    ],
)
def test_refusals_say_which_file_is_wrong_and_how_in_words(
    name: str, text: str, reason: str, loader: Loader, folder: Path, good: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "model"
    shutil.copytree(folder, path)
    (path / name).write_bytes(text.encode("latin-1"))
    if name != CONFIG:
        with_config(path, good | {"claims_sha256": hashlib.sha256((path / name).read_bytes()).hexdigest()})
    assert reason in loader.refusal(path)
    assert "is a file; give the folder" in loader.refusal(path / CONFIG)


@pytest.mark.parametrize("file", [CLAIMS, ARRAYS])
def test_claims_of_another_model_are_refused(file: str, loader: Loader, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    model_of("hist").save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / file, tmp_path / "model" / file)
    assert f"{file}: it is not the one saved with config.json" in loader.refusal(tmp_path / "model")


def damages(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Claims with one thing wrong that checks of digests do not see."""
    for path, other in [
        (("components", 0, "writes"), "nobody"),
        (("components", 0, "kind"), "magic"),
        (("components", 0, "results"), "missing"),
        (("components", 1, "longest"), "7"),
        (("components", 1, "value", "quantities"), [5]),
        (("components", 1, "value", "quantities"), [0, 0]),
        (("components", 1, "predicates", 0, "query"), None),
        (("readout", "view", "quantities"), [1]),
        (("readout", "answers"), []),
        (("readout", "quantities", 0, "size"), 99),
        (("embeddings", 0, "by_token"), 3),
        (("embeddings",), None),
    ]:
        damaged = copy.deepcopy(data)
        place: Any = damaged
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = other
        yield str(path), damaged


def test_claims_that_do_not_fit_are_refused(loader: Loader, folder: Path, tmp_path: Path) -> None:
    for number, (what, data) in enumerate(damages(json.loads((folder / CLAIMS).read_text()))):
        path = tmp_path / str(number)
        shutil.copytree(folder, path)
        (path / CLAIMS).write_text(json.dumps(data))
        config = json.loads((path / CONFIG).read_text())
        config["claims_sha256"] = hashlib.sha256((path / CLAIMS).read_bytes()).hexdigest()
        assert "does not hold a Tracr Lab model" in loader.refusal(with_config(path, config)), what
