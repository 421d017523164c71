"""A RASP session: the state behind the interactive prompt and behind running a file.

Every s-op and selector that a program creates is run on the running example at once, so that a mistake is reported
where it is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from tracrlab.errors import ProgramError, RaspError
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.expressions import Expression, Selector, SOp
from tracrlab.rasp.interpreter import Evaluation
from tracrlab.rasp.textual import syntax
from tracrlab.rasp.textual.display import shown_value
from tracrlab.rasp.textual.environment import ASSIGNABLE, Environment
from tracrlab.rasp.textual.evaluator import Evaluator, Hooks, base_environment
from tracrlab.rasp.textual.operators import RaspTypeError, checked_input, require_printable
from tracrlab.rasp.textual.parser import parse_program, parse_statement
from tracrlab.rasp.values import Value

Dialect = Literal["original", "python"]


@dataclass
class Examples:
    """The running examples, one for s-ops and one for selectors, and whether and how they are shown."""

    sop: Any = "hello"
    selector: Any = "hello"
    show_sop: bool = True
    show_selector: bool = True
    full_sequence: bool = False

    def of(self, expression: Expression) -> Any:
        """The example for this kind of expression."""
        return self.selector if isinstance(expression, Selector) else self.sop

    def shown(self, expression: Expression) -> bool:
        """Whether the example is shown for this kind of expression."""
        return self.show_selector if isinstance(expression, Selector) else self.show_sop


class Session:
    """Runs statements, remembers names, and says what a person at the prompt would see.

    ``write`` takes the lines that the session prints, ``draw`` is called for each drawing with an s-op or selector, and
    an input or ``None``. ``loads`` says whether programs may read files with ``load``.
    """

    def __init__(
        self,
        *,
        dialect: Dialect = "original",
        example: Any = "hello",
        write: Callable[[str], None] | None = None,
        draw: Callable[[Expression, Any], None] | None = None,
        loads: bool = True,
    ) -> None:
        self.dialect: Dialect = dialect
        self.examples = Examples(example, example)
        self.finished = False
        self._write = write or (lambda line: None)
        self._draw = draw or (lambda expression, shown: None)
        self._loads = loads
        self._evaluations: dict[str, Evaluation] = {}
        self._loading: list[Path] = []
        self._base = _with_library(self)
        self.environment = Environment(self._base)

    def value(self, name: str) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
        """
        try:
            return self.environment.lookup(name)
        except RaspTypeError as error:
            raise KeyError(str(error)) from error

    def run_file(self, path: str | Path) -> None:
        """Run a file; nothing is printed but warnings.

        Raises:
            ParseError, RaspError: what is wrong, and where.
            ProgramError: the file cannot be read.
        """
        path = Path(path)
        try:
            with self._loaded_from(path) as text:
                self._run(text, str(path), self.environment, interactive=False)
        except RaspTypeError as error:
            raise ProgramError(str(error)) from error

    def run_text(self, text: str, name: str = "<text>", *, interactive: bool = False) -> None:
        """Run statements; interactively, the values of expressions and assignments are printed.

        Raises:
            ParseError, RaspError: what is wrong, and where. Statements before it have been carried out.
        """
        self._run(text, name, self.environment, interactive=interactive)

    def value_of(self, text: str, name: str = "<text>") -> Any:
        """The value of an expression, which ``out`` does not become.

        Raises:
            ParseError, RaspError: what is wrong, and where.
        """
        statement = parse_statement(f"{text}\n;", dialect=self.dialect, name=name)
        if not isinstance(statement, syntax.ExpressionStatement):
            raise RaspError(name, *statement.position, "this is a statement, not an expression")
        return self._evaluator(self.environment, name).execute(statement)

    def evaluate(self, expression: Expression, sequence: Any) -> list[Any]:
        """The value of an s-op or selector on an input, checked for being of one type.

        Raises:
            RaspTypeError: the values are of different types.
            EvaluationError: a function fails on a value.
        """
        value = self._evaluation(sequence).value(expression)
        if isinstance(expression, SOp):
            _check_one_type(value)
        return value

    def _run(self, text: str, name: str, environment: Environment, *, interactive: bool) -> None:
        program = parse_program(text, dialect=self.dialect, name=name)
        for warning in program.warnings:
            self._write(f"{name}:{warning.position.line}:{warning.position.column}: warning: {warning.message}")
        evaluator = self._evaluator(environment, name)
        for statement in program.statements:
            if not self._manage(statement, evaluator):
                self._execute(statement, evaluator, interactive=interactive)
            if self.finished:
                return

    def _evaluator(self, environment: Environment, name: str) -> Evaluator:
        return Evaluator(environment, Hooks(self._created, self._load, self._applied, self._draw), name)

    def _execute(self, statement: syntax.Statement, evaluator: Evaluator, *, interactive: bool) -> None:
        value = evaluator.execute(statement)
        if isinstance(statement, syntax.ExpressionStatement):
            evaluator.environment.names["out"] = value
        if interactive and isinstance(statement, syntax.ExpressionStatement):
            self._show(value, None)
        elif interactive and isinstance(statement, syntax.Assign):
            for target in statement.targets:
                self._show(evaluator.environment.names[target], target)
        elif interactive and isinstance(statement, syntax.FunctionDef):
            self._write(f"     console function: {statement.name}({', '.join(statement.parameters)})")
        elif interactive and isinstance(statement, syntax.Load):
            for name, loaded in value.items():
                self._show(loaded, name)

    def _manage(self, statement: syntax.Statement, evaluator: Evaluator) -> bool:
        """Carry out a statement about the session itself; whether it was one."""
        examples = self.examples
        match statement:
            case syntax.SetExample():
                value = evaluator.execute(syntax.ExpressionStatement(statement.position, statement.expression))
                try:
                    checked_input("an example", value)
                except RaspTypeError as error:
                    raise RaspError(evaluator.name, *statement.position, str(error)) from error
                if statement.which != "selector":
                    examples.sop = value
                if statement.which != "s-op":
                    examples.selector = value
            case syntax.ShowExample():
                if statement.which != "selector":
                    self._write(f"     s-op example: {abridged(examples.sop)}")
                if statement.which != "s-op":
                    self._write(f"     selector example: {abridged(examples.selector)}")
            case syntax.SwitchExamples():
                if statement.which != "selector":
                    examples.show_sop = statement.on
                if statement.which != "s-op":
                    examples.show_selector = statement.on
            case syntax.SwitchFullSequence():
                examples.full_sequence = statement.on
            case syntax.Exit():
                self.finished = True
            case _:
                return False
        return True

    def _show(self, value: Any, name: str | None) -> None:
        for line in shown_value(value, name, self.examples, self.evaluate):
            self._write(line)

    def _created(self, expression: Expression) -> None:
        self.evaluate(expression, self.examples.of(expression))

    def _applied(self, expression: Expression, sequence: Any) -> list[Any]:
        return self.evaluate(expression, sequence)

    def _evaluation(self, sequence: Any) -> Evaluation:
        """Everything known about an input; kept for the running examples, on which all of the program is run."""
        key = repr(sequence)
        if key not in self._evaluations:
            running = {repr(self.examples.sop), repr(self.examples.selector)}
            self._evaluations = {k: v for k, v in self._evaluations.items() if k in running}
            self._evaluations[key] = Evaluation(sequence)
        return self._evaluations[key]

    def _load(self, path: str) -> dict[str, Any]:
        """Run a file in a fresh environment of its own; the names it exports."""
        if not self._loads:
            raise RaspTypeError("this session reads no files: write what is to be loaded into the program")
        with self._loaded_from(self._found(path)) as text:
            environment = Environment(self._base)
            self._run(text, str(self._loading[-1]), environment, interactive=False)
        return {name: v for name, v in environment.names.items() if not name.startswith("_") and name != "out"}

    def _found(self, path: str) -> Path:
        """The file of a load statement: from the working directory, or else beside the file that loads it."""
        name = Path(f"{path}.rasp")
        beside = self._loading[-1].parent / name if self._loading else name
        return beside if not os.path.exists(name) and os.path.exists(beside) else name

    @contextmanager
    def _loaded_from(self, path: Path) -> Iterator[str]:
        try:
            if path.resolve() in [loading.resolve() for loading in self._loading]:
                raise RaspTypeError(f"{path} loads itself")
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RaspTypeError(f"cannot read {path}: it is no text") from error
        except OSError as error:
            raise RaspTypeError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise RaspTypeError(f"{str(path)!r} cannot be the name of a file") from error
        self._loading.append(path)
        try:
            yield text
        finally:
            self._loading.pop()


def _check_one_type(values: list[Value]) -> None:
    """An s-op holds strings or numbers, bools among them, and nothing (``None``) besides."""
    for value in values:
        require_printable(value)
    kinds = {type(value) for value in values if value is not None}
    kinds = {float if issubclass(each, float) else each for each in kinds}
    if not (kinds <= {str} or kinds <= {bool, int, float}):
        names = ", ".join(sorted(each.__name__ for each in kinds))
        raise RaspTypeError(f"the values of an s-op must be of one type, not {names}: {abridged(values)}")


@cache
def _library_text() -> str:
    return resources.files("tracrlab.rasp.textual").joinpath("library.rasp").read_text(encoding="utf-8")


def _with_library(session: Session) -> Environment:
    """The environment that every program starts from: the names of the language and its library."""
    language = base_environment()
    library = Environment(language)
    session._run(_library_text(), "library.rasp", library, interactive=False)
    reserved = frozenset({*library.names, *language.names} - ASSIGNABLE)
    base = Environment(reserved=reserved)
    base.names = language.names | library.names
    return base
