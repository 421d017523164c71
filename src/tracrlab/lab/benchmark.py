"""Running methods on cases, on any number of processors or machines.

Work is handed out by joblib, whose backends are processes here, and Dask or Ray on a cluster. What is finished is on
disk at once, so a run that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracrlab.errors import TracrLabError
from tracrlab.extras import require
from tracrlab.lab import journal
from tracrlab.lab.methods import by_name
from tracrlab.lab.recipes import Recipe, Saved
from tracrlab.lab.scoring import Row, attempt


@dataclass(frozen=True)
class Outcome:
    """What a run has: ``rows``, those made before among them, and of the cases that cannot be made the reasons."""

    rows: tuple[Row, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """The methods, with seeds, that are still to be run on a case, and the file for the rows."""

    recipe: Recipe | Saved
    asked: tuple[tuple[str, int], ...]
    file: Path

    def done(self) -> str | None:
        """Run them; why there is no case, if there is none."""
        import torch

        torch.set_num_threads(1)  # small products are slower on several, and processes share the processors
        try:
            case = self.recipe.made()
        except TracrLabError as error:
            return f"{self.recipe.name}: {' '.join(str(error).split())}"
        for name, seed in self.asked:
            journal.append(self.file, attempt(by_name(name), case, seed=seed))
        return None


def run(
    recipes: Iterable[Recipe | Saved],
    methods: Iterable[str],
    results: Path,
    *,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    backend: str | None = None,
) -> Outcome:
    """Score methods on cases. Rows that the folder ``results`` has are not made again.

    A method that fails on a case has a row with the error, and is tried again the next time.

    Raises:
        LabError: ``results`` holds what is no result.
        MethodError: there is no such method.
        MissingDependencyError: joblib is not installed.
    """
    joblib = require("joblib", extra="lab", purpose="a benchmark")
    found = {name: by_name(name) for name in methods}
    results.mkdir(parents=True, exist_ok=True)
    done = {(row.case, row.method, row.seed) for row in journal.rows(results.glob("*.jsonl")) if row.error is None}
    tasks = []
    for recipe in recipes:
        missing = tuple(
            (name, seed)
            for name, method in found.items()
            for seed in seeds
            if (recipe.name, method.name, seed) not in done
        )
        if missing:
            tasks.append(_Task(recipe, missing, results / f"{recipe.name}.jsonl"))
    parallel = joblib.Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered", batch_size=1)
    reasons = list(_with_progress(parallel(joblib.delayed(_Task.done)(task) for task in tasks), len(tasks)))
    return Outcome(tuple(journal.rows(results.glob("*.jsonl"))), tuple(sorted(filter(None, reasons))))


def _with_progress(results: Iterable[str | None], total: int) -> Iterable[str | None]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(results, "cases", total=total, console=console, transient=True, disable=not console.is_terminal)
