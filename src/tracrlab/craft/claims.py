"""What every component is claimed to compute, as data, so that its weights can be checked against it.

A claim speaks of *quantities*: things that vary independently of each other at one position, such as the token, or the
value of an s-op. For each value of a quantity it says what stands in the variables that depend on it (their ideal
contents), and for each combination of values what the component must then write. Together the claims of a model say
that it computes its program: those of the embedding and of each component by induction, that of the readout at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tracrlab.rasp.values import Value, value_key
from tracrlab.shapes import Bool, Float, Int

IMPOSSIBLE = -1


@dataclass(frozen=True, eq=False)
class Quantity:
    """A quantity of ``size`` values; ``contents`` gives the ideal contents of each variable that it determines."""

    size: int
    contents: dict[str, Float[np.ndarray, "_ _"]]


@dataclass(frozen=True, eq=False)
class EmbeddingClaim:
    """A variable that is ``by_token[token id] + by_position[position]``.

    BOS is the last token but one, at position 0.
    """

    writes: str
    by_token: Float[np.ndarray, "token width"] | None
    by_position: Float[np.ndarray, "position width"] | None


@dataclass(frozen=True, eq=False)
class View:
    """A function of some quantities: ``places[i, j, …]`` for values i, j, … of the quantities of these numbers.

    It is ``IMPOSSIBLE`` for combinations that do not occur.
    """

    quantities: tuple[int, ...]
    places: Int[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class MLPClaim:
    """Neurons that write the row of ``results`` that ``view`` says for the quantities' values, and nothing at BOS."""

    writes: str
    quantities: tuple[Quantity, ...]
    view: View
    results: Float[np.ndarray, "result width"]


@dataclass(frozen=True, eq=False)
class NumberClaim:
    """Neurons that see nothing but a number, and write ``results[i]`` where it is ``numbers[i]``; nothing at BOS.

    The number is the sum over ``reads`` of the dimensions of a variable times factors. Where one of ``present`` is
    given, which is then read by its first dimension, its second one is 1 wherever the number has a value; elsewhere
    both are 0 and nothing is written.
    """

    writes: str
    reads: tuple[tuple[str, Float[np.ndarray, " _"]], ...]
    numbers: Float[np.ndarray, " number"]
    results: Float[np.ndarray, "number width"]
    present: str | None = None


@dataclass(frozen=True, eq=False)
class PredicateClaim:
    """A predicate between a view of the query's quantities and one of the key's."""

    query: View
    key: View
    matrix: Bool[np.ndarray, "query_value key_value"]


@dataclass(frozen=True, eq=False)
class HeadClaim:
    """A head that attends the positions for which all ``predicates`` hold, and writes what it finds there.

    ``kind``: ``"copy"``: all positions selected at once have the same row of ``results``, which is written; ``"mean"``:
    the mean of their rows; ``"total"``: the sum of their rows; ``"share"``: with BOS among the selected, and nothing to
    be read anywhere else, what is read at BOS (``default``) over 1 plus the number of selected positions. Rows are
    found by ``value``, a view of the quantities ``values``. Where no position is selected (which all heads must expect
    that are not ``never_empty``) and at the BOS position the head writes ``default``. At most ``longest`` positions are
    selected at once.

    ``latest``: there are no predicates; the head attends the one position for which the only quantity of ``keys`` has
    the last of the values that occur in the input.
    """

    writes: str
    kind: Literal["copy", "mean", "total", "share"]
    queries: tuple[Quantity, ...]
    keys: tuple[Quantity, ...]
    predicates: tuple[PredicateClaim, ...]
    values: tuple[Quantity, ...]
    value: View
    results: Float[np.ndarray, "result width"]
    default: Float[np.ndarray, " width"]
    never_empty: bool
    longest: int
    latest: bool = False


@dataclass(frozen=True, eq=False)
class ReadoutClaim:
    """The answer is ``answers[view]``."""

    quantities: tuple[Quantity, ...]
    view: View
    answers: tuple[Value, ...]


@dataclass(frozen=True)
class Scope:
    """What claims were made for: they say nothing of a model over other tokens, longer inputs, or another attention."""

    vocab: tuple[Value, ...]
    max_seq_len: int
    causal: bool
    bos: str
    pad: str
    dtype: str

    def differences(self, other: Scope) -> list[str]:
        """In what another scope differs, in words."""
        words = {
            "vocab": "vocabulary",
            "max_seq_len": "length",
            "causal": "attention",
            "bos": "special tokens",
            "pad": "special tokens",
            "dtype": "number format",
        }
        found = [name for name, word in words.items() if _key(getattr(self, name)) != _key(getattr(other, name))]
        return list(dict.fromkeys(words[name] for name in found))


def _key(part: object) -> object:
    """What tells tokens apart that compare equal, such as 1 and True."""
    return tuple(map(value_key, part)) if isinstance(part, tuple) else part


@dataclass(frozen=True, eq=False)
class Claims:
    """All claims about a model, components in the order in which they read each other, and what they were made for."""

    embeddings: tuple[EmbeddingClaim, ...] = ()
    components: tuple[MLPClaim | NumberClaim | HeadClaim, ...] = field(default=())
    readout: ReadoutClaim | None = None
    scope: Scope | None = None
