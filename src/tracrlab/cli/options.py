"""Options and help texts that commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

DEFAULT_MAX_LEN = 8

TOKENS_HELP = """Tokens are characters, words or numbers. A text with spaces or commas is a list of words, and if all of
them are numbers, of numbers; any other text is a row of characters. So --vocab abc has three tokens, --vocab "the cat"
two words, --vocab "1,2,3" three numbers. An input is read to fit the vocabulary: with those numbers, "3 1" and "31" are
the same. --tokens says it outright."""

PROGRAM_HELP = """PROGRAM is a program of the library ('tracrlab programs' lists them) or one in a file, which is
run: file.rasp:name is an s-op of a RASP file, file.py:name an s-op of a Python file, or a function without arguments
that returns one. --program may give the name instead."""

MODEL_HELP = """PROGRAM is a program of the library ('tracrlab programs' lists them), one in a RASP or Python file,
as in file.rasp:name or file.py:name, or a folder that 'tracrlab compile' wrote. A folder with the name of a library
program comes first, unless options for compiling are given."""

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class CompileOptions:
    """How to compile; ``None`` where nothing was said."""

    vocab: str | None
    max_len: int | None
    causal: bool | None
    mode: str | None
    passes: str | None
    fit: str | None
    dtype: str | None
    bos: str | None
    pad: str | None
    robust: bool | None = None

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        return ["--" + name.replace("_", "-") for name, value in vars(self).items() if value is not None]


DTYPES = ["float32", "float64", "bfloat16", "float16"]
DTYPE_OPTION = click.option("--dtype", type=click.Choice(DTYPES), help="The number format. [default: float32]")
COMPILE_OPTIONS = (
    click.option("--vocab", metavar="TOKENS", help="The tokens that inputs may contain. [library: an example's]"),
    click.option(
        "--max-len", type=click.IntRange(min=1), metavar="N",
        help=f"The longest input, in tokens. [default: {DEFAULT_MAX_LEN}, or the input's length if that is greater]",
    ),
    click.option("--causal", is_flag=True, default=None, help="Compile for causal attention."),
    click.option(
        "--mode", type=click.Choice(["faithful", "compact"]),
        help="A component for each s-op, or the smallest model. [default: faithful]",
    ),
    click.option(
        "--passes", metavar="NAMES",
        help="For compact mode: the passes to do, or, each with a -, not to do; 'compile --explain' lists them.",
    ),
    click.option("--fit", metavar="SIZES", help="The shape of the model, as in n_layers=4,d_model=32."),
    DTYPE_OPTION,
    click.option(
        "--robust", is_flag=True, default=None,
        help="Magnify nothing: the model bears a change of basis of its residual stream.",
    ),
    click.option("--bos", metavar="TOKEN", help="The token that the model puts in front. [default: bos]"),
    click.option("--pad", metavar="TOKEN", help="The token that fills up. [default: pad]"),
)  # fmt: skip
TOKENS_OPTION = click.option(
    "--tokens", "kind", default="auto", type=click.Choice(["auto", "chars", "words", "numbers"]),
    help="How tokens are written. [default: auto]",
)  # fmt: skip
TARGET_OPTIONS = (
    click.option(
        "--target", type=click.Choice(["gpt2", "bert", "llama"]),
        help="The model as an ordinary one of Transformers; GPT-2 and Llama need --causal.",
    ),
    click.option(
        "--activation", type=click.Choice(["relu", "gelu", "silu"]),
        help="The target's neurons: relu or gelu, for Llama silu. [default: relu or silu]",
    ),
)  # fmt: skip
NAME_OPTION = click.option("--program", "name", metavar="NAME", help="The program in the file PROGRAM.")
INPUT_OPTION = click.option(
    "--input", "text", metavar="TOKENS", help="The input. [library without --vocab: an example]"
)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that gives a command several options, which its help lists in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
