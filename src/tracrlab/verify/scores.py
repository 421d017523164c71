"""Bounds on the attention logits of a head: those of selected positions, of others, and of BOS.

Logits are sums over features of a query's times a key's, and a feature depends on few quantities. Quantities that meet
in no feature and no predicate do not affect each other's part of the logit, so they fall into groups whose parts are
bounded separately and then added up.

An error of a query is the same for all the keys that it meets. It only matters as far as keys differ: a code off by d
moves the parabola ``4 q c - 2 c²`` by ``4 d c`` at every key, but the difference between neighbouring codes by ``4 d``
only. So all logits are taken relative to that of BOS, or of a selected key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.claims import HeadClaim, PredicateClaim
from tracrlab.craft.formats import COARSEST, NumberFormat, grain
from tracrlab.craft.heads import DIVIDING
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.combinations import combinations, possible, seen
from tracrlab.verify.reads import Part, linear_parts
from tracrlab.verify.residual import (
    Stream,
    Unproven,
    Violated,
    contents_at_bos,
    contents_read,
    without_repeats,
)

MAX_PAIRS = 2**26
_CHUNK = 2**18  # entries of an intermediate array: few enough to stay in a cache


@dataclass(frozen=True, eq=False)
class ScoreWeights:
    """A head's query and key projections as float64, and the format they compute in."""

    W_Q: Float[np.ndarray, "d_model d_head"]
    W_K: Float[np.ndarray, "d_model d_head"]
    number_format: NumberFormat


@dataclass(frozen=True)
class LogitBounds:
    """Bounds on differences of attention logits, over all queries.

    Attributes: ``lead``: a selected position is ahead of one that is not by at least this. ``spread``: how far two
    selected ones can be apart. ``least_over_bos``, ``most_over_bos``: how far a selected one is ahead of BOS.
    ``others_over_bos``: how far one that is not selected can be ahead of BOS. ``over_bos_at_bos``: how far anything can
    be ahead of BOS where BOS is the query. ``size``: how large a logit can be. ``n_pairs`` that were checked.
    """

    lead: float
    spread: float
    least_over_bos: float
    most_over_bos: float
    others_over_bos: float
    over_bos_at_bos: float
    size: float
    n_pairs: int


def logit_bounds(claim: HeadClaim, stream: Stream, weights: ScoreWeights, *, causal: bool) -> LogitBounds:
    """Bounds on the logits of a head for all values of the quantities that its queries and keys depend on.

    Raises:
        Unproven: it reads something that its claim does not speak of, or there is too much to check.
    """
    queries, query_places = without_repeats(claim.queries)
    keys, key_places = without_repeats(claim.keys)
    fmt = weights.number_format
    query_parts = linear_parts(contents_read(stream, queries, weights.W_Q), weights.W_Q, fmt)
    key_parts = linear_parts(contents_read(stream, keys, weights.W_K), weights.W_K, fmt)
    (query_at_bos,) = linear_parts([contents_at_bos(stream, weights.W_Q)], weights.W_Q, fmt)
    (key_at_bos,) = linear_parts([contents_at_bos(stream, weights.W_K)], weights.W_K, fmt)
    asked, given = ([part.used for part in side] for side in ((*query_parts, query_at_bos), (*key_parts, key_at_bos)))
    used = np.any(asked, axis=0) & np.any(given, axis=0)  # the others add zeros to every logit
    query_parts, key_parts = (tuple(part.of(used) for part in side) for side in (query_parts, key_parts))
    query_at_bos, key_at_bos = query_at_bos.of(used), key_at_bos.of(used)
    rounding, whole = _dot_rounding([*query_parts, query_at_bos], [*key_parts, key_at_bos], fmt)
    divisor, stored = math.sqrt(weights.W_Q.shape[1]), 4 * fmt.roundoff if fmt.is_half and not whole else 0.0
    # dividing by the square root of d_head rounds, unless that is a power of two; equal scores stay equal
    dividing = (0.0 if np.frexp(divisor)[0] == 0.5 else DIVIDING * fmt.roundoff) + stored
    constants = _Constants(query_parts[-1], key_parts[-1], key_at_bos, rounding, dividing)
    sides = _Sides(claim, query_parts, key_parts, query_places, key_places)
    groups = [_group_bounds(sides, each, constants) for each in _groups(sides)]
    if claim.latest:
        groups = [_latest_bounds(sides, groups, constants)]
    at_bos = -np.inf if causal else _at_bos_query(query_at_bos, key_parts, constants)
    return _combined(groups, constants, at_bos, divisor)


