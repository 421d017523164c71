"""Evaluators of Tracr's expressions: what an expression means is said by its translation."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from tracrlab.compat import translation
from tracrlab.compat.tracr.rasp import rasp
from tracrlab.rasp import expressions as native
from tracrlab.rasp.functions import indices as native_indices


class RASPEvaluator(abc.ABC):
    """Gives expressions their values."""

    @abc.abstractmethod
    def evaluate(self, expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
        """The value of an expression on a sequence."""


class DefaultRASPEvaluator(RASPEvaluator):
    """Evaluates children first, each through ``evaluate``, so that a subclass can look at every value or change it.

    It has a method for each kind of expression. Shared expressions are evaluated once for each use; the function
    :func:`evaluate` does not repeat itself.
    """

    def evaluate(self, expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
        """The value of an expression on a sequence.

        Raises:
            KeyError: there is no method for this kind of expression.
            ValueError: an aggregate selects values that have no mean, or a constant has another length.
        """
        return getattr(self, _METHODS[type(expr)])(expr, xs)

    def _node(self, expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
        """The value of an expression whose children have the values that ``evaluate`` gives them."""
        children = [_constant(child, self.evaluate(child, xs)) for child in expr.children]
        return translation.value_of(expr, translation.translated_node(expr, children), xs)

    eval_tokens = eval_indices = eval_length = eval_full = eval_constant_sop = _node
    eval_map = eval_sequence_map = eval_selector_width = eval_aggregate = _node
    eval_select = eval_constant_selector = _node

    def eval_selector_and(self, sel: rasp.SelectorAnd, xs: Sequence[Any]) -> rasp.SelectorValue:
        """The pairs in both."""
        return self._composite(sel, xs)

    def eval_selector_or(self, sel: rasp.SelectorOr, xs: Sequence[Any]) -> rasp.SelectorValue:
        """The pairs in one of them."""
        return self._composite(sel, xs)

    def eval_selector_not(self, sel: rasp.SelectorNot, xs: Sequence[Any]) -> rasp.SelectorValue:
        """The pairs that are not selected."""
        return self._composite(sel, xs)

    def _composite(self, sel: rasp.Selector, xs: Sequence[Any]) -> rasp.SelectorValue:
        """A combination as a whole: which of its pairs hold a ``None`` is not to be seen from bools."""
        rows: rasp.SelectorValue = translation.value_of(sel, self._with_constant_sops(sel, xs), xs)
        return rows

    def _with_constant_sops(self, selector: rasp.RASPExpr, xs: Sequence[Any]) -> native.Expression:
        if isinstance(selector, rasp.SOp):
            return _constant(selector, self.evaluate(selector, xs))
        children = [self._with_constant_sops(child, xs) for child in selector.children]
        return translation.translated_node(selector, children)


_METHODS: dict[type[rasp.RASPExpr], str] = {
    rasp.TokensType: "eval_tokens",
    rasp.IndicesType: "eval_indices",
    rasp.LengthType: "eval_length",
    rasp.LinearSequenceMap: "eval_sequence_map",
    rasp.SequenceMap: "eval_sequence_map",
    rasp.Map: "eval_map",
    rasp.Full: "eval_full",
    rasp.ConstantSOp: "eval_constant_sop",
    rasp.SelectorWidth: "eval_selector_width",
    rasp.Aggregate: "eval_aggregate",
    rasp.Select: "eval_select",
    rasp.SelectorAnd: "eval_selector_and",
    rasp.SelectorOr: "eval_selector_or",
    rasp.SelectorNot: "eval_selector_not",
    rasp.ConstantSelector: "eval_constant_selector",
}


def _constant(expr: rasp.RASPExpr, value: Any) -> native.Expression:
    """An expression that has this value, whatever the input."""
    if isinstance(expr, rasp.Selector):
        return native.Select(native_indices, native_indices, lambda key, query: value[query][key])
    return native.Map(lambda position: value[position], native_indices)


def evaluate(expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
    """The value of an expression on a sequence, as a compiled model computes it.

    Raises:
        ValueError: an aggregate selects values that have no mean, or a constant has another length.
        Exception: whatever a function of the program raises.
    """
    return translation.value_of(expr, translation.translated(expr), xs)
