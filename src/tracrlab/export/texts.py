"""Texts of values, for formats that have names for tokens and answers where a program has values of any type."""

from __future__ import annotations

from collections.abc import Iterable

from tracrlab.errors import ExportError
from tracrlab.rasp.values import Value


def distinct_texts(values: Iterable[Value], what: str) -> tuple[str, ...]:
    """What each value prints as.

    Raises:
        ExportError: two values print alike, such as ``1`` and ``"1"``; ``what`` says what they are.
    """
    texts: dict[str, Value] = {}
    for value in values:
        if str(value) in texts:
            raise ExportError(
                f"the {what} {texts[str(value)]!r} and {value!r} have the same text {str(value)!r}; "
                "export a program in which they are written differently"
            )
        texts[str(value)] = value
    return tuple(texts)