@dataclass(frozen=True, eq=False)
class _Sides:
    """The claim of a head with the parts of its query and key features, by quantity, the constant ones last."""

    claim: HeadClaim
    query_parts: tuple[Part, ...]
    key_parts: tuple[Part, ...]
    query_places: tuple[int, ...]
    key_places: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Constants:
    """What queries and keys have in common everywhere, the key of BOS, and the rounding of dot products.

    ``rounding`` is that as a share of the size of all terms, ``dividing`` what rounds afterwards, as one of the score.
    """

    query: Part
    key: Part
    bos: Part
    rounding: float
    dividing: float

    @property
    def beyond_bos(self) -> Float[np.ndarray, " feature"]:
        """By how much all keys differ from that of BOS, whatever their quantities."""
        difference: np.ndarray = self.key.values[0] - self.bos.values[0]
        return difference


@dataclass(frozen=True, eq=False)
class _Group:
    """Quantities of queries and keys that affect each other's part of the logit, and the predicates over them."""

    queries: tuple[int, ...]
    keys: tuple[int, ...]
    predicates: tuple[PredicateClaim, ...]


@dataclass(frozen=True)
class _GroupBounds:
    """Bounds on a group's part of scores (see :class:`LogitBounds`), and whether it has predicates.

    ``size`` is that of all terms together, ``levels`` are the least and the largest score of a selected position, and
    those of BOS.
    """

    lead: float
    behind: float
    spread: float
    least_over_bos: float
    most_over_bos: float
    failing_over_bos: float
    any_over_bos: float
    size: float
    levels: tuple[float, float, float, float]
    has_predicates: bool
    n_pairs: int


def _dot_rounding(queries: Sequence[Part], keys: Sequence[Part], fmt: NumberFormat) -> tuple[float, bool]:
    """The rounding of a dot product as a share of the size of its terms; 0 where all are exact whole multiples.

    The other is whether it is a number of the format then.
    """
    clean = not any(part.slack.any() for part in (*queries, *keys))
    fine = [
        np.min([grain(part.values).min(axis=0, initial=COARSEST) for part in parts], axis=0)
        for parts in (queries, keys)
    ]
    sizes = [
        np.sum([np.abs(part.values).max(axis=0, initial=0) for part in parts], axis=0) for parts in (queries, keys)
    ]
    used = sizes[0] * sizes[1] > 0
    if not used.any():
        return 0.0, True
    finest, size = int((fine[0] + fine[1])[used].min()), np.log2((sizes[0] * sizes[1]).sum())
    if clean and size <= finest + fmt.wide.precision:
        return 0.0, bool(size <= finest + fmt.precision)
    return (min(int(used.sum()), _n_terms(queries, used), _n_terms(keys, used)) + 1) * fmt.wide.roundoff, False


def _n_terms(parts: Sequence[Part], used: Bool[np.ndarray, " feature"]) -> int:
    """How many of the features can be other than 0 at once; adding 0 does not round."""
    filled = [((part.values != 0) | (part.slack != 0)) & used for part in parts]
    return sum(int(each.sum(axis=1).max(initial=0)) for each in filled)


