"""What Tracr's own compiler does not support: checks for programs that are to compile there as well.

Most of it Tracr Lab compiles; :func:`compile_rasp_to_model` does not ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracrlab.compat.tracr.rasp import rasp
from tracrlab.rasp.traversal import children_first


@dataclass(frozen=True, eq=False)
class TracrUnsupportedExpr:
    """An expression and why Tracr does not support it."""

    expr: rasp.RASPExpr
    reason: str


def _static_validate_expr(expr: rasp.RASPExpr) -> TracrUnsupportedExpr | None:
    reason = _static_reason(expr)
    return None if reason is None else TracrUnsupportedExpr(expr, reason)


def _static_reason(expr: rasp.RASPExpr) -> str | None:
    match expr:
        case rasp.TokensType() | rasp.IndicesType() if rasp.is_numerical(expr):
            return "tokens should always be categorical."  # Tracr says so of both
        case rasp.Select() if rasp.is_numerical(expr.keys):
            return "Select keys must be categorical."
        case rasp.Select() if rasp.is_numerical(expr.queries):
            return "Select queries must be categorical."
        case rasp.Aggregate():
            return _aggregate_reason(expr)
        case rasp.LinearSequenceMap() if not all(map(rasp.is_numerical, (expr, expr.fst, expr.snd))):
            return "LinearSequenceMap only supports numerical inputs/outputs."
        case rasp.LinearSequenceMap():
            return None
        case rasp.SequenceMap() if not all(map(rasp.is_categorical, (expr, expr.fst, expr.snd))):
            return "(Non-linear) SequenceMap only supports categorical inputs/outputs."
        case _:
            return None


def _aggregate_reason(expr: rasp.Aggregate[Any]) -> str | None:
    read, written = rasp.get_encoding(expr.sop), rasp.get_encoding(expr)
    if read != written:
        return (
            "An aggregate's output encoding must match its input encoding. "
            f"Input: {read.value}  Output: {written.value}"
        )
    if rasp.is_categorical(expr) and expr.default is not None:
        return "Categorical aggregate only supports None as default value."
    if rasp.is_numerical(expr) and expr.default != 0:
        return "Numerical aggregate only supports 0 as default value."
    return None


def static_validate(program: rasp.RASPExpr) -> list[TracrUnsupportedExpr]:
    """What Tracr does not support whatever the input, children first."""
    found = map(_static_validate_expr, children_first(program))
    return [unsupported for unsupported in found if unsupported is not None]


class DynamicValidationEvaluator(rasp.DefaultRASPEvaluator):
    """Collects in ``unsupported_exprs`` what Tracr does not support on the inputs that it evaluates."""

    def __init__(self) -> None:
        self.unsupported_exprs: list[TracrUnsupportedExpr] = []

    def evaluate(self, expr: rasp.RASPExpr, xs: Sequence[Any]) -> Any:
        """The value of an expression on a sequence."""
        if isinstance(expr, rasp.Aggregate):
            reason = self._reason(expr, xs)
            if reason is not None and not any(known.expr is expr for known in self.unsupported_exprs):
                self.unsupported_exprs.append(TracrUnsupportedExpr(expr, reason))
        return super().evaluate(expr, xs)

    def _reason(self, expr: rasp.Aggregate[Any], xs: Sequence[Any]) -> str | None:
        values = super().evaluate(expr.sop, xs)
        if rasp.is_numerical(expr):
            odd = {value for value in values if value not in (0, 1)}
            return f"Numerical aggregate only supports binary inputs 0, 1. But got {odd}." if odd else None
        selected = super().evaluate(expr.selector, xs)
        rows = ([value for value, chosen in zip(values, row, strict=True) if chosen] for row in selected)
        if any(value != row[0] for row in rows for value in row[1:]):
            return (
                "Categorical aggregate does not support Selectors with width > 1 that require aggregation "
                "(eg. averaging)."
            )
        return None


def dynamic_validate(program: rasp.RASPExpr, xs: Sequence[Any] | None = None) -> list[TracrUnsupportedExpr]:
    """What Tracr does not support on this input."""
    evaluator = DynamicValidationEvaluator()
    evaluator.evaluate(program, xs or [])
    return evaluator.unsupported_exprs


def validate(program: rasp.RASPExpr, xs: Sequence[Any] | None = None) -> list[TracrUnsupportedExpr]:
    """What Tracr does not support, on this input if there is one."""
    return static_validate(program) + ([] if xs is None else dynamic_validate(program, xs))
