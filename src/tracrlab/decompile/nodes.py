"""What the decompiler finds: variables as integer classes over all inputs, and how each follows from others."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from tracrlab.shapes import Bool, Int


@dataclass(frozen=True, eq=False)
class Table:
    """A function of several variables: where operand ``i`` has class ``entries[e, i]``, the result is ``results[e]``.

    Combinations that have no entry do not occur.
    """

    operands: tuple[Node, ...]
    entries: Int[np.ndarray, "entry operand"]
    results: Int[np.ndarray, " entry"]


@dataclass(frozen=True, eq=False)
class Selection:
    """Which keys queries select: a table over the classes of key variables and then of query variables."""

    keys: tuple[Node, ...]
    queries: tuple[Node, ...]
    entries: Int[np.ndarray, "entry operand"]
    selected: Bool[np.ndarray, " entry"]


@dataclass(frozen=True)
class Source:
    """The tokens or the indices; classes are places in the vocabulary, or positions."""

    kind: Literal["tokens", "indices"]


@dataclass(frozen=True, eq=False)
class Width:
    """How many keys are selected; the class is the number.

    ``parts`` are selections that do not overlap and select the same together, if those are easier to say.
    """

    selection: Selection
    parts: tuple[Selection, ...] = ()


@dataclass(frozen=True, eq=False)
class Copy:
    """The class that ``values`` has at what is selected, which is one; the last class where nothing is.

    ``default`` is the class there: one of those of ``values``, or one more.
    """

    selection: Selection
    values: Table
    default: int


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean over what is selected of ``numbers[class of values]``.

    ``means`` are those of the classes. Where nothing is selected the mean is ``default``; it has a class of its own,
    with the mean ``None``, if that is ``None``.
    """

    selection: Selection
    values: Table
    numbers: tuple[int, ...]
    default: int | None
    means: tuple[Fraction | None, ...]


Definition = Source | Table | Width | Copy | Mean


@dataclass(eq=False)
class Node:
    """A variable: its class at every position of every input, what it is, and the parts of the model that hold it.

    Attributes: ``number`` in order of discovery; ``codes`` the classes, 0 beyond an input's end; ``size`` how many;
    ``places`` the parts that write it, such as ``a0.h1``.
    """

    number: int
    definition: Definition
    codes: Int[np.ndarray, "input position"]
    size: int
    places: list[str] = field(default_factory=list)
