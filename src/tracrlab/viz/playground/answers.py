"""What the page is told: where a program is wrong, its values on the running example, or the explorer's data.

All of this runs in the worker process. A program is textual RASP; no Python is taken from the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tracrlab.compiler.driver import compile_program
from tracrlab.errors import ExpressionError, ParseError, RaspError, TracrLabError
from tracrlab.rasp.expressions import Expression, Selector, SOp
from tracrlab.rasp.text import constant_text
from tracrlab.rasp.textual.display import element_text
from tracrlab.rasp.textual.session import Session
from tracrlab.rasp.values import Value
from tracrlab.viz.explorer.payload import explorer_payload
from tracrlab.viz.explorer.source import SourceFile
from tracrlab.viz.playground.requests import CompileRequest, Request

FILE = "program.rasp"  # what the program is called in messages
_MOST_NAMES, _LONGEST_VALUE = 200, 40
_LONGEST_MESSAGE = 2_000  # characters, a page of text

Problem = dict[str, Any]


def answer(request: Request) -> str:
    """The answer to a request, as JSON."""
    warnings: list[str] = []
    session = Session(example=_sequence(request.example), write=warnings.append, loads=False)
    data: dict[str, Any] = {"warnings": warnings}
    payload = None
    try:
        session.run_text(request.source, FILE)
        if isinstance(request, CompileRequest):
            payload = _payload(session, request)
    except TracrLabError as error:
        data["problem"] = _problem(error)
    text = json.dumps(data | {"values": _values(session)})
    return text if payload is None else f'{text[:-1]}, "payload": {payload}}}'


def _payload(session: Session, request: CompileRequest) -> str:
    names = [name for name, value in session.environment.names.items() if isinstance(value, SOp)]
    name = request.program or (names[-1] if names else "")
    if name not in names:
        raise TracrLabError(f"the program defines no s-op {name!r}" if name else "the program defines no s-op yet")
    program = session.environment.names[name]
    model = compile_program(
        program, request.vocabulary, request.length, mode=request.mode, causal=request.causal, prove=False
    )
    source = SourceFile(FILE, request.source)
    return explorer_payload(model, request.example[: request.length], program=program, source=source)


def _sequence(tokens: Sequence[str]) -> str | list[str]:
    return "".join(tokens) if all(len(token) == 1 for token in tokens) else list(tokens)


def _problem(error: TracrLabError) -> Problem:
    """What is wrong, in a page of text at most, and its place if it is in the program's text."""
    problem = _located_problem(error)
    message = problem["message"]
    return problem if len(message) <= _LONGEST_MESSAGE else problem | {"message": f"{message[:_LONGEST_MESSAGE]}…"}


def _located_problem(error: TracrLabError) -> Problem:
    if isinstance(error, ParseError):
        expected = f"; expected {' or '.join(error.expected)}" if error.expected else ""
        return {"line": error.line, "column": error.column, "message": f"{error.message}{expected}"}
    if isinstance(error, RaspError):
        place = {"line": error.line, "column": error.column} if error.name == FILE else {}
        return place | {"message": error.message}
    if isinstance(error, ExpressionError):
        found = re.fullmatch(rf"{re.escape(FILE)}:(\d+)", error.location or "")
        place = {"line": int(found[1])} if found else {}
        return place | {"message": f"{error.expression}: {error.reason}. {error.remedy}."}
    return {"message": str(error)}


def _values(session: Session) -> list[dict[str, Any]]:
    """The s-ops and selectors that have names, and what they are on the running example."""
    shown = []
    for name, value in list(session.environment.names.items())[-_MOST_NAMES:]:
        if isinstance(value, Expression):
            try:
                result = session.evaluate(value, session.examples.of(value))
            except TracrLabError:
                continue  # it was made for another example
            shown.append(_value(name, value, result, session.examples.of(value)))
    return shown


def _value(name: str, expression: Expression, result: list[Any], example: Sequence[Value]) -> dict[str, Any]:
    tokens = [_text(token) for token in example]
    if isinstance(expression, Selector):
        return {"name": name, "tokens": tokens, "rows": [[int(cell) for cell in row] for row in result]}
    return {"name": name, "tokens": tokens, "values": [_text(value) for value in result]}


def _text(value: Value) -> str:
    text = constant_text(value) if type(value) is int else element_text(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
