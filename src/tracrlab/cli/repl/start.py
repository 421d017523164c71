"""From the command line to the dialogue: with a person at a terminal, or with a file or another program."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from tracrlab.cli import show
from tracrlab.cli.programs import running_example
from tracrlab.cli.repl.loop import ReadText, Repl
from tracrlab.rasp.textual.session import Dialect


def run_repl(file: str | None, dialect: Dialect, example: str) -> int:
    """Talk until the end of the input, after running a file; the exit status.

    Raises:
        InputError: the example is empty.
        ProgramError: the file cannot be read.
    """
    at_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    errors = show.console(stderr=not at_terminal)
    repl = Repl(show.console(), errors, dialect=dialect, example=running_example(example), interactive=at_terminal)
    if at_terminal:
        repl.greet()
    if file is not None:
        repl.load(Path(file))
    if at_terminal:
        from tracrlab.cli.repl.terminal import terminal_reader

        repl.run(terminal_reader(repl))
        return 0
    repl.run(_standard_input())
    return 2 if repl.failed else 0


def _standard_input() -> ReadText:
    """The lines of the standard input; bytes that are no text are kept, as Python keeps them in file names."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    lines: Iterator[str] = iter(sys.stdin or ())

    def read(prompt: str) -> str:
        line = next(lines, None)
        if line is None:
            raise EOFError
        return line.rstrip("\r\n")

    return read
