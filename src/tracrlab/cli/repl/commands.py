"""What can be said at the prompt besides RASP: ``compile``, ``trace`` and ``help``.

A command is one line, and no beginning of a RASP statement: two names in a row, as in ``compile hist``, never are. So
``compile`` and ``trace`` stay names that programs may use. Tokens and inputs are written as in RASP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from tracrlab import compile as compile_program
from tracrlab.cli import show
from tracrlab.errors import InputError, ProgramError, RaspError
from tracrlab.facade import CompiledModel
from tracrlab.rasp.expressions import Selector, SOp
from tracrlab.rasp.textual.display import atom_text, sequence_text, shown_input
from tracrlab.rasp.textual.operators import checked_input, kind
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.values import Value

USAGE = {"compile": "compile NAME [TOKENS] [max_len N]", "trace": "trace NAME [INPUT]"}
WORDS = (*USAGE, "help")

HELP = """\
A statement of RASP ends with a semicolon. What it makes is shown on the running example.
  x = 2 * indices;                     an s-op: a value at each position; tokens and indices are there already
  same = select(tokens, tokens, ==);   a selector: which positions see which
  selector_width(same);                the number of positions selected; out is the last value
  def f(x) { return x + 1; }           a function, used as in f(indices);
  load "file";                         take over the names of file.rasp
  draw(x);  draw(x, "abc");            draw how x is computed, into x.svg
  set example "abc"                    another running example, such as ["the", "cat"]; show example
  examples off                         show no values (or on); full seq display on aligns them with the tokens

Commands, without a semicolon:
  compile NAME [TOKENS] [max_len N]    make a transformer of the s-op NAME, for inputs of at most N of the TOKENS:
                                       "abc" or ["the", "cat"] [default: those of the running example]
  trace NAME [INPUT]                   run that transformer and show what happens inside [default: on the example]
  help                                 this overview
  exit, quit or Ctrl-D                 leave; Ctrl-C cancels an input or a computation, Tab completes a name"""

_EXAMPLE = 'tokens as in "abc" or ["the", "cat"]'

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_COMMAND = re.compile(rf"\s*(compile|trace)\s+(?!(?:and|if|in|or)\b)({_NAME})(?![A-Za-z0-9_])(.*)")
_BARE = re.compile(rf"\s*({'|'.join(WORDS)})\s*;?\s*")
_COMMENT = re.compile(r'\A((?:"[^"]*"|[^"#])*)#.*', re.DOTALL)
_TOKENS = rf'("[^"]*"|\[.*\]|(?!max_len\b){_NAME})?'
_ARGUMENTS = {
    "compile": re.compile(rf"{_TOKENS}\s*(?:\bmax_len\s+([1-9][0-9]{{0,8}}))?\s*;?\s*"),
    "trace": re.compile(rf"{_TOKENS}\s*;?\s*"),
}


@dataclass(frozen=True)
class Command:
    """A command: its word, the name of what it is about, and what follows."""

    word: str
    name: str = ""
    rest: str = ""


def read_command(line: str, is_name: Callable[[str], bool]) -> Command | None:
    """The command that a line is, or ``None``; a word alone is one only where it is no name of the program."""
    line = _COMMENT.sub(r"\1", line)
    if bare := _BARE.fullmatch(line):
        return None if is_name(bare[1]) or (bare[1] != "help" and ";" in line) else Command(bare[1])
    command = _COMMAND.fullmatch(line)
    return Command(command[1], command[2], command[3].strip()) if command else None


class Commands:
    """Carries out commands about the names of a session, and keeps the models that were compiled."""

    def __init__(self, session: Session, write: Callable[[str], None], screen: Console) -> None:
        self._session = session
        self._write = write
        self._screen = screen
        self._models: dict[str, tuple[SOp, CompiledModel]] = {}  # the s-op: the name may stand for another one later

    def run(self, command: Command) -> None:
        """Carry out a command.

        Raises:
            TracrLabError, RaspTypeError: what is wrong with it.
        """
        if command.word == "help":
            for line in HELP.split("\n"):
                self._write(line)
            return
        arguments = _ARGUMENTS[command.word].fullmatch(command.rest)
        if not command.name or not arguments:
            raise ProgramError(f"this is written {USAGE[command.word]}, with {_EXAMPLE}")
        program = self._program(command.name)
        tokens = self._tokens(arguments[1])
        if command.word == "compile":
            self._compile(command.name, program, tokens, int(arguments[2] or len(self._session.examples.sop)))
        else:
            self._trace(command.name, program, tokens)

    def _program(self, name: str) -> SOp:
        value = self._session.environment.lookup(name)
        if isinstance(value, Selector):
            raise ProgramError(f"{name} is a selector; name an s-op made of it first: width = selector_width({name});")
        if not isinstance(value, SOp):
            raise ProgramError(f"{name} is {kind(value)}; only an s-op can be a transformer")
        return value

    def _tokens(self, text: str | None) -> list[Value]:
        """The tokens that a command names, or those of the running example."""
        if text is None:
            return list(self._session.examples.sop)
        try:
            return list(checked_input("an input", self._session.value_of(text)))
        except RaspError as error:
            raise ProgramError(f"{error.message}; write {_EXAMPLE}") from error

    def _compile(self, name: str, program: SOp, vocabulary: list[Value], max_len: int) -> None:
        model = _compiled(program, vocabulary, max_len)
        self._models[name] = program, model
        for line in repr(model).split("\n"):
            self._write(f"     {line}")
        self._compare(name, program, model)

    def _compare(self, name: str, program: SOp, model: CompiledModel) -> None:
        """Say whether the model does what the interpreter does on the running example."""
        example: Any = self._session.examples.sop
        try:
            answer = model(list(example))
        except InputError as error:
            self._write(f"     not compared on the running example: {error}")
            return
        interpreted = self._session.evaluate(program, example)
        if answer != interpreted:
            raise ProgramError("the model differs from the interpreter, which is a bug; please report it")
        shown = f"{name}({shown_input(example)}) = {sequence_text(answer)}"
        self._write(f"     model and interpreter agree: {shown}")

    def _trace(self, name: str, program: SOp, tokens: list[Value]) -> None:
        """Show a run of the model that was compiled, or else of one made for this input."""
        compiled, model = self._models.get(name, (None, None))
        if model is None or compiled is not program:
            model = _compiled(program, tokens, len(tokens))
        try:
            trace = model.trace(tokens)
        except InputError as error:
            remedy = f"compile {name} {atom_text(tokens)} max_len {len(tokens)}"
            raise InputError(f"{error}; to trace this input, first: {remedy}") from error
        self._screen.print(show.trace_tables(model, trace, self._screen.width))


def _compiled(program: SOp, vocabulary: list[Value], max_len: int) -> CompiledModel:
    bos, pad = (_unlike(token, vocabulary) for token in ("bos", "pad"))
    with show.progress("compiling"):
        return compile_program(program, vocabulary, max_len, bos=bos, pad=pad)


def _unlike(token: str, vocabulary: list[Value]) -> str:
    """A special token that the vocabulary does not contain."""
    while token in vocabulary:
        token += "_"
    return token
