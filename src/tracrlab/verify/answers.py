"""Proof that the unembedding gives the claimed answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracrlab.craft.claims import ReadoutClaim
from tracrlab.craft.formats import NumberFormat
from tracrlab.craft.spaces import Layout, Variable
from tracrlab.rasp.values import Value, is_finite_number, value_key
from tracrlab.shapes import Float, Int
from tracrlab.verify.combinations import combinations, possible, seen
from tracrlab.verify.reads import Part, linear_parts
from tracrlab.verify.residual import Contents, Stream, Violated, contents_read, without_repeats

_CHUNK = 2**21


def prove_readout(
    claim: ReadoutClaim,
    stream: Stream,
    W_U: Float[np.ndarray, "d_model d_vocab_out"],
    output: Variable,
    number_format: NumberFormat,
    bias: Float[np.ndarray, " class"] | None = None,
) -> tuple[float, float, int]:
    """Show that what is decoded is the claimed answer for all values of its quantities.

    With a ``bias``, there is a logit for each answer, whatever the layout of the output.

    Returns the worst error of what the answer is decoded from, the error at which a wrong answer would be decoded, and
    the number of combinations.

    Raises:
        Violated: some answer may be decoded wrongly.
    """
    quantities, places = without_repeats(claim.quantities)
    combined = combinations([quantity.size for quantity in quantities])
    answers = seen(claim.view, places, combined)
    can_be = possible([answers], len(combined))
    combined, answers = combined[can_be], answers[can_be]
    contents = contents_read(stream, quantities, W_U)
    if bias is not None:
        contents = (*contents[:-1], _with_one(contents[-1], len(W_U)))
        W_U = np.concatenate([W_U, bias[None, :]])
    index = np.concatenate([combined, np.zeros((len(combined), 1), int)], axis=1)
    parts = linear_parts(contents, W_U, number_format)
    decoded = _decoded_places(claim.answers, output, answers)
    check = _check_numbers if output.layout is Layout.SCALAR and bias is None else _check_classes
    step = max(1, _CHUNK // max(1, W_U.shape[1]))
    worst, margin = 0.0, np.inf
    for start in range(0, len(index), step):
        own = slice(start, start + step)
        error, room = check(parts, contents, index[own], decoded[own], W_U, output)
        worst, margin = max(worst, error), min(margin, room)
    return worst, margin, len(index)


def _with_one(constant: Contents, dimension: int) -> Contents:
    """What never changes, with a dimension that holds 1, for the bias to be read from."""
    dimensions = np.append(constant.dimensions, dimension)
    ideal, error = (np.append(part, [[number]], axis=1) for part, number in ((constant.ideal, 1), (constant.error, 0)))
    return Contents(dimensions, ideal, error)


def _decoded_places(
    answers: Sequence[Value], output: Variable, wanted: Int[np.ndarray, " combination"]
) -> Int[np.ndarray, " combination"]:
    """The place among the output's values of each answer; one more for ``None``."""
    places = []
    for answer in answers:
        place = output.places.get(value_key(answer))
        if place is None and answer is None and output.nullable:
            place = len(output.values)
        if place is None and output.layout is Layout.SCALAR and is_finite_number(answer):
            equal = np.flatnonzero(output.numbers == float(answer))
            place = int(equal[0]) if len(equal) else None
        places.append(-1 if place is None else place)
    found: np.ndarray = np.array(places, int)[wanted]
    if (found < 0).any():
        missing = answers[int(wanted[int((found < 0).argmax())])]
        raise Violated(f"the answer {missing!r} is none that the model can give")
    return found


def _check_numbers(
    parts: Sequence[Part],
    contents: Sequence[Contents],
    index: Int[np.ndarray, "combination part"],
    decoded: Int[np.ndarray, " combination"],
    W_U: Float[np.ndarray, "d_model d_vocab_out"],
    output: Variable,
) -> tuple[float, float]:
    if not len(output.values) or not len(index):
        return 0.0, np.inf
    read, slack = _sums(parts, index)
    worst, margin = 0.0, np.inf
    here = decoded < len(output.values)
    if output.nullable:
        off = np.abs(read[:, 1] - here) + slack[:, 1]
        worst, margin = float(off.max()), 0.5
    if len(output.values) > 1 and here.any():
        gaps = np.diff(output.numbers)
        own = decoded[here]
        room = np.minimum(np.append(gaps, np.inf)[own], np.insert(gaps, 0, np.inf)[own]) / 2
        off = np.abs(read[here, 0] - output.numbers[own]) + slack[here, 0]
        if not (off < room).all():
            value = output.values[int(own[int((off - room).argmax())])]
            raise Violated(f"the answer {value!r} may be taken for a neighbouring one")
        tightest = int((room - off).argmin())
        if room[tightest] - off[tightest] < margin - worst:
            worst, margin = float(off[tightest]), float(room[tightest])
    if not worst < margin:
        raise Violated("an answer may be taken for None, or None for an answer")
    return worst, margin


def _check_classes(
    parts: Sequence[Part],
    contents: Sequence[Contents],
    index: Int[np.ndarray, "combination part"],
    decoded: Int[np.ndarray, " combination"],
    W_U: Float[np.ndarray, "d_model d_vocab_out"],
    output: Variable,
) -> tuple[float, float]:
    """The right class must lead. An error of the stream moves all logits, so their differences count."""
    worst, margin = 0.0, np.inf
    with_none = output.nullable
    if W_U.shape[1] != len(output.values) + with_none:
        raise Violated("the unembedding does not have a logit for each answer")
    read, _ = _sums(parts, index)
    rounding = sum((part.rounding + part.storing)[index[:, place]] for place, part in enumerate(parts))
    for answer in np.unique(decoded).tolist():
        rows = np.flatnonzero(decoded == answer)
        lead = read[rows, answer][:, None] - read[rows]
        loss = rounding[rows] + rounding[rows, answer][:, None]
        for place, each in enumerate(contents):
            uncertain = np.flatnonzero((each.error > 0).any(axis=0))
            weights = W_U[each.dimensions[uncertain]]
            loss += each.error[:, uncertain][index[rows, place]] @ np.abs(weights[:, [answer]] - weights)
        lead[:, answer], loss[:, answer] = np.inf, 0.0
        if not (loss < lead).all():
            other = int((lead - loss).min(axis=0).argmin())
            names = [*map(repr, output.values), "None"]
            raise Violated(f"the answer {names[answer]} may lose to {names[other]}")
        tightest = np.unravel_index(int((lead - loss).argmin()), lead.shape)
        if lead[tightest] - loss[tightest] < margin - worst:
            worst, margin = float(loss[tightest]), float(lead[tightest])
    return worst, margin


def _sums(parts: Sequence[Part], index: Int[np.ndarray, "combination part"]) -> tuple[np.ndarray, np.ndarray]:
    """What is read for each combination, and a bound on its error."""
    read, slack = (
        sum(getattr(part, name)[index[:, place]] for place, part in enumerate(parts)) for name in ("values", "slack")
    )
    return read, slack
