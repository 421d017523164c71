"""RASP as Tracr spells it: expressions with annotations and labels, and their evaluation.

Expressions are only descriptions. What they mean is decided by :mod:`tracrlab.compat.translation`, which turns them
into those of :mod:`tracrlab.rasp`, for evaluating as for compiling.
"""

from __future__ import annotations

import abc
import copy
import enum
import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, Union

from tracrlab.rasp import expressions as native
from tracrlab.rasp import operations as op

SelectorValue = list[list[bool]]
NumericValue = int | float
Value = Union[None, int, float, str, bool]  # noqa: UP007 (it is a value at run time, as Tracr's)
VT = TypeVar("VT", bound=Value)
RASPExprT = TypeVar("RASPExprT", bound="RASPExpr")
SOpT = TypeVar("SOpT", bound="SOp")

_LOGGER = logging.getLogger("tracr")
_NAME_KEY = "name"
_ENCODING_KEY = "encoding"


class Annotator(Protocol):
    """A function that gives the default of an annotation."""

    def __call__(self, expr: RASPExpr) -> Any:
        """The default for an expression."""


DEFAULT_ANNOTATORS: dict[str, Annotator] = {}
"""The annotations that every expression has; filled at the end of this module."""


class _Annotations(Mapping[str, Any]):
    """What was annotated, and the defaults for what was not."""

    def __init__(self, expr: RASPExpr, **given: Any) -> None:
        self._expr = expr
        self.given = given

    def __getitem__(self, key: str) -> Any:
        if key not in self.given:
            if key not in DEFAULT_ANNOTATORS:
                raise KeyError(f"No annotation exists for key '{key}'. Available keys: {set(self)}")
            return DEFAULT_ANNOTATORS[key](self._expr)
        return self.given[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**DEFAULT_ANNOTATORS, **self.given})

    def __len__(self) -> int:
        return len({**DEFAULT_ANNOTATORS, **self.given})

    def __repr__(self) -> str:
        return repr(dict(self))


def _source_location() -> str | None:
    """The ``file:line`` outside this package that is building an expression."""
    frame = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("tracrlab.compat."):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class RASPExpr(abc.ABC):
    """An expression of a RASP program; calling it on a sequence evaluates it."""

    _ids = itertools.count(1)

    def __init__(self) -> None:
        self._annotations = _Annotations(self)
        self.location = _source_location()

    def __call__(self, xs: Sequence[Value]) -> Any:
        """The value on a sequence: for an s-op a list, for a selector rows of bools, a row a query."""
        return evaluate(self, xs)

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The annotations, defaults included; they cannot be set here."""
        return self._annotations

    @property
    def explicit_annotations(self) -> Mapping[str, Any]:
        """The annotations that were given, without defaults."""
        return self._annotations.given

    @property
    def name(self) -> str:
        """The name given by :meth:`named`, or one after the kind of expression."""
        return str(self.annotations[_NAME_KEY])

    @property
    @abc.abstractmethod
    def children(self) -> Sequence[RASPExpr]:
        """The expressions that this one reads."""

    @cached_property
    def unique_id(self) -> int:
        """A number of its own, given when it is first asked for."""
        return next(self._ids)

    @property
    def label(self) -> str:
        """The name and the unique id, which name the expression's variable in a compiled model."""
        return f"{self.name}_{self.unique_id}"

    def copy(self: RASPExprT) -> RASPExprT:
        """The same expression as another object, with an id of its own."""
        twin = copy.copy(self)
        twin.__dict__.pop("unique_id", None)
        twin._annotations = _Annotations(twin, **self._annotations.given)
        return twin

    def named(self: RASPExprT, name: str) -> RASPExprT:
        """A copy with a name."""
        return self.annotated(name=name)

    def annotated(self: RASPExprT, **annotations: Any) -> RASPExprT:
        """A copy with annotations."""
        return annotate(self, **annotations)


def annotate(expr: RASPExprT, **annotations: Any) -> RASPExprT:
    """A copy of an expression with more annotations; the original keeps its own."""
    twin = expr.copy()
    twin._annotations.given.update(annotations)
    return twin


