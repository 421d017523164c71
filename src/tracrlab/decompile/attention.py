"""What a head does, read from what it computes on all inputs: whom it selects, what it carries, what it writes.

Scores are seen relative to BOS, of which a softmax knows no more. Whatever is selected has the highest of these scores
that occurs; a gap is below it. So a head that ignores BOS where anything is selected, one that attends to it as much,
and one that attends to it far more, are one case: what they write is a function of the mean of what is carried and of
how many are selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from tracrlab.decompile.functions import distinct_vectors, first_rows, joint_codes, smallest_set
from tracrlab.decompile.nodes import Copy, Definition, Mean, Node, Selection, Table, Width
from tracrlab.shapes import Bool, Float, Int

NodeMaker = Callable[[Definition, Int[np.ndarray, "input position"], int], Node]

_GAP = 2.0  # scores of what is selected and of what is not differ by more: a share of e^-2 is no trace
_DENOMINATORS = 5040  # numbers that are averaged are simple fractions of one another, or not found
_NEAR = 1e-6  # and equal such fractions up to this


@dataclass(frozen=True, eq=False)
class HeadRun:
    """What a head did on all inputs.

    Attributes: ``scores`` relative to BOS; ``visible`` the pairs that it may attend; ``inside`` the positions that
    inputs have; ``keys`` and ``queries`` the variables that the weights propose, those of ``values`` likewise;
    ``carried`` the vector at each key and at BOS; ``written`` the class of what it writes; ``tolerance``.
    """

    scores: Float[np.ndarray, "input query key"]
    visible: Bool[np.ndarray, "input query key"]
    inside: Bool[np.ndarray, "input position"]
    keys: tuple[Node, ...]
    queries: tuple[Node, ...]
    values: tuple[Node, ...]
    carried: Float[np.ndarray, "input position dimension"]
    at_bos: Float[np.ndarray, "input dimension"]
    written: Int[np.ndarray, "input position"]
    n_written: int
    tolerance: float


def selected_pairs(run: HeadRun) -> Iterator[Bool[np.ndarray, "input query key"]]:
    """Which pairs may count as selected: those that share most of their query's attention, or of a score all the same.

    The first is what a head does that attends to BOS where it selects nothing, or as much as to what it selects; the
    second one that counts by what it takes away from BOS, to which it attends far more. The right one is that by which
    all is explained.
    """
    scores = np.where(run.visible, run.scores, -np.inf)
    top = np.maximum(scores.max(axis=2, keepdims=True, initial=-np.inf), 0.0)
    yield scores > top - _GAP
    levels = np.unique(np.round(run.scores[run.visible], 2))[::-1]
    gaps = np.flatnonzero(levels[:-1] - levels[1:] > _GAP)
    threshold = -np.inf if not len(gaps) else (levels[gaps[0]] + levels[gaps[0] + 1]) / 2
    yield run.visible & (scores > threshold)


def selection_of(
    visible: Bool[np.ndarray, "input query key"],
    keys: tuple[Node, ...],
    queries: tuple[Node, ...],
    selected: Bool[np.ndarray, "input query key"],
) -> Selection | None:
    """The selected pairs as a predicate of few of these key and query variables; ``None`` if they are none."""
    inputs, query_places, key_places = np.nonzero(visible)
    columns = [node.codes[inputs, key_places] for node in keys]
    columns += [node.codes[inputs, query_places] for node in queries]
    sizes = [node.size for node in (*keys, *queries)]
    results = selected[visible].astype(int)
    found = smallest_set(columns, sizes, results)
    if found is None:
        return None
    entries, outcome = table_entries([columns[place] for place in found], [sizes[place] for place in found], results)
    own_keys = tuple(keys[place] for place in found if place < len(keys))
    own_queries = tuple(queries[place - len(keys)] for place in found if place >= len(keys))
    return Selection(own_keys, own_queries, entries, outcome.astype(bool))


def table_entries(
    columns: list[np.ndarray], sizes: list[int], results: Int[np.ndarray, " row"]
) -> tuple[Int[np.ndarray, "entry operand"], Int[np.ndarray, " entry"]]:
    """The combinations that occur, in order, and the result of each."""
    if not columns:
        return np.zeros((min(len(results), 1), 0), int), results[:1]
    rows, _ = first_rows(*joint_codes(columns, sizes))
    return np.stack([column[rows] for column in columns], axis=1), results[rows]


def explained(run: HeadRun, new_node: NodeMaker) -> tuple[Node, Int[np.ndarray, " class"]] | str:
    """What a head's writing is, and what is written for each of its classes; or why that was not found."""
    result: tuple[Node, Int[np.ndarray, " class"]] | str = ""
    for selected in selected_pairs(run):
        result = _explained_by(run, selected, new_node)
        if not isinstance(result, str):
            return result
    return result


