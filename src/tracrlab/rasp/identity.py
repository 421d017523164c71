"""When two expressions are the same computation."""

from __future__ import annotations

from collections.abc import Hashable

from tracrlab.rasp.expressions import Expression


def structure(expression: Expression, inputs: tuple[int, ...]) -> Hashable:
    """What expressions have in common that apply the same operation to the same inputs, whatever they are called.

    ``inputs`` stand for its children: equal numbers for children that are themselves the same.
    """
    return type(expression), tuple(map(_hashable, expression.parameters)), inputs


def _hashable(parameter: object) -> Hashable:
    try:
        hash(parameter)
    except TypeError:
        return id(parameter)
    return parameter
