"""How tokens, dimensions and variables are called in figures: short, and in characters that can be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from tracrlab.craft.spaces import Dimension, Feature, Mark
from tracrlab.model.trace import Trace
from tracrlab.rasp.display import value_text
from tracrlab.rasp.values import Value
from tracrlab.viz.figures.page import cut, cut_within

LONGEST_NAME, LONGEST_VALUE = 18, 9  # characters; what is longer is cut
_DIGITS = 2


def value_label(value: Value, most: int = LONGEST_VALUE) -> str:
    """A value."""
    return cut(value_text(value, _DIGITS), most)


def name_label(name: str) -> str:
    """The name of a variable or an expression."""
    return cut_within(name, LONGEST_NAME)


def dimension_label(dimension: Dimension) -> str:
    """A dimension: ``is_x``, or ``tokens:a`` where it stands for one value."""
    name = name_label(dimension.variable)
    if dimension.value is Mark.NUMBER:
        return name
    if isinstance(dimension.value, Mark | Feature):
        return f"{name}:{cut(str(dimension.value), LONGEST_VALUE)}"
    return f"{name}:{value_label(dimension.value)}"


def token_labels(trace: Trace, bos: str) -> tuple[str, ...]:
    """The tokens of an input, BOS in front."""
    return tuple(value_label(token) for token in (bos, *trace.tokens))


def values_label(values: Sequence[Value], nullable: bool, most: int) -> str:
    """A set of values in at most so many characters."""
    texts = [value_label(value) for value in values] + ["-"] * nullable
    shown = "{" + ", ".join(texts) + "}"
    count = len(texts)
    while len(shown) > most and count:
        count -= 1
        shown = "{" + ", ".join([*texts[:count], "…"]) + f"}} ({len(texts)})"
    return shown