def _explained_by(
    run: HeadRun, selected: Bool[np.ndarray, "input query key"], new_node: NodeMaker
) -> tuple[Node, Int[np.ndarray, " class"]] | str:
    selection = selection_of(run.visible, run.keys, run.queries, selected)
    if selection is None:
        return "whom it selects is no function of the variables that its weights read"
    used: np.ndarray = np.any(selected, axis=1)
    classes, vectors = distinct_vectors(np.concatenate([run.carried[used], run.at_bos]), run.tolerance, 0.0)
    own, at_bos = classes[: -len(run.at_bos)], classes[-len(run.at_bos) :]
    if (at_bos != at_bos[0]).any():
        return "what it carries from BOS depends on the input"
    order, value_classes = np.unique(own, return_inverse=True)
    value_codes = np.zeros(run.inside.shape, int)
    value_codes[used] = value_classes
    value = _value_table(run, used, value_codes)
    if value is None:
        return "what it carries is no function of the variables that its weights read"
    return _refined(
        run, _candidates(run, selection, selected, value, value_codes, vectors[order], vectors[at_bos[0]]), new_node
    )


def _candidates(
    run: HeadRun,
    selection: Selection,
    selected: Bool[np.ndarray, "input query key"],
    value: Table,
    value_codes: Int[np.ndarray, "input position"],
    vectors: Float[np.ndarray, "value dimension"],
    bos: Float[np.ndarray, " dimension"],
) -> list[_Candidate]:
    """The quantities of which what is written may be a function: how many are selected, the one copied, means."""
    widths = selected.sum(axis=2)
    candidates = [_Candidate(Width(selection), widths, widths.shape[1] + 1)]
    if len(vectors) < 2:
        return candidates
    same = np.flatnonzero(np.abs(vectors - bos).max(axis=1) <= run.tolerance * np.ptp(vectors, axis=0).max())
    default = int(same[0]) if len(same) else len(vectors)
    copied = _copied(selected, value_codes, len(vectors), default)
    if copied is not None:
        return [_Candidate(Copy(selection, value, default), copied, max(len(vectors), default + 1)), *candidates]
    coordinates = _coordinates(vectors, bos)
    return [_mean(selection, value, numbers, selected, value_codes) for numbers in coordinates] + candidates


@dataclass(frozen=True, eq=False)
class _Candidate:
    definition: Definition
    codes: Int[np.ndarray, "input position"]
    size: int


def _refined(
    run: HeadRun, candidates: list[_Candidate], new_node: NodeMaker
) -> tuple[Node, Int[np.ndarray, " class"]] | str:
    """What is written as a function of the fewest quantities; the quantity itself, if it is one to one."""
    columns, sizes = [each.codes[run.inside] for each in candidates], [each.size for each in candidates]
    results = run.written[run.inside]
    found = smallest_set(columns, sizes, results)
    if found is None:
        return "what it writes is no function of the means and the number of what it selects"
    entries, outcome = table_entries([columns[place] for place in found], [sizes[place] for place in found], results)
    chosen = [candidates[place] for place in found]
    nodes = [new_node(each.definition, each.codes, each.size) for each in chosen]
    if len(nodes) == 1 and len(set(outcome.tolist())) == len(outcome):
        written = np.zeros(nodes[0].size, int)
        written[entries[:, 0]] = outcome
        return nodes[0], written
    return new_node(Table(tuple(nodes), entries, outcome), run.written, run.n_written), np.arange(run.n_written)


