"""From tokens and values to ids and back."""

from __future__ import annotations

import abc
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from tracrlab.compat.tracr.craft import bases
from tracrlab.craft.spaces import nearest


class Encoder(abc.ABC):
    """Encodes what goes into a model and decodes what comes out."""

    @abc.abstractmethod
    def encode(self, inputs: list[Any]) -> list[Any]:
        """Values as the model takes them."""

    @abc.abstractmethod
    def decode(self, encodings: list[Any]) -> list[Any]:
        """The values that a model's outputs stand for."""

    @property
    def pad_token(self) -> str | None:
        """The padding token, if there is one."""
        return None

    @property
    def bos_token(self) -> str | None:
        """The token that begins every input, if there is one."""
        return None

    @property
    def pad_encoding(self) -> int | None:
        """The id of the padding token."""
        return None

    @property
    def bos_encoding(self) -> int | None:
        """The id of the first token."""
        return None


class NumericalEncoder(Encoder):
    """Numbers stand for themselves; given the ``values`` that can occur, for the nearest of them, and nan for None.

    ``basis`` is the direction that holds the number.
    """

    def __init__(self, basis: Sequence[bases.BasisDirection] = (), values: Sequence[float] = ()) -> None:
        self.basis = list(basis)
        self._values = list(values)

    def encode(self, inputs: list[float]) -> list[float]:
        return inputs

    def decode(self, encodings: list[float]) -> list[float]:
        if not self._values:
            return encodings
        numbers = np.array([float(value) for value in self._values])
        places = nearest(numbers, np.nan_to_num(np.array(encodings, float)))
        pairs = zip(encodings, places.tolist(), strict=True)
        return [None if math.isnan(number) else self._values[place] for number, place in pairs]  # type: ignore[misc]


class CategoricalEncoder(Encoder):
    """Values stand for the number of their direction in ``basis``."""

    def __init__(
        self,
        basis: Sequence[bases.BasisDirection],
        enforce_bos: bool = False,
        bos_token: str | None = None,
        pad_token: str | None = None,
        max_seq_len: int | None = None,
    ) -> None:
        if enforce_bos and not bos_token:
            raise ValueError("BOS token must be specified if enforcing BOS.")
        self.basis = list(basis)
        self.encoding_map = {direction.value: number for number, direction in enumerate(self.basis)}
        if bos_token and bos_token not in self.encoding_map:
            raise ValueError("BOS token missing in encoding.")
        if pad_token and pad_token not in self.encoding_map:
            raise ValueError("PAD token missing in encoding.")
        self.enforce_bos = enforce_bos
        self._bos_token = bos_token
        self._pad_token = pad_token
        self._max_seq_len = max_seq_len

    def encode(self, inputs: list[bases.Value]) -> list[int]:
        """The id of each value.

        Raises:
            ValueError: the first is not BOS though it must be, one is unknown, or there are too many.
        """
        inputs = list(inputs)
        if self.enforce_bos and (not inputs or inputs[0] != self.bos_token):
            first = f"'{inputs[0]}'" if inputs else "missing"
            raise ValueError(f"First input token must be BOS token. Should be '{self.bos_token}', but was {first}.")
        unknown = [value for value in inputs if not isinstance(value, Hashable) or value not in self.encoding_map]
        if unknown:
            raise ValueError(f"Inputs {unknown} not found in encoding {list(self.encoding_map)}")
        if self._max_seq_len is not None and len(inputs) > self._max_seq_len:
            raise ValueError(f"{inputs=} are longer than the maximum sequence length {self._max_seq_len}")
        return [self.encoding_map[value] for value in inputs]

    def decode(self, encodings: list[int]) -> list[bases.Value]:
        """The value of each id.

        Raises:
            ValueError: an id is too large or negative.
        """
        unknown = [number for number in encodings if not 0 <= number < len(self.basis)]
        if unknown:
            raise ValueError(f"Inputs {unknown} not found in decoding map of {len(self.basis)} values")
        return [self.basis[int(number)].value for number in encodings]

    @property
    def vocab_size(self) -> int:
        """The number of ids."""
        return len(self.basis)

    @property
    def bos_token(self) -> str | None:
        return self._bos_token

    @property
    def pad_token(self) -> str | None:
        return self._pad_token

    @property
    def bos_encoding(self) -> int | None:
        return None if self._bos_token is None else self.encoding_map[self._bos_token]

    @property
    def pad_encoding(self) -> int | None:
        return None if self._pad_token is None else self.encoding_map[self._pad_token]
