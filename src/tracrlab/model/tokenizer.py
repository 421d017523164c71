"""Tokens to ids and back: BOS is put in front, shorter sequences are padded at the end."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from tracrlab.errors import InputError, VocabularyError
from tracrlab.model.config import ModelConfig
from tracrlab.rasp.abridged import abridged
from tracrlab.rasp.values import Value, plain_value, value_key
from tracrlab.shapes import Int


def checked_vocabulary(vocab: Iterable[object], bos: str, pad: str) -> tuple[Value, ...]:
    """The distinct tokens of a vocabulary in a fixed order, which is that of :func:`order_key`.

    Raises:
        VocabularyError: it is empty, holds an unhashable value, ``None``, BOS or PAD; or BOS and PAD are equal or
            no strings.
    """
    if not isinstance(bos, str) or not isinstance(pad, str):
        raise VocabularyError(f"the BOS and PAD tokens must be strings, not {bos!r} and {pad!r}")
    if bos == pad:
        raise VocabularyError(f"the BOS and PAD tokens must differ, but both are {bos!r}")
    if not isinstance(vocab, Iterable):
        raise VocabularyError(f"the vocabulary is a list of tokens, or a text of characters, not {abridged(vocab)}")
    tokens: dict[Hashable, Value] = {}
    for token in map(plain_value, vocab):
        try:
            tokens.setdefault(value_key(token), token)
        except TypeError as error:
            raise VocabularyError(f"a token must be hashable, unlike {abridged(token)}") from error
        if token is None:
            raise VocabularyError("None cannot be a token: it stands for the absence of a value")
        if isinstance(token, str) and token in (bos, pad):
            kind = "BOS" if token == bos else "PAD"
            raise VocabularyError(
                f"the vocabulary contains {abridged(token)}, the {kind} token; choose another {kind} token"
            )
    if not tokens:
        raise VocabularyError("the vocabulary is empty; give at least one token")
    return tuple(sorted(tokens.values(), key=order_key))


def order_key(value: Value) -> tuple[str, Any]:
    """A key by which values of any types have one order, whatever the hash seed: kinds one after the other.

    Numbers are in ascending order, strings as Python has them, tuples item by item, sets by their items in order, and
    values of other types by what they print.
    """
    if isinstance(value, bool | int | float):
        is_nan = value != value  # noqa: PLR0124
        return "", (is_nan, 0 if is_nan else value, type(value).__name__, repr(value))  # the rest breaks ties
    if isinstance(value, tuple):
        return type(value).__name__, tuple(map(order_key, value))
    if isinstance(value, frozenset):
        return type(value).__name__, tuple(sorted(map(order_key, value)))
    return type(value).__name__, value if isinstance(value, str) else repr(value)


def encode_batch(config: ModelConfig, sequences: Sequence[Sequence[Value]]) -> Int[np.ndarray, "batch position"]:
    """Token ids of a batch, each row BOS, tokens, padding; as long as the longest sequence needs.

    Raises:
        InputError: a token is not in the vocabulary, or a sequence is longer than the model allows.
    """
    ids = {value_key(token): number for number, token in enumerate(config.vocab)}
    longest = max((len(sequence) for sequence in sequences), default=0)
    if longest > config.max_seq_len:
        raise InputError(f"the sequence has {longest} tokens, but the model takes at most {config.max_seq_len}")
    batch = np.full((len(sequences), longest + 1), config.pad_id)
    batch[:, 0] = config.bos_id
    for row, sequence in zip(batch, sequences, strict=True):
        row[1 : len(sequence) + 1] = [_token_id(config, ids, token) for token in sequence]
    return batch


def _token_id(config: ModelConfig, ids: dict[Hashable, int], token: Value) -> int:
    token = plain_value(token)
    try:
        return ids[value_key(token)]
    except (KeyError, TypeError) as error:
        shown = ", ".join(map(abridged, config.vocab[:12])) + (", …" if len(config.vocab) > 12 else "")
        raise InputError(f"token {abridged(token)} is not in the vocabulary ({shown})") from error
