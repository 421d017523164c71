"""How tokens are written on the command line: as characters, words or numbers.

The vocabulary is read first and fixes what the tokens are. An input is then read so that its pieces are tokens of it.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Sequence

from tracrlab.errors import InputError, VocabularyError
from tracrlab.rasp.values import Value

_SEPARATORS = re.compile(r"[\s,]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?")


class TokenKind(enum.Enum):
    """What a token is on the command line."""

    AUTO = "auto"
    CHARS = "chars"
    WORDS = "words"
    NUMBERS = "numbers"


def vocabulary_tokens(text: str, kind: TokenKind = TokenKind.AUTO, option: str = "--vocab") -> list[Value]:
    """The tokens that ``--vocab``, or another ``option``, lists.

    >>> vocabulary_tokens("abc"), vocabulary_tokens("the, cat"), vocabulary_tokens("1 2 3.5")
    (['a', 'b', 'c'], ['the', 'cat'], [1, 2, 3.5])

    Raises:
        VocabularyError: there are none, or numbers were asked for and a piece is none.
    """
    words = _words(text)
    if kind is TokenKind.CHARS or (kind is TokenKind.AUTO and not _SEPARATORS.search(text)):
        words = list(text)
        kind = TokenKind.WORDS
    if not words:
        raise VocabularyError(f"{option} is empty; give at least one token")
    if kind is TokenKind.WORDS:
        return list(words)
    numbers = [_number(word) for word in words]
    if None not in numbers:
        return list(numbers)
    if kind is TokenKind.NUMBERS:
        word = words[numbers.index(None)]
        raise VocabularyError(f"{word!r} in {option} is not a finite number; correct it, or give --tokens words")
    return list(words)


def input_tokens(text: str, vocabulary: Sequence[Value], kind: TokenKind = TokenKind.AUTO) -> list[Value]:
    """The tokens of ``--input``, with the types they have in the vocabulary.

    Without a given ``kind``, the text is split at spaces and commas, or else into characters: whichever way gives
    tokens of the vocabulary.

    >>> input_tokens("aba", ["a", "b"]), input_tokens("the cat", ["the", "cat"]), input_tokens("2 1", [1, 2])
    (['a', 'b', 'a'], ['the', 'cat'], [2, 1])
    >>> input_tokens("12", [1, 2]), input_tokens("12", [1, 2, 12])
    ([1, 2], [12])

    Raises:
        InputError: a piece is not in the vocabulary.
    """
    known = _KnownTokens(vocabulary, kind)
    ways = {TokenKind.CHARS: list(text), TokenKind.WORDS: _words(text)}
    match kind:
        case TokenKind.CHARS:
            order = [TokenKind.CHARS]
        case TokenKind.WORDS | TokenKind.NUMBERS:
            order = [TokenKind.WORDS]
        case TokenKind.AUTO if any(isinstance(token, str) and _SEPARATORS.fullmatch(token) for token in vocabulary):
            order = [TokenKind.CHARS, TokenKind.WORDS]
        case TokenKind.AUTO:
            order = [TokenKind.WORDS, TokenKind.CHARS]
    for way in order:
        if all(piece in known for piece in ways[way]):
            return [known[piece] for piece in ways[way]]
    as_words = TokenKind.WORDS in order and (_SEPARATORS.search(text) or known.longest > 1 or len(order) == 1)
    pieces = ways[TokenKind.WORDS if as_words else TokenKind.CHARS]
    stranger = next(piece for piece in pieces if piece not in known)
    raise InputError(
        f"the token {stranger!r} of the input is not in the vocabulary ({_abridged(vocabulary)}): "
        "use its tokens, or compile with another --vocab"
    )


class _KnownTokens:
    """The tokens of a vocabulary by how they are written."""

    def __init__(self, vocabulary: Sequence[Value], kind: TokenKind) -> None:
        def rank(token: Value) -> bool:  # of tokens written alike, such as 1 and "1", the last one counts
            return isinstance(token, str) != (kind is TokenKind.NUMBERS)

        self._tokens = {str(token): token for token in sorted(vocabulary, key=rank)}
        self._numbers = {token: token for token in vocabulary if isinstance(token, int | float)}
        self.longest = max(map(len, self._tokens), default=0)

    def __contains__(self, piece: str) -> bool:
        return piece in self._tokens or _number(piece) in self._numbers

    def __getitem__(self, piece: str) -> Value:
        if piece in self._tokens:
            return self._tokens[piece]
        return self._numbers[_number(piece) or 0]


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if word]


def _number(word: str) -> int | float | None:
    if _INTEGER.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word) and math.isfinite(float(word)):
        return float(word)
    return None


def _abridged(tokens: Iterable[Value], limit: int = 12) -> str:
    shown = [token if isinstance(token, str) and token.strip() else repr(token) for token in tokens]
    return " ".join(shown[:limit]) + (" …" if len(shown) > limit else "")
