"""Which program a name on the command line means: one of the library, or one in a Python or RASP file."""

from __future__ import annotations

import difflib
import inspect
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tracrlab.errors import InputError, ProgramError
from tracrlab.rasp.expressions import Selector, SOp
from tracrlab.rasp.library import PROGRAMS, Program
from tracrlab.rasp.values import Value

if TYPE_CHECKING:
    from tracrlab.viz.explorer.source import SourceFile

PROGRAM_FILES = (".py", ".rasp")
_MODEL_FILE = "config.json"
_MODULE = "_tracrlab_program"  # what a program file is imported as: a name that nothing else has

Result = TypeVar("Result")


@dataclass(frozen=True)
class NamedProgram:
    """A program that was found, its entry in the library if it comes from there, a RASP file's running example."""

    program: SOp
    entry: Program | None = None
    example: str | list[Value] | None = None


def names_model_folder(name: str) -> bool:
    """Whether a name on the command line means a folder with a saved model rather than a program."""
    path = Path(name)
    if name in PROGRAMS:
        return (path / _MODEL_FILE).exists()
    in_file = name.endswith(PROGRAM_FILES) or name.rpartition(":")[0].endswith(PROGRAM_FILES)
    return path.is_dir() or (not in_file and any(mark in name for mark in {os.sep, "/"}))


def find_program(name: str, example: str | None = None) -> NamedProgram:
    """The program called ``name``: of the library, ``file.py:name`` or ``file.rasp:name``.

    A RASP file is run with ``example`` as its running example.

    Raises:
        ProgramError: there is none, or the file that should hold it fails.
    """
    if name in PROGRAMS:
        return NamedProgram(PROGRAMS[name].build(), PROGRAMS[name])
    file, colon, variable = name.rpartition(":")
    if colon and file.endswith(".py"):
        return NamedProgram(_program_in_file(Path(file), variable))
    if colon and file.endswith(".rasp"):
        return _program_in_text(Path(file), variable, example)
    if name.endswith(PROGRAM_FILES):
        raise ProgramError(f"{name} is a file: say which program in it, as in {name}:my_program")
    if Path(name).is_dir():
        raise ProgramError(f"{name} is a folder: give a program of the library or file.py:name")
    raise ProgramError(
        f"no program {name!r} in the library ('tracrlab programs' lists them; one of your own is file.py:name)"
        f"{_suggestion(name, PROGRAMS)}"
    )


def _program_in_file(path: Path, name: str) -> SOp:
    variables = _run_file(path)
    if name not in variables:
        names = [key for key, value in variables.items() if isinstance(value, SOp) or inspect.isfunction(value)]
        raise ProgramError(f"{path} defines no {name!r}{_suggestion(name, names)}")
    found = variables[name]
    if callable(found) and not isinstance(found, SOp | Selector):
        try:
            inspect.signature(found).bind()
        except (TypeError, ValueError) as error:
            raise ProgramError(f"{path}:{name} takes arguments; name a function without, or an s-op") from error
        found = _guarded(path, found)
    if isinstance(found, Selector):
        raise ProgramError(f"{path}:{name} is a selector, not an s-op: aggregate it or take its selector_width")
    if not isinstance(found, SOp):
        raise ProgramError(f"{path}:{name} is not an s-op but {type(found).__name__} ({found!r:.60})")
    return found


def source_file(name: str) -> SourceFile | None:
    """The text of the RASP file that a program is in, if that is what its name says."""
    from tracrlab.viz.explorer.source import SourceFile

    path = Path(name.rpartition(":")[0])
    return SourceFile(path.name, file_text(path)) if path.suffix == ".rasp" else None


def file_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ProgramError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProgramError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ProgramError(f"cannot read {path}: it is no text") from error


def running_example(text: str) -> str | list[str]:
    """The running example that a text on the command line means: several words, or else characters.

    Raises:
        InputError: it is empty.
    """
    if not text:
        raise InputError("the running example is empty; give at least one token")
    words = text.split()
    return words if len(words) > 1 else text


def _program_in_text(path: Path, name: str, example: str | None) -> NamedProgram:
    """An s-op of a textual RASP file, by the name that the file gives it."""
    from tracrlab.rasp.textual.session import Session

    session = Session(example=running_example(example or "hello"), write=lambda line: print(line, file=sys.stderr))
    session.run_file(path)
    names = session.environment.names
    if not isinstance(names.get(name), SOp):
        sops = [key for key, value in names.items() if isinstance(value, SOp)]
        raise ProgramError(f"{path} defines no s-op {name!r}{_suggestion(name, sops)}")
    return NamedProgram(names[name], example=session.examples.sop)


def _run_file(path: Path) -> dict[str, Any]:
    """The variables of a Python file, run as ``python`` would, but under another name than ``__main__``."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ProgramError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character
        raise ProgramError(f"{str(path)!r} cannot be the name of a file") from error
    module = types.ModuleType(_MODULE)
    module.__file__ = str(path)
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    code = _guarded(path, lambda: compile(source, str(path), "exec"))
    _guarded(path, lambda: exec(code, module.__dict__))
    return module.__dict__


def _guarded(path: Path, run: Callable[[], Result]) -> Result:
    """What ``run``, code of a program file, returns; a failure of it becomes an error that says where."""
    try:
        return run()
    except (Exception, SystemExit) as error:
        raise ProgramError(f"{_place(path, error)}: {type(error).__name__}: {_message(error)}") from error


def _place(path: Path, error: BaseException) -> str:
    """The line of the file at which an exception arose, or of another one that it imports, if that is broken."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _message(error: BaseException) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _suggestion(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names)
    return f"; did you mean {' or '.join(filter(None, (', '.join(close[:-1]), close[-1])))}?" if close else ""
