"""The command ``tracrlab``: a thin shell over the package. Every error is one line and exit status 2."""

from __future__ import annotations

import click

from tracrlab import __version__
from tracrlab.cli.compiling import compile_, info, print_, programs
from tracrlab.cli.compressing import compress_
from tracrlab.cli.decompiling import decompile_
from tracrlab.cli.grafting import graft_, hosts_
from tracrlab.cli.lab import lab
from tracrlab.cli.one_line_errors import OneLineErrors
from tracrlab.cli.options import TOKENS_HELP
from tracrlab.cli.picturing import draw, explore, playground, plot
from tracrlab.cli.running import repl, run, trace
from tracrlab.cli.verifying import verify_


@click.group(
    cls=OneLineErrors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=TOKENS_HELP,
)
@click.version_option(__version__, prog_name="tracrlab", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Compile RASP programs to transformers, run them and look inside."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    programs,
    compile_,
    info,
    print_,
    run,
    trace,
    repl,
    verify_,
    draw,
    plot,
    explore,
    playground,
    compress_,
    decompile_,
    lab,
    hosts_,
    graft_,
):
    main.add_command(command)
