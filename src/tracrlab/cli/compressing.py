"""The command ``compress``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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


@click.command(
    name="compress",
    help="Compress the residual stream of a model by gradient descent, and judge what comes out.\n\nThe best model of "
    "each size and the metrics are saved in DIR. An interrupted training there is continued.\n\n" + MODEL_HELP,
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
@click.option("--d", "d", metavar="SIZES", required=True, help="The compressed sizes: 6, or 2,4-6.")
@click.option("--steps", type=click.IntRange(min=1), default=10_000, show_default=True, help="Batches to train on.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Random starts for each size.")
@click.option(
    "--initial", default="random", type=click.Choice(["random", "pca", "reads", "identity"]),
    help="Where the matrix begins. [default: random]",
)  # fmt: skip
@click.option(
    "--faithful", default=0.0, type=click.FloatRange(min=0), metavar="WEIGHT",
    help="The weight of a loss under interchange interventions. [default: 0, as in the paper]",
)  # fmt: skip
@click.option(
    "--layer-weight", default=1.0, type=click.FloatRange(min=0), metavar="WEIGHT",
    help="The weight of the loss that compares layers. [default: 1]",
)  # fmt: skip
@click.option(
    "--sharpness", default=0.02, type=click.FloatRange(min=0, max=1, min_open=True), metavar="FACTOR",
    help="How sharp attention is at first; 1 as in the paper. [default: 0.02]",
)  # fmt: skip
@click.option("-o", "--output", "folder", metavar="DIR", required=True, help="The folder for everything.")
def compress_(
    program: str,
    name: str | None,
    kind: str,
    d: str,
    steps: int,
    seeds: int,
    initial: Literal["random", "pca", "reads", "identity"],
    faithful: float,
    layer_weight: float,
    sharpness: float,
    folder: str,
    **options: Any,
) -> None:
    """Compress."""
    from tracrlab.cli import show
    from tracrlab.cli.compression import compress, sizes
    from tracrlab.compress import Settings

    wanted, compile_options = sizes(d), CompileOptions(**options)
    model = saved_model(in_file(program, name), compile_options)
    if model is None:
        found = program_to_compile(in_file(program, name), compile_options, kind)
        model = compiled(found, vocabulary_of(found, compile_options, kind), DEFAULT_MAX_LEN, compile_options)
    settings = Settings(
        steps=steps, interchange_weight=faithful, layer_weight=layer_weight, initial_sharpness=sharpness
    )
    show.console().print(compress(model, wanted, seeds, settings, initial, Path(folder)))
