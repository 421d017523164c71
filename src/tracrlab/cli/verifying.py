"""The command ``verify``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from tracrlab.cli.models import compiled, in_file, program_to_compile, saved_model, vocabulary_of
from tracrlab.cli.options import (
    COMPILE_OPTIONS,
    DEFAULT_MAX_LEN,
    DTYPE_OPTION,
    DTYPES,
    MODEL_HELP,
    NAME_OPTION,
    TARGET_OPTIONS,
    TOKENS_HELP,
    TOKENS_OPTION,
    CompileOptions,
    with_options,
)
from tracrlab.cli.outputs import OUTPUT_HELP, STANDARD_OUTPUT, check, write
from tracrlab.cli.targets import check_target_options

if TYPE_CHECKING:
    from tracrlab.export.targets import Activation, Target


@click.command(
    name="verify",
    help="Prove that the weights of a model do what is claimed of them on all inputs, and that the claims are those of "
    "its program: status 0, or 1 if either is not known, and which part is to blame.\n\n"
    f"{MODEL_HELP} For such a folder, --program names the program; without, only the weights are held against the "
    "claims in the folder, which is then to be trusted.",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, *(option for option in COMPILE_OPTIONS if option is not DTYPE_OPTION), *TARGET_OPTIONS)
@with_options(TOKENS_OPTION)
@click.option(
    "--dtype", type=click.Choice(DTYPES),
    help="The number format to prove it in, for which a program is compiled. [default: a model's own, or float32]",
)  # fmt: skip
@click.option("--exhaustive", is_flag=True, help="Run every input, too.")
@click.option("-o", "--output", "file", metavar="FILE", help=f"A file for the certificate, as JSON; {OUTPUT_HELP}.")
def verify_(
    program: str,
    name: str | None,
    kind: str,
    dtype: str | None,
    exhaustive: bool,
    file: str | None,
    target: Target | None,
    activation: Activation | None,
    **options: Any,
) -> None:
    """Verify."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.show import progress
    from tracrlab.errors import VerificationError
    from tracrlab.facade import CompiledModel
    from tracrlab.rasp.display import escaped

    if file is not None:
        check(file)
    model = saved_model(program, CompileOptions(**options, dtype=None))
    if model is not None:
        found = None if name is None else find_program(name)
    else:
        compile_options = CompileOptions(**options, dtype=dtype)
        found = program_to_compile(in_file(program, name), compile_options, kind)
        vocabulary = vocabulary_of(found, compile_options, kind)
        model = compiled(found, vocabulary, DEFAULT_MAX_LEN, compile_options)
    if not isinstance(model, CompiledModel):
        raise VerificationError("a compressed model is approximate, so nothing is proved of it; ask for its verdict")
    check_target_options(target, activation, causal=model.config.causal)
    searched = found.program if found and target is None else None
    with nullcontext() if exhaustive else progress("verifying"):
        certificate = model.verify(searched, exhaustive=exhaustive, dtype=dtype, target=target, activation=activation)
    if file is not None:
        write(file, f"{certificate.to_json()}\n".encode())
    click.echo("\n".join(map(escaped, certificate.summary().split("\n"))), err=file == STANDARD_OUTPUT)
    if not certificate.holds:
        raise click.exceptions.Exit(1)
