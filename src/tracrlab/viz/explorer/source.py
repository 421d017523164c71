"""A program's text as lines, each with the expressions that it builds."""

from __future__ import annotations

from dataclasses import dataclass

from tracrlab.model.artefact import Artefact


@dataclass(frozen=True)
class SourceLine:
    """A line of text and the expressions built there, by their places in ``model.program``."""

    number: int
    text: str
    expressions: tuple[int, ...]


@dataclass(frozen=True)
class SourceFile:
    """A textual RASP program: the name under which it was run, without folders, and its text."""

    name: str
    text: str


def source_lines(model: Artefact, file: SourceFile | None) -> tuple[SourceLine, ...]:
    """The lines of the file; without one, or if it builds none of the expressions, a line for each expression."""
    if file is not None:
        places: dict[str, list[int]] = {}
        for place, (_, _, location) in enumerate(model.program):
            places.setdefault(location or "", []).append(place)
        lines = tuple(
            SourceLine(number, text, tuple(places.get(f"{file.name}:{number}", ())))
            for number, text in enumerate(file.text.splitlines(), start=1)
        )
        if any(line.expressions for line in lines):
            return lines
    return tuple(
        SourceLine(number, name if text == name else f"{name} = {text}", (place,))
        for number, (place, (name, text, _)) in enumerate(enumerate(model.program), start=1)
    )
