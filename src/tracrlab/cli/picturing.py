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
from tracrlab.cli.outputs import OUTPUT_HELP, STANDARD_OUTPUT, check, write
from tracrlab.errors import InputError

if TYPE_CHECKING:
    from tracrlab.viz.figures.plot import Kind


PICTURE_HELP = f".svg, .png or .pdf; {OUTPUT_HELP}, as SVG"


@click.command(
    help=f"Draw the flow of a program on an input: what each head selects and computes.\n\n{PROGRAM_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, INPUT_OPTION, TOKENS_OPTION)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    help=f"The drawing: {PICTURE_HELP}.",
)
def draw(program: str, name: str | None, text: str | None, kind: str, path: str) -> None:
    """Draw."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens
    from tracrlab.viz import flow_figure
    from tracrlab.viz.canvas import picture

    picture_kind = _picture_kind(path)
    found = find_program(in_file(program, name), text)
    if text is None and found.entry:
        text = found.entry.example_input
    if text is None:
        raise InputError(f"give the input for {program} with --input")
    tokens = vocabulary_tokens(text, TokenKind(kind), "--input")
    with exits_are_errors():
        figure = flow_figure(found.program, text if tokens == list(text) else tokens)
    write(path, picture(figure, picture_kind), "drawn in")


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
@click.option("--sublayer", metavar="NAME", help="Draw this one only, such as a1: of residual or weights.")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    help=f"The figure: {PICTURE_HELP}.",
)
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
    from tracrlab.viz.canvas import picture

    picture_kind = _picture_kind(path)
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
        content = picture(figure, picture_kind)
    write(path, content, "drawn in")


@click.command(
    help="Open a model in the browser, in a page that runs it: type other tokens, follow every value to what computes "
    f"it, ablate and patch.\n\n{MODEL_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@click.argument("text", metavar="[TOKENS]", required=False)
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--html", "path", metavar="FILE", help=f"Write the page to this file not open it; {OUTPUT_HELP}.")
@click.option("--reduced", is_flag=True, help="A page without weights, which shows this input only.")
def explore(
    program: str, name: str | None, text: str | None, kind: str, path: str | None, reduced: bool, **options: Any
) -> None:
    """Explore."""
    from tracrlab.cli.programs import source_file
    from tracrlab.viz.explorer import explorer_page

    if path is not None:
        check(path)
    full_name = in_file(program, name)
    model, tokens, found = model_and_input(
        full_name, text, kind, CompileOptions(**options), given_with="after its name"
    )
    source = source_file(full_name) if found else None
    page = explorer_page(model, tokens, program=found.program if found else None, source=source, reduced=reduced)
    if path is None:
        descriptor, goal = tempfile.mkstemp(prefix="tracrlab-explorer-", suffix=".html")  # a name that nobody foresees
        os.close(descriptor)
        write(goal, page.encode(), "written to")
        webbrowser.open(Path(goal).as_uri())
    else:
        write(path, page.encode(), "written to")


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


def _picture_kind(path: str) -> str:
    """The format of a picture; its refusals come before any work."""
    from tracrlab.viz.canvas import picture_kind

    return "svg" if path == STANDARD_OUTPUT else picture_kind(path)