class SOp(RASPExpr):
    """A sequence operation: one value a position."""

    def __lt__(self, other: Any) -> SOp:
        return _elementwise(op.LESS, self, other)

    def __le__(self, other: Any) -> SOp:
        return _elementwise(op.LESS_EQUAL, self, other)

    def __eq__(self, other: Any) -> SOp:  # type: ignore[override]
        return _elementwise(op.EQUAL, self, other)

    def __ne__(self, other: Any) -> SOp:  # type: ignore[override]
        return _elementwise(op.NOT_EQUAL, self, other)

    def __gt__(self, other: Any) -> SOp:
        return _elementwise(op.GREATER, self, other)

    def __ge__(self, other: Any) -> SOp:
        return _elementwise(op.GREATER_EQUAL, self, other)

    def __add__(self, other: Any) -> SOp:
        return _elementwise(op.ADD, self, other)

    def __radd__(self, other: Any) -> SOp:
        return _elementwise(op.ADD, other, self)

    def __sub__(self, other: Any) -> SOp:
        return _elementwise(op.SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> SOp:
        return _elementwise(op.SUBTRACT, other, self)

    def __mul__(self, other: Any) -> SOp:
        return _elementwise(op.MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> SOp:
        return _elementwise(op.MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> SOp:
        return _elementwise(op.DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> SOp:
        return _elementwise(op.DIVIDE, other, self)

    def __invert__(self) -> SOp:
        return _elementwise(op.NOT, self)

    def __and__(self, other: Any) -> SOp:
        return _elementwise(op.AND, self, other)

    def __rand__(self, other: Any) -> SOp:
        return _elementwise(op.AND, other, self)

    def __or__(self, other: Any) -> SOp:
        return _elementwise(op.OR, self, other)

    def __ror__(self, other: Any) -> SOp:
        return _elementwise(op.OR, other, self)

    __hash__ = object.__hash__


def _elementwise(operation: op.Operation, *operands: Any) -> SOp:
    """The operation at each position; operands that are no s-ops are constants."""
    sops = [operand for operand in operands if isinstance(operand, SOp)]
    if any(isinstance(operand, Selector) for operand in operands):
        raise TypeError("a selector is no operand of an s-op: aggregate it or take its width first")
    fixed = tuple((place, operand) for place, operand in enumerate(operands) if not isinstance(operand, SOp))
    function: Callable[..., Any] = op.PartialOperation(operation, fixed) if fixed else operation
    return Map(function, sops[0]) if len(sops) == 1 else SequenceMap(function, *sops)


class _Source(SOp):
    """An s-op that reads no other; its label is its name."""

    _label: str

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []

    @property
    def label(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return self._label


class TokensType(_Source):
    """The input."""

    _label = "tokens"


class IndicesType(_Source):
    """The position: 0, 1, 2, …"""

    _label = "indices"


class LengthType(_Source):
    """The length of the input, everywhere."""

    _label = "length"


tokens: SOp = TokensType()
indices: SOp = IndicesType()
length: SOp = LengthType()


class Map(SOp):
    """``f`` at each position; where ``inner`` is ``None`` so is the map, and ``f`` is not called.

    A map of a map is one map of the composed function, unless ``simplify`` is false.
    """

    def __init__(self, f: Callable[[Any], Any], inner: SOp, simplify: bool = True) -> None:
        super().__init__()
        self.f = _function(f)
        self.inner = _sop(inner)
        if simplify and isinstance(inner, Map):
            self.f = _Composition(self.f, inner.f)
            self.inner = inner.inner

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.inner]


class _Composition:
    """``outer(inner(x))``, where an ``outer`` that cannot take ``None`` leaves it as it is."""

    def __init__(self, outer: Callable[[Any], Any], inner: Callable[[Any], Any]) -> None:
        self.outer = outer
        self.inner = inner

    def __call__(self, x: Any) -> Any:
        value = self.inner(x)
        if value is not None:
            return self.outer(value)
        try:
            return self.outer(None)
        except (TypeError, AttributeError):
            return None


class SequenceMap(SOp):
    """``f`` of two s-ops at each position, ``None`` where one of them is."""

    def __init__(self, f: Callable[[Any, Any], Any], fst: SOp, snd: SOp) -> None:
        super().__init__()
        self.f = _function(f)
        self.fst = _sop(fst)
        self.snd = _sop(snd)
        if fst is snd:
            _LOGGER.warning("both inputs of a SequenceMap are %s, which a Map would do", fst.name)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.fst, self.snd]


class LinearSequenceMap(SequenceMap):
    """``fst_fac * fst + snd_fac * snd``."""

    def __init__(self, fst: SOp, snd: SOp, fst_fac: float, snd_fac: float) -> None:
        super().__init__(lambda x, y: fst_fac * x + snd_fac * y, fst, snd)
        self.fst_fac = fst_fac
        self.snd_fac = snd_fac


class Full(SOp):
    """The same value everywhere."""

    def __init__(self, fill: Value) -> None:
        super().__init__()
        self.fill = fill

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


def sop_not(sop: SOp) -> SOp:
    """Whether each value is false."""
    return ~sop


class ConstantSOp(SOp, Generic[VT]):
    """A given sequence, for evaluating; with ``check_length`` inputs must be as long.

    Without, it is itself, whatever the input; where it ends, operations on it see ``None``.
    """

    def __init__(self, value: Sequence[VT], check_length: bool = True) -> None:
        super().__init__()
        self.value = value
        self.check_length = check_length

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


class Predicate(Protocol):
    """What a selector asks of a key and a query."""

    def __call__(self, key: Any, query: Any) -> bool:
        """Whether the query selects the key."""


class Comparison(enum.Enum):
    """The standard predicates, called as ``comparison(key, query)``."""

    EQ = "=="
    LT = "<"
    LEQ = "<="
    GT = ">"
    GEQ = ">="
    NEQ = "!="
    TRUE = "True"
    FALSE = "False"

    def __call__(self, key: Value, query: Value) -> bool:
        """Whether the comparison holds.

        Raises:
            ValueError: one of them is ``None``. A selector does not ask then: nothing is selected.
        """
        if key is None:
            raise ValueError("key is None!")
        if query is None:
            raise ValueError("query is None!")
        return native.Comparison(self.value)(key, query)


class Selector(RASPExpr):
    """A matrix of bools, a row a query position, a column a key position."""

    def __and__(self, other: Selector) -> Selector:
        return selector_and(self, other)

    def __rand__(self, other: Selector) -> Selector:
        return selector_and(other, self)

    def __or__(self, other: Selector) -> Selector:
        return selector_or(self, other)

    def __ror__(self, other: Selector) -> Selector:
        return selector_or(other, self)

    def __invert__(self) -> Selector:
        return selector_not(self)


class Select(Selector):
    """The pairs with ``predicate(key, query)``; none of those in which a value is ``None``."""

    def __init__(self, keys: SOp, queries: SOp, predicate: Predicate) -> None:
        super().__init__()
        self.keys = _sop(keys)
        self.queries = _sop(queries)
        self.predicate = _function(predicate)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.keys, self.queries]


class ConstantSelector(Selector):
    """A given matrix, for evaluating; with ``check_length`` inputs must be as long."""

    def __init__(self, value: SelectorValue, check_length: bool = True) -> None:
        super().__init__()
        self.value = value
        self.check_length = check_length

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


class SelectorWidth(SOp):
    """How many positions each query selects."""

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        self.selector = _selector(selector)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.selector]


class _Combination(Selector):
    """Two selectors combined pair by pair."""

    def __init__(self, fst: Selector, snd: Selector) -> None:
        super().__init__()
        self.fst = _selector(fst)
        self.snd = _selector(snd)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.fst, self.snd]


