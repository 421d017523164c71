"""When two expressions are the same computation."""

from __future__ import annotations

from collections.abc import Hashable
from types import BuiltinFunctionType, FunctionType, MethodType, MethodWrapperType

from tracrlab.rasp.expressions import Comparison, Expression, Selector
from tracrlab.rasp.functions import indices as rasp_indices
from tracrlab.rasp.functions import tokens as rasp_tokens
from tracrlab.rasp.operations import Formula, IsIn, Lookup, Operation, PartialOperation
from tracrlab.rasp.traversal import children_first


def structure(expression: Expression, inputs: tuple[int, ...]) -> Hashable:
    """What expressions have in common that apply the same operation to the same inputs, whatever they are called.

    ``inputs`` stand for its children: equal numbers for children that are themselves the same.
    """
    return type(expression), tuple(map(parameter_key, expression.parameters)), inputs


def distinct_expressions(program: Expression) -> list[tuple[Expression, tuple[int, ...]]]:
    """The distinct expressions of a program with the places of their children: see :func:`merged_expressions`."""
    return merged_expressions(program)[0]


def merged_expressions(program: Expression) -> tuple[list[tuple[Expression, tuple[int, ...]]], dict[int, int]]:
    """The distinct expressions of a program, and for the ``id`` of each of its expressions which one stands for it.

    Each comes with the places of its children; children are first, the program is last.
    The two sources come first, whether the program reads them or not. Two expressions are one when they have the same
    class, parameters, children, name and encoding, so that each s-op the program distinguishes is kept.
    """
    canonical: dict[Hashable, int] = {}
    place_of: dict[int, int] = {}
    nodes: list[tuple[Expression, tuple[int, ...]]] = []
    for expression in children_first(rasp_tokens, rasp_indices, program):
        inputs = tuple(place_of[id(child)] for child in expression.children)
        name = None if isinstance(expression, Selector) else expression.name
        key = structure(expression, inputs), name, expression.encoding
        if key not in canonical:
            canonical[key] = len(nodes)
            nodes.append((expression, inputs))
        place_of[id(expression)] = canonical[key]
    output = place_of[id(program)]
    if output < len(nodes) - 1:
        nodes.append(nodes[output])  # the program may be a source itself
    return nodes, place_of


_OF_THE_LANGUAGE = (Comparison, Operation, PartialOperation, Lookup, IsIn, Formula)
_OF_PYTHON = (FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType, type)


def parameter_key(parameter: object) -> Hashable:
    """A key of a parameter: equal for equal ones; a function's own idea of equality is its own, and is not asked."""
    if callable(parameter) and not isinstance(parameter, (*_OF_THE_LANGUAGE, *_OF_PYTHON)):
        return id(parameter)
    try:
        hash(parameter)
    except TypeError:
        return id(parameter)
    return parameter
