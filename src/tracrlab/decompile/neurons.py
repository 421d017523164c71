"""Which neurons of a layer compute one function together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracrlab.decompile.functions import distinct_vectors, smallest_set
from tracrlab.shapes import Float, Int

_TRACE = 1e-6  # a variable is read if it moves a neuron by more than this share of what moves it most
_DEPENDENT = 1e-6  # singular values below this share of the largest are rounding
_FEW = 3  # variables of a function that neurons with different inputs compute together


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons, and the places of the variables that they read."""

    neurons: Int[np.ndarray, " neuron"]
    reads: tuple[int, ...]


def neuron_groups(
    moves: Float[np.ndarray, "variable neuron"],
    active: Float[np.ndarray, "state neuron"],
    W_out: Float[np.ndarray, "neuron d_model"],
    columns: Sequence[np.ndarray],
    sizes: Sequence[int],
    tolerance: float,
) -> Iterator[Group]:
    """The neurons that read the same variables, joined where what they write is not independent.

    Arguments: ``moves`` by how much each variable moves each neuron; ``active`` what the neurons are in each state;
    ``columns`` the classes of the variables there.
    """
    reads = moves > _TRACE * np.maximum(moves.max(axis=0), 1e-12)
    is_used = (np.abs(active).max(axis=0) > 0) & W_out.any(axis=1)
    by_reads: dict[bytes, list[int]] = {}
    for neuron in np.flatnonzero(is_used).tolist():
        by_reads.setdefault(reads[:, neuron].tobytes(), []).append(neuron)
    groups = [np.array(neurons) for neurons in by_reads.values()]
    for group in _joined(groups, active, W_out, reads, columns, sizes, tolerance):
        yield Group(group, tuple(np.flatnonzero(reads[:, group].any(axis=1)).tolist()))


def _joined(
    groups: list[np.ndarray],
    active: Float[np.ndarray, "state neuron"],
    W_out: Float[np.ndarray, "neuron d_model"],
    reads: np.ndarray,
    columns: Sequence[np.ndarray],
    sizes: Sequence[int],
    tolerance: float,
) -> list[np.ndarray]:
    """The groups, of which those that write to dependent directions are one if that is a function of few variables."""
    ranks = [_rank(W_out[group]) for group in groups]
    place = 0
    while place < len(groups):
        for other in range(place + 1, len(groups)):
            both = np.sort(np.concatenate([groups[place], groups[other]]))
            rank = _rank(W_out[both])
            if rank == ranks[place] + ranks[other]:
                continue
            proposed = np.flatnonzero(reads[:, both].any(axis=1)).tolist()
            codes, _ = distinct_vectors(active[:, both] @ W_out[both], tolerance, 0.0)
            found = smallest_set([columns[each] for each in proposed], [sizes[each] for each in proposed], codes)
            if found is not None and len(found) <= _FEW:
                groups[place], ranks[place] = both, rank
                del groups[other], ranks[other]
                break
        else:
            place += 1
    return groups


def _rank(matrix: Float[np.ndarray, "neuron d_model"]) -> int:
    sizes = np.linalg.svd(matrix, compute_uv=False)
    return int((sizes > _DEPENDENT * sizes[:1]).sum())
