"""What ``tracrlab compress`` does: train compressions of a model, judge the best of each size, and save them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from tracrlab.cli.show import plain_table
from tracrlab.compress import Settings
from tracrlab.errors import InputError
from tracrlab.extras import require
from tracrlab.model.artefact import Artefact

if TYPE_CHECKING:
    from tracrlab.compress.initial import Initial


def sizes(text: str) -> list[int]:
    """The sizes that a text such as ``6`` or ``2,4-6`` lists.

    Raises:
        InputError: it is no such list.
    """
    found: list[int] = []
    for part in re.split(r"[\s,]+", text.strip()):
        bounds = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
        if bounds is None:
            raise InputError(f"--d takes sizes and ranges of them, such as 6 or 2,4-6, not {text!r}")
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        if not 1 <= first <= last <= 2**16:
            raise InputError(f"--d: {part} is no size from 1 or range of them")
        found += range(first, last + 1)
    return sorted(set(found))


def compress(model: Artefact, d: list[int], n_seeds: int, settings: Settings, initial: Initial, folder: Path) -> Table:
    """Train, save the best model of each size in ``folder/d…``, and say how good it is.

    Raises:
        CompressionError: what is asked for does not fit the model or the folder.
        MissingDependencyError: a package of the extra ``compress`` is not installed.
    """
    for package in ("torch", "pyarrow"):
        require(package, extra="compress", purpose="compressing")
    from tracrlab.compress.faithfulness import verdict
    from tracrlab.compress.metrics import mean_cosine
    from tracrlab.compress.training import train

    training = train(model, d, seeds=range(n_seeds), initial=initial, settings=settings, folder=folder)
    table = plain_table()
    for title in ("d", "loss", "accuracy", "cosine", "verdict", "saved in"):
        table.add_column(title)
    for size in d:
        compressed = training.compressed(size)
        target = folder / f"d{size}"
        compressed.save_pretrained(target)
        judged = verdict(compressed)
        loss, cosine = judged.measures["output_loss"], mean_cosine(judged.measures)
        word = "faithful" if judged.faithful else "not faithful"
        table.add_row(str(size), f"{loss:.2e}", f"{judged.accuracy:.4f}", f"{cosine:.3f}", word, str(target))
    return table