class SelectorAnd(_Combination):
    """The pairs in both."""


class SelectorOr(_Combination):
    """The pairs in one of them or in both."""


class SelectorNot(Selector):
    """The pairs that are not selected, and whose values are not ``None``."""

    def __init__(self, inner: Selector) -> None:
        super().__init__()
        self.inner = _selector(inner)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.inner]


def selector_not(inner: Selector, simplify: bool = True) -> Selector:
    """The complement; of a ``Select`` another ``Select``, unless ``simplify`` is false."""
    if simplify and isinstance(inner, Select):
        predicate = inner.predicate
        return Select(inner.keys, inner.queries, lambda key, query: not predicate(key, query))
    return SelectorNot(inner)


def selector_and(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """The intersection; of two ``Select`` another ``Select`` where one predicate can say it."""
    joint = _joint_select(fst, snd, lambda x, y: x and y) if simplify else None
    return joint or SelectorAnd(fst, snd)


def selector_or(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """The union; of two ``Select`` another ``Select`` where one predicate can say it."""
    joint = _joint_select(fst, snd, lambda x, y: x or y) if simplify else None
    return joint or SelectorOr(fst, snd)


def _joint_select(fst: Selector, snd: Selector, combine: Callable[[bool, bool], bool]) -> Select | None:
    if isinstance(fst, Select) and isinstance(snd, Select):
        return _attempt_simplify(fst, snd, combine)
    return None


def _attempt_simplify(fst: Select, snd: Select, combine: Callable[[bool, bool], bool]) -> Select | None:
    """Two selects over the same keys and queries, or over constants in their place, as one."""
    keys, queries = _same_or_other(fst.keys, snd.keys), _same_or_other(fst.queries, snd.queries)
    if keys is None or queries is None:
        return None

    def predicate(key: Any, query: Any) -> bool:
        return combine(*(select.predicate(_fill(select.keys, key), _fill(select.queries, query)) for select in pair))

    pair = (fst, snd)
    return Select(keys, queries, predicate)


def _same_or_other(fst: SOp, snd: SOp) -> SOp | None:
    """The one s-op that stands for both: they are the same, or one is a constant."""
    if isinstance(fst, Full):
        return snd
    return fst if fst is snd or isinstance(snd, Full) else None


def _fill(sop: SOp, value: Any) -> Any:
    return sop.fill if isinstance(sop, Full) else value


class Aggregate(SOp, Generic[VT]):
    """The mean of ``sop`` over the selected positions, ``default`` where there is none."""

    def __init__(self, selector: Selector, sop: SOp, default: VT | None = None) -> None:
        super().__init__()
        self.selector = _selector(selector)
        self.sop = _sop(sop)
        if default is not None and not isinstance(default, str | float | bool | int):
            raise TypeError(f"the default of an aggregate is None, a str, float, bool or int, not {default!r}")
        self.default = default

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.selector, self.sop]


class Encoding(enum.Enum):
    """How a variable is laid out: a direction a value, or one that holds the number."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


def numerical(sop: SOpT) -> SOpT:
    """A copy that is laid out as a number."""
    return annotate(sop, encoding=Encoding.NUMERICAL)


def categorical(sop: SOpT) -> SOpT:
    """A copy that is laid out with a direction a value."""
    return annotate(sop, encoding=Encoding.CATEGORICAL)


def get_encoding(sop: SOp) -> Encoding:
    """How the s-op asks to be laid out; categorical unless annotated."""
    encoding: Encoding = sop.annotations[_ENCODING_KEY]
    return encoding


def is_numerical(sop: SOp) -> bool:
    """Whether the s-op asks for a number."""
    return get_encoding(sop) == Encoding.NUMERICAL


def is_categorical(sop: SOp) -> bool:
    """Whether the s-op asks for a direction a value."""
    return get_encoding(sop) == Encoding.CATEGORICAL


def default_encoding(expr: RASPExpr) -> Encoding:
    """Categorical.

    Raises:
        TypeError: the expression is a selector.
    """
    if not isinstance(expr, SOp):
        raise TypeError(f"expr {expr} is not a SOp.")
    return Encoding.CATEGORICAL


_default_name_by_class: dict[Any, str] = {
    TokensType: "tokens",
    IndicesType: "indices",
    LengthType: "length",
    LinearSequenceMap: "linear_sequence_map",
    SequenceMap: "sequence_map",
    Map: "map",
    Full: "full",
    ConstantSOp: "constant_sop",
    SelectorWidth: "selector_width",
    Aggregate: "aggregate",
    SOp: "sop",
    Select: "select",
    SelectorAnd: "selector_and",
    SelectorOr: "selector_or",
    SelectorNot: "selector_not",
    ConstantSelector: "constant_selector",
    Selector: "selector",
}


def default_name(expr: RASPExpr) -> str:
    """The name after the kind of expression.

    Raises:
        NotImplementedError: its class has none.
    """
    for kind, name in _default_name_by_class.items():
        if isinstance(expr, kind):
            return name
    raise NotImplementedError(f"{expr} was not given a default name!")


DEFAULT_ANNOTATORS[_NAME_KEY] = default_name
DEFAULT_ANNOTATORS[_ENCODING_KEY] = default_encoding


def _sop(value: Any) -> SOp:
    if not isinstance(value, SOp):
        raise TypeError(f"expected an s-op, not {value!r}")
    return value


def _selector(value: Any) -> Selector:
    if not isinstance(value, Selector):
        raise TypeError(f"expected a selector, not {value!r}")
    return value


def _function(value: Any) -> Any:
    if not callable(value) or isinstance(value, RASPExpr):
        raise TypeError(f"expected a function, not {value!r}")
    return value


from tracrlab.compat.tracr.rasp.evaluators import (  # noqa: E402 (they evaluate the classes above)
    DefaultRASPEvaluator,
    RASPEvaluator,
    evaluate,
)

__all__ = [
    "DEFAULT_ANNOTATORS",
    "VT",
    "Aggregate",
    "Annotator",
    "Comparison",
    "ConstantSOp",
    "ConstantSelector",
    "DefaultRASPEvaluator",
    "Encoding",
    "Full",
    "IndicesType",
    "LengthType",
    "LinearSequenceMap",
    "Map",
    "NumericValue",
    "Predicate",
    "RASPEvaluator",
    "RASPExpr",
    "RASPExprT",
    "SOp",
    "SOpT",
    "Select",
    "Selector",
    "SelectorAnd",
    "SelectorNot",
    "SelectorOr",
    "SelectorValue",
    "SelectorWidth",
    "SequenceMap",
    "TokensType",
    "Value",
    "annotate",
    "categorical",
    "default_encoding",
    "default_name",
    "evaluate",
    "get_encoding",
    "indices",
    "is_categorical",
    "is_numerical",
    "length",
    "numerical",
    "selector_and",
    "selector_not",
    "selector_or",
    "sop_not",
    "tokens",
]
