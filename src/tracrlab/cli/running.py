"""Commands that run programs and models: ``run``, ``trace``, ``repl``."""

from __future__ import annotations

from typing import Any, Literal

import click

from tracrlab.cli.models import in_file, model_and_input
from tracrlab.cli.one_line_errors import report
from tracrlab.cli.options import (
    COMPILE_OPTIONS,
    INPUT_OPTION,
    MODEL_HELP,
    NAME_OPTION,
    TOKENS_HELP,
    TOKENS_OPTION,
    CompileOptions,
    with_options,
)


@click.command(help=f"Run a model on an input.\n\n{MODEL_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@with_options(NAME_OPTION, INPUT_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--interpreter", is_flag=True, help="Show what the interpreter says, too; status 1 if it differs.")
def run(program: str, name: str | None, text: str | None, kind: str, interpreter: bool, **options: Any) -> None:
    """Run."""
    from tracrlab.cli import show

    model, tokens, found = model_and_input(in_file(program, name), text, kind, CompileOptions(**options))
    if interpreter and found is None:
        raise click.UsageError(f"--interpreter needs a program, but {program} is a saved model.")
    output = model(tokens)
    interpreted = found.program(tokens, causal=model.config.causal) if interpreter and found else None
    screen = show.console()
    screen.print(show.answer_tables(tokens, model.output_name, output, interpreted, screen.width))
    if interpreted is not None and output != interpreted:
        report("the model differs from the interpreter, which is a bug; please report it")
        raise click.exceptions.Exit(1)


@click.command(help=f"Show what happens inside a model on an input.\n\n{MODEL_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@with_options(NAME_OPTION, INPUT_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--all", "everything", is_flag=True, help="Show variables that hold intermediate results, too.")
@click.option("--patterns", is_flag=True, help="Show the attention pattern of every head.")
@click.option("--sources", is_flag=True, help="Show the expression of each variable, and where the program builds it.")
def trace(
    program: str,
    name: str | None,
    text: str | None,
    kind: str,
    everything: bool,
    patterns: bool,
    sources: bool,
    **options: Any,
) -> None:
    """Trace."""
    from tracrlab.cli import show

    model, tokens, _ = model_and_input(in_file(program, name), text, kind, CompileOptions(**options))
    run_trace = model.trace(tokens)
    screen = show.console()
    screen.print(show.trace_tables(model, run_trace, screen.width, intermediate=everything))
    if sources:
        screen.print("", show.source_table(model))
    for part in show.pattern_tables(model, run_trace, screen.width) if patterns else ():
        screen.print(part)


@click.command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option(
    "--dialect", default="original", type=click.Choice(["original", "python"]),
    help="Whose precedence operators have. [default: original]",
)  # fmt: skip
@click.option(
    "--example", metavar="TEXT", default="hello",
    help="The running example: several words, or else characters. [default: hello]",
)  # fmt: skip
def repl(file: str | None, dialect: Literal["original", "python"], example: str) -> None:
    """Type textual RASP and see what it computes.

    FILE is run first. Where the input is no terminal, statements are read from it; the status is 2 if one was wrong.
    """
    from tracrlab.cli.repl.start import run_repl

    raise click.exceptions.Exit(run_repl(file, dialect, example))
