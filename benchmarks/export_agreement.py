"""Whether every export of every library program answers as the interpreter does, on random inputs.

``python -m benchmarks.export_agreement measure FILE`` tries the targets that are installed and writes what it found as
JSON; after an interruption it goes on where it was. ``python -m benchmarks.export_agreement write PAGE FILE…`` makes a
page of the documentation from the files of several environments. ``make agreement`` does all of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tests.oracles import SMALL_VOCABS, every_input, random_input
from tracrlab import CompiledModel
from tracrlab.errors import MissingDependencyError, TracrLabError
from tracrlab.export.agreement import Logits, n_disagreements
from tracrlab.export.onnx import onnx_model
from tracrlab.files import write_output
from tracrlab.rasp.library import PROGRAMS

LENGTH, N_INPUTS = 5, 200
MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")
PACKAGES = ("numpy", "torch", "transformer-lens", "transformers", "onnxruntime", "jax")


@dataclass(frozen=True)
class Row:
    """What was found for a program in a mode: for each target "all", or what else there is to say."""

    program: str
    mode: str
    inputs: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Target:
    """Something that runs a compiled model: logits of ids, and whether only those of causal models."""

    logits: Callable[[CompiledModel], Logits]
    only_causal: bool = False


def export_agreement(console: Console, names: Iterable[str]) -> None:
    """Print the table of what is installed here."""
    rows = [row for name in names for row in agreement(name, TARGETS)]
    columns = _columns(rows)
    table = Table(
        "program", "mode", "inputs", *columns, title=f"Answers equal to the interpreter's, up to length {LENGTH}"
    )
    for row in rows:
        cells = [cell if cell in ("all", "-") else f"[red]{cell}[/]" for cell in map(row.cells.__getitem__, columns)]
        table.add_row(row.program, row.mode, str(row.inputs), *cells)
    console.print(table)
    console.print(f'"-": {_DASH}', markup=False)


def agreement(name: str, targets: Iterable[str]) -> Iterator[Row]:
    """The rows of a library program, one for each mode; a target that is not installed has no cell."""
    inputs = _inputs(name)
    for mode in MODES:
        bidirectional = _compiled(name, mode, causal=False)
        causal = _compiled(name, mode, causal=True) if PROGRAMS[name].causal_safe else None
        cells = {"NumPy": _counted(_numpy_disagreements(name, bidirectional, inputs), len(inputs))}
        for target in targets:
            model = causal if TARGETS[target].only_causal else bidirectional
            cell = _cell(model, TARGETS[target], inputs)
            if cell is not None:
                cells[target] = cell
        yield Row(name, mode, len(inputs), cells)


def _compiled(name: str, mode: Literal["faithful", "compact"], *, causal: bool) -> CompiledModel:
    return tracrlab.compile(PROGRAMS[name].build(), SMALL_VOCABS[name], LENGTH, mode=mode, causal=causal, prove=False)


def _inputs(name: str) -> list[list[str]]:
    """All inputs where they are few, otherwise random ones."""
    vocabulary, rng = SMALL_VOCABS[name], random.Random(name)
    if len(vocabulary) ** LENGTH <= N_INPUTS:
        return list(every_input(vocabulary, LENGTH))
    return [random_input(name, vocabulary, rng.randint(0, LENGTH), rng) for _ in range(N_INPUTS)]


def _numpy_disagreements(name: str, model: CompiledModel, inputs: list[list[str]]) -> int:
    expected = tracrlab.rasp.evaluate_batch(PROGRAMS[name].build(), inputs)
    return sum(own != right for own, right in zip(model.run_batch(inputs), expected, strict=True))


def _cell(model: CompiledModel | None, target: Target, inputs: list[list[str]]) -> str | None:
    if model is None:
        return "-"
    try:
        return _counted(n_disagreements(model, model.readout(), target.logits(model), inputs), len(inputs))
    except MissingDependencyError:
        return None
    except TracrLabError as error:
        return f"refused: {error}"


def _counted(wrong: int, total: int) -> str:
    return f"{total - wrong} of {total}" if wrong else "all"


def _torch(model: CompiledModel) -> Logits:
    import torch

    module = model.to_torch()
    return lambda ids: module(torch.as_tensor(ids)).detach().numpy()


def _transformer_lens(model: CompiledModel) -> Logits:
    import torch

    lens = model.to_transformer_lens()
    return lambda ids: lens(torch.as_tensor(ids)).detach().numpy()


def _booted(model: CompiledModel) -> Logits:
    """The folder of a GPT-2 with the head of a language model, as TransformerLens boots it."""
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    export = model.to_gpt2(head="lm")
    with tempfile.TemporaryDirectory() as folder:
        export.save_pretrained(folder)
        bridge = TransformerBridge.boot_transformers(folder, device="cpu", dtype=export.model.dtype)
    first = model.config.d_vocab
    return lambda ids: bridge(torch.as_tensor(ids))[..., first:].detach().numpy()


def _onnx(model: CompiledModel) -> Logits:
    from onnxruntime import InferenceSession

    session = InferenceSession(onnx_model(model, model.readout()).SerializeToString())
    return lambda ids: session.run(["logits"], {"ids": ids})[0]


def _jax(model: CompiledModel) -> Logits:
    import jax

    apply, params = model.to_jax()
    compiled = jax.jit(apply)
    return lambda ids: np.asarray(compiled(params, ids))


def _pretrained(method: str, *, only_causal: bool = False, **options: str) -> Target:
    """The target of a method of the model."""
    return Target(lambda model: getattr(model, method)(**options).logits, only_causal)


def _lens_targets() -> dict[str, Target]:
    """Those of the generation of TransformerLens that is installed."""
    try:
        generation = version("transformer-lens").partition(".")[0]
    except PackageNotFoundError:
        return {}
    targets = {f"TransformerLens {generation}": Target(_transformer_lens)}
    if generation != "3":
        targets[f"TransformerLens {generation} from GPT-2"] = Target(_booted, only_causal=True)
    return targets


TARGETS: dict[str, Target] = {
    "PyTorch": Target(_torch),
    **_lens_targets(),
    "Hugging Face": _pretrained("to_huggingface"),
    "GPT-2": _pretrained("to_gpt2", only_causal=True),
    "GPT-2, GELU": _pretrained("to_gpt2", only_causal=True, activation="gelu"),
    "BERT": _pretrained("to_bert"),
    "BERT, GELU": _pretrained("to_bert", activation="gelu"),
    "Llama": _pretrained("to_llama", only_causal=True),
    "ONNX": Target(_onnx),
    "JAX": Target(_jax),
}


def measure(file: Path, only: str) -> None:
    """Write what is found here for the targets whose names begin with ``only``, row by row; a new start if complete."""
    targets = [target for target in TARGETS if target.startswith(only)]
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    same = not kept.get("complete", True) and kept.get("targets") == targets
    rows: list[dict[str, Any]] = kept["rows"] if same else []
    done = {row["program"] for row in rows}
    left = [name for name in PROGRAMS if name not in done]
    file.parent.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    for name in track(left, "comparing exports", console=console, transient=True, disable=not console.is_terminal):
        rows += [asdict(row) for row in agreement(name, targets)]
        _write(file, rows, targets, complete=False)
    _write(file, rows, targets, complete=True)


def _write(file: Path, rows: list[dict[str, Any]], targets: list[str], *, complete: bool) -> None:
    data = {"complete": complete, "targets": targets, "versions": _versions(), "rows": rows}
    write_output(file, json.dumps(data, indent=1).encode())


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def write(page: Path, files: list[Path]) -> None:
    """The page of what was measured in several environments."""
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if unfinished := [str(file) for file, part in zip(files, parts, strict=True) if not part["complete"]]:
        sys.exit(f"{', '.join(unfinished)}: not complete; measure again, it goes on where it was")
    write_output(page, agreement_page(parts).encode())


def agreement_page(parts: list[dict[str, Any]]) -> str:
    """The page in Markdown; ``parts`` are what :func:`measure` wrote in each environment."""
    merged: dict[tuple[str, str], Row] = {}
    for row in (Row(**row) for part in parts for row in part["rows"]):
        earlier = merged.get((row.program, row.mode), row)
        merged[row.program, row.mode] = Row(row.program, row.mode, row.inputs, earlier.cells | row.cells)
    rows = list(merged.values())
    columns = _columns(rows)
    different = [cell for row in rows for cell in row.cells.values() if cell not in ("all", "-")]
    versions = sorted({f"{name} {number}" for part in parts for name, number in part["versions"].items()})
    cells = [
        [row.program, row.mode, str(row.inputs), *(row.cells.get(column, "") for column in columns)] for row in rows
    ]
    return "\n".join(
        [
            "# Agreement",
            "",
            "`make agreement` writes this page. It runs each library program, compiled in both modes, in each target,",
            f"on {N_INPUTS} random inputs of up to {LENGTH} tokens, or on all where they are fewer. NumPy's answers",
            "are compared with the interpreter's (`==`), the others' with NumPy's, types included.",
            "",
            f'"-": {_DASH}',
            "",
            f"{len(rows)} models, {len(columns)} targets, {sum(row.inputs for row in rows):,} inputs: "
            + (f"{len(different)} cells differ." if different else "all answers are the same."),
            "",
            f"Versions: {', '.join(versions)}.",
            "",
            f"| program | mode | inputs | {' | '.join(columns)} |",
            f"|{'---|' * (3 + len(columns))}",
            *(f"| {' | '.join(line)} |" for line in cells),
            "",
        ]
    )


_DASH = "the target is causal, and this program reads later tokens."


def _columns(rows: list[Row]) -> list[str]:
    """The targets that have cells, those of TransformerLens side by side."""
    found = dict.fromkeys(target for row in rows for target in row.cells)
    lens = [target for target in found if target.startswith("TransformerLens")]
    first = [target for target in ("NumPy", "PyTorch") if target in found]
    return [*first, *lens, *(target for target in found if target not in {*first, *lens})]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="compare the targets that are installed here")
    measuring.add_argument("file", type=Path)
    measuring.add_argument("--only", default="", metavar="PREFIX", help="targets whose names begin with this")
    writing = commands.add_parser("write", help="make a page of the documentation")
    writing.add_argument("page", type=Path)
    writing.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        measure(arguments.file, arguments.only)
    elif missing := [str(file) for file in arguments.files if not file.is_file()]:
        parser.error(f"there is no {', '.join(missing)}; measure first")
    else:
        write(arguments.page, arguments.files)


if __name__ == "__main__":
    main()
