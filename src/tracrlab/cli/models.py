"""The model, program, vocabulary and input that a command line means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, cast

import click

from tracrlab.cli.options import DEFAULT_MAX_LEN, CompileOptions
from tracrlab.errors import InputError, ProgramError, VocabularyError

if TYPE_CHECKING:
    from tracrlab.cli.programs import NamedProgram
    from tracrlab.compiler.fit import Architecture
    from tracrlab.compress.compressed_model import CompressedModel
    from tracrlab.craft.formats import Dtype
    from tracrlab.facade import CompiledModel
    from tracrlab.rasp.values import Value


def pass_names(options: CompileOptions) -> list[str]:
    """The passes that are named, if they can be."""
    from tracrlab.compiler.compact.passes import Passes

    names = [name for name in re.split(r"[\s,]+", options.passes or "") if name]
    try:
        Passes.named(names)
    except ValueError as error:
        raise click.UsageError(f"--passes: {error}.") from error
    if options.mode != "compact":
        raise click.UsageError("--passes belongs to --mode compact.")
    return names


def _architecture(text: str) -> Architecture:
    """The shape that ``--fit`` asks for, as in ``n_layers=4,d_model=32``."""
    from tracrlab.compiler.fit import Architecture

    known = [each.name for each in fields(Architecture)]
    sizes: dict[str, int] = {}
    for part in filter(None, re.split(r"[\s,]+", text)):
        name, _, size = part.partition("=")
        if name not in known or not re.fullmatch(r"[+-]?[0-9]{1,18}", size):
            raise click.UsageError(
                f"--fit: {part!r} is no size; write it as n_layers=4,d_model=32 (there are {', '.join(known)})."
            )
        if name in sizes:
            raise click.UsageError(f"--fit: {name} is given twice.")
        sizes[name] = int(size)
    try:
        return Architecture(**sizes)
    except ValueError as error:
        raise click.UsageError(f"--fit: {error}.") from error


def in_file(program: str, name: str | None) -> str:
    """The program as it is written without --program."""
    return program if name is None else f"{program}:{name}"


def model_and_input(
    name: str, text: str | None, kind: str, options: CompileOptions, *, given_with: str = "with --input"
) -> tuple[CompiledModel | CompressedModel, list[Value], NamedProgram | None]:
    """The model to run, its input, and the program it was compiled from, if not loaded."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, input_tokens

    model = saved_model(name, options)
    if model is not None:
        if text is None:
            raise InputError(f"give the input for {name} {given_with}")
        return model, input_tokens(text, model.config.vocab, TokenKind(kind)), None

    found = find_program(name, text)
    vocabulary = vocabulary_of(found, options, kind)
    if text is None and found.entry and options.vocab is None:
        text = found.entry.example_input
    if text is None:
        raise InputError(f"give the input for {name} {given_with}")
    tokens = input_tokens(text, vocabulary, TokenKind(kind))
    if options.max_len is not None and len(tokens) > options.max_len:
        raise InputError(f"the input has {len(tokens)} tokens, but --max-len is {options.max_len}")
    model = compiled(found, vocabulary, max(len(tokens), DEFAULT_MAX_LEN), options)
    return model, tokens, found


def saved_model(name: str, options: CompileOptions) -> CompiledModel | CompressedModel | None:
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


def program_to_compile(name: str, options: CompileOptions, kind: str) -> NamedProgram:
    """The program; one in a RASP file has tokens of the vocabulary for its running example, if there is one."""
    from tracrlab.cli.programs import find_program
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens

    if options.vocab is None:
        return find_program(name)
    tokens = vocabulary_tokens(options.vocab, TokenKind(kind))[: options.max_len or DEFAULT_MAX_LEN]
    return find_program(name, " ".join(map(str, tokens)).strip() or None)


def vocabulary_of(found: NamedProgram, options: CompileOptions, kind: str) -> list[Value]:
    """The tokens that inputs may contain: those that were given, or an example's of a library program."""
    from tracrlab.cli.tokens import TokenKind, vocabulary_tokens

    if options.vocab is not None:
        return vocabulary_tokens(options.vocab, TokenKind(kind))
    if found.entry is None:
        raise VocabularyError("give the tokens that inputs may contain with --vocab")
    return list(found.entry.example_vocab)


def compiled(
    found: NamedProgram, vocabulary: list[Value], default_max_len: int, options: CompileOptions, *, prove: bool = False
) -> CompiledModel:
    """The model of a program with these options, for inputs up to the default length unless they say otherwise."""
    from tracrlab import compile as compile_program
    from tracrlab.cli.show import progress

    with exits_are_errors(), progress("compiling"):
        return compile_program(
            found.program,
            vocabulary,
            options.max_len or default_max_len,
            causal=bool(options.causal),
            bos="bos" if options.bos is None else options.bos,
            pad="pad" if options.pad is None else options.pad,
            dtype=cast("Dtype", options.dtype or "float32"),
            mode="compact" if options.mode == "compact" else "faithful",
            passes=None if options.passes is None else pass_names(options),
            fit=None if options.fit is None else _architecture(options.fit),
            robust=bool(options.robust),
            prove=prove,
        )


@contextmanager
def exits_are_errors() -> Iterator[None]:
    """While functions of a program run: one that ends Python, as ``sys.exit`` does, is a ProgramError."""
    try:
        yield
    except SystemExit as error:
        raise ProgramError("a function of the program ends Python, as sys.exit does; let it return a value") from error
