"""The file that says how a program and a host meet: tokens, filler and answers, as JSON.

    {"tokens": {" (": "(", " )": ")", ":": ":"}, "filler": "_", "answers": {" yes": 1, " no": 2}}

``tokens`` may be left out (:func:`tracrlab.inject.tokens.token_map`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tracrlab.errors import InjectionError
from tracrlab.rasp.values import Value


@dataclass(frozen=True)
class Map:
    """What the file says; ``answers`` the text of each value."""

    tokens: Mapping[str, Value] | None
    filler: Value
    answers: Mapping[Value, str]


def read_map(path: Path) -> Map:
    """The map in a file.

    Raises:
        InjectionError: it cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InjectionError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InjectionError(f"{path} is no JSON: {error}") from error
    form = 'a map looks like {"tokens": {" (": "("}, "filler": "_", "answers": {" yes": 1}}'
    if not isinstance(content, dict) or not {"filler", "answers"} <= content.keys() <= {"tokens", "filler", "answers"}:
        raise InjectionError(f"{path} has to have filler, answers, and maybe tokens; {form}")
    tokens, answers = content.get("tokens"), content["answers"]
    if not isinstance(answers, dict) or not isinstance(tokens, dict | None):
        raise InjectionError(f"tokens and answers in {path} have to be objects; {form}")
    values = [content["filler"], *answers.values(), *(tokens or {}).values()]
    if any(isinstance(value, dict | list | None) for value in values):
        raise InjectionError(f"values in {path} have to be numbers, texts or truth values; {form}")
    if len(set(answers.values())) < len(answers):
        raise InjectionError(f"in {path} a value is said by two texts; each has one")
    return Map(tokens, content["filler"], {value: text for text, value in answers.items()})
