"""The RASP language, embedded in Python: expressions, their meaning, and a library of programs.

>>> from tracrlab import rasp
>>> is_l = (rasp.tokens == "l").named("is_l")
>>> is_l("hello")
[False, False, True, True, False]
"""

from tracrlab.rasp.expressions import (
    Aggregate,
    Comparison,
    Encoding,
    Expression,
    Full,
    LinearSequenceMap,
    Map,
    Select,
    Selector,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorWidth,
    SequenceMap,
    SOp,
)
from tracrlab.rasp.functions import (
    aggregate,
    categorical,
    constant,
    elementwise_map,
    indices,
    length,
    numerical,
    select,
    selector_width,
    tokens,
    where,
)
from tracrlab.rasp.interpreter import evaluate, evaluate_all, evaluate_batch
from tracrlab.rasp.text import expression_text, set_example
from tracrlab.rasp.values import Ratio, Value

__all__ = [
    "Aggregate",
    "Comparison",
    "Encoding",
    "Expression",
    "Full",
    "LinearSequenceMap",
    "Map",
    "Ratio",
    "SOp",
    "Select",
    "Selector",
    "SelectorAnd",
    "SelectorNot",
    "SelectorOr",
    "SelectorWidth",
    "SequenceMap",
    "Value",
    "aggregate",
    "categorical",
    "constant",
    "elementwise_map",
    "evaluate",
    "evaluate_all",
    "evaluate_batch",
    "expression_text",
    "indices",
    "length",
    "numerical",
    "select",
    "selector_width",
    "set_example",
    "tokens",
    "where",
]
