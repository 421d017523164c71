"""What the parts of a program are called in its texts: a name means one thing.

A program may give one name to several expressions, as two calls of one Python function do. In texts, the first has the
name and the others have it with a number, as in the compiled model: ``frac_prevs - frac_prevs_1``. Functions without
names of their own, lambdas above all, are numbered likewise. A name that could be read as something else, such as
``is_(`` or a constant, stands between backticks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tracrlab.rasp.expressions import Comparison, Expression, Full, Map, Select, SequenceMap
from tracrlab.rasp.identity import merged_expressions, parameter_key
from tracrlab.rasp.operations import Operation, PartialOperation

_READ_OTHERWISE = frozenset({"tokens", "indices", "length", "True", "False", "None", "inf", "nan", "in"})


@dataclass(frozen=True, eq=False)
class Naming:
    """What stands for the parts of a program in its texts, each by its ``id``.

    Attributes: ``names`` of the expressions that appear as their names; ``made_up`` of those without a name, which
    appear so where their text would be too long; ``functions`` of the functions.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    made_up: Mapping[int, str] = field(default_factory=dict)
    functions: Mapping[int, str] = field(default_factory=dict)


def naming_of(program: Expression) -> Naming:
    """The naming for a text that stands alone, in which nothing says what a made-up name means."""
    expressions, places = merged_expressions(program)
    naming = naming_in_graph([expression for expression, _ in expressions], places)
    return Naming(naming.names, {}, naming.functions)


def naming_in_graph(
    expressions: Sequence[Expression], places: Mapping[int, int], names: Sequence[str] | None = None
) -> Naming:
    """The naming for the texts of all expressions of a program, each of which is listed by its unique name.

    Arguments:
        expressions: the distinct expressions of the program, children first.
        places: for the ``id`` of each expression of the program, where the one that stands for it is in the list.
        names: theirs, as :func:`unique_names` gives them.
    """
    unique = unique_names(expressions) if names is None else names
    shown: dict[int, str] = {}
    made_up: dict[int, str] = {}
    for identity, place in places.items():
        expression = expressions[place]
        if not expression.children and (isinstance(expression, Full) or expression.name == _keyword(expression)):
            continue
        group = shown if expression.name else made_up
        group[identity] = quoted(unique[place])
    return Naming(shown, made_up, _function_names(expressions))


def _keyword(source: Expression) -> str:
    """What a source is called in texts, whatever its name: ``tokens``, ``indices`` or ``length``."""
    return type(source).__name__.lower()


def unique_names(expressions: Iterable[Expression]) -> list[str]:
    """Given names stay as they are where they can; the rest are numbered after the kind of expression."""
    expressions = list(expressions)
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    reserved = {expression.name for expression in expressions if expression.name}
    names = []
    for expression in expressions:
        stem = expression.name or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(expression).__name__).lower()
        name = stem if expression.name and stem not in taken else None
        while name is None or name in taken or (not expression.name and name in reserved):
            counts[stem] += 1
            name = f"{stem}_{counts[stem]}"
        taken.add(name)
        names.append(name)
    return names


def quoted(name: str) -> str:
    """A name as it appears in a text: between backticks if it could be read otherwise."""
    if name.isidentifier() and name not in _READ_OTHERWISE:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def function_name(function: object) -> str:
    """The name of a function, which others may have, too."""
    if isinstance(function, Comparison):
        return function.value
    return str(getattr(function, "__name__", type(function).__name__))


def _function_names(expressions: Iterable[Expression]) -> dict[int, str]:
    """The names of the program's functions, by ``id``; different functions have different ones."""
    by_function: dict[Hashable, str] = {}
    names: dict[int, str] = {}
    taken: set[str] = set()
    for expression in expressions:
        match expression:
            case Map() | SequenceMap():
                function: object = expression.f
            case Select():
                function = expression.predicate
            case _:
                continue
        if isinstance(function, Operation | PartialOperation | Comparison):
            continue
        key = parameter_key(function)
        if key not in by_function:
            stem = function_name(function)
            number = 0
            while (name := f"{stem}_{number}" if number else stem) in taken:
                number += 1
            taken.add(name)
            by_function[key] = name
        names[id(function)] = by_function[key]
    return names
