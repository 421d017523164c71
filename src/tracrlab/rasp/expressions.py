"""RASP expressions: s-ops and selectors, built by ordinary Python (Tracr paper, section 2.2).

An expression is an immutable node of a graph; building one computes nothing. Call it on a sequence to have the
reference interpreter evaluate it. Signatures follow Tracr's where Tracr has the operation.
"""

from __future__ import annotations

import copy
import enum
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

from tracrlab.rasp import operations as op
from tracrlab.rasp.values import Value

Predicate = Callable[[Any, Any], Any]


class Encoding(enum.Enum):
    """How a variable is laid out in the residual stream."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


class Comparison(enum.Enum):
    """The standard predicates of ``select``, called as ``comparison(key, query)``."""

    EQ = "=="
    NEQ = "!="
    LT = "<"
    LEQ = "<="
    GT = ">"
    GEQ = ">="
    TRUE = "True"
    FALSE = "False"

    def __call__(self, key: Any, query: Any) -> bool:
        return bool(_COMPARISON_FUNCTIONS[self](key, query))


_COMPARISON_FUNCTIONS: dict[Comparison, Predicate] = {
    Comparison.EQ: operator.eq,
    Comparison.NEQ: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LEQ: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GEQ: operator.ge,
    Comparison.TRUE: lambda key, query: True,
    Comparison.FALSE: lambda key, query: False,
}

_OWN_MODULES = {__name__, "tracrlab.rasp.functions"}


_textual_location: str | None = None


def build_at(location: str | None) -> None:
    """Give all expressions built from now on this location, that of a textual program; ``None``: Python's again."""
    global _textual_location
    _textual_location = location


def _source_location() -> str | None:
    """The ``file:line`` outside this module that is building an expression."""
    if _textual_location is not None:
        return _textual_location
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _OWN_MODULES:
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Expression:
    """A node of a RASP program.

    Attributes: ``name`` given with :meth:`named` or ``None``; ``encoding`` asked for with ``numerical`` or
    ``categorical``, or ``None`` to let the compiler choose; ``location`` the ``file:line`` that built it.
    """

    name: str | None
    encoding: Encoding | None
    location: str | None

    def __init__(self) -> None:
        self.name = None
        self.encoding = None
        self.location = _source_location()

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions this one reads, in order."""
        raise NotImplementedError

    @property
    def parameters(self) -> tuple[Any, ...]:
        """What distinguishes this node from others of its class over the same children (hashable)."""
        return ()

    def named(self, name: str) -> Self:
        """A copy of this expression that carries a name, used in labels, traces and errors."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"a name must be a non-empty string, not {name!r}")
        renamed = copy.copy(self)
        renamed.name = name
        return renamed

    def __call__(self, sequence: Sequence[Value], *, causal: bool = False) -> list[Any]:
        """The value on ``sequence``: for an s-op one value a position, for a selector rows of bools.

        Arguments:
            sequence: the input tokens (a string is a sequence of characters).
            causal: mask every selector so that a position selects only itself and earlier ones.

        Raises:
            EvaluationError: a function of the program raises on a value it meets.
            InputError: a token is not hashable.
        """
        from tracrlab.rasp.interpreter import evaluate

        return evaluate(self, sequence, causal=causal)

    def __bool__(self) -> bool:
        raise TypeError(
            "an s-op or selector has no single truth value: write & | ~ instead of and, or, not, and split chained "
            "comparisons such as a < b < c"
        )

    def __repr__(self) -> str:
        from tracrlab.rasp.text import describe

        return describe(self)

    __hash__ = object.__hash__


