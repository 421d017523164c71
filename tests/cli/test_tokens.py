"""How tokens are written on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracrlab.cli.tokens import TokenKind, input_tokens, vocabulary_tokens
from tracrlab.errors import InputError, VocabularyError
from tracrlab.rasp.values import Value


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("abcx", ["a", "b", "c", "x"]),
        ("123", ["1", "2", "3"]),
        ("the cat, the dog", ["the", "cat", "the", "dog"]),
        ("1,2,-3", [1, 2, -3]),
        ("1 .5 2e1", [1, 0.5, 20.0]),
        ("1,2,x", ["1", "2", "x"]),
        ("1,inf", ["1", "inf"]),
        ("1,1e999", ["1", "1e999"]),
        ("cat,", ["cat"]),
        (" a ", ["a"]),
    ],
)
def test_vocabulary(text: str, tokens: list[Value]) -> None:
    found = vocabulary_tokens(text)
    assert found == tokens
    assert [*map(type, found)] == [*map(type, tokens)]


def test_kind_overrides() -> None:
    assert vocabulary_tokens("a b", TokenKind.CHARS) == ["a", " ", "b"]
    assert vocabulary_tokens("cat", TokenKind.WORDS) == ["cat"]
    assert vocabulary_tokens("1,2", TokenKind.WORDS) == ["1", "2"]
    assert vocabulary_tokens("12", TokenKind.NUMBERS) == [12]


@pytest.mark.parametrize("text", ["", " , "])
def test_empty_vocabulary(text: str) -> None:
    with pytest.raises(VocabularyError, match="empty"):
        vocabulary_tokens(text)


def test_no_number() -> None:
    with pytest.raises(VocabularyError, match="'x'"):
        vocabulary_tokens("1,x", TokenKind.NUMBERS)


@pytest.mark.parametrize(
    ("text", "vocabulary", "tokens"),
    [
        ("cab", ["a", "b", "c"], ["c", "a", "b"]),
        ("c a b", ["a", "b", "c"], ["c", "a", "b"]),
        ("cat", ["the", "cat"], ["cat"]),
        ("3,1", [1, 2, 3], [3, 1]),
        ("31", [1, 2, 3], [3, 1]),
        ("12", [1, 2, 12], [12]),
        ("1 2.5", [1.0, 2.5], [1.0, 2.5]),
        ("1.0", [1], [1]),
        ("1", ["1", 1], ["1"]),
        ("True", [True, False], [True]),
        ("a b", ["a", "b", " "], ["a", " ", "b"]),
        ("", ["a"], []),
    ],
)
def test_input_fits_the_vocabulary(text: str, vocabulary: list[Value], tokens: list[Value]) -> None:
    found = input_tokens(text, vocabulary)
    assert found == tokens
    assert [*map(type, found)] == [*map(type, tokens)]


@pytest.mark.parametrize(("text", "stranger"), [("abx", "'x'"), ("a,bx", "'bx'"), ("xa b", "'xa'")])
def test_input_outside_the_vocabulary(text: str, stranger: str) -> None:
    with pytest.raises(InputError, match=f"{stranger}.*\\(a b\\).*--vocab"):
        input_tokens(text, ["a", "b"])


@given(st.text(max_size=8), st.lists(st.one_of(st.text(), st.integers(), st.floats(), st.booleans())))
def test_input_is_read_or_refused(text: str, vocabulary: list[Value]) -> None:
    try:
        tokens = input_tokens(text, vocabulary)
    except InputError:
        return
    assert all(any(token is known for known in vocabulary) for token in tokens)
