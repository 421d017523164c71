"""What the page may ask for, checked against the limits before anything runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

LARGEST_PROGRAM = 20_000  # bytes of UTF-8
LARGEST_VOCABULARY = LONGEST_INPUT = 64  # tokens
LONGEST_TOKEN = LONGEST_NAME = 200  # characters
LARGEST_REQUEST = 4 * LARGEST_PROGRAM + 64 * LONGEST_TOKEN  # bytes: a program in which JSON escapes much, and tokens


class BadRequest(Exception):
    """A request that is none of these, or beyond a limit; the message says which."""


@dataclass(frozen=True)
class CheckRequest:
    """Run a program on a running example."""

    source: str
    example: tuple[str, ...]


@dataclass(frozen=True)
class CompileRequest:
    """Compile the s-op called ``program`` (if empty, the last one), and explore it on the example."""

    source: str
    example: tuple[str, ...]
    program: str
    vocabulary: tuple[str, ...]
    length: int
    mode: Literal["faithful", "compact"]
    causal: bool


Request = CheckRequest | CompileRequest


def parsed_request(path: str, body: bytes) -> Request:
    """The request of this path and body.

    Raises:
        BadRequest: it is none, or beyond a limit.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the request is not JSON") from error
    if not isinstance(data, dict):
        raise BadRequest("the request is not a JSON object")
    source, example = _source(data), _tokens(data, "example", LONGEST_INPUT)
    if path == "/check":
        return CheckRequest(source, example)
    if path != "/compile":
        raise BadRequest(f"there is no {path}")
    vocabulary = _tokens(data, "vocabulary", LARGEST_VOCABULARY)
    length, mode, causal = data.get("length"), data.get("mode"), data.get("causal")
    if type(length) is not int or not 1 <= length <= LONGEST_INPUT:
        raise BadRequest(f"the length must be a number from 1 to {LONGEST_INPUT}")
    if mode not in ("faithful", "compact") or type(causal) is not bool:
        raise BadRequest("mode is faithful or compact, causal true or false")
    program = _text(data, "program", LONGEST_NAME)
    return CompileRequest(source, example, program, vocabulary, length, mode, causal)


def _source(data: dict[str, Any]) -> str:
    source = _text(data, "source", LARGEST_PROGRAM)
    if len(source.encode()) > LARGEST_PROGRAM:
        raise BadRequest(f"the program is longer than {LARGEST_PROGRAM:,} bytes")
    return source


def _tokens(data: dict[str, Any], key: str, most: int) -> tuple[str, ...]:
    tokens = data.get(key)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise BadRequest(f"{key} must be a list of strings")
    if not 1 <= len(tokens) <= most:
        raise BadRequest(f"the {key} has {len(tokens)} tokens; give 1 to {most}")
    if not all(1 <= len(token) <= LONGEST_TOKEN and _is_text(token) for token in tokens):
        raise BadRequest(f"a token of the {key} is empty, longer than {LONGEST_TOKEN} characters, or no text")
    return tuple(tokens)


def _text(data: dict[str, Any], key: str, longest: int) -> str:
    text = data.get(key)
    if not isinstance(text, str) or not _is_text(text):
        raise BadRequest(f"{key} must be a text")
    if len(text) > longest:
        raise BadRequest(f"the {key} is longer than {longest:,} characters")
    return text


def _is_text(text: str) -> bool:
    """Whether all of it are characters, and no halves of such."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