class SOp(Expression):
    """A sequence operation: one value a position."""

    def __add__(self, other: Any) -> SOp:
        return elementwise(op.ADD, self, other)

    def __radd__(self, other: Any) -> SOp:
        return elementwise(op.ADD, other, self)

    def __sub__(self, other: Any) -> SOp:
        return elementwise(op.SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> SOp:
        return elementwise(op.SUBTRACT, other, self)

    def __mul__(self, other: Any) -> SOp:
        return elementwise(op.MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> SOp:
        return elementwise(op.MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> SOp:
        return elementwise(op.DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> SOp:
        return elementwise(op.DIVIDE, other, self)

    def __floordiv__(self, other: Any) -> SOp:
        return elementwise(op.FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other: Any) -> SOp:
        return elementwise(op.FLOOR_DIVIDE, other, self)

    def __mod__(self, other: Any) -> SOp:
        return elementwise(op.MODULO, self, other)

    def __rmod__(self, other: Any) -> SOp:
        return elementwise(op.MODULO, other, self)

    def __pow__(self, other: Any) -> SOp:
        return elementwise(op.POWER, self, other)

    def __rpow__(self, other: Any) -> SOp:
        return elementwise(op.POWER, other, self)

    def __lt__(self, other: Any) -> SOp:
        return elementwise(op.LESS, self, other)

    def __le__(self, other: Any) -> SOp:
        return elementwise(op.LESS_EQUAL, self, other)

    def __gt__(self, other: Any) -> SOp:
        return elementwise(op.GREATER, self, other)

    def __ge__(self, other: Any) -> SOp:
        return elementwise(op.GREATER_EQUAL, self, other)

    def __eq__(self, other: Any) -> SOp:  # type: ignore[override]
        return elementwise(op.EQUAL, self, other)

    def __ne__(self, other: Any) -> SOp:  # type: ignore[override]
        return elementwise(op.NOT_EQUAL, self, other)

    def __and__(self, other: Any) -> SOp:
        return elementwise(op.AND, self, other)

    def __rand__(self, other: Any) -> SOp:
        return elementwise(op.AND, other, self)

    def __or__(self, other: Any) -> SOp:
        return elementwise(op.OR, self, other)

    def __ror__(self, other: Any) -> SOp:
        return elementwise(op.OR, other, self)

    def __invert__(self) -> SOp:
        return elementwise(op.NOT, self)

    def __neg__(self) -> SOp:
        return elementwise(op.NEGATE, self)

    def __pos__(self) -> SOp:
        return self

    def __abs__(self) -> SOp:
        return elementwise(op.ABSOLUTE, self)

    __hash__ = object.__hash__


class Tokens(SOp):
    """The input sequence itself."""

    @property
    def children(self) -> tuple[Expression, ...]:
        return ()


class Indices(SOp):
    """The position of each token: 0, 1, 2, …"""

    @property
    def children(self) -> tuple[Expression, ...]:
        return ()


class Length(SOp):
    """The length of the input, at every position. A causal model cannot know it, so it does not compile there."""

    @property
    def children(self) -> tuple[Expression, ...]:
        return ()


class Full(SOp):
    """The same constant at every position."""

    def __init__(self, fill: Value) -> None:
        super().__init__()
        if isinstance(fill, Expression):
            raise TypeError("Full takes a constant, not an expression")
        try:
            hash(fill)
        except TypeError as error:
            raise TypeError(f"a constant must be hashable, unlike {fill!r}") from error
        self.fill = fill

    @property
    def children(self) -> tuple[Expression, ...]:
        return ()

    @property
    def parameters(self) -> tuple[Any, ...]:
        from tracrlab.rasp.values import value_key

        return (value_key(self.fill),)


class Map(SOp):
    """``f`` applied to the value at each position; ``None`` stays ``None`` and ``f`` never sees it."""

    def __init__(self, f: Callable[[Any], Any], inner: SOp) -> None:
        super().__init__()
        self.f = _function(f)
        self.inner = _sop(inner)

    @property
    def children(self) -> tuple[SOp, ...]:
        return (self.inner,)

    @property
    def parameters(self) -> tuple[Any, ...]:
        return (self.f,)


class SequenceMap(SOp):
    """``f`` applied to the values of two or more s-ops at each position; ``None`` if any of them is ``None``."""

    def __init__(self, f: Callable[..., Any], fst: Any, snd: Any, *others: Any) -> None:
        super().__init__()
        self.f = _function(f)
        self.inputs = tuple(map(_sop, (fst, snd, *others)))

    @property
    def fst(self) -> SOp:
        """The first input."""
        return self.inputs[0]

    @property
    def snd(self) -> SOp:
        """The second input."""
        return self.inputs[1]

    @property
    def children(self) -> tuple[SOp, ...]:
        return self.inputs

    @property
    def parameters(self) -> tuple[Any, ...]:
        return (self.f,)


class LinearSequenceMap(SequenceMap):
    """``fst_fac * fst + snd_fac * snd``."""

    def __init__(self, fst: Any, snd: Any, fst_fac: float, snd_fac: float) -> None:
        self.fst_fac = fst_fac
        self.snd_fac = snd_fac
        super().__init__(self._combine, fst, snd)

    def _combine(self, x: Any, y: Any) -> Any:
        return self.fst_fac * x + self.snd_fac * y

    @property
    def parameters(self) -> tuple[Any, ...]:
        return (self.fst_fac, type(self.fst_fac), self.snd_fac, type(self.snd_fac))


class Aggregate(SOp):
    """At each position, the mean of ``sop`` over the selected positions; ``default`` where none is selected.

    Several selected values that are all the same give that value, whatever its type; different ones must be numbers.
    """

    def __init__(self, selector: Selector, sop: Any, default: Value = None) -> None:
        super().__init__()
        self.selector = _selector(selector)
        self.sop = _sop(sop)
        self.default = Full(default).fill

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.selector, self.sop)

    @property
    def parameters(self) -> tuple[Any, ...]:
        from tracrlab.rasp.values import value_key

        return (value_key(self.default),)


class MeanAggregate(Aggregate):
    """The aggregate of the original language (Weiss et al. 2021), in which equal values are averaged as well.

    Exactly one selected value is passed on unchanged, of whatever type; several must be numbers, no bools, and give
    their mean, which is a float.
    """


class SelectorWidth(SOp):
    """At each position, the number of selected positions (Tracr paper, appendix D.2)."""

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        self.selector = _selector(selector)

    @property
    def children(self) -> tuple[Selector, ...]:
        return (self.selector,)


class Selector(Expression):
    """A matrix of bools: row = query position, column = key position.

    A pair in which a key or a query is ``None`` is neither selected nor selected by the complement: selectors combine
    by Kleene's three-valued logic, and only what is definitely true is selected.
    """

    def __and__(self, other: Any) -> Selector:
        return SelectorAnd(self, other) if isinstance(other, Selector) else NotImplemented

    def __or__(self, other: Any) -> Selector:
        return SelectorOr(self, other) if isinstance(other, Selector) else NotImplemented

    def __invert__(self) -> Selector:
        return SelectorNot(self)


class Select(Selector):
    """Selects key position ``j`` for query position ``i`` when ``predicate(keys[j], queries[i])`` holds."""

    def __init__(self, keys: Any, queries: Any, predicate: Predicate) -> None:
        super().__init__()
        self.keys = _sop(keys)
        self.queries = _sop(queries)
        self.predicate = _function(predicate)

    @property
    def children(self) -> tuple[SOp, ...]:
        return (self.keys, self.queries)

    @property
    def parameters(self) -> tuple[Any, ...]:
        return (self.predicate,)


class _SelectorPair(Selector):
    """Two selectors combined pair by pair."""

    def __init__(self, fst: Selector, snd: Selector) -> None:
        super().__init__()
        self.fst = _selector(fst)
        self.snd = _selector(snd)

    @property
    def children(self) -> tuple[Selector, ...]:
        return (self.fst, self.snd)


class SelectorAnd(_SelectorPair):
    """What both selectors select."""


class SelectorOr(_SelectorPair):
    """What either selector selects."""


class SelectorNot(Selector):
    """What the selector definitely does not select."""

    def __init__(self, inner: Selector) -> None:
        super().__init__()
        self.inner = _selector(inner)

    @property
    def children(self) -> tuple[Selector, ...]:
        return (self.inner,)


def elementwise(operation: op.Operation, *operands: Any) -> SOp:
    """The s-op ``operation(*operands)``, where operands are s-ops or constants and at least one is an s-op."""
    if any(isinstance(operand, Selector) for operand in operands):
        raise TypeError(f"{operation.template.format(*['…'] * len(operands))} does not apply to a selector")
    sops = [operand for operand in operands if isinstance(operand, SOp)]
    constants = tuple(
        (place, Full(operand).fill) for place, operand in enumerate(operands) if not isinstance(operand, SOp)
    )
    function = op.PartialOperation(operation, constants) if constants else operation
    return Map(function, sops[0]) if len(sops) == 1 else SequenceMap(function, *sops)


def _function(value: Any) -> Callable[..., Any]:
    if not callable(value) or isinstance(value, Expression):
        raise TypeError(f"expected a function, not {value!r}")
    return value  # type: ignore[no-any-return]


def _sop(value: Any) -> SOp:
    if isinstance(value, Selector):
        raise TypeError("expected an s-op or a constant, not a selector: aggregate it or take its width first")
    return value if isinstance(value, SOp) else Full(value)


def _selector(value: Any) -> Selector:
    if not isinstance(value, Selector):
        raise TypeError(f"expected a selector (made by select), not {value!r}")
    return value
