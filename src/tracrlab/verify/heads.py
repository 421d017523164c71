"""Proofs that an attention head writes what it is claimed to write.

With the bounds on logits of ``scores``, all positions that are not selected together get at most ``n exp(-lead)`` of
the attention beside selected ones, and so on. What is written is the values' average under weights so bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.claims import HeadClaim
from tracrlab.craft.formats import NumberFormat, is_power_of_two
from tracrlab.craft.precision import summing_alike
from tracrlab.shapes import Bool, Float
from tracrlab.verify.combinations import combinations, possible, seen
from tracrlab.verify.reads import linear_parts
from tracrlab.verify.residual import (
    Contents,
    Deviation,
    Stream,
    Violated,
    contents_at_bos,
    contents_read,
    table_deviation,
    without_repeats,
)
from tracrlab.verify.scores import LogitBounds, ScoreWeights, logit_bounds
from tracrlab.verify.written import WrittenVariable

_EXPONENTIAL = 8  # roundings of an exponential, of the maximum taken off before, and of a quotient
_DOUBLE = 2.0**-51  # ideal contents are rounded to float64


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The weights of a head as float64, ``W_O`` over the dimensions of what it writes, and the format.

    ``silent``: the columns of W_V that read exactly nothing at BOS, whatever errors the stream has.
    """

    W_Q: Float[np.ndarray, "d_model d_head"]
    W_K: Float[np.ndarray, "d_model d_head"]
    W_V: Float[np.ndarray, "d_model d_head"]
    W_O: Float[np.ndarray, "d_head width"]
    number_format: NumberFormat
    silent: Bool[np.ndarray, " d_head"]


@dataclass(frozen=True, eq=False)
class _Values:
    """What reading positions gives, W_V and W_O together.

    Attributes: ``read`` for each possible combination of values, ``wanted`` what it should be, both up to ``error``;
    ``at_bos`` for BOS, up to ``bos_error``; ``largest`` the size of anything that can be read anywhere.
    """

    read: Float[np.ndarray, "combination width"]
    wanted: Float[np.ndarray, "combination width"]
    error: Float[np.ndarray, "combination width"]
    at_bos: Float[np.ndarray, " width"]
    bos_error: Float[np.ndarray, " width"]
    largest: Float[np.ndarray, " width"]


@dataclass(frozen=True)
class _Sums:
    """Sums over positions: how many there are at most, and what adding them up rounds, as a share of their size.

    ``alike`` is that share for terms none of which is larger than a power of two, times their number. What is added for
    positions that are not selected rounds no more than by its own size.
    ``weights`` is what rounding makes of the attention weights themselves, ``exponent`` what that of a logit makes of
    them, as a share of it, and ``storing`` of a sum that is stored in a half format.
    """

    longest: int
    rounding: float
    alike: float
    weights: float
    storing: float
    number_format: NumberFormat

    @property
    def exponent(self) -> float:
        """How far off, relatively, the exponential of a logit is for each unit of its size."""
        return self.number_format.wide.roundoff

    def strayed(self, leak: float) -> float:
        """How far off a sum is, as a share of what it can be of, where all but ``leak`` of the attention is on one row.

        A half format rounds that weight to 1, and the sum to a number that is no farther from the row's than it was.
        """
        fmt = self.number_format
        if not fmt.is_half:
            return 4 * leak
        return 8 * leak + (0.0 if leak < 2.0 ** -(fmt.precision + 2) else 2 * fmt.roundoff)


@dataclass(frozen=True, eq=False)
class Attention:
    """What is known of a head: its claim, the values, bounds on logits, over how many positions it sums at most.

    ``alone`` is the most attention that BOS gives others in proportion to itself, ``present`` what positions that are
    not selected get in proportion to those that are, and ``absent`` in proportion to BOS.
    """

    claim: HeadClaim
    values: _Values
    logits: LogitBounds
    longest: int
    alone: float
    present: float
    absent: float


def head_attention(
    claim: HeadClaim, stream: Stream, weights: HeadWeights, n_positions: int, *, causal: bool
) -> Attention:
    """Find what a head attends to and reads there, in inputs of up to ``n_positions`` tokens.

    Raises:
        Unproven: it reads something that its claim does not speak of, or there is too much to check.
    """
    fmt = weights.number_format
    _require(not claim.latest or (claim.kind == "copy" and claim.never_empty), "the last position is not all it reads")
    values = _values(claim, stream, weights)
    logits = logit_bounds(claim, stream, ScoreWeights(weights.W_Q, weights.W_K, fmt), causal=causal)
    if not logits.size < fmt.largest / 4:
        raise Violated(f"its attention logits overflow {fmt.name}")
    alone = _leak(n_positions, logits.over_bos_at_bos)
    _require(alone < 1, "BOS does not attend itself alone")
    present = _leak(n_positions, -logits.lead) + _leak(1, -logits.least_over_bos)
    absent = _leak(n_positions, logits.others_over_bos)
    return Attention(claim, values, logits, min(claim.longest, n_positions), alone, present, absent)


