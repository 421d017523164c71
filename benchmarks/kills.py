"""Processes killed at random moments while they save over what was saved: is it the old or the new, and complete?

    python -m benchmarks.kills --kills 200

A process saves two things in turns over one another until it is killed. What is left is loaded by those who load it
otherwise: a model by ``tracrlab.load``, a checkpoint of GPT-2 by Transformers.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tracrlab
from tracrlab import CompiledModel
from tracrlab.rasp.library import PROGRAMS

TWO_PROGRAMS = ("frac_prevs", "hist")


@dataclass(frozen=True)
class Saving:
    """What is saved at a path, by numbers 0 and 1, and how to read which of them it is; that fails if it is neither."""

    save: Callable[[Path, int], object]
    read: Callable[[Path], Hashable]


def kill(saving: Saving, folder: Path, kills: int, rng: random.Random) -> Counter[str]:
    """How often the one, the other or neither was left in the folder, and how often the next save left scratch."""
    path, found = folder / "saved", Counter[str]()
    contents = {}
    start = time.monotonic()
    for number in (1, 0):
        saving.save(path, number)
        contents[saving.read(path)] = "old" if number == 0 else "new"
    pause = time.monotonic() - start  # about two savings
    clean = sorted(folder.rglob("*"))
    for _ in range(kills):
        _save_until_killed(saving, path, rng.uniform(0, pause))
        try:
            found[contents[saving.read(path)]] += 1
        except Exception:  # whatever goes wrong, it is lost
            found["lost"] += 1
        saving.save(path, 0)
        found["scratch left"] += sorted(folder.rglob("*")) != clean
    return found


def _save_until_killed(saving: Saving, path: Path, seconds: float) -> None:
    child = os.fork()
    if not child:
        try:
            for number in itertools.cycle((1, 0)):
                saving.save(path, number)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
        sys.exit("saving failed")


def two_models() -> list[CompiledModel]:
    """Models of two programs."""
    return [
        tracrlab.compile(PROGRAMS[name].build(), PROGRAMS[name].example_vocab, 6, causal=True, prove=False)
        for name in TWO_PROGRAMS
    ]


def models() -> Saving:
    """Compiled models."""
    both = two_models()
    return Saving(lambda path, number: both[number].save_pretrained(path), lambda path: repr(tracrlab.load(path)))


def compressed_models() -> Saving:
    """Compressed models, with the originals in them."""
    from tracrlab.compress.compressed_model import compressed_model
    from tracrlab.compress.sharing import Sharing

    both = [
        compressed_model(model, Sharing.ALL, {"matrices": np.eye(model.config.d_model)[None]}) for model in two_models()
    ]
    return Saving(lambda path, number: both[number].save_pretrained(path), lambda path: repr(tracrlab.load(path)))


def checkpoints() -> Saving:
    """Checkpoints of GPT-2 with tokenizer and card."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    both = [model.to_gpt2() for model in two_models()]
    cards = [export.card for export in both]

    def read(path: Path) -> Hashable:
        model, tokenizer = AutoModelForTokenClassification.from_pretrained(path), AutoTokenizer.from_pretrained(path)
        shapes = tuple(tuple(parameter.shape) for parameter in model.parameters())
        return shapes, tuple(sorted(tokenizer.get_vocab())), cards.index((path / "README.md").read_text())

    return Saving(lambda path, number: both[number].save_pretrained(path), read)


def pages() -> Saving:
    """Pages of the explorer."""
    from tracrlab.viz.explorer import explorer_page, write_page

    both = two_models()
    inputs = [list(model.config.vocab[:3]) for model in both]
    whole = [explorer_page(model, tokens) for model, tokens in zip(both, inputs, strict=True)]
    return Saving(
        lambda path, number: write_page(both[number], inputs[number], path),
        lambda path: whole.index(path.read_text(encoding="utf-8")),
    )


KINDS = {"model": models, "compressed": compressed_models, "gpt2": checkpoints, "page": pages}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], metavar="KIND", help=f"{', '.join(KINDS)}; all")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of each kind (200)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console, rng = Console(), random.Random(options.seed)
    table = Table("saved", "kills", "old left", "new left", "lost", "scratch left by the next")
    for name in track(options.kinds or list(KINDS), "killing", console=console, transient=True):
        with tempfile.TemporaryDirectory() as folder:
            found = kill(KINDS[name](), Path(folder), options.kills, rng)

        counts = (options.kills, *(found[each] for each in ("old", "new", "lost", "scratch left")))
        table.add_row(name, *map(str, counts))
        if found["lost"] or found["scratch left"]:
            console.print(table)
            sys.exit(1)
    console.print(table)


if __name__ == "__main__":
    main()
