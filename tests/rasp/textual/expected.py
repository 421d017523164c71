"""What the programs of ``examples/rasp`` and the textual library compute: outputs, and oracles in plain Python.

The oracles do not use the package and share no algorithm with the programs where there is another one. They are total:
each takes any list of one token or more (``long_addition`` any of digits and ``+``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

EXAMPLES: dict[str, list[tuple[str, list[int] | list[str]]]] = {
    "hist_bos": [
        ("§hello", [0, 1, 1, 2, 2, 1]),
        ("§", [0]),
        ("§a§", [1, 1, 1]),
        (
            "§hiya how are you doing there ey",
            [0, 3, 2, 3, 2, 6, 3, 3, 1, 6, 2, 2, 4, 6, 3, 3, 1, 6, 1, 3, 2, 1, 1, 6, 1, 3, 4, 2, 4, 6, 4, 3],
        ),
    ],
    "hist_nobos": [
        ("hello", [1, 1, 2, 2, 1]),
        ("aabbaa", [4, 4, 2, 2, 4, 4]),
        ("hiya howdy doodly doo", [2, 1, 3, 1, 3, 2, 5, 1, 4, 3, 3, 4, 5, 5, 4, 1, 3, 3, 4, 5, 5]),
    ],
    "reverse": [
        ("hello", list("olleh")),
        ("abcd", list("dcba")),
        ("a", ["a"]),
    ],
    "sort_bos": [
        ("§hello", list("§ehllo")),
        ("§fedcba", list("§abcdef")),
        ("za", list("za")),
        ("§dfgfhfghDVSHRDFHdfsfsfegDGDFHDFG", list("§DDDDDFFFGGHHHRSVddeffffffggghhss")),
    ],
    "hist2_bos": [
        ("§hello", [0, 3, 3, 1, 1, 3]),
        ("§aabbcd", [0, 2, 2, 2, 2, 2, 2]),
        ("§§a", [0, 2, 2]),
        (
            "§dkdnvdlvnksmncksnsknvkjns",
            [0, 2, 1, 2, 1, 2, 2, 4, 2, 1, 1, 1, 4, 1, 4, 1, 1, 1, 1, 1, 1, 2, 1, 4, 1, 1],
        ),
    ],
    "sort_by_most_freq": [
        ("§abbccddd", list("§dbca§§§§")),
        ("§aabb", list("§ab§§")),
        ("§dnv,dmnvs,alaadslksmvxlmvlskd", list("§dvslman,kx" + "§" * 19)),
    ],
    "dyck1_ptf": [
        ("()()", list("PTPT")),
        ("(()))(", list("PPPTFF")),
        ("())", list("PTF")),
        ("a(b)c", list("TPPTT")),
        ("(())()((()())())()" * 2 + "((())))()(", list("PPPTPTPPPPPPPPPTPT" * 2 + "PPPPPTFFFF")),
    ],
    "dyck2_ptf": [
        ("(){}", list("PTPT")),
        ("({)}", list("PPFF")),
        ("{()}", list("PPPT")),
        ("(a}{", list("PPFF")),
    ],
    "dyck3_ptf": [
        ("([]{})", list("PPPPPT")),
        ("([)]", list("PPFF")),
        ("[]({[]}())]", list("PTPPPPPPPTF")),
    ],
    "long_addition": [
        ("123+456", [0, 0, 0, 0, 5, 7, 9]),
        ("999+1", [0, 1, 0, 0, 0]),
        ("99+99", [0, 0, 1, 9, 8]),
        ("0+0", [0, 0, 0]),
        ("12+345", [0, 0, 0, 3, 5, 7]),
        ("5+5", [0, 1, 0]),
        ("99999999+00000001", [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ],
}
"""For each example program, inputs and the value of the s-op of the same name."""

LIBRARY_ON_HELLO: list[tuple[str, list[int] | list[float] | list[bool] | list[str]]] = [
    ("length", [5] * 5),
    ("aggregate(full_s, indices)", [2.0] * 5),
    ("has_focus(select(indices, indices, <))", [False, True, True, True, True]),
    ("selector_width(select(tokens, tokens, ==))", [1, 1, 2, 2, 1]),
    ('count(tokens, "l")', [2] * 5),
    ('count(tokens, "x")', [0] * 5),
    ('contains(tokens, "l")', [True] * 5),
    ('contains(tokens, "x")', [False] * 5),
    ("max(indices, 2)", [2, 2, 2, 3, 4]),
    ("min(indices, 2)", [0, 1, 2, 2, 2]),
    ("min(indices, (length - 1) - indices)", [0, 1, 2, 1, 0]),
    ("average(indices)", [2.0] * 5),
    ("load_from_location(tokens, 2)", ["l"] * 5),
    ("load_from_location(tokens, (length - 1) - indices)", list("olleh")),
    ("load_from_location(indices + 1, 7)", [0] * 5),
    ('shift(tokens, 1, "-")', list("-hell")),
    ('shift(tokens, -2, "-")', list("llo--")),
    ('mark_last_instance(tokens, "l")', [False, False, False, True, False]),
    ('mark_first_instance(tokens, "l")', [False, False, True, False, False]),
    ('mark_first_instance(tokens, "x")', [False] * 5),
    ('aggregate(select_from_last(tokens, "l"), indices)', [3] * 5),
    ('aggregate(select_from_first(tokens, "l"), indices)', [2] * 5),
    ('aggregate(select_from_first(tokens, "x"), tokens, "-")', ["-"] * 5),
    ("sort(tokens, tokens)", list("ehllo")),
    ("sort(tokens, -indices)", list("olleh")),
    ("aggregate(select_next_identical(tokens), indices, -1)", [-1, -1, 3, -1, -1]),
]
"""Expressions over the standard library and their values on ``hello``."""


def _hist_nobos(tokens: Sequence[str]) -> list[int]:
    return [list(tokens).count(token) for token in tokens]


def _hist_bos(tokens: Sequence[str]) -> list[int]:
    return [list(tokens[1:]).count(token) for token in tokens]


def _reverse(tokens: Sequence[str]) -> list[str]:
    return list(tokens)[::-1]


def _sort_bos(tokens: Sequence[str]) -> list[str]:
    return [tokens[0], *sorted(tokens[1:])]


def _hist2_bos(tokens: Sequence[str]) -> list[int]:
    frequencies = Counter(tokens[1:])
    peers = Counter(frequencies.values())
    return [0, *(peers[frequencies[token]] for token in tokens[1:])]


def _sort_by_most_freq(tokens: Sequence[str]) -> list[str]:
    ranking = [token for token, _ in Counter(tokens[1:]).most_common()]  # keeps the order of first occurrence
    return [tokens[0], *ranking, *"§" * (len(tokens) - 1 - len(ranking))]


def _dyck_ptf(pairs: Sequence[str]) -> Callable[[Sequence[str]], list[str]]:
    def status_of_prefixes(tokens: Sequence[str]) -> list[str]:
        closer = {pair[0]: pair[1] for pair in pairs}
        expected: list[str] = []
        failed = False
        status = []
        for token in tokens:
            if token in closer:
                expected.append(closer[token])
            elif token in closer.values():
                failed = failed or not expected or expected.pop() != token
            status.append("F" if failed else "P" if expected else "T")
        return status

    return status_of_prefixes


def _long_addition(tokens: Sequence[str]) -> list[int]:
    first, _, second = "".join(tokens).partition("+")
    total = int(first or 0) + int(second.replace("+", "0") or 0)
    return [int(digit) for digit in str(total).zfill(len(tokens))]


ORACLES: dict[str, Callable[[Sequence[str]], list[int] | list[str]]] = {
    "hist_bos": _hist_bos,
    "hist_nobos": _hist_nobos,
    "reverse": _reverse,
    "sort_bos": _sort_bos,
    "hist2_bos": _hist2_bos,
    "sort_by_most_freq": _sort_by_most_freq,
    "dyck1_ptf": _dyck_ptf(["()"]),
    "dyck2_ptf": _dyck_ptf(["()", "{}"]),
    "dyck3_ptf": _dyck_ptf(["()", "{}", "[]"]),
    "long_addition": _long_addition,
}
"""For each example program, the same function in plain Python, on a list of tokens."""

VOCABULARIES: dict[str, str] = {
    "hist_bos": "§ab",
    "hist_nobos": "abc",
    "reverse": "abc",
    "sort_bos": "§ab",
    "hist2_bos": "§abc",
    "sort_by_most_freq": "§abc",
    "dyck1_ptf": "()a",
    "dyck2_ptf": "(){}a",
    "dyck3_ptf": "(){}[]",
    "long_addition": "0459+",
}
"""For each example program, few tokens that exercise all it does, for checks on all short inputs."""