def prove_head(attention: Attention, number_format: NumberFormat) -> WrittenVariable:
    """Show that a head that attends like this writes what is claimed.

    Raises:
        Unproven: it does not attend as claimed.
    """
    claim, values, logits = attention.claim, attention.values, attention.logits
    sums = _sums(attention.longest, number_format)
    strayed = sums.strayed(attention.alone) * values.largest
    bos_error = np.abs(values.at_bos - claim.default) + values.bos_error + strayed
    if claim.kind == "total":
        deviation = _of_total(attention, sums, bos_error)
    elif claim.kind == "share":
        deviation = _of_share(attention, sums)
    else:
        deviation = _of_selected(attention, sums, bos_error)
    return WrittenVariable(deviation, bos_error, logits.n_pairs + len(values.read) + 1)


def _sums(longest: int, fmt: NumberFormat) -> _Sums:
    wide, storing = fmt.wide, fmt.roundoff if fmt.is_half else 0.0
    rounding, alike = (longest - 1) * wide.roundoff, summing_alike(longest, wide) / max(longest, 1)
    weights = _EXPONENTIAL * wide.roundoff + storing
    return _Sums(longest, rounding, alike, weights, storing, fmt)


def _of_selected(attention: Attention, sums: _Sums, bos_error: Float[np.ndarray, " width"]) -> Deviation:
    """What is selected gets all attention, or BOS where nothing is: the row that is copied, or a mean of rows."""
    claim, values, logits = attention.claim, attention.values, attention.logits
    _require(attention.present < 1, "what is selected does not get all attention")
    alone = bos_error
    if not claim.never_empty:
        _require(attention.absent < 1, "BOS does not get all attention where nothing is selected")
        strayed = sums.strayed(attention.absent) * values.largest
        alone = np.abs(values.at_bos - claim.default) + values.bos_error + strayed
    averaging = 0.0 if sums.longest <= 1 else sums.weights + 2 * sums.rounding + sums.storing
    exact = np.abs(values.read - values.wanted) + values.error
    shared = (averaging + sums.strayed(attention.present)) * values.largest
    if claim.kind == "copy":
        rows = np.concatenate([values.wanted, claim.default[None, :]])
        errors = np.concatenate([exact + shared, alone[None, :]])
        kept = len(rows) - claim.never_empty
        return table_deviation(rows[:kept], errors[:kept])
    half = (values.read.max(axis=0) - values.read.min(axis=0)) / 2 if len(values.read) else 0 * claim.default
    # weights of equally selected positions differ by the spread of their logits
    uneven = math.expm1(min(logits.spread, 700.0)) * (half + values.error.max(axis=0, initial=0))
    base = exact.max(axis=0, initial=0) + shared + uneven + _DOUBLE * values.largest
    return Deviation(base if claim.never_empty else np.maximum(base, alone), np.zeros_like(base))


def _of_total(attention: Attention, sums: _Sums, bos_error: Float[np.ndarray, " width"]) -> Deviation:
    """Each selected position gets ``exp(-excess)`` of the attention, and holds its value times ``exp(excess)``.

    What is written is then the sum of the values over 1 plus all their weights.
    """
    claim, values, logits = attention.claim, attention.values, attention.logits
    _require(attention.absent < 1, "what is not selected gets as much attention as BOS")
    _require(logits.most_over_bos < 0, "what is selected gets more attention than BOS")
    levels = [level for level in (logits.least_over_bos, logits.most_over_bos) if math.isfinite(level)]
    weights = [math.exp(max(level, -700.0)) for level in levels]
    off = [np.abs(weight * values.read - values.wanted) + weight * values.error for weight in weights]
    each = np.max([part.max(axis=0, initial=0) for part in off], axis=0) if off else np.zeros_like(claim.default)
    size = np.abs(values.wanted).max(axis=0, initial=0)
    shares = sums.longest * max(weights, default=0.0) + attention.absent
    # the sum of all weights is 1 and little more, so that it loses no more than that
    other = sums.storing + sums.weights + max(map(abs, levels), default=0.0) * sums.exponent
    # terms of about one size are off by little more than those of the size that they should have
    adding = np.minimum(sums.rounding * size, sums.alike * _power_above(size)) * (1 + 2.0**-10)
    per_position = each + adding + (2 * shares + other + sums.exponent) * (size + each)
    bos_size = np.abs(claim.default) + values.bos_error
    base = bos_error + 2 * attention.absent * values.largest + (2 * shares + other + sums.rounding) * bos_size
    # a sum of equal rows tells how many there are, and with that how large the error can be
    if len(np.unique(values.wanted, axis=0)) == 1 and (size > 0).all():
        return Deviation(base, per_position / size)
    return Deviation(base + sums.longest * per_position, np.zeros_like(base))


