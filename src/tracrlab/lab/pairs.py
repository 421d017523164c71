"""Pairs of inputs, a clean and a corrupt one, on which methods compare what a model does.

Half of the pairs, at least, change an answer: where nothing changes there is nothing to find. Lengths are mixed, since
on inputs of one length whatever only depends on the length is constant. No clean input is in two splits.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from tracrlab.errors import LabError
from tracrlab.lab.inputs import Ablation, Inputs, Sources, answered, drawn_sources
from tracrlab.learn.interventions import Resample, moved
from tracrlab.shapes import Int

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
N_PAIRS = 128
FEWEST = 8  # pairs: with fewer, an edge that matters on half of the inputs is missed once in 256 cases and more
_DRAWS = 64  # of sources for each input, among which there has to be one that changes an answer


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of inputs; all tensors are [b, p].

    Attributes: ``ids`` and ``corrupt_ids``; ``taken`` the position of the corrupt input that each position of the clean
    one takes from, mostly its own; ``answers`` the right answers, as numbers of classes, and ``corrupt_answers`` those
    of the corrupt input at the position taken; ``scored`` where there is an answer to compare.
    """

    ids: Tensor
    corrupt_ids: Tensor
    answers: Tensor
    corrupt_answers: Tensor
    scored: Tensor
    taken: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def changed(self) -> Tensor:
        """Where the answers of a pair differ, among those scored."""
        return self.scored & (self.answers != self.corrupt_answers)

    @property
    def cross_length(self) -> bool:
        """Whether some pairs differ in length, or take from shifted positions."""
        return not torch.equal(self.taken, torch.arange(self.taken.shape[1]).expand_as(self.taken))

    def other(self) -> Resample:
        """The intervention that a place carries what it does on the corrupt inputs."""
        return Resample(self.corrupt_ids, taken=self.taken)

    def moved(self, activation: Tensor) -> Tensor:
        """An activation [b, p, …] on the corrupt inputs, at the positions that take it."""
        return moved(activation, self.taken)


def drawn_pairs(inputs: Inputs, answers: Tensor, ablation: Ablation, split: Split, n: int, seed: int) -> Pairs:
    """``n`` pairs of a split, or as many as there can be, by the right ``answers`` [n, p] to all inputs.

    Where cases are scored by zeros or means, sources are drawn as for resampling.

    Raises:
        LabError: there are too few pairs, or too few that change an answer.
    """
    if split not in SPLITS:
        raise LabError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
    rng = np.random.default_rng([seed, zlib.crc32(split.encode())])
    own = _of_split(inputs, split, seed)
    if len(own) < FEWEST:
        raise LabError(
            f"the split {split} has {len(own)} inputs, too few for {FEWEST} pairs; use more tokens or lengths"
        )
    rows, sources = _with_half_changed(inputs, answers, own, ablation, n, rng)
    ids, corrupt = inputs.tensor[rows], inputs.tensor[sources.rows]
    taken = torch.as_tensor(np.array(sources.taken))
    return Pairs(ids, corrupt, answers[rows], moved(answers[sources.rows], taken), answered(inputs.config, ids), taken)


def _of_split(inputs: Inputs, split: Split, seed: int) -> Int[np.ndarray, " m"]:
    """The rows of a split: every other one, in an order of chance, of each length."""
    order = np.random.default_rng(seed).permutation(len(inputs))
    order = order[np.argsort(inputs.lengths[order], kind="stable")]
    rows: np.ndarray = order[SPLITS.index(split) :: len(SPLITS)]
    return rows


def _with_half_changed(
    inputs: Inputs, answers: Tensor, own: Int[np.ndarray, " m"], ablation: Ablation, n: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Sources]:
    """Rows with sources, of which at least half change an answer; all lengths are equally likely."""
    lengths, kind = inputs.lengths, ablation if ablation.startswith("resample") else "resample_lengths"
    by_length = [own[lengths[own] == length] for length in np.unique(lengths[own])]
    rows = np.array([rng.choice(by_length[rng.integers(len(by_length))]) for _ in range(n)])
    best = drawn_sources(lengths[rows], lengths, kind, inputs.config.n_ctx, rng)
    changes = _changes(inputs, answers, rows, best)
    for _ in range(_DRAWS):
        if 2 * changes.sum() >= n:
            break
        again = np.flatnonzero(~changes)
        new = drawn_sources(lengths[rows[again]], lengths, kind, inputs.config.n_ctx, rng)
        best = Sources(_replaced(best.rows, again, new.rows), _replaced(best.taken, again, new.taken))
        changes = _changes(inputs, answers, rows, best)
    if 2 * changes.sum() < n:
        raise LabError(
            f"of {n} pairs only {int(changes.sum())} change an answer; the program has too few different answers "
            "on inputs of this vocabulary and length to be a case"
        )
    return rows, best


def _replaced(old: np.ndarray, places: np.ndarray, new: np.ndarray) -> np.ndarray:
    changed = np.array(old)
    changed[places] = new
    return changed


def _changes(inputs: Inputs, answers: Tensor, rows: np.ndarray, sources: Sources) -> np.ndarray:
    other = moved(answers[sources.rows], torch.as_tensor(np.array(sources.taken)))
    differs = (answers[rows] != other) & answered(inputs.config, inputs.tensor[rows])
    changes: np.ndarray = differs.any(dim=1).numpy()
    return changes
