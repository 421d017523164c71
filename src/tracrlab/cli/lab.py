"""The commands ``lab make``, ``lab run`` and ``lab report``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tracrlab.errors import LabError, OutputError


@click.group(name="lab", help="Score interpretability methods on models whose circuit is known.")
def lab() -> None:
    """The group."""


@lab.command(help="Make the cases of the small benchmark in FOLDER. Those that it has are kept.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--program", "programs", multiple=True, metavar="NAME", help="Only this program; may be repeated.")
@click.option("--subject", "subjects", multiple=True, metavar="NAME", help="Only this subject; may be repeated.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the cases.")
def make(folder: Path, programs: tuple[str, ...], subjects: tuple[str, ...], seed: int) -> None:
    """Make."""
    from rich.progress import track

    from tracrlab.cli import show
    from tracrlab.lab import recipes
    from tracrlab.lab.folder import save

    asked = recipes.small(programs, subjects, seed)
    missing = [recipe for recipe in asked if not (folder / recipe.name / "case.json").exists()]
    console, refused = show.console(stderr=True), 0
    for recipe in track(missing, "cases", console=console, transient=True, disable=not console.is_terminal):
        try:
            save(recipe.made(), folder / recipe.name)
        except LabError as error:
            refused += 1
            click.echo(f"tracrlab: no case {recipe.name}: {error}", err=True)
    click.echo(f"{len(asked) - refused} cases in {folder}")


@lab.command(help="Score methods on the small benchmark. What RESULTS has already is not run again.")
@click.argument("results", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--methods", metavar="NAMES", help="Separated by commas; package.module:function for your own. [default: all]"
)
@click.option("--cases", type=click.Path(file_okay=False, path_type=Path), help="A folder of cases, instead.")
@click.option("--program", "programs", multiple=True, metavar="NAME", help="Only this program; may be repeated.")
@click.option("--subject", "subjects", multiple=True, metavar="NAME", help="Only this subject; may be repeated.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the cases.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Of methods, on each case.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at once.")
@click.option("--backend", metavar="NAME", help="A backend of joblib, such as loky, dask or ray. [default: loky]")
def run(
    results: Path,
    methods: str | None,
    cases: Path | None,
    programs: tuple[str, ...],
    subjects: tuple[str, ...],
    seed: int,
    seeds: int,
    jobs: int,
    backend: str | None,
) -> None:
    """Run."""
    from tracrlab.cli import show
    from tracrlab.lab import benchmark, recipes
    from tracrlab.lab.methods import METHODS
    from tracrlab.lab.report.text import markdown

    names = [name.strip() for name in methods.split(",") if name.strip()] if methods is not None else list(METHODS)
    if not names:
        raise LabError(f"--methods names none; there are {', '.join(METHODS)}")
    asked = recipes.saved(cases) if cases else recipes.small(programs, subjects, seed)
    found = benchmark.run(asked, names, results, seeds=range(seeds), jobs=jobs, backend=backend)
    show.console().print(markdown([row for row in found.rows if row.error is None], _command("run", results)))
    problems = [*found.refused, *(row.error for row in found.rows if row.error)]
    for problem in problems:
        click.echo(f"tracrlab: {problem}", err=True)
    if problems:
        raise LabError(f"{len(problems)} of what was asked failed; the rest is in {results}, and is not run again")


@lab.command(help="Write scores.parquet, report.md and report.html about RESULTS into FOLDER.")
@click.argument("results", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def report(results: Path, folder: Path) -> None:
    """Report."""
    from tracrlab.files import complaint
    from tracrlab.lab import journal
    from tracrlab.lab.report import write_report

    rows = journal.rows(results.glob("*.jsonl"))
    if not rows:
        raise LabError(f"{results}: there are no results in this folder; make some with: tracrlab lab run {results}")
    try:
        written = write_report(rows, folder, _command("report", results, folder))
    except OSError as error:
        raise OutputError(complaint(str(folder), error)) from error
    click.echo("wrote " + ", ".join(map(str, written)))


def _command(name: str, *arguments: Path) -> str:
    return shlex.join(["tracrlab", "lab", name, *map(str, arguments)])