def _groups(sides: _Sides) -> list[_Group]:
    """The groups: quantities that meet in a feature or a predicate belong together."""
    n_queries, n_keys = len(sides.query_parts) - 1, len(sides.key_parts) - 1
    label = list(range(n_queries + n_keys))

    def join(one: int, other: int) -> None:
        old, new = label[other], label[one]
        label[:] = [new if each == old else each for each in label]

    touched = [(np.abs(part.values) + part.slack).any(axis=0) for part in (*sides.query_parts, *sides.key_parts)]
    query_touched, key_touched = touched[:n_queries], touched[n_queries + 1 : -1]
    for i, of_query in enumerate(query_touched):
        for j, of_key in enumerate(key_touched):
            if (of_query & of_key).any():
                join(i, n_queries + j)
    members = [
        [sides.query_places[each] for each in predicate.query.quantities]
        + [n_queries + sides.key_places[each] for each in predicate.key.quantities]
        for predicate in sides.claim.predicates
    ]
    for own in members:
        for other in own[1:]:
            join(own[0], other)
    groups = []
    for number in dict.fromkeys(label):
        inside = [place for place, each in enumerate(label) if each == number]
        predicates = tuple(
            predicate
            for predicate, own in zip(sides.claim.predicates, members, strict=True)
            if own and label[own[0]] == number
        )
        groups.append(
            _Group(
                tuple(place for place in inside if place < n_queries),
                tuple(place - n_queries for place in inside if place >= n_queries),
                predicates,
            )
        )
    constant = [each for each, own in zip(sides.claim.predicates, members, strict=True) if not own]
    return [*groups, *(_Group((), (), (each,)) for each in constant)]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The distinct queries or keys of a group: features, their errors, and what each predicate sees."""

    values: Float[np.ndarray, "row feature"]
    slack: Float[np.ndarray, "row feature"]
    seen: Int[np.ndarray, "row predicate"]


def _rows(parts: Sequence[Part], members: Sequence[int], columns: Sequence[np.ndarray], combined: np.ndarray) -> _Rows:
    can_be = possible(columns, len(combined))
    combined = combined[can_be]
    width = parts[-1].values.shape[1]
    values, slack = np.zeros((len(combined), width)), np.zeros((len(combined), width))
    for column, member in enumerate(members):
        values += parts[member].values[combined[:, column]]
        slack += parts[member].slack[combined[:, column]]
    places = np.stack([column[can_be] for column in columns], axis=1) if columns else np.zeros((len(combined), 0), int)
    if len(members) > 1 and len(combined):
        everything = np.concatenate([values, slack, places], axis=1)
        used = everything.any(axis=0)
        _, first = np.unique(everything[:, used], axis=0, return_index=True) if used.any() else (None, np.zeros(1, int))
        values, slack, places = values[first], slack[first], places[first]
    return _Rows(values, slack, places)


def _group_bounds(sides: _Sides, group: _Group, constants: _Constants) -> _GroupBounds:
    """The bounds of one group, its queries taken in chunks."""
    tables = []
    for members, parts, all_places, side in (
        (group.queries, sides.query_parts, sides.query_places, "query"),
        (group.keys, sides.key_parts, sides.key_places, "key"),
    ):
        places = [members.index(place) if place in members else -1 for place in all_places]
        combined = combinations([len(parts[member].values) for member in members])
        columns = [seen(getattr(predicate, side), places, combined) for predicate in group.predicates]
        tables.append(_rows(parts, members, columns, combined))
    queries, keys = tables
    n_pairs = len(queries.values) * len(keys.values)
    if n_pairs > MAX_PAIRS:
        raise Unproven(f"its queries and keys have {n_pairs:,} combinations, more than {MAX_PAIRS:,}")
    if not n_pairs:  # no query, or no key, can occur
        return _GroupBounds(
            np.inf, 0.0, 0.0, np.inf, -np.inf, -np.inf, -np.inf, 0.0, (0.0,) * 4, bool(group.predicates), 0
        )
    step = max(1, _CHUNK // len(keys.values))
    chunks = [
        _chunk_bounds(
            _Rows(*(table[start : start + step] for table in (queries.values, queries.slack, queries.seen))),
            keys,
            group.predicates,
            constants,
        )
        for start in range(0, len(queries.values), step)
    ]
    return _GroupBounds(
        min(each.lead for each in chunks),
        min(each.behind for each in chunks),
        max(each.spread for each in chunks),
        min(each.least_over_bos for each in chunks),
        max(each.most_over_bos for each in chunks),
        max(each.failing_over_bos for each in chunks),
        max(each.any_over_bos for each in chunks),
        max(each.size for each in chunks),
        tuple(choose(each.levels[place] for each in chunks) for place, choose in enumerate((min, max, min, max))),  # type: ignore[arg-type]
        bool(group.predicates),
        n_pairs,
    )


def _latest_bounds(sides: _Sides, groups: Sequence[_GroupBounds], constants: _Constants) -> _GroupBounds:
    """The bounds of a head whose keys' scores must ascend with the values of their only quantity.

    Where they do, what is last of all that occur leads by the least distance between neighbours.
    """
    if len(sides.key_parts) != 2 or len(sides.query_parts) != 1 or len(groups) != 1 or sides.claim.predicates:
        raise Violated("its claim does not say what its scores ascend with")
    keys, query = sides.key_parts[0], constants.query
    values, reach = query.values[0], np.abs(query.values[0]) + query.slack[0]
    slack = keys.slack @ reach + np.abs(keys.values) @ query.slack[0]
    slack = slack + constants.rounding * ((np.abs(keys.values) + keys.slack) @ reach)
    distances = np.diff(keys.values @ values)
    lead = float(distances.min(initial=np.inf)) - 2 * float(slack.max(initial=0.0))
    if not lead > 0:
        raise Violated("its scores do not ascend with what its claim says")
    return replace(groups[0], lead=lead, has_predicates=True)


def _chunk_bounds(
    queries: _Rows, keys: _Rows, predicates: Sequence[PredicateClaim], constants: _Constants
) -> _GroupBounds:
    selected = np.ones((len(queries.values), len(keys.values)), bool)
    for number, predicate in enumerate(predicates):
        selected &= predicate.matrix[queries.seen[:, number]][:, keys.seen[:, number]]
    common, beyond = constants.query.values[0], constants.beyond_bos
    scores = (queries.values + common) @ keys.values.T + (queries.values @ beyond)[:, None]  # relative to BOS
    own = _own_slack(queries, keys, constants)
    from_queries = queries.slack @ np.abs(keys.values + beyond).T + constants.query.slack[0] @ np.abs(keys.values).T
    others = _fixed_slack(queries, constants)
    most_over = scores + own + from_queries + others
    at_bos = (queries.values @ constants.bos.values[0])[:, None]
    divided = constants.dividing * np.abs(scores + at_bos)
    over = float(np.where(selected, most_over, -np.inf).max())
    failing = float(np.where(selected, -np.inf, most_over + divided).max())
    anywhere = float((most_over + divided).max())
    under = float(np.where(selected, scores - own - from_queries - others, np.inf).min())
    sizes = (np.abs(queries.values) + queries.slack + np.abs(common)) @ (np.abs(keys.values) + keys.slack).T
    sizes += (
        (np.abs(queries.values) + queries.slack) @ (np.abs(constants.key.values[0]) + np.abs(constants.bos.values[0]))
    )[:, None]
    off = own + from_queries + others
    levels = (
        float(np.where(selected, scores + at_bos - off, np.inf).min()),
        float(np.where(selected, scores + at_bos + off, -np.inf).max()),
        float((at_bos - others).min()),
        float((at_bos + others).max()),
    )
    some = selected.any(axis=1)
    lead = behind = np.inf
    spread = 0.0
    if some.any():
        if not some.all():
            queries = _Rows(queries.values[some], queries.slack[some], queries.seen[some])
            scores, own, selected, divided = scores[some], own[some], selected[some], divided[some]
        relative, slack = _relative(queries, keys, constants, scores, own, selected.argmax(axis=1))
        least = np.where(selected, relative - slack, np.inf).min(axis=1)
        highest = relative + slack + divided
        most = np.where(selected, relative + slack, -np.inf).max(axis=1)
        failed = np.where(selected, -np.inf, highest).max(axis=1)
        lead = float((least - failed).min())
        behind = float((least - np.maximum(most, failed)).min())
        spread = float((most - least).max())
    return _GroupBounds(
        lead, behind, spread, under, over, failing, anywhere, float(sizes.max()), levels, bool(predicates), 0
    )


def _own_slack(queries: _Rows, keys: _Rows, constants: _Constants) -> Float[np.ndarray, "query key"]:
    """What a key's own errors and the rounding of its dot product add.

    Features of these keys meet those of no other quantities' queries, so queries are no larger than with the constant.
    """
    reach = np.abs(queries.values + constants.query.values[0]) + queries.slack + constants.query.slack[0]
    slack: np.ndarray = reach @ keys.slack.T
    if constants.rounding:
        slack = slack + constants.rounding * (reach @ (np.abs(keys.values) + keys.slack).T)
    return slack


def _fixed_slack(queries: _Rows, constants: _Constants) -> Float[np.ndarray, "query 1"]:
    """What errors and rounding of the keys' constant part and of BOS add for each query."""
    reach = np.abs(queries.values) + queries.slack
    slack = constants.key.slack[0] + constants.bos.slack[0]
    sizes = np.abs(constants.key.values[0]) + np.abs(constants.bos.values[0]) + slack
    fixed: np.ndarray = reach @ (slack + constants.rounding * sizes)
    return fixed[:, None]


