"""Tracr's expressions as those of Tracr Lab, which say what they mean.

Where Tracr's interpreter has a value, so has the translation, and the same. Where Tracr's fails because a selector
meets ``None``, nothing is selected, as in the models that either compiler makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracrlab.compat.tracr.rasp import rasp
from tracrlab.errors import EvaluationError
from tracrlab.rasp import expressions as native
from tracrlab.rasp import functions as native_functions
from tracrlab.rasp.interpreter import evaluate
from tracrlab.rasp.traversal import children_first
from tracrlab.rasp.values import Ratio

NodeTranslation = Callable[[rasp.RASPExpr, Sequence[Any]], native.Expression]


def translated(expr: rasp.RASPExpr, translate_node: NodeTranslation | None = None) -> native.Expression:
    """The expression of Tracr Lab with the same value; shared subexpressions stay shared.

    ``translate_node`` translates one operation, given the translations of its children; :func:`translated_node`
    unless given.
    """
    done: dict[int, native.Expression] = {}
    for node in children_first(expr):
        done[id(node)] = (translate_node or translated_node)(node, [done[id(child)] for child in node.children])
    return done[id(expr)]


def translated_node(expr: rasp.RASPExpr, children: Sequence[Any]) -> native.Expression:
    """One operation applied to the translations of its children.

    Raises:
        NotImplementedError: the expression is of a kind that Tracr does not have.
    """
    node = _translated_node(expr, children)
    if not isinstance(node, native.Tokens | native.Indices | native.Length):
        node.location = expr.location
    return node


def _translated_node(expr: rasp.RASPExpr, children: Sequence[Any]) -> native.Expression:
    match expr:
        case rasp.TokensType():
            return native_functions.tokens
        case rasp.IndicesType():
            return native_functions.indices
        case rasp.LengthType():
            return native_functions.length
        case rasp.Map():
            return native.Map(expr.f, *children)
        case rasp.LinearSequenceMap():
            return native.LinearSequenceMap(children[0], children[1], expr.fst_fac, expr.snd_fac)
        case rasp.SequenceMap():
            return native.SequenceMap(expr.f, *children)
        case rasp.Full():
            return native.Full(expr.fill)
        case rasp.ConstantSOp():
            return native.Map(_element_of(expr.value), native_functions.indices)
        case rasp.SelectorWidth():
            return native.SelectorWidth(*children)
        case rasp.Aggregate():
            return native.Aggregate(children[0], children[1], expr.default)
        case rasp.Select():
            return native.Select(children[0], children[1], _predicate(expr.predicate))
        case rasp.ConstantSelector():
            return native.Select(native_functions.indices, native_functions.indices, _is_cell_of(expr.value))
        case rasp.SelectorAnd():
            return native.SelectorAnd(*children)
        case rasp.SelectorOr():
            return native.SelectorOr(*children)
        case rasp.SelectorNot():
            return native.SelectorNot(*children)
        case _:
            raise NotImplementedError(f"{type(expr).__name__} {expr} is not an expression of Tracr's RASP")


def _predicate(predicate: rasp.Predicate) -> native.Predicate:
    return native.Comparison(predicate.value) if isinstance(predicate, rasp.Comparison) else predicate


def _element_of(values: Sequence[Any]) -> Callable[[int], Any]:
    return lambda position: values[position] if position < len(values) else None


def _is_cell_of(rows: Sequence[Sequence[Any]]) -> native.Predicate:
    return lambda key, query: query < len(rows) and key < len(rows[query]) and rows[query][key]


def value_of(expr: rasp.RASPExpr, translation: native.Expression, xs: Sequence[Any], *, causal: bool = False) -> Any:
    """The value of an expression, given its translation: Tracr's errors, and plain floats.

    Raises:
        ValueError: an aggregate selects values that have no mean, or a constant has another length.
        Exception: whatever a function of the program raises.
    """
    for node in children_first(expr):
        if isinstance(node, rasp.ConstantSOp | rasp.ConstantSelector) and node.check_length:
            _check_length(node, len(xs))
    if isinstance(expr, rasp.ConstantSOp):
        return list(expr.value)
    try:
        value = evaluate(translation, xs, causal=causal)
    except EvaluationError as error:
        raise _error_of_the_program(error) from error
    return value if isinstance(expr, rasp.Selector) else [plain_number(element) for element in value]


def _check_length(constant: rasp.ConstantSOp[Any] | rasp.ConstantSelector, length: int) -> None:
    if len(constant.value) != length:
        raise ValueError(f"Constant len {len(constant.value)} doesn't match input len {length}.")


def plain_number(value: Any) -> Any:
    """A mean as an ordinary float; anything else as it is."""
    return float(value) if isinstance(value, Ratio) else value


def _error_of_the_program(error: EvaluationError) -> BaseException:
    """What the function of the program raised; for an aggregate without a mean, a ValueError as in Tracr."""
    failure = error.__cause__
    cause = None if failure is None else failure.__cause__
    if cause is None or error.expression.startswith("aggregate("):
        return ValueError(str(error))
    return cause
