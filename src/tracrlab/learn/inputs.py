"""The inputs that something is trained and measured on, as one table: all there are, or the most that fit."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

import numpy as np

from tracrlab.errors import InputError
from tracrlab.model.artefact import Artefact
from tracrlab.rasp.values import Value
from tracrlab.shapes import Int

MAX_INPUTS = 2**14


def training_inputs(
    model: Artefact, inputs: Iterable[Sequence[Value]] | None = None, seed: int = 0
) -> Int[np.ndarray, "input position"]:
    """Token ids of these inputs, or else of all inputs but the empty one; of random ones where those are too many.

    Raises:
        InputError: there is none, one is empty, or one does not fit the model.
    """
    if inputs is not None:
        sequences = [list(sequence) for sequence in inputs]
        if not sequences or not all(sequences):
            raise InputError("there are no inputs to train on, or one is empty; give at least one token each")
        return model.encode(sequences)
    vocab, longest = model.config.vocab, model.config.max_seq_len
    if sum(len(vocab) ** length for length in range(1, longest + 1)) <= MAX_INPUTS:
        every = (itertools.product(vocab, repeat=length) for length in range(1, longest + 1))
        return model.encode(list(itertools.chain.from_iterable(every)))
    rng = random.Random(seed)
    return model.encode([rng.choices(vocab, k=rng.randint(1, longest)) for _ in range(MAX_INPUTS)])
