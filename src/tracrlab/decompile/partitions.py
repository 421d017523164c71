"""Which classes of the operands of a table nobody needs to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracrlab.shapes import Int

Blocks = Int[np.ndarray, " class"]


def merged_operands(
    entries: Int[np.ndarray, "entry operand"], results: Int[np.ndarray, " entry"], sizes: Sequence[int]
) -> list[Blocks]:
    """For each operand, blocks of classes in whose place one could stand: combinations that do not occur allow any.

    Operands are merged one after the other, so all of it can be done at once. Classes that do not occur are in block 0.
    """
    entries = entries.copy()
    found = []
    for operand, size in enumerate(sizes):
        rows: dict[int, dict[tuple[int, ...], int]] = {}
        for entry, result in zip(entries.tolist(), results.tolist(), strict=True):
            own = entry.pop(operand)
            rows.setdefault(own, {})[tuple(entry)] = result
        blocks = np.zeros(size, int)
        merged: list[dict[tuple[int, ...], int]] = []
        for own, row in sorted(rows.items()):
            for place, other in enumerate(merged):
                if all(other.get(key, result) == result for key, result in row.items()):
                    other.update(row)
                    blocks[own] = place
                    break
            else:
                blocks[own] = len(merged)
                merged.append(dict(row))
        entries[:, operand] = blocks[entries[:, operand]]
        found.append(blocks)
    return found


def refines(fine: Blocks, coarse: Blocks) -> bool:
    """Whether classes in one block of the first are in one block of the second."""
    return len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == len(set(fine.tolist()))


def common_refinement(partitions: Sequence[Blocks]) -> Blocks:
    """The coarsest blocks that tell apart whatever one of the partitions does."""
    _, blocks = np.unique(np.stack(partitions, axis=1), axis=0, return_inverse=True)
    return blocks.reshape(-1)


def finest(partitions: Sequence[Blocks]) -> list[Blocks]:
    """Those of the partitions that no other one refines; of equal ones the first."""
    kept: list[Blocks] = []
    for own in sorted(partitions, key=lambda each: -len(set(each.tolist()))):
        if not any(refines(other, own) for other in kept):
            kept.append(own)
    return kept
