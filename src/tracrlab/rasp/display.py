"""Values and names as people read them: short, on one line, and without control characters."""

from __future__ import annotations

from tracrlab.rasp.values import Value


def value_text(value: Value, digits: int = 4) -> str:
    """A value, short: ``-`` for ``None``, floats to four digits, strings without quotes unless they need them."""
    if value is None:
        return "-"
    if isinstance(value, float):
        text = f"{value:.{digits}g}"
        return text if set(text) & set(".en") else text + ".0"
    if isinstance(value, str) and value.isprintable() and value.strip() == value != "" and value != "-":
        return value
    return printable(repr(value))


def printable(text: str) -> str:
    """The text on one line, with control characters escaped."""
    return escaped(" ".join(text.split()))


def escaped(line: str) -> str:
    """The line with control characters escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
