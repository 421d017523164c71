"""The command ``tracrlab``: a thin shell over the package. Every error is one line and exit status 2."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from tracrlab import __version__
from tracrlab.errors import InputError, ParseError, ProgramError, TracrLabError, VocabularyError

if TYPE_CHECKING:
    from tracrlab.cli.programs import NamedProgram
    from tracrlab.craft.formats import Dtype
    from tracrlab.export.targets import Activation, Target
    from tracrlab.model.compiled import CompiledModel
    from tracrlab.rasp.values import Value
    from tracrlab.viz.figures.plot import Kind

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


class OneLineErrors(click.Group):
    """A command group whose errors are one line on stderr and an exit status, never a traceback.

    Status 2: something is wrong with what the user gave. 1: a bug of Tracr Lab, or output nobody reads. 130: stopped by
    the user.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        extra["standalone_mode"] = False
        try:
            status = super().main(*args, **extra)
        except click.UsageError as error:
            help_hint = f" '{error.ctx.command_path} --help' says more." if error.ctx else ""
            status = _report(error.format_message() + help_hint)
        except click.ClickException as error:
            status = _report(error.format_message())
        except click.Abort:
            status = 130
        except ParseError as error:
            headline, *excerpt = str(error).split("\n")  # the line, and a caret below it
            status = _report(headline)
            click.echo("\n".join(excerpt), err=True)
        except TracrLabError as error:
            status = _report(str(error))
        except MemoryError:
            status = _report("out of memory; try a smaller vocabulary or --max-len")
        except OSError as error:
            status = _system_error(error)
        except Exception as error:
            if os.environ.get("TRACRLAB_DEBUG"):
                raise
            from tracrlab.cli.show import internal_error

            _report(internal_error(error))
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def _report(message: str) -> int:
    from tracrlab.rasp.display import printable

    click.echo(f"tracrlab: {printable(message)}", err=True)
    return 2


def _system_error(error: OSError) -> int:
    """Say which file it is about. Without one it is the output, to which Python must not write again when it exits."""
    if error.filename is not None:
        return _report(f"{error.filename}: {error.strerror}")
    with suppress(OSError, AttributeError):  # an output that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if error.errno == errno.EPIPE else _report(f"cannot write the output: {error.strerror or error}")


# Options that commands share -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CompileOptions:
    """How to compile; ``None`` where nothing was said."""

    vocab: str | None
    max_len: int | None
    causal: bool | None
    mode: str | None
    passes: str | None
    dtype: str | None
    bos: str | None
    pad: str | None

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        return ["--" + name.replace("_", "-") for name, value in vars(self).items() if value is not None]


_DTYPES = ["float32", "float64", "bfloat16", "float16"]
_DTYPE_OPTION = click.option("--dtype", type=click.Choice(_DTYPES), help="The number format. [default: float32]")
_COMPILE_OPTIONS = (
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
    click.option("--passes", metavar="NAMES", help="For compact mode: the passes to do, or, each with a -, not to do."),
    _DTYPE_OPTION,
    click.option("--bos", metavar="TOKEN", help="The token that the model puts in front. [default: bos]"),
    click.option("--pad", metavar="TOKEN", help="The token that fills up. [default: pad]"),
)  # fmt: skip
_TOKENS_OPTION = click.option(
    "--tokens", "kind", default="auto", type=click.Choice(["auto", "chars", "words", "numbers"]),
    help="How tokens are written. [default: auto]",
)  # fmt: skip
_TARGET_OPTIONS = (
    click.option(
        "--target", type=click.Choice(["gpt2", "bert", "llama"]),
        help="The model as an ordinary one of Transformers; GPT-2 and Llama need --causal.",
    ),
    click.option(
        "--activation", type=click.Choice(["relu", "gelu", "silu"]),
        help="The target's neurons: relu or gelu, for Llama silu. [default: relu or silu]",
    ),
)  # fmt: skip
_NAME_OPTION = click.option("--program", "name", metavar="NAME", help="The program in the file PROGRAM.")
_INPUT_OPTION = click.option(
    "--input", "text", metavar="TOKENS", help="The input. [library without --vocab: an example]"
)


