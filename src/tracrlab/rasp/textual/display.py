"""Values as the original interpreter prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tracrlab.rasp.expressions import Expression, Selector, SOp
from tracrlab.rasp.textual.environment import Function, NativeFunction

if TYPE_CHECKING:
    from tracrlab.rasp.textual.session import Examples

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
    """An atom, list or dictionary as it is printed."""
    if isinstance(value, list):
        return f"[{', '.join(map(atom_text, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{atom_text(key)}: {atom_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Expression | Function | NativeFunction):
        return value.name or "out"
    return element_text(value)


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
