"""Small models to compress, and random matrices to compress them with, shared by the tests of this folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import numpy as np

import tracrlab
from tracrlab import CompiledModel
from tracrlab.compress import CompressedModel, Sharing
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.rasp.library import PROGRAMS


@cache
def frac_prevs() -> CompiledModel:
    """The paper's first example over three tokens."""
    return tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abx", 3)


@cache
def sort_unique() -> CompiledModel:
    """The paper's second example over three tokens."""
    return tracrlab.compile(PROGRAMS["sort_unique"].build(), "123", 3)


def every_sequence(model: CompiledModel) -> Iterator[tuple[object, ...]]:
    """All inputs but the empty one."""
    for length in range(1, model.config.max_seq_len + 1):
        yield from itertools.product(model.config.vocab, repeat=length)


def permutations(model: CompiledModel) -> list[tuple[object, ...]]:
    """All inputs without a token twice, which is what ``sort_unique`` sorts."""
    vocab, longest = model.config.vocab, model.config.max_seq_len
    return [each for length in range(1, longest + 1) for each in itertools.permutations(vocab, length)]


def random_compression(model: CompiledModel, d: int, seed: int, sharing: Sharing = Sharing.ALL) -> CompressedModel:
    """A compression by matrices of chance."""
    n_matrices = sharing.places(model.config.n_layers).n_matrices
    matrices = np.random.default_rng(seed).normal(size=(n_matrices, model.config.d_model, d)) / d**0.5
    return compressed_model(model, sharing, {"matrices": matrices})