def _with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# Commands ------------------------------------------------------------------------------------------------------------


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


@main.command()
def programs() -> None:
    """List the programs of the library."""
    from tracrlab.cli import show
    from tracrlab.rasp.library import PROGRAMS

    show.console().print(show.program_table(list(PROGRAMS.values())))


@main.command(name="compile", help=f"Compile a program and save the model.\n\n{PROGRAM_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@_with_options(_NAME_OPTION, *_COMPILE_OPTIONS, *_TARGET_OPTIONS, _TOKENS_OPTION)
@click.option("-o", "--output", "folder", metavar="DIR", help="The folder to write the model into.")
@click.option(
    "--explain", is_flag=True, help="List the passes of compact mode, and what each does to the model's size."
)
def compile_(
    program: str,
    name: str | None,
    kind: str,
    folder: str | None,
    explain: bool,
    target: Target | None,
    activation: Activation | None,
    **options: Any,
) -> None:
    """Compile and save."""
    from tracrlab.cli import show

    _check_target(target, activation, causal=bool(options["causal"]))
    if folder is None and not explain:
        raise click.UsageError("say with -o where to write the model, or ask with --explain what compiling does.")
    compile_options = CompileOptions(**options)
    found = _program_to_compile(_in_file(program, name), compile_options, kind)
    vocabulary = _vocabulary(found, compile_options, kind)
    if explain:
        stages = _compiled_pass_by_pass(found, vocabulary, compile_options)
        show.console().print(show.pass_table(stages))
    if folder is not None:
        model = _compiled(found, vocabulary, DEFAULT_MAX_LEN, compile_options)
        if target is None:
            model.save_pretrained(folder)
        else:
            _save_certified(model, target, activation, folder)
        click.echo(f"{model!r}\nsaved in {folder}" + (f" as {target}" if target else ""))


@main.command(help=f"Run a model on an input.\n\n{MODEL_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@_with_options(_NAME_OPTION, _INPUT_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
@click.option("--interpreter", is_flag=True, help="Show what the interpreter says, too; status 1 if it differs.")
def run(program: str, name: str | None, text: str | None, kind: str, interpreter: bool, **options: Any) -> None:
    """Run."""
    from tracrlab.cli import show

    model, tokens, found = _model_and_input(_in_file(program, name), text, kind, CompileOptions(**options))
    if interpreter and found is None:
        raise click.UsageError(f"--interpreter needs a program, but {program} is a saved model.")
    output = model(tokens)
    interpreted = found.program(tokens, causal=model.config.causal) if interpreter and found else None
    screen = show.console()
    screen.print(show.answer_tables(tokens, model.output_name, output, interpreted, screen.width))
    if interpreted is not None and output != interpreted:
        _report("the model differs from the interpreter, which is a bug; please report it")
        raise click.exceptions.Exit(1)


@main.command(help=f"Show what happens inside a model on an input.\n\n{MODEL_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@_with_options(_NAME_OPTION, _INPUT_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
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

    model, tokens, _ = _model_and_input(_in_file(program, name), text, kind, CompileOptions(**options))
    run_trace = model.trace(tokens)
    screen = show.console()
    screen.print(show.trace_tables(model, run_trace, screen.width, intermediate=everything))
    if sources:
        screen.print("", show.source_table(model))
    for part in show.pattern_tables(model, run_trace, screen.width) if patterns else ():
        screen.print(part)


@main.command()
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


@main.command(
    help=f"Draw the flow of a program on an input: what each head selects and computes.\n\n{PROGRAM_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@_with_options(_NAME_OPTION, _INPUT_OPTION, _TOKENS_OPTION)
@click.option("-o", "--output", "path", metavar="FILE", required=True, help="The drawing: .svg, .png or .pdf.")
def draw(program: str, name: str | None, text: str | None, kind: str, path: str) -> None:
    """Draw."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens
    from tracrlab.viz import draw_flow

    found = find_program(_in_file(program, name), text)
    if text is None and found.entry:
        text = found.entry.example_input
    if text is None:
        raise InputError(f"give the input for {program} with --input")
    tokens = vocabulary_tokens(text, TokenKind(kind), "--input")
    with _exits_are_errors():
        draw_flow(found.program, text if tokens == list(text) else tokens, path)
    click.echo(f"drawn in {path}")


@main.command(
    help="Draw a figure of a model: the residual stream on an input, the attention patterns, the compiler's stages, "
    f"the weights or the cost.\n\n{MODEL_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@click.argument("text", metavar="[TOKENS]", required=False)
@_with_options(_NAME_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
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
    model, tokens, found = _model_and_input(
        _in_file(program, name), text if needs_input else text or "", kind, CompileOptions(**options),
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


@main.command(
    help="Open a model in the browser, in a page that runs it: type other tokens, follow every value to what computes "
    f"it, ablate and patch.\n\n{MODEL_HELP}",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@click.argument("text", metavar="[TOKENS]", required=False)
@_with_options(_NAME_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
@click.option("--html", "path", metavar="FILE", help="Write the page to this file instead of opening it.")
@click.option("--reduced", is_flag=True, help="A page without weights, which shows this input only.")
def explore(
    program: str, name: str | None, text: str | None, kind: str, path: str | None, reduced: bool, **options: Any
) -> None:
    """Explore."""
    from tracrlab.cli.programs import source_file
    from tracrlab.viz.explorer import write_page

    full_name = _in_file(program, name)
    model, tokens, found = _model_and_input(
        full_name, text, kind, CompileOptions(**options), given_with="after its name"
    )
    source = source_file(full_name) if found else None
    goal = path or str(Path(tempfile.gettempdir(), f"tracrlab-explorer-{os.getpid()}.html"))
    write_page(model, tokens, goal, program=found.program if found else None, source=source, reduced=reduced)
    if path is None:
        webbrowser.open(Path(goal).as_uri())
    click.echo(f"written to {goal}")


@main.command()
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


@main.command(
    help=f"Describe a model: shape, program, layers, dimensions.\n\n{MODEL_HELP} Of a program in a file, without "
    "options for compiling, the expressions are described.",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@_with_options(_NAME_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
def info(program: str, name: str | None, kind: str, **options: Any) -> None:
    """Describe."""
    from tracrlab.cli import show

    program, compile_options = _in_file(program, name), CompileOptions(**options)
    model = _saved_model(program, compile_options)
    if model is None:
        found = _program_to_compile(program, compile_options, kind)
        if found.entry is None and not compile_options.given:
            show.console().print(show.program_description(found.program))
            return
        model = _compiled(found, _vocabulary(found, compile_options, kind), DEFAULT_MAX_LEN, compile_options)
    show.console().print(show.model_description(model))


@main.command(
    name="verify",
    help="Prove that a model computes its program on all inputs, or say which part may not: status 0 or 1.\n\n"
    f"{MODEL_HELP} For such a folder, --program may name the program, to search inputs on which they differ.",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@_with_options(_NAME_OPTION, *(option for option in _COMPILE_OPTIONS if option is not _DTYPE_OPTION), *_TARGET_OPTIONS)
@_with_options(_TOKENS_OPTION)
@click.option(
    "--dtype", type=click.Choice(_DTYPES),
    help="The number format to prove it in, for which a program is compiled. [default: a model's own, or float32]",
)  # fmt: skip
@click.option("--exhaustive", is_flag=True, help="Run every input, too.")
@click.option("-o", "--output", "file", metavar="FILE", help="A file for the certificate, as JSON.")
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
    from tracrlab.rasp.display import escaped

    if file is not None and (Path(file).is_dir() or not Path(file).parent.is_dir()):
        raise click.UsageError(f"{file} is a folder, or in one that does not exist.")
    model = _saved_model(program, CompileOptions(**options, dtype=None))
    if model is not None:
        found = None if name is None else find_program(name)
    else:
        compile_options = CompileOptions(**options, dtype=dtype)
        found = _program_to_compile(_in_file(program, name), compile_options, kind)
        model = _compiled(found, _vocabulary(found, compile_options, kind), DEFAULT_MAX_LEN, compile_options)
    _check_target(target, activation, causal=model.config.causal)
    searched = found.program if found and target is None else None
    with nullcontext() if exhaustive else progress("verifying"):
        certificate = model.verify(searched, exhaustive=exhaustive, dtype=dtype, target=target, activation=activation)
    if file is not None:
        _write_text(file, certificate.to_json() + "\n")
    click.echo("\n".join(map(escaped, certificate.summary().split("\n"))))
    if not certificate.holds:
        raise click.exceptions.Exit(1)


@main.command(
    name="compress",
    help="Compress the residual stream of a model by gradient descent, and judge what comes out.\n\nThe best model of "
    "each size and the metrics are saved in DIR. An interrupted training there is continued.\n\n" + MODEL_HELP,
    epilog=TOKENS_HELP,
)
@click.argument("program")
@_with_options(_NAME_OPTION, *_COMPILE_OPTIONS, _TOKENS_OPTION)
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
    model = _saved_model(_in_file(program, name), compile_options)
    if model is None:
        found = _program_to_compile(_in_file(program, name), compile_options, kind)
        model = _compiled(found, _vocabulary(found, compile_options, kind), DEFAULT_MAX_LEN, compile_options)
    settings = Settings(
        steps=steps, interchange_weight=faithful, layer_weight=layer_weight, initial_sharpness=sharpness
    )
    show.console().print(compress(model, wanted, seeds, settings, initial, Path(folder)))


@main.command(name="print", help=f"Write a program as textual RASP.\n\n{PROGRAM_HELP}")
@click.argument("program")
@_with_options(_NAME_OPTION)
@click.option(
    "--input", "text", metavar="TOKENS",
    help="The running example that the text sets, and on which a RASP file is run. [RASP file: its own]",
)  # fmt: skip
def print_(program: str, name: str | None, text: str | None) -> None:
    """Print."""
    from tracrlab.cli.programs import find_program, running_example
    from tracrlab.rasp.textual.printer import is_assignable, program_text
    from tracrlab.rasp.textual.session import Examples

    full_name = _in_file(program, name)
    found = find_program(full_name, text)
    example = found.example or (None if text is None else running_example(text))
    variable = full_name.rpartition(":")[2]
    written = program_text(
        found.program,
        name=variable if is_assignable(variable) else "out",
        example=None if example == Examples().sop else example,
    )
    click.echo(written.encode(), nl=False)  # RASP files are UTF-8, whatever the terminal is


# What the commands share ---------------------------------------------------------------------------------------------


def _write_text(file: str, text: str) -> None:
    """Write a file, or leave what was there as it was."""
    scratch = Path(file).with_name(f".{Path(file).name}.new")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(file)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, file) from error


def _compiled_pass_by_pass(
    found: NamedProgram, vocabulary: list[Value], options: CompileOptions
) -> list[tuple[str, str, str, CompiledModel]]:
    """The faithful model, and the compact one with pass after pass on: names, families, descriptions, models."""
    from tracrlab.compiler.compact.passes import Passes

    descriptions, families = Passes.descriptions(), Passes.families()
    faithful = replace(options, mode="faithful", passes=None)
    stages = [("faithful", "", "a component for each s-op", _compiled(found, vocabulary, DEFAULT_MAX_LEN, faithful))]
    for count in range(len(descriptions) + 1):
        names = list(descriptions)[:count]
        compact = replace(options, mode="compact", passes=",".join(names))
        model = _compiled(found, vocabulary, DEFAULT_MAX_LEN, compact)
        last = names[-1] if names else "compact"
        stages.append((last, families.get(last, ""), descriptions.get(last, "no pass yet"), model))
    return stages


def _check_target(target: Target | None, activation: Activation | None, *, causal: bool) -> None:
    """Refuse what cannot be before anything is compiled."""
    if target is not None:
        from tracrlab.export.targets import check_target

        check_target(target, activation, causal=causal)
    elif activation is not None:
        raise click.UsageError("--activation belongs to --target.")


def _save_certified(model: CompiledModel, target: Target, activation: Activation | None, folder: str) -> None:
    """Save the model of a stock architecture, with its tokenizer, card and certificate."""
    from tracrlab.cli.show import progress
    from tracrlab.export.targets import certified_export

    with progress("proving"):
        export = certified_export(model, target, activation)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # saving takes no time, and it draws one on what is no terminal, too
    export.save_pretrained(folder)


def _pass_names(options: CompileOptions) -> list[str]:
    """The passes that are named, if they can be."""
    from tracrlab.compiler.compact.passes import Passes

    names = [name for name in re.split(r"[\s,]+", options.passes or "") if name]
    try:
        Passes.named(names)
    except ValueError as error:
        raise click.UsageError(f"--passes: {error}") from error
    if options.mode != "compact":
        raise click.UsageError("--passes belongs to --mode compact.")
    return names


def _in_file(program: str, name: str | None) -> str:
    """The program as it is written without --program."""
    return program if name is None else f"{program}:{name}"


def _model_and_input(
    name: str, text: str | None, kind: str, options: CompileOptions, *, given_with: str = "with --input"
) -> tuple[CompiledModel, list[Value], NamedProgram | None]:
    """The model to run, its input, and the program it was compiled from, if not loaded."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, input_tokens

    model = _saved_model(name, options)
    if model is not None:
        if text is None:
            raise InputError(f"give the input for {name} {given_with}")
        return model, input_tokens(text, model.config.vocab, TokenKind(kind)), None

    found = find_program(name, text)
    vocabulary = _vocabulary(found, options, kind)
    if text is None and found.entry and options.vocab is None:
        text = found.entry.example_input
    if text is None:
        raise InputError(f"give the input for {name} {given_with}")
    tokens = input_tokens(text, vocabulary, TokenKind(kind))
    if options.max_len is not None and len(tokens) > options.max_len:
        raise InputError(f"the input has {len(tokens)} tokens, but --max-len is {options.max_len}")
    model = _compiled(found, vocabulary, max(len(tokens), DEFAULT_MAX_LEN), options)
    return model, tokens, found


def _saved_model(name: str, options: CompileOptions) -> CompiledModel | None:
    """The model saved in the folder ``name``, unless that means a program."""
    from tracrlab import load
    from tracrlab.cli.programs import names_model_folder
    from tracrlab.rasp.library import PROGRAMS

    if not names_model_folder(name) or (name in PROGRAMS and options.given):
        return None
    if options.given:
        raise click.UsageError(
            f"{name} is a folder with a saved model: leave out {', '.join(options.given)}, for compiling a program."
        )
    return load(name)


def _program_to_compile(name: str, options: CompileOptions, kind: str) -> NamedProgram:
    """The program; one in a RASP file has tokens of the vocabulary for its running example, if there is one."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens

    if options.vocab is None:
        return find_program(name)
    tokens = vocabulary_tokens(options.vocab, TokenKind(kind))[: options.max_len or DEFAULT_MAX_LEN]
    return find_program(name, " ".join(map(str, tokens)).strip() or None)


def _vocabulary(found: NamedProgram, options: CompileOptions, kind: str) -> list[Value]:
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens

    if options.vocab is not None:
        return vocabulary_tokens(options.vocab, TokenKind(kind))
    if found.entry is None:
        raise VocabularyError("give the tokens that inputs may contain with --vocab")
    return list(found.entry.example_vocab)


def _compiled(
    found: NamedProgram, vocabulary: list[Value], default_max_len: int, options: CompileOptions
) -> CompiledModel:
    from tracrlab import compile as compile_program
    from tracrlab.cli.show import progress

    with _exits_are_errors(), progress("compiling"):
        return compile_program(
            found.program,
            vocabulary,
            options.max_len or default_max_len,
            causal=bool(options.causal),
            bos="bos" if options.bos is None else options.bos,
            pad="pad" if options.pad is None else options.pad,
            dtype=cast("Dtype", options.dtype or "float32"),
            mode="compact" if options.mode == "compact" else "faithful",
            passes=None if options.passes is None else _pass_names(options),
        )


@contextmanager
def _exits_are_errors() -> Iterator[None]:
    """While functions of a program run: one that ends Python, as ``sys.exit`` does, is a ProgramError."""
    try:
        yield
    except SystemExit as error:
        raise ProgramError("a function of the program ends Python, as sys.exit does; let it return a value") from error
