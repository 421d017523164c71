"""The inputs that a case is about: all there are, or a sample, as one table of token ids; and what is taken from where.

``n`` is inputs, ``p`` position: BOS, the tokens, padding up to the longest input that the model takes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from tracrlab.model.config import ModelConfig
from tracrlab.rasp.values import Value
from tracrlab.shapes import Int

MAX_INPUTS = 100_000  # above, they are sampled: checking a model on all of them would take minutes
N_SAMPLED = 4096  # an effect on one of a thousand inputs is then missed by chance in 1.7 % of cases

Ablation = Literal["zero", "mean", "resample", "resample_lengths"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)


@dataclass(frozen=True, eq=False)
class Inputs:
    """A table of inputs, ``ids`` [n, p], in the order of their lengths; ``are_all`` whether there are no others."""

    config: ModelConfig
    ids: Int[np.ndarray, "n p"]
    are_all: bool

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """How many tokens each has."""
        lengths: np.ndarray = (self.ids != self.config.pad_id).sum(axis=1) - 1
        return lengths

    @cached_property
    def tensor(self) -> Tensor:
        """The ids in PyTorch."""
        return torch.as_tensor(self.ids)

    @property
    def described(self) -> str:
        """How many there are, for a reader."""
        return f"all {len(self):,} inputs" if self.are_all else f"{len(self):,} sampled inputs"

    def tokens(self, row: int) -> tuple[Value, ...]:
        """One of them as tokens."""
        return tuple(self.config.vocab[each] for each in self.ids[row, 1 : self.lengths[row] + 1])

    def chosen(self, rows: Int[np.ndarray, " m"]) -> Inputs:
        """Some of them."""
        return Inputs(self.config, self.ids[rows], False)


def every_input(config: ModelConfig, seed: int) -> Inputs:
    """All inputs but the empty one, or, where there are more than ``MAX_INPUTS``, a sample in which lengths are equal.

    Words of a length that has few are all in the sample, once.
    """
    n_tokens, lengths = len(config.vocab), range(1, config.max_seq_len + 1)
    are_all = sum(n_tokens**length for length in lengths) <= MAX_INPUTS
    rng, share, tables = np.random.default_rng(seed), -(-N_SAMPLED // config.max_seq_len), []
    for length in lengths:
        if are_all or n_tokens**length <= share:
            words = np.array(list(itertools.product(range(n_tokens), repeat=length)))
        else:
            words = np.unique(rng.integers(n_tokens, size=(share, length)), axis=0)
        table = np.full((len(words), config.n_ctx), config.pad_id)
        table[:, 0], table[:, 1 : length + 1] = config.bos_id, words
        tables.append(table)
    return Inputs(config, np.concatenate(tables), are_all)


def answered(config: ModelConfig, ids: Tensor) -> Tensor:
    """Where there is an answer, [n, p]: at tokens, not at BOS and not at padding."""
    places = ids != config.pad_id
    places[:, 0] = False
    return places


@dataclass(frozen=True, eq=False)
class Sources:
    """Which input each one takes from, ``rows`` [n], and which of its positions each position, ``taken`` [n, p]."""

    rows: Int[np.ndarray, " n"]
    taken: Int[np.ndarray, "n p"]


def drawn_sources(
    lengths: Int[np.ndarray, " n"],
    pool: Int[np.ndarray, " m"],
    ablation: Ablation,
    n_ctx: int,
    rng: np.random.Generator,
) -> Sources:
    """Sources drawn for inputs of these ``lengths`` from a pool, by the lengths of those that are in it.

    For ``"resample"`` they have the length of the input, and every position takes from its own. For
    ``"resample_lengths"`` all lengths are equally likely and, half of the time, positions are shifted by a number of
    chance. Where the source is shorter, or ends because of the shift, it begins again from its first token, so that
    only what stands at tokens is ever taken. BOS takes from BOS.
    """
    identity = np.broadcast_to(np.arange(n_ctx), (len(lengths), n_ctx))
    by_length = {int(length): np.flatnonzero(pool == length) for length in np.unique(pool)}
    if ablation == "resample":
        rows = np.array([rng.choice(by_length[int(length)]) for length in lengths], int)
        return Sources(rows, identity.copy())
    rows = np.array([rng.choice(by_length[int(length)]) for length in rng.choice(list(by_length), len(lengths))], int)
    others = pool[rows]
    shifts = np.where(rng.random(len(rows)) < 0.5, 0, rng.integers(0, others))
    around = (np.arange(n_ctx)[None] - 1 + shifts[:, None]) % others[:, None] + 1
    inside = (np.arange(n_ctx) > 0) & (np.arange(n_ctx) <= lengths[:, None])
    return Sources(rows, np.where(inside, around, identity))
