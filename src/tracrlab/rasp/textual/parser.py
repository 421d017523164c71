"""Reading textual RASP: from a text to its syntax tree, or to an error that says what was expected where.

The grammar lists the operators of an expression in a row; here they are grouped, by one of two tables. ``"original"``
is the precedence of the original interpreter, which surprises (``not a in b`` is ``(not a) in b``), so that every
expression that Python would group differently is reported; ``"python"`` is Python's. Nothing here recurses: texts may
be long and deeply nested.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tracrlab.errors import ParseError
from tracrlab.rasp.textual import syntax
from tracrlab.rasp.textual.syntax import Expression, Position, Program, ReadingWarning, Statement

if TYPE_CHECKING:
    from lark import Lark

__all__ = [
    "PRECEDENCE",
    "Dialect",
    "GrowingText",
    "Precedence",
    "Program",
    "ReadingWarning",
    "is_complete",
    "keywords",
    "parse_program",
    "parse_statement",
]

Dialect: TypeAlias = Literal["original", "python"]


def parse_program(text: str, *, dialect: Dialect = "original", name: str = "<text>") -> Program:
    """The statements of a text, and a warning for each operator expression that Python would group differently.

    ``dialect`` chooses the precedence of operators (see the module); with ``"python"`` there is nothing to warn of.
    Raises ``ParseError``, which calls the text by its ``name``.
    """
    try:
        return _read(text, dialect)
    except _Unreadable as error:
        expected = _expected(_accepted(text, error.position)) if isinstance(error, _Misplaced) else ()
        raise _parse_error(text, name, error.position, error.problem, expected) from None


def parse_statement(text: str, *, dialect: Dialect = "original", name: str = "<text>") -> Statement:
    """The one statement of a text; raises ``ParseError`` for none or several too."""
    statements = parse_program(text, dialect=dialect, name=name).statements
    match statements:
        case [statement]:
            return statement
        case []:
            raise _parse_error(text, name, Position(1, 1), "there is no statement", ("a statement",))
        case [_, second, *_]:
            raise _parse_error(text, name, second.position, "a second statement", (_TEXT_END,))
    raise AssertionError(statements)


def is_complete(text: str) -> bool:
    """Whether no further line is needed: false while the text so far is right but a bracket or a ``;`` is missing.

    A text that no continuation could repair is complete, so that its error is shown.
    """
    try:
        _read(text, "original")
    except _Misplaced as error:
        return not error.at_end
    except _Unreadable:
        return True
    return True


class GrowingText:
    """A text that comes line by line; after each line it is known whether it is complete (see :func:`is_complete`).

    After the first line, each is read once: its words go to a parser that waits for more of them. Only for a ``set
    example``, which the end of a line may end, the text is read from its beginning.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin a new text."""
        self.lines: list[str] = []
        self._reader: Any = None
        self._lines_matter = False

    def add(self, line: str) -> bool:
        """Go on with a line, unless the text was complete before; whether it is complete now."""
        self.lines.append(line)
        if len(self.lines) == 1 and is_complete(line):  # as most statements are
            return True
        if not self._lines_matter:
            with contextlib.suppress(_LinesMatter):
                return self._completed_by(line)
            self._lines_matter = True
        return is_complete("\n".join(self.lines))

    def _completed_by(self, line: str) -> bool:
        from lark import UnexpectedToken

        with _LOCK:
            grammar = _grammar()
            grammar.builder.begin("original")
            self._reader = self._reader or grammar.parser.parse_interactive()
            try:
                for word in _words(line):
                    if word.type == "SET":
                        raise _LinesMatter
                    if word.type != "$END":
                        self._reader.feed_token(word)
            except (UnexpectedToken, _Unreadable):
                return True
            return "$END" in self._reader.choices() and "$END" in _accepted_next(self._reader)


class _LinesMatter(Exception):
    """A ``set example`` begins."""


def keywords() -> frozenset[str]:
    """The words that would be names if the grammar did not use them."""
    return frozenset(_grammar().keywords)


# Precedence


class Precedence(NamedTuple):
    """How tightly each operator binds (a larger number: tighter), and the tiers that are grouped from the right."""

    prefix: dict[str, int]
    infix: dict[str, int]
    from_right: frozenset[int]


def _precedence(*tiers: str) -> Precedence:
    """A table of operators, a tier a row, tightest first; ``-x`` is a prefix, ``<-`` a tier grouped from the right."""
    prefix, infix, from_right = {}, {}, set()
    for binding, tier in enumerate(reversed(tiers)):
        for symbol in tier.split():
            if symbol == "<-":
                from_right.add(binding)
            elif symbol.endswith("x"):
                prefix[symbol.removesuffix("x").removesuffix("_")] = binding
            else:
                infix[symbol] = binding
    return Precedence(prefix, infix, frozenset(from_right))


PRECEDENCE: dict[Dialect, Precedence] = {
    "original": _precedence(
        "not_x -x +x",
        "^",
        "* /",
        "%",
        "+ -",
        "== <= >= > <",
        "and or",
        "if",
        "in",
    ),
    "python": _precedence(
        "^ <-",
        "-x +x",
        "* / %",
        "+ -",
        "== <= >= > < in",
        "not_x",
        "and",
        "or",
        "if <-",
    ),
}


class _Parenthesised(NamedTuple):
    """An operand in parentheses; the position is that of the opening one."""

    position: Position
    expression: Expression


class _Choice(NamedTuple):
    """The infix operator ``if condition else``."""

    position: Position
    condition: Expression


_Row: TypeAlias = list[Any]  # operators: _Word or _Choice, and operands: Expression or _Parenthesised
_Order: TypeAlias = list[tuple[int, int]]  # places in a row, each after its operands, with their number


def _order(row: _Row, precedence: Precedence) -> _Order:
    """The grouping of a row of operands and operators, in postfix order (Dijkstra's shunting-yard algorithm).

    An operator waits until one that binds less tightly follows. Before a prefix operator all go on waiting, since its
    operand is yet to come: ``a * not b == c`` is ``a * (not (b == c))`` where ``not`` binds less tightly than ``==``.
    """
    prefix, infix, from_right = precedence
    order: _Order = []
    waiting: list[tuple[int, int, int]] = []  # binding, place, number of operands
    operand_next = True
    for place, item in enumerate(row):
        if not operand_next:
            binding = infix["if" if type(item) is _Choice else item.value]
            reach = binding + (binding in from_right)
            while waiting and waiting[-1][0] >= reach:
                order.append(waiting.pop()[1:])
            waiting.append((binding, place, 2))
            operand_next = True
        elif type(item) is _Word:
            waiting.append((prefix[item.value], place, 1))
        else:
            order.append((place, 0))
            operand_next = False
    order.extend(operator[1:] for operator in reversed(waiting))
    return order


def _tree(row: _Row, order: _Order) -> Expression:
    """The expression that a row is in the given order."""
    operands: list[tuple[Position, Expression]] = []
    for place, arity in order:
        item = row[place]
        if arity == 0:
            operands.append((item.position, _bare(item)))
            continue
        _, last = operands.pop()
        if arity == 1:
            position = item.position
            operands.append((position, syntax.Unary(position, item.value, last)))
            continue
        position, first = operands.pop()
        node: Expression
        if type(item) is _Choice:
            node = syntax.Conditional(position, first, item.condition, last)
        elif item.value == "in":
            node = syntax.Membership(position, first, last)
        else:
            node = syntax.Binary(position, item.value, first, last)
        operands.append((position, node))
    return operands[0][1]


# Warnings


def _grouping_warning(row: _Row, order: _Order, in_python: _Order) -> ReadingWarning:
    """What to tell of a row that is read in one order and would be read in another by Python.

    The message shows the smallest part of the row that is a group in both readings while its own groups differ.
    """
    ours, theirs = _groups(order), _groups(in_python)
    first, last = min(ours - theirs)
    common = (group for group in ours & theirs if group[0] <= first and last <= group[1])
    start, end = min(common, key=lambda group: group[1] - group[0])
    read, python = (_grouped_text(row, start, end, groups) for groups in (ours - theirs, theirs - ours))
    return ReadingWarning(
        row[start].position, f"this is read as {read}, where Python would read {python}; write the parentheses"
    )


def _groups(order: _Order) -> set[tuple[int, int]]:
    """First and last place of each operator's group."""
    groups = set()
    operands: list[tuple[int, int]] = []
    for place, arity in order:
        last = operands.pop()[1] if arity else place
        first = operands.pop()[0] if arity == 2 else place
        operands.append((first, last))
        if arity:
            groups.add((first, last))
    return groups


def _grouped_text(row: _Row, start: int, end: int, groups: set[tuple[int, int]]) -> str:
    """A part of a row in short, with parentheses around the groups, at most 100 characters."""
    opening = [0] * len(row)
    closing = [0] * len(row)
    for first, last in groups:
        if start <= first and last <= end:
            opening[first] += 1
            closing[last] += 1
    words = []
    operand_next = True
    for place in range(start, end + 1):
        word = _short_text(row[place])
        is_operand = not isinstance(row[place], _Word | _Choice)
        if not operand_next:
            word = f" {word} "
        elif not is_operand and word == "not":
            word = "not "
        operand_next = not is_operand
        words.append("(" * opening[place] + word + ")" * closing[place])
        if len(words) > 100:
            break
    text = "".join(words)
    return f"`{text}`" if len(text) <= 100 else f"`{text[:99]}…`"


def _short_text(item: Any) -> str:
    """An operator or operand in a few characters, what is inside brackets left out."""
    match item:
        case _Word():
            return item.value
        case _Choice():
            return f"if {_short_text(item.condition)} else"
        case syntax.Name():
            return item.name
        case syntax.Literal(value=str(value)):
            return f'"{value}"'
        case syntax.Literal():
            return str(item.value)
        case syntax.ListLiteral() | syntax.ListComprehension():
            return "[…]"
        case syntax.DictLiteral() | syntax.DictComprehension():
            return "{…}"
        case syntax.Call():
            return (item.function.name if isinstance(item.function, syntax.Name) else "…") + "(…)"
        case syntax.Index():
            return (item.sequence.name if isinstance(item.sequence, syntax.Name) else "…") + "[…]"
        case _Parenthesised():
            return "(…)"
        case syntax.Unary() | syntax.Binary() | syntax.Conditional() | syntax.Membership():
            return "…"  # a condition
        case _:
            return f"{type(item).__name__.lower()}(…)"


# The text


class _Word(NamedTuple):
    """A token: its terminal of the grammar, its text, and where it begins."""

    type: str
    value: str
    position: Position
    offset: int


class _Grammar(NamedTuple):
    """The grammar's parser, how words are read for it, and what builds its trees."""

    parser: Lark
    word: re.Pattern[str]  # what is skipped, then a group for each terminal
    keywords: dict[str, str]  # the terminals of words that would be names otherwise
    builder: _TreeBuilder


_LOCK = threading.Lock()  # the tree builder is shared


@functools.cache
def _grammar() -> _Grammar:
    """The grammar, read from its file once."""
    import lark

    text = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    builder: Any = _TreeBuilder()
    options: dict[str, Any] = {"keep_all_tokens": True, "maybe_placeholders": False}
    parser = lark.Lark(text, start="program", parser="lalr", lexer="basic", transformer=builder, **options)

    patterns = {terminal.name: terminal.pattern.to_regexp() for terminal in parser.terminals}
    skipped = "|".join(patterns.pop(name) for name in parser.ignore_tokens)
    keywords = {pattern: name for name, pattern in patterns.items() if pattern.isidentifier()}
    priority = {terminal.name: terminal.priority for terminal in parser.terminals}
    names = sorted(patterns.keys() - keywords.values(), key=lambda name: (-priority[name], name))
    words = "|".join(f"(?P<{name}>{patterns[name]})" for name in names)
    return _Grammar(parser, re.compile(f"(?:{skipped})*+(?:{words})?"), keywords, builder)


def _read(text: str, dialect: Dialect) -> Program:
    """The program that a text is; raises ``_Misplaced`` or ``_Unreadable``."""
    from lark import UnexpectedToken

    with _LOCK:
        grammar = _grammar()
        grammar.builder.begin(dialect)
        reader: Any = grammar.parser.parse_interactive()
        program: Program
        word = None
        try:
            for word in _words(text):
                program = reader.feed_token(word)
        except UnexpectedToken:
            assert word is not None
            raise _Misplaced(word.position, _word_problem(text, word), at_end=word.type == "$END") from None
        return program


def _words(text: str) -> Iterator[_Word]:
    """The words of a text and then ``$END``; raises ``_Misplaced`` at a character that begins none.

    An ``EXAMPLE_END`` comes at the end of the line that completes a ``set example``, as only there lines matter: the
    line whose last word ends an operand, with its brackets and conditionals complete.
    """
    _, pattern, keywords, _ = _grammar()
    match_word, new_word = pattern.match, _Word
    end, line, line_start = 0, 1, 0
    kind, setting, depth = "", False, -1  # depth of brackets and conditionals in the example that is set; -1 outside
    while True:
        match = match_word(text, end)
        assert match is not None  # it may be empty
        previous, previous_end, previous_line, previous_start = kind, end, line, line_start
        group = match.lastgroup
        begin, end = match.span(group) if group else (match.end(), len(text))
        if begin != previous_end and (newlines := text.count("\n", previous_end, begin)):
            line += newlines
            line_start = text.rindex("\n", previous_end, begin) + 1
        if depth == 0 and previous in _OPERAND_ENDS and (line != previous_line or begin == end):
            yield new_word("EXAMPLE_END", "", Position(line, begin - line_start + 1), begin)
            depth = -1
        position = Position(line, begin - line_start + 1)
        if group is None:
            if begin != end:
                raise _Misplaced(position, _character_problem(text[begin]))
            yield new_word("$END", "", Position(previous_line, previous_end - previous_start + 1), begin)
            return
        value = match[group]
        kind = keywords.get(value, group)
        if setting or depth >= 0:
            if kind == "EXAMPLE":
                setting, depth = False, 0
            elif kind in _OPENING and depth >= 0:
                depth += 1
            elif kind in _CLOSING and depth > 0:
                depth -= 1
        elif kind == "SET":
            setting = True
        yield new_word(kind, value, position, begin)


_OPERAND_ENDS = frozenset(["NAME", "INTEGER", "FLOAT", "STRING", "RPAR", "RSQB", "RBRACE"])
_OPENING = frozenset(["LPAR", "LSQB", "LBRACE", "SELECT", "AGGREGATE", "RANGE", "ZIP", "LEN", "IF"])
_CLOSING = frozenset(["RPAR", "RSQB", "RBRACE", "ELSE"])


# Errors


class _Unreadable(Exception):
    """Something in a text has no meaning."""

    def __init__(self, position: Position, problem: str) -> None:
        super().__init__(problem)
        self.position, self.problem = position, problem


class _Misplaced(_Unreadable):
    """Something else was expected; ``at_end`` tells whether the text is right as far as it goes."""

    def __init__(self, position: Position, problem: str, *, at_end: bool = False) -> None:
        super().__init__(position, problem)
        self.at_end = at_end


_TEXT_END = "the end of the text"
_READABLE = {
    "$END": _TEXT_END,
    "NAME": "a name",
    "STRING": "a string",
    "COMPARISON": "a comparison",
    "UNEQUAL": "a comparison",
    "EXAMPLE_END": "the end of the line",
}


def _expected(accepted: frozenset[str]) -> tuple[str, ...]:
    """Terminals in a person's words, those that say most about the place first."""
    statements, expressions = _accepted("") - {"$END"}, _accepted("(")
    operators = _accepted("(x") - {"RPAR"}
    words, rest = [], accepted
    for name, starts in {"a statement": statements, "an expression": expressions, "an operator": operators}.items():
        if rest >= starts or (starts is statements and "DEF" in rest):  # a body has fewer statements
            rest -= starts
            words.append(name)
    patterns = {terminal.name: terminal.pattern.value for terminal in _grammar().parser.terminals}
    single = {_READABLE.get(terminal) or f"'{patterns[terminal]}'" for terminal in rest - {"$END"}}
    ends = [_TEXT_END] if "$END" in rest else []
    return (*sorted(single, key=lambda word: (word != "';'", word)), *words, *ends)


@functools.lru_cache(maxsize=8)
def _accepted(text: str, position: Position | None = None) -> frozenset[str]:
    """The terminals that the grammar accepts at the position of the first wrong word or character, or after the text.

    The text is read again up to there, since the parser may have drawn conclusions from the wrong word.
    """
    with _LOCK:
        grammar = _grammar()
        grammar.builder.begin("original")
        reader: Any = grammar.parser.parse_interactive()
        with contextlib.suppress(_Misplaced):
            for word in _words(text):
                if word.type == "$END" or (word.position == position and word.type != "EXAMPLE_END"):
                    break
                reader.feed_token(word)
        return _accepted_next(reader)


def _accepted_next(reader: Any) -> frozenset[str]:
    """The terminals that an interactive parser accepts next."""
    state = reader.parser_state
    values, state.value_stack = state.value_stack, [None] * len(state.value_stack)  # old versions of lark copy deeply
    accepted = frozenset(reader.accepts())
    state.value_stack = values
    return accepted


def _word_problem(text: str, word: _Word) -> str:
    """What is wrong with a word that may not stand where it does."""
    if word.type == "$END":
        return "the text ends too early"
    if word.type == "UNEQUAL":
        return "'!=' is a comparison of 'select(' only (elsewhere, write 'not (a == b)')"
    if word.type == "COMPARISON" and text[: word.offset].rstrip().endswith(","):
        return f"unexpected {_shown(word.value)} ('select(' is written without a space)"
    return f"unexpected {_shown(word.value)}"


def _shown(word: str) -> str:
    return f"'{word}'" if len(word) <= 40 else f"'{word[:39]}…'"


def _character_problem(character: str) -> str:
    """What is wrong with a character that begins no word."""
    if character == '"':
        return "this string does not end on its line"
    if character == "'":
        return "strings are written with double quotes"
    return f"unexpected character {character!r}"


def _parse_error(text: str, name: str, place: Position, problem: str, expected: tuple[str, ...]) -> ParseError:
    source_line = text.split("\n")[place.line - 1].removesuffix("\r")
    return ParseError(name, place.line, place.column, source_line, expected, problem)


# Syntax trees


class _TreeBuilder:
    """Syntax trees from the grammar's rules: a method a rule, given the values of its parts, words included."""

    def __init__(self) -> None:
        self.begin("original")

    def begin(self, dialect: Dialect) -> None:
        """Forget the last text."""
        self.precedence = PRECEDENCE[dialect]
        self.other = PRECEDENCE["python"] if dialect == "original" else None
        self.warnings: list[ReadingWarning] = []

    def program(self, parts: list[Any]) -> Program:
        return Program(tuple(parts), tuple(sorted(self.warnings, key=lambda warning: warning.position)))

    # statements

    def expression_statement(self, parts: list[Any]) -> syntax.ExpressionStatement:
        return syntax.ExpressionStatement(parts[0].position, parts[0])

    def assign(self, parts: list[Any]) -> syntax.Assign:
        names, _, values, _ = parts
        return syntax.Assign(names[0].position, _strings(names), values)

    def draw(self, parts: list[Any]) -> syntax.Draw:
        return syntax.Draw(parts[0].position, parts[2], parts[4] if parts[3].value == "," else None)

    def load(self, parts: list[Any]) -> syntax.Load:
        return syntax.Load(parts[0].position, parts[1].value[1:-1])

    def function_def(self, parts: list[Any]) -> syntax.FunctionDef:
        define, name, parameters, _, body, _, results, _, _ = parts
        return syntax.FunctionDef(define.position, name.value, parameters, body, results)

    def for_loop(self, parts: list[Any]) -> syntax.For:
        loop, names, _, iterable, _, body, _ = parts
        return syntax.For(loop.position, _strings(names), iterable, body)

    def parameters(self, parts: list[Any]) -> tuple[str, ...]:
        return _strings(parts[1]) if len(parts) == 3 else ()

    def body(self, parts: list[Any]) -> tuple[Statement, ...]:
        return tuple(parts)

    def set_example(self, parts: list[Any]) -> syntax.SetExample:
        return syntax.SetExample(parts[0].position, _which(parts[1]), parts[-2])

    def show_example(self, parts: list[Any]) -> syntax.ShowExample:
        return syntax.ShowExample(parts[0].position, _which(parts[1]))

    def switch_examples(self, parts: list[Any]) -> syntax.SwitchExamples:
        return syntax.SwitchExamples(parts[0].position, _which(parts[0]), parts[-1].value == "on")

    def switch_full_sequence(self, parts: list[Any]) -> syntax.SwitchFullSequence:
        return syntax.SwitchFullSequence(parts[0].position, parts[1].value == "on")

    def exit(self, parts: list[Any]) -> syntax.Exit:
        return syntax.Exit(parts[0].position)

    # expressions

    def names(self, parts: list[Any]) -> list[_Word]:
        return parts[::2]

    def expressions(self, parts: list[Any]) -> tuple[Expression, ...]:
        return tuple(parts[::2])

    def expression(self, row: _Row) -> Expression:
        if len(row) == 1:
            return _bare(row[0])
        order = _order(row, self.precedence)
        if self.other and len(row) > 3:
            in_python = _order(row, self.other)
            if order != in_python:
                self.warnings.append(_grouping_warning(row, order, in_python))
        return _tree(row, order)

    def choice(self, parts: list[Any]) -> _Choice:
        return _Choice(parts[0].position, parts[1])

    def parenthesised(self, parts: list[Any]) -> _Parenthesised:
        return _Parenthesised(parts[0].position, parts[1])

    def name(self, parts: list[Any]) -> syntax.Name:
        return syntax.Name(parts[0].position, parts[0].value)

    def integer(self, parts: list[Any]) -> syntax.Literal:
        (word,) = parts
        try:
            return syntax.Literal(word.position, int(word.value))
        except ValueError:  # sys.get_int_max_str_digits()
            raise _Unreadable(word.position, f"a number of {len(word.value)} digits is too long") from None

    def float(self, parts: list[Any]) -> syntax.Literal:
        return syntax.Literal(parts[0].position, float(parts[0].value))

    def string(self, parts: list[Any]) -> syntax.Literal:
        return syntax.Literal(parts[0].position, parts[0].value[1:-1])

    def list_literal(self, parts: list[Any]) -> syntax.ListLiteral:
        return syntax.ListLiteral(parts[0].position, parts[1] if len(parts) == 3 else ())

    def dict_literal(self, parts: list[Any]) -> syntax.DictLiteral:
        return syntax.DictLiteral(parts[0].position, tuple(parts[1:-1:2]))

    def entry(self, parts: list[Any]) -> tuple[Expression, Expression]:
        return parts[0], parts[2]

    def list_comprehension(self, parts: list[Any]) -> syntax.ListComprehension:
        bracket, element, _, names, _, iterable, _ = parts
        return syntax.ListComprehension(bracket.position, element, _strings(names), iterable)

    def dict_comprehension(self, parts: list[Any]) -> syntax.DictComprehension:
        brace, (key, value), _, names, _, iterable, _ = parts
        return syntax.DictComprehension(brace.position, key, value, _strings(names), iterable)

    def call(self, parts: list[Any]) -> syntax.Call:
        function = parts[0]
        return syntax.Call(function.position, _bare(function), parts[2] if len(parts) == 4 else ())

    def index(self, parts: list[Any]) -> syntax.Index:
        sequence, _, index, _ = parts
        return syntax.Index(sequence.position, _bare(sequence), index)

    def select(self, parts: list[Any]) -> syntax.Select:
        word, keys, _, queries, _, comparison, _ = parts
        return syntax.Select(word.position, keys, queries, comparison.value)

    def aggregate(self, parts: list[Any]) -> syntax.Aggregate:
        return syntax.Aggregate(parts[0].position, parts[1], parts[3], parts[5] if parts[4].value == "," else None)

    def range(self, parts: list[Any]) -> syntax.Range:
        return syntax.Range(parts[0].position, parts[1])

    def zip(self, parts: list[Any]) -> syntax.Zip:
        return syntax.Zip(parts[0].position, parts[1])

    def len(self, parts: list[Any]) -> syntax.Len:
        return syntax.Len(parts[0].position, parts[1])

    def round(self, parts: list[Any]) -> syntax.Round:
        return syntax.Round(parts[0].position, parts[2])

    def indicator(self, parts: list[Any]) -> syntax.Indicator:
        return syntax.Indicator(parts[0].position, parts[2])


def _strings(names: list[_Word]) -> tuple[str, ...]:
    return tuple([name.value for name in names])


def _which(word: _Word) -> syntax.Which | None:
    match word.value:
        case "s-op" | "selector" as which:
            return which
        case _:
            return None


def _bare(operand: Any) -> Expression:
    """An operand without its parentheses."""
    return operand.expression if type(operand) is _Parenthesised else operand
