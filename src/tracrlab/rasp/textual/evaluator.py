"""Running parsed RASP: statements change an environment, expressions become atoms, lists, s-ops or selectors.

S-ops and selectors are the expressions of :mod:`tracrlab.rasp`, so whatever works on these works on textual programs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from tracrlab.errors import RaspError, TracrLabError
from tracrlab.rasp import operations
from tracrlab.rasp.expressions import Expression, Map, Selector, SelectorWidth, SOp, build_at
from tracrlab.rasp.functions import indices, length, tokens
from tracrlab.rasp.textual import operators as ops
from tracrlab.rasp.textual import syntax
from tracrlab.rasp.textual.environment import Environment, Function, NativeFunction
from tracrlab.rasp.textual.operators import RaspTypeError

_RECURSION_LIMIT = 60_000  # expressions and calls nest as deep as programs make them, in pure Python frames


@dataclass(frozen=True)
class Hooks:
    """What the evaluator asks of its surroundings.

    ``created`` is told of every new s-op and selector, ``load`` gives the names that a file exports, ``run`` the value
    of an s-op or selector on an input, ``draw`` is called for each drawing.
    """

    created: Callable[[Expression], None]
    load: Callable[[str], dict[str, Any]]
    run: Callable[[Expression, Any], list[Any]]
    draw: Callable[[Expression, Any], None]


class Evaluator:
    """Evaluates statements one after another; ``name`` is the file or session that positions refer to."""

    def __init__(self, environment: Environment, hooks: Hooks, name: str) -> None:
        self.environment = environment
        self.hooks = hooks
        self.name = name

    def execute(self, statement: syntax.Statement) -> Any:
        """Carry out a statement that is not about the session itself.

        Returns the value of an expression or assignment, or the names and values that a ``load`` brings.

        Raises:
            RaspError: what went wrong, with its position.
        """
        with _deep_recursion():
            try:
                return self._execute(statement, self.environment)
            except (RaspTypeError, RecursionError, TracrLabError) as error:
                raise self._located(error, statement.position) from error
            finally:
                build_at(None)

    def _execute(self, statement: syntax.Statement, scope: Environment) -> Any:
        match statement:
            case syntax.ExpressionStatement():
                return self._evaluate(statement.expression, scope)
            case syntax.Assign():
                return self._assign(statement, scope)
            case syntax.FunctionDef():
                function = Function(statement, scope, self.name)
                scope.assign(statement.name, function)
                return function
            case syntax.For():
                for element in self._elements(statement.iterable, scope):
                    self._bind(statement.targets, element, scope)
                    for inner in statement.body:
                        self._execute(inner, scope)
            case syntax.Load():
                loaded = self.hooks.load(statement.path)
                scope.names |= loaded
                return loaded
            case syntax.Draw():
                drawn = self._evaluate(statement.expression, scope)
                if not isinstance(drawn, Expression):
                    raise RaspTypeError(f"draw needs an s-op or a selector, not {ops.kind(drawn)}")
                shown = None if statement.input is None else self._evaluate(statement.input, scope)
                self.hooks.draw(drawn, None if shown is None else ops.checked_input("an input", shown))
            case _:
                raise RaspTypeError("this only makes sense in an interactive session")
        return None

    def _assign(self, statement: syntax.Assign, scope: Environment) -> Any:
        values = [self._evaluate(value, scope) for value in statement.values]
        targets = statement.targets
        if len(targets) == 1:
            values = [values[0] if len(values) == 1 else values]
        elif len(values) == 1:
            values = self._unpacked(values[0], len(targets))
        if len(values) != len(targets):
            raise RaspTypeError(f"{len(values)} values cannot be assigned to {len(targets)} names")
        for target, value in zip(targets, values, strict=True):
            if isinstance(value, Expression) and value.name is None:
                value.name = target
            scope.assign(target, value)
        return values[0] if len(values) == 1 else values

    def _bind(self, targets: Sequence[str], element: Any, scope: Environment) -> None:
        values = [element] if len(targets) == 1 else self._unpacked(element, len(targets))
        for target, value in zip(targets, values, strict=True):
            scope.assign(target, value)

    def _unpacked(self, value: Any, count: int) -> list[Any]:
        if not isinstance(value, list | str) or len(value) != count:
            raise RaspTypeError(f"{ops.kind(value)} cannot be unpacked into {count} names")
        return list(value)

    def _elements(self, iterable: syntax.Expression, scope: Environment) -> list[Any]:
        value = self._evaluate(iterable, scope)
        if not isinstance(value, list | dict):
            raise RaspTypeError(f"one can only loop over a list or dictionary, not {ops.kind(value)}")
        return list(value)

    def _evaluate(self, expression: syntax.Expression, scope: Environment) -> Any:
        try:
            value = self._value(expression, scope)
            if isinstance(value, Expression) and not isinstance(expression, syntax.Name | syntax.Call):
                self.hooks.created(value)
            return value
        except (RaspTypeError, RecursionError, TracrLabError) as error:
            raise self._located(error, expression.position) from error

    def _value(self, expression: syntax.Expression, scope: Environment) -> Any:
        match expression:
            case syntax.Literal():
                return expression.value
            case syntax.Name():
                return scope.lookup(expression.name)
            case syntax.Binary():
                left, right = self._evaluate(expression.left, scope), self._evaluate(expression.right, scope)
                self._built_at(expression)
                return ops.binary(expression.operator, left, right)
            case syntax.Unary():
                operand = self._evaluate(expression.operand, scope)
                self._built_at(expression)
                return ops.unary(expression.operator, operand)
            case syntax.Call():
                return self._call(expression, scope)
            case syntax.Conditional():
                return self._conditional(expression, scope)
            case syntax.Select():
                keys, queries = self._evaluate(expression.keys, scope), self._evaluate(expression.queries, scope)
                self._built_at(expression)
                return ops.select(keys, queries, expression.comparison)
            case syntax.Aggregate():
                default = 0 if expression.default is None else self._evaluate(expression.default, scope)
                selector, sequence = (
                    self._evaluate(expression.selector, scope),
                    self._evaluate(expression.sequence, scope),
                )
                self._built_at(expression)
                return ops.aggregate(selector, sequence, default)
            case syntax.Index():
                sequence, place = self._evaluate(expression.sequence, scope), self._evaluate(expression.index, scope)
                self._built_at(expression)
                return ops.index(sequence, place)
            case syntax.Membership():
                item, container = self._evaluate(expression.item, scope), self._evaluate(expression.container, scope)
                self._built_at(expression)
                return ops.contains(item, container)
            case syntax.Round() | syntax.Indicator():
                argument = self._evaluate(expression.argument, scope)
                self._built_at(expression)
                return ops.rounded(argument) if isinstance(expression, syntax.Round) else ops.indicator(argument)
            case _:
                return self._collection(expression, scope)

    def _collection(self, expression: syntax.Expression, scope: Environment) -> Any:
        match expression:
            case syntax.ListLiteral():
                return [self._evaluate(item, scope) for item in expression.items]
            case syntax.DictLiteral():
                pairs = [(self._evaluate(k, scope), self._evaluate(v, scope)) for k, v in expression.items]
                return self._dictionary(pairs)
            case syntax.ListComprehension():
                return [
                    self._evaluate(expression.element, inner)
                    for inner in self._inner_scopes(expression.targets, expression.iterable, scope)
                ]
            case syntax.DictComprehension():
                inners = self._inner_scopes(expression.targets, expression.iterable, scope)
                return self._dictionary(
                    [(self._evaluate(expression.key, s), self._evaluate(expression.value, s)) for s in inners]
                )
            case syntax.Range():
                arguments = [self._evaluate(argument, scope) for argument in expression.arguments]
                if not 1 <= len(arguments) <= 3 or not all(type(argument) is int for argument in arguments):
                    raise RaspTypeError("range takes one to three ints")
                return list(ops.apply_to_atoms("range", lambda *ends: [*range(*ends)], *arguments))
            case syntax.Zip():
                lists = [self._evaluate(argument, scope) for argument in expression.arguments]
                if not all(isinstance(each, list) for each in lists) or len({len(each) for each in lists}) > 1:
                    raise RaspTypeError("zip takes lists of equal length")
                return [list(group) for group in zip(*lists, strict=True)]
            case syntax.Len():
                value = self._evaluate(expression.argument, scope)
                if not isinstance(value, list):
                    raise RaspTypeError(f"len takes a list, not {ops.kind(value)}")
                return len(value)
            case _:
                raise AssertionError(f"no rule for {type(expression).__name__}")

    def _dictionary(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        for key, _ in pairs:
            if not ops.is_atom(key):
                raise RaspTypeError(f"the keys of a dictionary are atoms, not {ops.kind(key)}")
        return dict(pairs)

    def _inner_scopes(
        self, targets: Sequence[str], iterable: syntax.Expression, scope: Environment
    ) -> Iterator[Environment]:
        for element in self._elements(iterable, scope):
            inner = Environment(scope)
            self._bind(targets, element, inner)
            yield inner

    def _conditional(self, expression: syntax.Conditional, scope: Environment) -> Any:
        """Elementwise on an s-op, both branches evaluated; on an atom only the branch that counts."""
        condition = self._evaluate(expression.condition, scope)
        if isinstance(condition, SOp):
            value, otherwise = self._evaluate(expression.value, scope), self._evaluate(expression.otherwise, scope)
            self._built_at(expression)
            return ops.conditional(condition, value, otherwise)
        if not ops.is_atom(condition):
            raise RaspTypeError(f"the condition of 'if' is an s-op or an atom, not {ops.kind(condition)}")
        return self._evaluate(expression.value if condition else expression.otherwise, scope)

    def _call(self, expression: syntax.Call, scope: Environment) -> Any:
        function = self._evaluate(expression.function, scope)
        arguments = [self._evaluate(argument, scope) for argument in expression.arguments]
        if isinstance(function, Expression):
            self._check_arity(ops.kind(function), 1, len(arguments))
            return self.hooks.run(function, ops.checked_input("an input", arguments[0]))
        if isinstance(function, NativeFunction):
            self._check_arity(function.name, function.arity, len(arguments))
            self._built_at(expression)
            return function.apply(*arguments)
        if not isinstance(function, Function):
            raise RaspTypeError(f"{ops.kind(function)} cannot be called")
        definition = function.definition
        self._check_arity(function.name, len(definition.parameters), len(arguments))
        inner = Environment(function.scope)
        inner.names.update(zip(definition.parameters, arguments, strict=True))
        with self._inside(function.file):
            for statement in definition.body:
                self._execute(statement, inner)
            results = [self._evaluate(result, inner) for result in definition.results]
        return results[0] if len(results) == 1 else results

    @contextmanager
    def _inside(self, file: str) -> Iterator[None]:
        """Positions are those of another file, if the body of a function stands there."""
        caller, self.name = self.name, file
        try:
            yield
        finally:
            self.name = caller

    def _check_arity(self, name: str, arity: int, given: int) -> None:
        if arity != given:
            raise RaspTypeError(f"{name} takes {arity} argument{'s' * (arity != 1)}, not {given}")

    def _built_at(self, expression: syntax.Expression) -> None:
        """Expressions built next come from this place of the program."""
        build_at(f"{self.name}:{expression.position.line}")

    def _located(self, error: Exception, position: syntax.Position) -> RaspError:
        """The error with a position: that of the innermost part of the program that has one."""
        if isinstance(error, RaspError):
            return error
        message = "the recursion is too deep" if isinstance(error, RecursionError) else str(error)
        return RaspError(self.name, position.line, position.column, message)


class _DeepRecursion:
    """Python frames cost no C stack, so programs may nest far deeper than Python's default allows.

    The limit is one for all threads: the first evaluation to begin raises it, the last to end puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._running, self._limit = Lock(), 0, 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._running:
                self._limit = sys.getrecursionlimit()
                sys.setrecursionlimit(max(self._limit, _RECURSION_LIMIT))
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    sys.setrecursionlimit(self._limit)


_deep_recursion = _DeepRecursion()


def base_environment() -> Environment:
    """The names that the language itself provides."""
    base = Environment()
    as_string = _tokens(operations.AS_STRING, "tokens_str")
    base.names |= {
        "tokens_asis": tokens,
        "tokens_str": as_string,
        "tokens_int": _tokens(operations.AS_INTEGER, "tokens_int"),
        "tokens_float": _tokens(operations.AS_FLOAT, "tokens_float"),
        "tokens_bool": _tokens(operations.AS_BOOL, "tokens_bool"),
        "tokens": as_string,
        "indices": indices,
        "length": length,
        "True": True,
        "False": False,
        "None": None,
        "gather": NativeFunction("gather", 3, ops.gather),
        "selector_width": NativeFunction("selector_width", 1, _selector_width),
    }
    return base


def _tokens(conversion: Callable[[Any], Any], name: str) -> SOp:
    converted = Map(conversion, tokens).named(name)
    converted.location = None
    return converted


def _selector_width(selector: Any) -> SOp:
    if not isinstance(selector, Selector):
        raise RaspTypeError(f"selector_width needs a selector, not {ops.kind(selector)}")
    return SelectorWidth(selector)
