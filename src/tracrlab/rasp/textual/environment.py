"""Names and what they stand for: nested scopes, and functions that remember where they were defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tracrlab.rasp.textual.operators import RaspTypeError
from tracrlab.rasp.textual.syntax import FunctionDef

CONSTANTS = frozenset(
    {"tokens_asis", "tokens_str", "tokens_int", "tokens_float", "tokens_bool", "indices", "True", "False"}
)
ASSIGNABLE = frozenset({"tokens", "None", "gather"})
"""Names that the language provides and a program may use for its own; the last two are not of the original."""
KEYWORDS = frozenset(
    {"if", "else", "not", "and", "or", "out", "def", "return", "for", "in", "zip", "len", "get", "range"}
)


class Environment:
    """A scope: names assigned here, and the scope around it."""

    def __init__(self, parent: Environment | None = None, *, reserved: frozenset[str] = frozenset()) -> None:
        self.parent = parent
        self.names: dict[str, Any] = {}
        self.reserved: frozenset[str] = reserved if parent is None else parent.reserved | reserved

    def lookup(self, name: str) -> Any:
        """The value of a name, here or in a scope around.

        Raises:
            RaspTypeError: there is none.
        """
        scope: Environment | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        raise RaspTypeError(f"there is no {name!r}{_similar(name, self.visible())}")

    def assign(self, name: str, value: Any) -> None:
        """Give a name a value in this scope.

        Raises:
            RaspTypeError: the name is reserved.
        """
        if name in CONSTANTS or name in KEYWORDS or name in self.reserved:
            raise RaspTypeError(f"{name!r} is a name of the language and cannot be assigned")
        self.names[name] = value

    def visible(self) -> Iterator[str]:
        """All names that can be seen from here."""
        scope: Environment | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent


def _similar(name: str, names: Iterator[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, set(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the program, with the scope and the file that it was defined in."""

    definition: FunctionDef
    scope: Environment
    file: str

    @property
    def name(self) -> str:
        """The name it was defined with."""
        return self.definition.name


@dataclass(frozen=True, eq=False)
class NativeFunction:
    """A function that the language provides."""

    name: str
    arity: int
    apply: Callable[..., Any]