def _value_table(
    run: HeadRun, used: Bool[np.ndarray, "input position"], value_codes: Int[np.ndarray, "input position"]
) -> Table | None:
    columns, sizes = [node.codes[used] for node in run.values], [node.size for node in run.values]
    results = value_codes[used]
    found = smallest_set(columns, sizes, results)
    if found is None:
        return None
    entries, outcome = table_entries([columns[place] for place in found], [sizes[place] for place in found], results)
    return Table(tuple(run.values[place] for place in found), entries, outcome)


def _copied(
    selected: Bool[np.ndarray, "input query key"], codes: Int[np.ndarray, "input position"], size: int, default: int
) -> Int[np.ndarray, "input position"] | None:
    """The class of what is selected, or ``default`` where nothing is; ``None`` if different ones are selected."""
    lowest = np.where(selected, codes[:, None, :], size).min(axis=2, initial=size)
    highest = np.where(selected, codes[:, None, :], -1).max(axis=2, initial=-1)
    if ((lowest < highest) & (highest >= 0)).any():
        return None
    return np.where(highest < 0, default, lowest)


def _coordinates(
    vectors: Float[np.ndarray, "vector dimension"], origin: Float[np.ndarray, " dimension"]
) -> list[tuple[tuple[int, ...], int | None]]:
    """Whole numbers of which the vectors are affine functions, each with the number of BOS, if it has one.

    Along a line they are multiples of the smallest step; otherwise each vector is a combination of some of them, and
    the numbers are its coefficients.
    """
    scale = float(np.abs(vectors - vectors[0]).max()) or 1.0
    differences = vectors - vectors[0]
    has_origin = _rank([*differences], scale) == _rank([*differences, origin - vectors[0]], scale)
    start = origin if has_origin else vectors[0]
    basis: list[np.ndarray] = []
    for vector in sorted(vectors - start, key=lambda each: float(np.abs(each).max())):
        if _rank([*basis, vector], scale) > len(basis):
            basis.append(vector)
    coefficients = np.linalg.lstsq(np.stack(basis).T, (vectors - start).T, rcond=None)[0]
    found: list[tuple[tuple[int, ...], int | None]] = []
    for row in coefficients.tolist():
        fractions = [Fraction(each).limit_denominator(_DENOMINATORS) for each in row]
        if max(abs(float(fraction) - each) for fraction, each in zip(fractions, row, strict=True)) > _NEAR:
            return [
                (tuple(int(own == place) for own in range(len(vectors))), None) for place in range(len(vectors) - 1)
            ]
        denominator = lcm(*(fraction.denominator for fraction in fractions))
        numbers = [int(fraction * denominator) for fraction in fractions]
        step = gcd(*numbers) or 1
        found.append((tuple(number // step for number in numbers), 0 if has_origin else None))
    return found


def _rank(vectors: list[np.ndarray], scale: float) -> int:
    return int(np.linalg.matrix_rank(np.stack(vectors), tol=_NEAR * scale)) if vectors else 0


def _mean(
    selection: Selection,
    value: Table,
    found: tuple[tuple[int, ...], int | None],
    selected: Bool[np.ndarray, "input query key"],
    value_codes: Int[np.ndarray, "input position"],
) -> _Candidate:
    numbers, default = found
    widths = selected.sum(axis=2)
    totals = np.where(selected, np.array(numbers)[value_codes][:, None, :], 0).sum(axis=2)
    divisor = np.maximum(np.gcd(totals, widths), 1)
    tops, bottoms = totals // divisor, widths // divisor
    if default is not None:
        tops[widths == 0], bottoms[widths == 0] = default, 1
    pairs, own = np.unique(np.stack([tops.ravel(), bottoms.ravel()], axis=1), axis=0, return_inverse=True)
    means = tuple(Fraction(top, bottom) if bottom else None for top, bottom in pairs.tolist())
    return _Candidate(Mean(selection, value, numbers, default, means), own.reshape(widths.shape), len(means))
