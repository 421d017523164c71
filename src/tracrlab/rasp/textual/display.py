"""Values as the original interpreter prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from tracrlab.rasp.expressions import Expression, Selector, SOp
from tracrlab.rasp.textual.environment import Function, NativeFunction

if TYPE_CHECKING:
    from tracrlab.rasp.textual.session import Examples

_LONGEST = 10_000  # characters of a value, some screens of text

Evaluate = Callable[[Expression, Any], list[Any]]


def shown_value(value: Any, name: str | None, examples: Examples, evaluate: Evaluate) -> Iterator[str]:
    """The lines that show a value of any kind; an s-op or selector with its value on the running example."""
    if isinstance(value, Expression):
        title = name or value.name or "out"
        yield f"     {'s-op' if isinstance(value, SOp) else 'selector'}: {title}"
        if examples.shown(value):
            example = examples.of(value)
            shown = evaluate(value, example)
            if isinstance(value, Selector):
                yield "     Example:"
                yield from selector_lines(list(example), shown)
            elif examples.full_sequence:
                yield f"     Example: {title}({shown_input(example)})"
                yield from aligned_lines(list(example), shown)
            else:
                yield f"     Example: {title}({shown_input(example)}) = {sequence_text(shown)}"
    elif isinstance(value, Function | NativeFunction):
        yield f"     console function: {value.name}"
    else:
        yield f"     value: {f'{name} = ' if name else ''}{atom_text(value)}"


def sequence_text(values: list[Any]) -> str:
    """A sequence with its type, ``[v]*n`` if it is the same everywhere: ``[0, 1, 2] (ints)``."""
    shown = [element_text(value) for value in values]
    elements = f"[{shown[0]}]*{len(shown)}" if len(shown) > 1 and len(set(shown)) == 1 else f"[{', '.join(shown)}]"
    return f"{elements} ({_type_name(values)})"


def atom_text(value: Any) -> str:
    """An atom, list or dictionary as it is printed: its beginning, if it is very long."""
    pieces, size = list[str](), 0
    for piece in _pieces(value):
        pieces.append(piece)
        size += len(piece)
        if size > _LONGEST:
            return f"{''.join(pieces)[:_LONGEST]}…"
    return "".join(pieces)


def _pieces(value: Any) -> Iterator[str]:
    """The text of a value piece by piece, however deep its lists are nested."""
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Text):
            yield item
        elif isinstance(item, list | dict):
            opening, closing = "[]" if isinstance(item, list) else "{}"
            yield opening
            waiting.append(_Text(closing))
            waiting += reversed(list(islice(_parts(item), _LONGEST)))
        elif isinstance(item, str):
            yield f'"{item}"' if len(item) <= _LONGEST else f'"{item[:_LONGEST]}'
        elif isinstance(item, Expression | Function | NativeFunction):
            yield item.name or "out"
        else:
            yield element_text(item)


class _Text(str):
    """What stands between values."""


def _parts(collection: list[Any] | dict[Any, Any]) -> Iterator[Any]:
    """The elements, or keys and values, with what stands in between."""
    for number, item in enumerate(collection):
        if number:
            yield _Text(", ")
        yield item
        if isinstance(collection, dict):
            yield _Text(": ")
            yield collection[item]


def shown_input(sequence: Any) -> str:
    """An input as it is written: a string in double quotes, a list in brackets."""
    return atom_text(sequence)


def selector_lines(tokens: list[Any], rows: list[list[bool]]) -> Iterator[str]:
    """The matrix of a selector: a row for each query token, a column for each key token, ``1`` where selected."""
    names = [element_text(token) for token in tokens]
    width = max(map(len, names))
    yield " " * 13 + " " * (width + 3) + " ".join(name.rjust(width) for name in names)
    for name, row in zip(names, rows, strict=True):
        yield (
            " " * 13 + f"{name.rjust(width)} | " + " ".join(("1" if cell else "").rjust(width) for cell in row).rstrip()
        )


def aligned_lines(tokens: list[Any], values: list[Any]) -> Iterator[str]:
    """Input and output one above the other."""
    pairs = [(element_text(token), element_text(value)) for token, value in zip(tokens, values, strict=True)]
    widths = [max(map(len, pair)) for pair in pairs]
    for title, row in (("input ", 0), ("output", 1)):
        yield f"     {title}  " + "  ".join(pair[row].rjust(width) for pair, width in zip(pairs, widths, strict=True))


def element_text(value: Any) -> str:
    """One value of a sequence: floats to three places, bools as ``T`` and ``F``."""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return str(round(float(value), 3))
    return str(value)


def _type_name(values: list[Any]) -> str:
    values = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in values):
        return "bools"
    if all(isinstance(value, int) for value in values):
        return "ints"
    return "strings" if all(isinstance(value, str) for value in values) else "floats"
