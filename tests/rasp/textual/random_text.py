"""Random programs of textual RASP over the whole language, for Hypothesis.

A program is a list of statements. Their expressions are grown by the kind of their values: numbers, bools, strings,
selectors and atoms. Parentheses are left out at random, so that an expression may be read as something of another kind
and a statement may fail when it is run.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[str]], str]

_ATOMS = {
    "integer": st.sampled_from(["0", "1", "2", "3", "-1", "(-2)", "007", "2 * 3", "len([1, 2])", "2 ^ 3 % 5", "+4"]),
    "number": st.sampled_from(["0", "1", "-1", "0.5", "2.0", "-0.25", "7 / 2", "round(2.5)", "1 + 1", "0.0000001"]),
    "string": st.sampled_from(['"h"', '"l"', '""', '"#\'§"', '"a" + "b"', '["x", "y"][-1]', '{1: "d"}[1]']),
    "bool": st.sampled_from(["True", "False", "1 == 1", "not True", '"a" in ["a"]', "1 < 2"]),
}
_LISTS = {
    "number": st.sampled_from(["[1, 2]", "[0.5, -1, 3]", "range(4)", "[i * i for i in range(3)]", "[]", "2 * [1]"]),
    "string": st.sampled_from(['["e", "l"]', '["h"] + ["o"]', '[p[0] for p in ["lo", "he"]]', '[""]']),
}
_LOOKUPS = {
    "number": st.sampled_from(
        [
            '{"h": 1, "e": 2, "l": -3, "o": 0}[tokens]',
            "[10, 20, 30, 40, 50][indices]",
            '{t: 2 for t in ["h", "e", "l", "o"]}[tokens]',
            "{True: 1, False: 0}[indices > 2]",
            "[1, -2.5][-indicator(indices < 2)]",
        ]
    ),
    "string": st.sampled_from(['"vwxyz"[indices]', '["a", "b"][indices % 2]', '{0: "z", 1: "y"}[indices % 2]']),
    "bool": st.sampled_from(["[True, False][indices % 2]", "{0: True, 1: False}[indicator(indices == 1)]"]),
}
_SOURCES = {
    "number": st.sampled_from(["indices", "length"]),
    "string": st.sampled_from(["tokens", "tokens_str", "tokens_asis"]),
    "bool": st.sampled_from(["tokens_bool", 'contains(tokens, "l")', 'mark_first_instance(tokens, "l")']),
}
_FORMS = {
    "number": [
        "{number} + {number}", "{number} - {number}", "{number} * {number}", "{number} / {positive}",
        "{number} % {positive}", "{number} ^ {small}", "-{number}", "+{number}", "round({number})",
        "indicator({bool})", "{number} if {bool} else {number}", "{number} + {number_atom}",
        "{integer_atom} * {number}", "{number_atom} - {number}", "{number} if {bool} else {integer_atom}",
        "{number_atom} if {bool} else {number_atom}",
        "aggregate({selector}, {number})", "aggregate({selector}, {number}, {number_atom})",
        "aggregate({selector}, {number_atom})", "selector_width({selector})", "average({number})",
        "max({number}, {number})", "min({number}, {number_atom})", "count({string}, {string_atom})",
        "load_from_location({number}, {integer_atom})", "shift({number}, {integer_atom}, {integer_atom})",
        "sort({number}, {number})", "{number}[{integer_atom}]", "{lookup:number}",
        "aggregate(select_from_first(tokens, {string_atom}), indices, -1)",
        "aggregate(select_next_identical({string}), indices, -1)",
        "average(indices)({string_atom} + \"ab\")[0] + {number}",
    ],
    "bool": [
        "{number} == {number}", "{number} < {number_atom}", "{number} <= {number}", "{integer_atom} > {number}",
        "{number} >= {number}", "{string} == {string_atom}", "{bool} and {bool}", "{bool} or {bool}", "not {bool}",
        "{bool} and {bool_atom}", "{string} in {list:string}", "{number} in {list:number}", "{string_atom} in {string}",
        "has_focus({selector})", "{bool} if {bool} else {bool_atom}", "mark_last_instance({string}, {string_atom})",
        "{lookup:bool}", "not {bool} == {bool}", "{bool} == {bool} == {bool_atom}",
    ],
    "string": [
        "{string} + {string}", "{string_atom} + {string}", "{string} * {positive}", "{string} if {bool} else {string}",
        "{string_atom} if {bool} else {string}", "shift({string}, {integer_atom}, {string_atom})",
        "load_from_location({string}, {integer_atom})", "aggregate(select(indices, {number}, ==), {string}, \"-\")",
        "sort({string}, {string})", "{lookup:string}", "{string}[{integer_atom}]",
    ],
    "selector": [
        "select({number}, {number}, ==)", "select({number}, {number_atom}, <)", "select({bool}, True, ==)",
        "select({string}, {string}, !=)", "select({integer_atom}, {number}, >=)", "select(1, 1, ==)", "full_s",
        "select({string}, {string_atom}, >)", "select({number}, {number}, <=)", "{selector} and {selector}",
        "{selector} or {selector}", "not {selector}", "select_from_last(tokens, {string_atom})",
        "select_next_identical({string})",
    ],
}  # fmt: skip
KINDS = tuple(_FORMS)
_NAMES = ("a", "b", "x1", "s1", "is_val", "number", "a_2", "key")
_STATEMENTS = (
    "{name} = {any};",
    "{name}, {other} = {any}, {any};",
    "{any};",
    "def f(p) {{ {name} = p; {other} = {any}; return {other}; }} {name} = f({any});",
    "def g(p, q) {{ {name} = p + q; return {name} * 2, {name}; }} {name}, {other} = g({number}, {number});",
    "{name} = {number}; for i in range(3) {{ {name} = {name} % 5 + i * {number}; }}",
    "{name} = {selector}; for c in [\"h\", \"l\"] {{ {name} = {name} or select({string}, c, ==); }}",
    "{name} = [{any} for i in range(2)][-1];",
    "{name} = {number}; {name} = {name} + {name};",
)  # fmt: skip


@st.composite
def programs(draw: Draw) -> list[str]:
    """Statements; some of them may fail."""
    known: list[str] = []
    return [_statement(draw, known) for _ in range(draw(st.integers(1, 6)))]  # type: ignore[arg-type]


def _statement(draw: Draw, known: list[str]) -> str:
    parts = {kind: _expression(draw, kind, known, 3) for kind in KINDS}
    names = {"name": draw(st.sampled_from(_NAMES)), "other": draw(st.sampled_from(_NAMES))}
    statement = draw(st.sampled_from(_STATEMENTS))
    while "{any}" in statement:
        kind = draw(st.sampled_from(KINDS))
        statement = statement.replace("{any}", _escaped(_expression(draw, kind, known, 4)), 1)
    known.extend(names.values())
    return statement.format(**parts, **names)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _expression(draw: Draw, kind: str, known: list[str], depth: int) -> str:
    """The text of an s-op or selector that probably has values of a kind."""
    if known and draw(st.sampled_from("ynnn")) == "y":
        return draw(st.sampled_from(known))
    if depth == 0:
        return draw(_SOURCES[kind]) if kind in _SOURCES else "select(indices, indices, <)"
    form = draw(st.sampled_from(_FORMS[kind]))
    pieces = form.split("{")
    return pieces[0] + "".join(
        _filled(draw, hole, known, depth) + rest for hole, rest in (piece.split("}", 1) for piece in pieces[1:])
    )


def _filled(draw: Draw, hole: str, known: list[str], depth: int) -> str:
    """What stands in a hole of a form."""
    if hole == "positive":
        return draw(st.sampled_from(["2", "3", "(indices + 1)"]))
    if hole == "small":
        return draw(st.sampled_from(["2", "(indices % 2)"]))
    if hole.startswith("list:"):
        return draw(_LISTS[hole.removeprefix("list:")])
    if hole.startswith("lookup:"):
        return draw(_LOOKUPS[hole.removeprefix("lookup:")])
    if hole.endswith("_atom"):
        return draw(_ATOMS[hole.removesuffix("_atom")])
    text = _expression(draw, hole, known, depth - 1)
    return text if draw(st.sampled_from("yyn")) == "n" else f"({text})"