def _relative(
    queries: _Rows,
    keys: _Rows,
    constants: _Constants,
    scores: Float[np.ndarray, "query key"],
    own: Float[np.ndarray, "query key"],
    reference: Int[np.ndarray, " query"],
) -> tuple[Float[np.ndarray, "query key"], Float[np.ndarray, "query key"]]:
    """Scores relative to that of a selected key of each query, and bounds on their errors."""
    at = np.arange(len(reference))
    relative = scores - scores[at, reference][:, None]
    slack = own + own[at, reference][:, None]
    constant = constants.key.slack[0] + constants.rounding * (np.abs(constants.key.values[0]) + constants.key.slack[0])
    slack += 2 * ((np.abs(queries.values) + queries.slack) @ constant)[:, None]
    uncertain = queries.slack + constants.query.slack[0]
    marks = uncertain.any(axis=0) & np.isin(keys.values, (0, 1)).all(axis=0)
    own_marks, of_marks = keys.values[:, marks], uncertain[:, marks]
    shared = of_marks * own_marks[reference]  # marks x and y are |x - y| = x + y - 2 x y apart
    slack += (of_marks - 2 * shared) @ own_marks.T + shared.sum(axis=1, keepdims=True)
    for feature in np.flatnonzero(uncertain.any(axis=0) & ~marks).tolist():
        column = keys.values[:, feature]
        slack += uncertain[:, [feature]] * np.abs(column - column[reference][:, None])
    return relative, slack


