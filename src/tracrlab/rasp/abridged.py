"""How a message shows a value: as Python writes it, and short, whatever the value is."""

from __future__ import annotations

import reprlib
import sys

LONGEST = 400  # characters: some lines of a terminal, beyond which nobody reads a message


class _Abridging(reprlib.Repr):
    """Python's abridged texts, with more room, and with ints that Python refuses to write."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = LONGEST // 2
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = 20

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"(an int of more than {sys.get_int_max_str_digits()} digits)"


_ABRIDGING = _Abridging()


def abridged(value: object) -> str:
    """The value as Python writes it, with ``...`` in the place of what is too long or too deep."""
    text = _ABRIDGING.repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
