"""The dialogue at the prompt: lines in, what RASP answers out. What reads lines, a terminal or a file, is given."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from tracrlab import __version__
from tracrlab.cli import show
from tracrlab.cli.repl.commands import Command, Commands, read_command
from tracrlab.cli.repl.drawings import Drawings
from tracrlab.errors import ParseError, RaspError, TracrLabError
from tracrlab.rasp.display import escaped, printable
from tracrlab.rasp.expressions import Expression
from tracrlab.rasp.textual.display import shown_input
from tracrlab.rasp.textual.operators import RaspTypeError
from tracrlab.rasp.textual.parser import GrowingText, is_complete, parse_program
from tracrlab.rasp.textual.session import Dialect, Session

PROMPT, CONTINUATION = ">> ", ".. "

_LEAVING = re.compile(r"\s*(?:exit|quit)\s*(?:\(\s*\))?\s*;?\s*")

ReadText: TypeAlias = Callable[[str], str]
"""Gives the next line or lines for a prompt. ``EOFError``: there are none; ``KeyboardInterrupt``: it was cancelled."""


class Repl:
    """Reads statements and commands, carries them out, and prints what they give; no mistake in them ends it.

    ``screen`` is for answers, ``errors`` for mistakes. A person, if there is one (``interactive``), is told how to
    finish a statement; otherwise positions count lines from the first one read. ``failed`` says whether anything
    was wrong so far.
    """

    def __init__(
        self,
        screen: Console,
        errors: Console,
        *,
        dialect: Dialect = "original",
        example: str | list[str] = "hello",
        interactive: bool = True,
    ) -> None:
        self.failed = False
        self.interactive = interactive
        self.session = Session(dialect=dialect, example=example, write=self._write, draw=self._draw)
        self._screen, self._errors = screen, errors
        self._commands = Commands(self.session, self._write, screen)
        self._drawings = Drawings()
        self._pending = GrowingText()  # the lines of a statement that goes on
        self._lines_read = 0

    def greet(self) -> None:
        """Say where one is."""
        self._write(f'Tracr Lab {__version__}, RASP as in "Thinking Like Transformers". Type help for an overview.')
        self._write(f"     running example: {shown_input(self.session.examples.sop)}")

    def load(self, path: Path) -> None:
        """Run a file and say what it defines. A mistake in it is reported; what comes before it counts.

        Raises:
            ProgramError: the file cannot be read.
        """
        names = self.session.environment.names
        try:
            self.session.run_file(path)
        except (ParseError, RaspError) as error:
            self._report(error)
        self._write(f"     loaded {path}: {', '.join(names) or 'no names'}")

    def run(self, read: ReadText) -> None:
        """Go on until the end of what is read, or until told to leave."""
        while not self.session.finished:
            try:
                text = read(CONTINUATION if self._pending.lines else PROMPT)
            except EOFError:
                if self._pending.lines:
                    self._attempt(self._execute_pending)
                return
            except KeyboardInterrupt:
                self._cancel()
                continue
            try:
                for line in text.split("\n"):
                    self._attempt(partial(self._take, line))
            except KeyboardInterrupt:
                self._cancel()

    def is_finished(self, text: str) -> bool:
        """Whether a text can be carried out as it is, after the lines read before."""
        if not self._pending.lines and (not text.strip() or _LEAVING.fullmatch(text) or self._command(text)):
            return True
        return is_complete("\n".join([*self._pending.lines, text]))

    def _take(self, line: str) -> None:
        """Carry out a line, or keep it until the statement that it belongs to is complete."""
        if self.session.finished:
            return
        self._lines_read += 1
        if not self._pending.lines:
            if not line.strip():
                return
            if _LEAVING.fullmatch(line):
                self.session.finished = True
                return
            if command := self._command(line):
                self._commands.run(command)
                return
        if self._pending.add(line):
            self._execute_pending()
        elif self.interactive and not line.strip():
            self._say_what_is_missing()

    def _command(self, line: str) -> Command | None:
        return read_command(line, self.session.environment.names.__contains__)

    def _execute_pending(self) -> None:
        text = "\n".join(self._pending.lines)
        lines_before = self._lines_read - len(self._pending.lines)
        self._pending.clear()
        if self.interactive:
            self.session.run_text(text, "<prompt>", interactive=True)
        else:
            self.session.run_text("\n" * lines_before + text, "<stdin>", interactive=True)

    def _say_what_is_missing(self) -> None:
        try:
            parse_program("\n".join(self._pending.lines))
        except ParseError as error:
            self._write(f"     not finished; what can follow: {', '.join(error.expected)}. Ctrl-C cancels.")

    def _cancel(self) -> None:
        if not self.interactive:
            raise KeyboardInterrupt
        self._pending.clear()
        self._write("     cancelled (Ctrl-D or exit leaves)")

    def _draw(self, expression: Expression, sequence: Any) -> None:
        shown = self.session.examples.of(expression) if sequence is None else sequence
        self._write(f"     drawn in {self._drawings.draw(expression, shown)}")

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something; whatever goes wrong is reported, unless it is that nothing can be printed."""
        try:
            action()
        except (TracrLabError, RaspTypeError) as error:
            self._report(error)
        except MemoryError:
            self._report("out of memory")
        except OSError as error:
            if error.filename is None:
                raise
            self._report(f"{error.filename}: {error.strerror}")
        except Exception as error:
            if os.environ.get("TRACRLAB_DEBUG"):
                raise
            self._report(show.internal_error(error))

    def _report(self, error: Exception | str) -> None:
        self.failed = True
        self._pending.clear()
        message, excerpt = str(error), []
        if isinstance(error, ParseError):
            message, *excerpt = message.split("\n")
        elif not (self.interactive or isinstance(error, RaspError)):
            message = f"<stdin>:{self._lines_read}: {message}"
        self._print(self._errors, f"!!ignoring input: {printable(message)}")
        for line in excerpt:  # the line, and a caret below it
            self._print(self._errors, f"     {line.expandtabs()}")

    def _write(self, line: str) -> None:
        self._print(self._screen, line)

    def _print(self, console: Console, line: str) -> None:
        console.out(escaped(line), highlight=False)
