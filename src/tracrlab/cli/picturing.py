"""Commands for looking: ``draw``, ``plot``, ``explore``, ``playground``."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracrlab.cli.models import exits_are_errors, in_file, model_and_input
from tracrlab.cli.options import (
    COMPILE_OPTIONS,
    INPUT_OPTION,
    MODEL_HELP,
    NAME_OPTION,
    PROGRAM_HELP,
    TOKENS_HELP,
    TOKENS_OPTION,
    CompileOptions,
    with_options,
)
from tracrlab.errors import InputError

if TYPE_CHECKING:
    from tracrlab.viz.figures.plot import Kind


@click.command(
    help=f"Draw the flow of a program on an input: what each head selects and computes.\n\n{PROGRAM_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, INPUT_OPTION, TOKENS_OPTION)
@click.option("-o", "--output", "path", metavar="FILE", required=True, help="The drawing: .svg, .png or .pdf.")
def draw(program: str, name: str | None, text: str | None, kind: str, path: str) -> None:
    """Draw."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens
    from tracrlab.viz import draw_flow

    found = find_program(in_file(program, name), text)
    if text is None and found.entry:
        text = found.entry.example_input
    if text is None:
        raise InputError(f"give the input for {program} with --input")
    tokens = vocabulary_tokens(text, TokenKind(kind), "--input")
    with exits_are_errors():
        draw_flow(found.program, text if tokens == list(text) else tokens, path)
    click.echo(f"drawn in {path}")


@click.command(
    help="Draw a figure of a model: the residual stream on an input, the attention patterns, the compiler's stages, "
    f"the weights or the cost.\n\n{MODEL_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@click.argument("text", metavar="[TOKENS]", required=False)
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option(
    "--kind", "figure_kind", default="residual",
    type=click.Choice(["residual", "patterns", "stages", "weights", "cost"]), help="What it shows. [default: residual]",
)  # fmt: skip
@click.option("--columns", default="2", type=click.Choice(["1", "2"]), help="Columns of a paper. [default: 2]")
@click.option("--fold/--no-fold", default=None, help="A row for each variable. [default: beyond 40 dimensions]")
@click.option("--sublayer", metavar="NAME", help="Draw this one only, such as 'attn 2': of residual or weights.")
@click.option("-o", "--output", "path", metavar="FILE", required=True, help="The figure: .svg, .png or .pdf.")
def plot(
    program: str,
    name: str | None,
    text: str | None,
    kind: str,
    figure_kind: Kind,
    columns: str,
    fold: bool | None,
    sublayer: str | None,
    path: str,
    **options: Any,
) -> None:
    """Plot."""
    from tracrlab.cli.show import progress
    from tracrlab.viz.canvas import check_path, write_figure

    check_path(Path(path))
    needs_input = figure_kind in ("residual", "patterns")
    model, tokens, found = model_and_input(
        in_file(program, name), text if needs_input else text or "", kind, CompileOptions(**options),
        given_with="after its name",
    )  # fmt: skip
    with progress("drawing"):
        figure = model.plot(
            tokens,
            kind=figure_kind,
            columns=1 if columns == "1" else 2,
            fold=fold,
            sublayer=sublayer,
            program=found.program if found else None,
        )
        write_figure(figure, Path(path))
    click.echo(f"drawn in {path}")


@click.command(
    help="Open a model in the browser, in a page that runs it: type other tokens, follow every value to what computes "
    f"it, ablate and patch.\n\n{MODEL_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@click.argument("text", metavar="[TOKENS]", required=False)
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--html", "path", metavar="FILE", help="Write the page to this file instead of opening it.")
@click.option("--reduced", is_flag=True, help="A page without weights, which shows this input only.")
def explore(
    program: str, name: str | None, text: str | None, kind: str, path: str | None, reduced: bool, **options: Any
) -> None:
    """Explore."""
    from tracrlab.cli.programs import source_file
    from tracrlab.viz.explorer import write_page

    full_name = in_file(program, name)
    model, tokens, found = model_and_input(
        full_name, text, kind, CompileOptions(**options), given_with="after its name"
    )
    source = source_file(full_name) if found else None
    goal = path or str(Path(tempfile.gettempdir(), f"tracrlab-explorer-{os.getpid()}.html"))
    write_page(model, tokens, goal, program=found.program if found else None, source=source, reduced=reduced)
    if path is None:
        webbrowser.open(Path(goal).as_uri())
    click.echo(f"written to {goal}")


@click.command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port to listen on. [default: a free one]")
@click.option("--no-browser", "quiet", is_flag=True, help="Do not open the page, only say where it is.")
def playground(file: str | None, port: int, quiet: bool) -> None:
    """Edit a RASP program in the browser, see its values while typing, and explore its model.

    FILE is a RASP file to begin with; it is read, never written. The page is served to this machine only, until Ctrl-C.
    """
    from tracrlab.cli.programs import file_text
    from tracrlab.viz.playground import EXAMPLE, Playground

    source = EXAMPLE if file is None else file_text(Path(file))
    try:
        server = Playground(port, source=source)
    except OSError as error:
        raise click.UsageError(f"cannot listen on port {port} ({error.strerror}); choose another --port.") from error
    with server, suppress(KeyboardInterrupt):
        click.echo(f"the playground is at {server.url} (Ctrl-C ends it)")
        if not quiet:
            webbrowser.open(server.url)
        server.serve_forever()
