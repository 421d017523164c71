"""The command ``decompile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracrlab.cli.outputs import OUTPUT_HELP, STANDARD_OUTPUT, check, write

if TYPE_CHECKING:
    from rich.table import Table

    from tracrlab.decompile import Decompilation


@click.command(
    name="decompile",
    help="Find the RASP program that a model computes in its weights: nothing else of MODEL, a folder that 'tracrlab "
    "compile' wrote, is looked at. Status 1 if none is found, or if it is not known to equal the model on all inputs.",
)
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", "file", metavar="FILE", help=f"A file for the program in RASP; {OUTPUT_HELP}.")
@click.option("--certificate", "record", metavar="FILE", help="A file for the certificate, as JSON.")
@click.option(
    "--most-inputs", default=200_000, show_default=True, type=click.IntRange(min=1), metavar="N",
    help="If there are more inputs, run some of them; what is found is then unproved.",
)  # fmt: skip
@click.option("--seed", default=0, type=int, metavar="N", show_default=True, help="The seed of random inputs.")
def decompile_(model: str, file: str | None, record: str | None, most_inputs: int, seed: int) -> None:
    """Decompile."""
    from tracrlab.cli import show
    from tracrlab.decompile import decompile

    for each in (file, record):
        if each is not None:
            check(each)
    with show.progress("decompiling"):
        result = decompile(model, most_inputs=most_inputs, seed=seed)
    aside = STANDARD_OUTPUT in (file, record)
    if result.program is not None:
        if file is not None:
            write(file, result.rasp_text().encode())
        else:
            click.echo(result.text, nl=False, err=aside)
        show.console(stderr=aside).print("", _variable_table(result))
        click.echo(_sizes(result), err=aside)
    for place, reason in result.unexplained:
        click.echo(f"{place}: {reason}", err=aside)
    if record is not None:
        write(record, f"{result.certificate.to_json()}\n".encode())
    click.echo(result.certificate.summary(), err=aside)
    if not result.certificate.holds:
        raise click.exceptions.Exit(1)


def _variable_table(result: Decompilation) -> Table:
    """The variables of a program that was found, and the parts of the model that write them."""
    from tracrlab.cli.show import plain_table
    from tracrlab.rasp.display import printable

    table = plain_table()
    for heading in ("variable", "values", "written by", "expression"):
        table.add_column(heading, justify="right" if heading == "values" else "left")
    for each in result.variables:
        table.add_row(printable(each.name), str(each.n_values), " ".join(each.places), printable(each.text))
    return table


def _sizes(result: Decompilation) -> str:
    """How large the model is, and what the program compiles to."""
    from tracrlab.errors import CompileError

    own = f"parameters: {result.network.config.n_params:,} of the model"
    try:
        again = result.compiled_again()
    except CompileError as error:
        return f"{own}; the program does not compile again: {error}"
    return f"{own}, {again.config.n_params:,} of the program compiled again in {again.config.mode} mode"