def _at_bos_query(query: Part, keys: Sequence[Part], constants: _Constants) -> float:
    """How far any key can be ahead of BOS where BOS is the query."""
    values, slack = query.values[0], query.slack[0]
    reach = np.abs(values) + slack
    total = float(values @ constants.beyond_bos + slack @ np.abs(constants.beyond_bos))
    fixed = constants.key.slack[0] + constants.bos.slack[0]
    sizes = np.abs(constants.key.values[0]) + np.abs(constants.bos.values[0]) + fixed
    total += float(reach @ (fixed + constants.rounding * sizes))
    for part in keys[:-1]:
        own = part.values @ values + np.abs(part.values) @ slack + part.slack @ reach
        own = own + constants.rounding * ((np.abs(part.values) + part.slack) @ reach)
        total += float(own.max())
    return total


def _combined(
    groups: Sequence[_GroupBounds],
    constants: _Constants,
    at_bos: float,
    divisor: float,
) -> LogitBounds:
    """The bounds of all groups together, as logits, which are scores divided by ``divisor``.

    A position that is not selected fails some group's predicates; in the other groups it can do as it likes.
    """
    query, slack = constants.query.values[0], constants.query.slack[0]
    reach = np.abs(query) + slack
    beyond = np.abs(constants.beyond_bos)
    fixed = constants.key.slack[0] + constants.bos.slack[0]
    sizes = np.abs(constants.key.values[0]) + np.abs(constants.bos.values[0]) + fixed
    offset = float(query @ constants.beyond_bos)
    loose = float(slack @ beyond + reach @ (fixed + constants.rounding * sizes))
    shared = 2 * constants.rounding * float(reach @ sizes) + 2 * float(reach @ constants.key.slack[0])
    size = sum(each.size for each in groups) + float(reach @ sizes)
    of_constants = [
        float(query @ each.values[0]) for each in (constants.key, constants.key, constants.bos, constants.bos)
    ]
    ends = [sum(each.levels[place] for each in groups) + own for place, own in enumerate(of_constants)]
    level = max((abs(end) for end in ends if math.isfinite(end)), default=0.0) + loose
    leveled = 2 * constants.dividing * level
    beside = leveled + constants.dividing * max(map(abs, of_constants))
    spread = sum(each.spread for each in groups) + shared
    spread += leveled if spread else 0.0
    lead = others = np.inf
    others = -np.inf
    for number, own in enumerate(groups):
        if own.has_predicates:
            rest = [each for place, each in enumerate(groups) if place != number]
            lead = min(lead, own.lead + sum(each.behind for each in rest))
            others = max(others, own.failing_over_bos + sum(each.any_over_bos for each in rest))
    least = sum(each.least_over_bos for each in groups) + offset - loose
    most = sum(each.most_over_bos for each in groups) + offset + loose
    equal = least == most == 0  # so are the logits
    return LogitBounds(
        (lead - shared - beside) / divisor,
        spread / divisor,
        (least - (0.0 if equal else leveled)) / divisor,
        (most + (0.0 if equal else leveled)) / divisor,
        (others + offset + loose + beside) / divisor,
        (at_bos + 2 * constants.dividing * size) / divisor,
        size / divisor,
        sum(each.n_pairs for each in groups),
    )
