"""Values and labels as JSON that keeps their types."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tracrlab.craft.spaces import Feature, Mark, OneOf
from tracrlab.errors import ModelFileError
from tracrlab.rasp.values import Ratio, Value


def value_to_json(value: Value | Mark | Feature | OneOf) -> Any:
    """A value as JSON that keeps its type: strings, ints and bools as they are, others tagged.

    Raises:
        ModelFileError: it has no JSON form.
    """
    if isinstance(value, Mark):
        return {"mark": value.value}
    if isinstance(value, Feature):
        return {"feature": value.text}
    if isinstance(value, OneOf):
        return {"one_of": [value_to_json(each) for each in value.values]}
    if isinstance(value, Ratio):
        return {"ratio": [str(value.exact.numerator), str(value.exact.denominator)]}
    if type(value) is float:
        return {"float": value.hex()}
    if value is None or type(value) in (str, int, bool):
        return value
    if type(value) is tuple:
        return {"tuple": [value_to_json(item) for item in value]}
    raise ModelFileError(f"the value {value!r} has no JSON form, so the model cannot be saved")


_READERS: dict[str, Callable[[Any], Any]] = {
    "mark": Mark,
    "feature": lambda text: Feature(typed(text, str)),
    "one_of": lambda values: OneOf(tuple(value_from_json(value) for value in typed(values, list))),
    "ratio": lambda parts: Ratio(Fraction(int(parts[0]), int(parts[1]))),
    "float": float.fromhex,
    "tuple": lambda items: tuple(value_from_json(item) for item in typed(items, list)),
}


def value_from_json(data: Any) -> Any:
    """The value that :func:`value_to_json` made JSON of.

    Raises:
        ValueError, LookupError, TypeError, ArithmeticError: it made none such.
    """
    if isinstance(data, dict):
        ((tag, content),) = data.items()
        return _READERS[tag](content)
    return typed(data, str, int, bool, type(None))


def typed(value: Any, *kinds: type) -> Any:
    """The value, if it is of exactly one of these types.

    Raises:
        ValueError: it is not.
    """
    if type(value) not in kinds:
        raise ValueError(f"{value!r:.40} is no {kinds[0].__name__}")
    return value
