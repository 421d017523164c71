"""Commands about programs and what they compile to: ``programs``, ``compile``, ``info``, ``print``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from tracrlab.cli.models import compiled, in_file, pass_names, program_to_compile, saved_model, vocabulary_of
from tracrlab.cli.options import (
    COMPILE_OPTIONS,
    DEFAULT_MAX_LEN,
    MODEL_HELP,
    NAME_OPTION,
    PROGRAM_HELP,
    TARGET_OPTIONS,
    TOKENS_HELP,
    TOKENS_OPTION,
    CompileOptions,
    with_options,
)
from tracrlab.cli.targets import check_target_options

if TYPE_CHECKING:
    from tracrlab.cli.programs import NamedProgram
    from tracrlab.craft.formats import Dtype
    from tracrlab.export.targets import Activation, Target
    from tracrlab.facade import CompiledModel
    from tracrlab.model.config import ModelConfig
    from tracrlab.rasp.values import Value


@click.command()
def programs() -> None:
    """List the programs of the library."""
    from tracrlab.cli import show
    from tracrlab.rasp.library import PROGRAMS

    show.console().print(show.program_table(list(PROGRAMS.values())))


@click.command(name="compile", help=f"Compile a program and save the model.\n\n{PROGRAM_HELP}", epilog=TOKENS_HELP)
@click.argument("program")
@with_options(NAME_OPTION, *COMPILE_OPTIONS, *TARGET_OPTIONS, TOKENS_OPTION)
@click.option("-o", "--output", "folder", metavar="DIR", help="The folder to write the model into.")
@click.option("--prove", is_flag=True, help="Save the model with a certificate, or refuse what is not proven.")
@click.option(
    "--explain", is_flag=True,
    help="Show the nodes that compact mode makes of the program, before and after rewriting, and what each of its "
    "passes does to the model's size.",
)  # fmt: skip
def compile_(
    program: str,
    name: str | None,
    kind: str,
    folder: str | None,
    prove: bool,
    explain: bool,
    target: Target | None,
    activation: Activation | None,
    **options: Any,
) -> None:
    """Compile and save."""
    from tracrlab.cli import show

    check_target_options(target, activation, causal=bool(options["causal"]))
    if folder is None and not explain:
        raise click.UsageError("say with -o where to write the model, or ask with --explain what compiling does.")
    compile_options = CompileOptions(**options)
    found = program_to_compile(in_file(program, name), compile_options, kind)
    vocabulary = vocabulary_of(found, compile_options, kind)
    if explain:
        stages = _compiled_pass_by_pass(found, vocabulary, compile_options)
        _print_representations(found, vocabulary, compile_options)
        show.console().print(show.pass_tables(stages))
    if folder is not None:
        model = compiled(found, vocabulary, DEFAULT_MAX_LEN, compile_options, prove=prove)
        if target is None:
            model.save_pretrained(folder)
        else:
            _save_certified(model, target, activation, folder)
        click.echo(f"{model!r}\nsaved in {folder}" + (f" as {target}" if target else ""))


@click.command(
    help=f"Describe a model: shape, program, layers, dimensions.\n\n{MODEL_HELP} Of a program in a file, without "
    "options for compiling, the expressions are described.",
    epilog=TOKENS_HELP,
)
@click.argument("program")
@with_options(NAME_OPTION, *COMPILE_OPTIONS, TOKENS_OPTION)
def info(program: str, name: str | None, kind: str, **options: Any) -> None:
    """Describe."""
    from tracrlab.cli import show

    program, compile_options = in_file(program, name), CompileOptions(**options)
    model = saved_model(program, compile_options)
    if model is None:
        found = program_to_compile(program, compile_options, kind)
        if found.entry is None and not compile_options.given:
            show.console().print(show.program_description(found.program))
            return
        model = compiled(found, vocabulary_of(found, compile_options, kind), DEFAULT_MAX_LEN, compile_options)
    show.console().print(show.model_description(model))


@click.command(name="print", help=f"Write a program as textual RASP.\n\n{PROGRAM_HELP}")
@click.argument("program")
@with_options(NAME_OPTION)
@click.option(
    "--input", "text", metavar="TOKENS",
    help="The running example that the text sets, and on which a RASP file is run. [RASP file: its own]",
)  # fmt: skip
def print_(program: str, name: str | None, text: str | None) -> None:
    """Print."""
    from tracrlab.cli.programs import find_program, running_example
    from tracrlab.rasp.textual.printer import is_assignable, program_text
    from tracrlab.rasp.textual.session import Examples

    full_name = in_file(program, name)
    found = find_program(full_name, text)
    example = found.example or (None if text is None else running_example(text))
    variable = full_name.rpartition(":")[2]
    written = program_text(
        found.program,
        name=variable if is_assignable(variable) else "out",
        example=None if example == Examples().sop else example,
    )
    click.echo(written.encode(), nl=False)  # RASP files are UTF-8, whatever the terminal is


def _print_representations(found: NamedProgram, vocabulary: list[Value], options: CompileOptions) -> None:
    """The intermediate representation as it is built, and rewritten, where that changes it; long lines are cut."""
    from tracrlab.cli.models import exits_are_errors
    from tracrlab.cli.show import console
    from tracrlab.compiler.explain import before_and_after
    from tracrlab.compiler.ir.text import ir_text

    with exits_are_errors():
        before, after = before_and_after(
            found.program,
            vocabulary,
            options.max_len or DEFAULT_MAX_LEN,
            causal=bool(options.causal),
            passes=None if options.passes is None else pass_names(options),
            bos="bos" if options.bos is None else options.bos,
            pad="pad" if options.pad is None else options.pad,
            dtype=cast("Dtype", options.dtype or "float32"),
            robust=bool(options.robust),
        )
    output = console()
    texts = [ir_text(each, widest=output.width) for each in (before, after)]
    output.print(f"The program as nodes\n\n{texts[0]}\n", soft_wrap=True)
    if texts[1] != texts[0]:
        output.print(f"The same, rewritten\n\n{texts[1]}\n", soft_wrap=True)


def _compiled_pass_by_pass(
    found: NamedProgram, vocabulary: list[Value], options: CompileOptions
) -> list[tuple[str, str, str, ModelConfig | None]]:
    """The faithful model, and the compact one with pass after pass on: names, families, descriptions, shapes.

    Where options choose passes, these are the ones. What is refused has no shape.

    Raises:
        CompileError: the program is refused with all of them on.
    """
    from tracrlab.compiler.compact.passes import Passes
    from tracrlab.errors import CompileError

    def shape(own: CompileOptions, *, needed: bool = False) -> ModelConfig | None:
        try:
            return compiled(found, vocabulary, DEFAULT_MAX_LEN, own).config
        except CompileError:
            if needed:
                raise
            return None

    descriptions, families = Passes.descriptions(), Passes.families()
    chosen = Passes() if options.passes is None else Passes.named(pass_names(options))
    names = [name for name in descriptions if getattr(chosen, name)]
    ways = [replace(options, mode="compact", passes=",".join(names[:count])) for count in range(len(names) + 1)]
    last = shape(ways.pop(), needed=True)
    shapes = [shape(replace(options, mode="faithful", passes=None)), *map(shape, ways), last]
    own = [("faithful", "", "a component for each s-op"), ("compact", "", "no pass yet")]
    own += [(name, families[name], descriptions[name]) for name in names]
    return [(*texts, config) for texts, config in zip(own, shapes, strict=True)]


def _save_certified(model: CompiledModel, target: Target, activation: Activation | None, folder: str) -> None:
    """Save the model of a stock architecture, with its tokenizer, card and certificate."""
    from tracrlab.cli.show import progress
    from tracrlab.export.targets import certified_export

    with progress("proving"):
        export = certified_export(model, target, activation)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # saving takes no time, and it draws one on what is no terminal, too
    export.save_pretrained(folder)
