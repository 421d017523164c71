"""Every program of the library against a plain Python oracle."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import ORACLES, SMALL_VOCABS, agree, every_input, random_input
from tracrlab import rasp
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.traversal import children_first

NAMES = sorted(PROGRAMS)
CAUSAL_NAMES = [name for name in NAMES if PROGRAMS[name].causal_safe]

VARIANTS: list[tuple[str, dict[str, Any], str]] = [
    ("count", {"token": "y"}, "xyz"),
    ("count_prevs", {"token": "y"}, "xyz"),
    ("count_less_freq", {"n": 0}, "abc"),
    ("count_less_freq", {"n": 1}, "abcd"),
    ("count_less_freq", {"n": 3}, "abc"),
    ("detect_pattern", {"pattern": "a"}, "abc"),
    ("detect_pattern", {"pattern": "aab"}, "abc"),
    ("detect_pattern", {"pattern": "abab"}, "ab"),
    ("dyck", {"pairs": ["()"]}, "()a"),
    ("dyck", {"pairs": ["()", "{}", "[]"]}, "(}[]"),
    ("dyck_ptf", {"pairs": ["()"]}, "()a"),
    ("dyck_ptf", {"pairs": ["()", "{}"]}, "()}a"),
    ("dyck_ptf", {"pairs": ["()", "{}", "[]"]}, "(){["),
    ("frac_prevs", {"token": "y"}, "xyz"),
    ("pair_balance", {"open_token": "a", "close_token": "b"}, "abc"),
    ("parity", {"token": "a"}, "abc"),
    ("shift_by", {"offset": 0}, "abc"),
    ("shift_by", {"offset": -2, "default": "-"}, "abcd"),
    ("shift_by", {"offset": 3}, "abcd"),
    ("shuffle_dyck", {"pairs": ["()"]}, "()a"),
    ("shuffle_dyck", {"pairs": ["()", "{}", "[]"]}, "(){]"),
]


def assert_computes(
    name: str, inputs: list[list[str]], causal: bool = False, parameters: dict[str, Any] | None = None
) -> None:
    program = PROGRAMS[name].build(**parameters or {})
    outputs = rasp.evaluate_batch(program, inputs, causal=causal)
    for tokens, output in zip(inputs, outputs, strict=True):
        expected = ORACLES[name](tokens, **parameters or {})
        assert agree(expected, output), f"{name} on {tokens}: expected {expected}, not {output}"


def random_inputs(name: str, how_many: int) -> list[list[str]]:
    rng = random.Random(name)
    program = PROGRAMS[name]
    vocabularies = [program.example_vocab, program.vocabulary(len(program.example_vocab) + 10)]
    return [random_input(name, rng.choice(vocabularies), rng.randint(6, 40), rng) for _ in range(how_many)]


def test_every_program_has_an_oracle() -> None:
    assert set(ORACLES) == set(PROGRAMS)


@pytest.mark.parametrize("name", NAMES)
def test_computes_its_oracle_on_every_small_input(name: str) -> None:
    assert_computes(name, list(every_input(SMALL_VOCABS[name], 5)))


@pytest.mark.parametrize("name", NAMES)
def test_computes_its_oracle_on_long_inputs(name: str) -> None:
    assert_computes(name, random_inputs(name, 60))


@pytest.mark.parametrize("name", CAUSAL_NAMES)
def test_causal_safe_programs_compute_the_same_causally(name: str) -> None:
    assert_computes(name, [*every_input(SMALL_VOCABS[name], 4), *random_inputs(name, 20)], causal=True)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(CAUSAL_NAMES)))
def test_the_other_programs_need_later_tokens(name: str) -> None:
    program = PROGRAMS[name].build()
    reads_length = any(isinstance(node, type(rasp.length)) for node in children_first(program))
    inputs = list(every_input(SMALL_VOCABS[name], 4))
    assert reads_length or any(
        not agree(ORACLES[name](tokens), output)
        for tokens, output in zip(inputs, rasp.evaluate_batch(program, inputs, causal=True), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(st.lists(st.sampled_from(["", "(", ")", "()", "+", "10", "é", " "]) | st.text(max_size=2), max_size=8))
def test_is_defined_on_any_strings(name: str, tokens: list[str]) -> None:
    assert_computes(name, [tokens])


@pytest.mark.parametrize(("name", "parameters", "vocab"), VARIANTS)
def test_parameters(name: str, parameters: dict[str, Any], vocab: str) -> None:
    assert_computes(name, list(every_input(vocab, 4 if len(vocab) > 3 else 5)), parameters=parameters)


# Examples of the papers and of the original RASP interpreter ---------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123+456", [0, 0, 0, 0, 5, 7, 9]),
        ("999+1", [0, 1, 0, 0, 0]),
        ("99+99", [0, 0, 1, 9, 8]),
        ("0+0", [0, 0, 0]),
        ("12+345", [0, 0, 0, 3, 5, 7]),
        ("5+5", [0, 1, 0]),
        ("42", [4, 2]),
        ("+", [0]),
        ("7+", [0, 7]),
        ("+7", [0, 7]),
        ("1+2+3", [0, 0, 2, 0, 4]),  # 1 + 203: only the first + separates
        ("", []),
    ],
)
def test_addition(text: str, expected: list[int]) -> None:
    assert PROGRAMS["addition"].build()(text) == expected


@pytest.mark.parametrize(
    ("pairs", "text", "expected"),
    [
        (["()"], "()()", "PTPT"),
        (["()"], "(()))(", "PPPTFF"),
        (["()"], "())", "PTF"),
        (["()", "{}"], "(){}", "PTPT"),
        (["()", "{}"], "({)}", "PPFF"),
        (["()", "{}"], "{()}", "PPPT"),
        (["()", "{}", "[]"], "([]{})", "PPPPPT"),
        (["()", "{}", "[]"], "([)]", "PPFF"),
        (["()"], "a(b)c", "TPPTT"),
    ],
)
def test_dyck_ptf(pairs: list[str], text: str, expected: str) -> None:
    assert PROGRAMS["dyck_ptf"].build(pairs)(text) == list(expected)


def test_hist_of_a_sentence() -> None:
    expected = [2, 1, 3, 1, 3, 2, 5, 1, 4, 3, 3, 4, 5, 5, 4, 1, 3, 3, 4, 5, 5]
    assert PROGRAMS["hist"].build()("hiya howdy doodly doo") == expected


def test_most_freq_of_a_sentence() -> None:
    output = PROGRAMS["most_freq"].build()("dnv,dmnvs,alaadslksmvxlmvlskd")
    assert output == [*"dvslman,kx", *[None] * 19]


def test_sort_is_stable_and_takes_values_and_keys() -> None:
    program = PROGRAMS["sort"].build(rasp.indices, rasp.tokens == "l")
    assert program("hello") == [0, 1, 4, 2, 3]


def test_sort_unique_sorts_values_by_keys() -> None:
    assert PROGRAMS["sort_unique"].build(rasp.tokens, -rasp.indices)("abca") == list("acba")


# The registry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_registry_entry(name: str) -> None:
    program = PROGRAMS[name]
    assert program.name == name
    assert program.build().name == name
    assert program.description.endswith(".")
    assert len(set(program.example_vocab)) == len(program.example_vocab)
    assert program.example_input
    assert set(program.example_input) <= set(program.example_vocab)


@pytest.mark.parametrize("size", [0, 1, 3, 11, 100])
@pytest.mark.parametrize("name", NAMES)
def test_vocabulary_of_any_size(name: str, size: int) -> None:
    vocabulary = PROGRAMS[name].vocabulary(size)
    shared = min(size, len(PROGRAMS[name].example_vocab))
    assert len(set(vocabulary)) == len(vocabulary) == size
    assert vocabulary[:shared] == tuple(PROGRAMS[name].example_vocab)[:shared]


@pytest.mark.parametrize("pairs", [[], ["("], ["()", "({"], ["(())"], ["(("]])
@pytest.mark.parametrize("name", ["dyck", "dyck_ptf", "shuffle_dyck"])
def test_senseless_brackets_are_refused(name: str, pairs: list[str]) -> None:
    with pytest.raises(ValueError, match="pairs of brackets"):
        PROGRAMS[name].build(pairs)


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        PROGRAMS["detect_pattern"].build("")
