"""Reading from a person at a terminal: editing of several lines, history, completion."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.shortcuts import CompleteStyle

from tracrlab.cli.repl.completion import completions
from tracrlab.cli.repl.loop import CONTINUATION, ReadText, Repl
from tracrlab.rasp.textual.session import Session


def terminal_reader(repl: Repl, *, input: Input | None = None, output: Output | None = None) -> ReadText:
    """Reads texts for the dialogue from the terminal, or from another input and output."""
    prompt: PromptSession[str] = PromptSession(
        multiline=True,
        prompt_continuation=CONTINUATION,
        key_bindings=_keys(repl),
        completer=_NameCompleter(repl.session),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        history=state_history(),
        input=input,
        output=output,
    )
    return prompt.prompt


def _keys(repl: Repl) -> KeyBindings:
    keys = KeyBindings()
    editing = has_focus(DEFAULT_BUFFER)  # and not a search in the history

    @keys.add("enter", filter=editing)
    def _(event: KeyPressEvent) -> None:
        """Hand in what is finished; what is not goes on, unless a blank line at its end asks what is missing."""
        document = event.current_buffer.document
        asks = document.is_cursor_at_the_end and not document.current_line.strip()
        if asks or repl.is_finished(document.text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.newline()

    @keys.add("escape", "enter", filter=editing)
    def _(event: KeyPressEvent) -> None:
        """Another line, even where the text is finished."""
        event.current_buffer.newline()

    return keys


class _NameCompleter(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        start, words = completions(document.text_before_cursor, self._session)
        return [Completion(word, -len(start)) for word in words]


def state_history() -> History:
    """What was typed in earlier sessions, kept in the folder that ``XDG_STATE_HOME`` names, or in memory if need be."""
    try:
        named = Path(os.environ.get("XDG_STATE_HOME", ""))
        folder = (named if named.is_absolute() else Path.home() / ".local" / "state") / "tracrlab"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history").open("a+b").close()
    except (OSError, RuntimeError):  # there may be no home
        return InMemoryHistory()
    return _StateHistory(str(folder / "history"))


class _StateHistory(FileHistory):
    """A history in a file; what cannot be written there, because the disk is full or it is no text, is left out."""

    def store_string(self, string: str) -> None:
        with suppress(OSError, UnicodeError):
            super().store_string(string)