def _power_above(sizes: Float[np.ndarray, " width"]) -> Float[np.ndarray, " width"]:
    """The least powers of two that are at least these sizes; 0 for 0."""
    mantissas, exponents = np.frexp(sizes)
    return np.where(sizes > 0, np.ldexp(1.0, exponents - (mantissas == 0.5)), 0.0)


def _of_share(attention: Attention, sums: _Sums) -> Deviation:
    """BOS and each selected position get the same weight, so what is read at BOS comes over how many they are."""
    claim, values, logits = attention.claim, attention.values, attention.logits
    _require(attention.absent < 1, "what is not selected gets as much attention as BOS")
    levels = [abs(level) for level in (logits.least_over_bos, logits.most_over_bos) if math.isfinite(level)]
    uneven = math.expm1(min(max(levels, default=0.0), 700.0))
    # equal weights are 1 before they are divided by their number
    exact = not uneven and (sums.longest + 1) * sums.exponent < 1
    adding = 0.0 if exact else sums.rounding + sums.storing + 2 * sums.exponent
    elsewhere = (np.abs(values.read) + values.error).max(axis=0, initial=0)
    size = np.abs(claim.default)
    at_bos = (np.abs(values.at_bos - claim.default) + values.bos_error) / np.where(size > 0, size, 1.0)
    relative = uneven + 2 * attention.absent + adding + sums.weights + at_bos
    return Deviation(elsewhere + attention.absent * values.largest, relative)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Violated(otherwise)


def _leak(n_positions: int, over: float) -> float:
    """The most attention that positions, each ahead of something by ``over`` at most, get in proportion to it."""
    return n_positions * math.exp(min(over, 700.0)) if over > -math.inf else 0.0


def _values(claim: HeadClaim, stream: Stream, weights: HeadWeights) -> _Values:
    quantities, places = without_repeats(claim.values)
    contents = contents_read(stream, quantities, weights.W_V)
    combined = combinations([quantity.size for quantity in quantities])
    results = seen(claim.value, places, combined)
    can_be = possible([results], len(combined))
    index = np.concatenate([combined, np.zeros((len(combined), 1), int)], axis=1)
    reads = [_read(each, contents, weights) for each in contents]
    read, error = (sum(part[kind][index[:, place]] for place, part in enumerate(reads)) for kind in (0, 1))
    heard = replace(weights, W_V=np.where(weights.silent, 0.0, weights.W_V))
    at_bos = contents_at_bos(stream, heard.W_V)
    bos_read, bos_error = _read(at_bos, [at_bos], heard)
    largest = np.maximum((np.abs(read) + error).max(axis=0, initial=0), np.abs(bos_read[0]) + bos_error[0])
    wanted = claim.results[results[can_be]]
    return _Values(read[can_be], wanted, error[can_be], bos_read[0], bos_error[0], largest)


def _read(
    own: Contents, together: list[Contents] | tuple[Contents, ...], weights: HeadWeights
) -> tuple[Float[np.ndarray, "value width"], Float[np.ndarray, "value width"]]:
    """What W_V and W_O make of some contents, and a bound on its error.

    Errors pass through both at once, so that what cancels between them does; rounding is that of one after the other.
    """
    fmt = weights.number_format
    part = next(
        part for part, each in zip(linear_parts(together, weights.W_V, fmt), together, strict=True) if each is own
    )
    both = weights.W_V[own.dimensions] @ weights.W_O
    error = own.error @ np.abs(both) + (part.rounding + part.storing) @ np.abs(weights.W_O)
    count = (weights.W_O != 0).sum(axis=0)
    exact = (count <= 1) & (is_power_of_two(weights.W_O) | (weights.W_O == 0)).all(axis=0)
    rounding = (count + 1) * fmt.wide.roundoff + (fmt.roundoff if fmt.is_half else 0.0)
    error = error + np.where(exact, 0.0, rounding) * (part.size @ np.abs(weights.W_O))
    return part.values @ weights.W_O, error
