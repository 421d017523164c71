"""From logits to answers: what the unembedding gives as it was compiled, or a logit for each answer.

The compiled unembedding gives the answer in its own layout: a one-hot vector, or a number. A softmax over these means
nothing. A class readout is an unembedding with a logit for every answer, ``None`` included. The right one leads by a
chosen margin on every input, and all are finite, so probabilities, cross-entropies and KL divergences are defined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.formats import FORMATS, NumberFormat
from tracrlab.craft.precision import unit_roundoff
from tracrlab.craft.spaces import Layout, Variable
from tracrlab.errors import PrecisionError
from tracrlab.rasp.values import Value
from tracrlab.shapes import Float, Int

# What the compiler guarantees about the unembedded output: a one-hot answer leads by a quarter (it is 3/4 or more, the
# others are 1/4 or less, None is 1/2); a number is off by at most this share of the smallest gap between two numbers;
# the mark of its presence by a quarter.
_LEAD = 0.25
_NUMBER_ERROR = 0.45
_PRESENCE_ERROR = 0.25


@dataclass(frozen=True, eq=False)
class RawReadout:
    """The compiled unembedding as it is; ``output`` says how an answer is decoded from what it gives."""

    W_U: Float[np.ndarray, "d_model d_vocab_out"]
    b_U: Float[np.ndarray, " d_vocab_out"]
    output: Variable
    pad_id: int
    dtype: str

    def decode(
        self, logits: Float[np.ndarray, "batch position d_vocab_out"], ids: Int[np.ndarray, "batch position"]
    ) -> list[list[Value]]:
        """The answers to a batch of token ids, BOS and padding left out."""
        return [decode_output(self.output, row) for row in _answered(logits, ids, self.pad_id)]


@dataclass(frozen=True, eq=False)
class ClassReadout:
    """An unembedding with a logit for each of ``classes``, the answers that can occur; ``None`` is the last, if it can.

    ``dtype`` is the narrowest number format, not narrower than the model's, in which the margin is kept.
    """

    W_U: Float[np.ndarray, "d_model class"]
    b_U: Float[np.ndarray, " class"]
    classes: tuple[Value, ...]
    pad_id: int
    dtype: str

    def decode(
        self, logits: Float[np.ndarray, "batch position class"], ids: Int[np.ndarray, "batch position"]
    ) -> list[list[Value]]:
        """The class of the largest logit at each token of a batch, BOS and padding left out."""
        rows = _answered(logits, ids, self.pad_id)
        return [[self.classes[place] for place in row.argmax(axis=1).tolist()] for row in rows]

    def scaled(self, factor: float) -> ClassReadout:
        """The readout whose logits are these, times a positive number; margins are, too."""
        return replace(self, W_U=self.W_U * factor, b_U=self.b_U * factor)


Readout = RawReadout | ClassReadout


def decode_output(variable: Variable, logits: Float[np.ndarray, "position d_vocab_out"]) -> list[Value]:
    """The answers in the output of the compiled unembedding."""
    if variable.layout is Layout.SCALAR or not variable.nullable:
        return variable.decode(logits)
    values = (*variable.values, None)
    return [values[place] for place in logits.argmax(axis=1).tolist()]


def class_readout(
    W_U: Float[np.ndarray, "d_model d_vocab_out"], output: Variable, margin: float, *, pad_id: int, dtype: str
) -> ClassReadout:
    """The class readout of a model whose unembedding is ``W_U`` and whose answer is ``output``.

    The logits of a one-hot answer are its own, times a power of two. For a number x, the logit of value v is the
    parabola 2vx − v², centred and scaled by the smallest gap between two values: it is largest for the value nearest to
    x. ``None`` is above all of them where the answer is absent and below them where it is present.

    The margin is guaranteed for the largest errors that the compiler allows; usually the lead is several times
    larger.

    Raises:
        ValueError: ``margin`` is not a positive finite number.
        PrecisionError: the values are too many, and too close together, for logits of any number format.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be a positive number of logits, not {margin!r}")
    matrix = W_U.astype(float)
    classes: tuple[Value, ...] = (*output.values, None) if output.nullable else output.values
    if output.layout is Layout.ONE_HOT:
        return ClassReadout(matrix * _power_of_two(margin / _LEAD), np.zeros(len(classes)), classes, pad_id, dtype)
    if not output.values:
        return ClassReadout(np.zeros((len(matrix), 1)), np.zeros(1), classes, pad_id, dtype)
    parabola = _parabola(output.numbers, margin)
    wider = [name for name, each in FORMATS.items() if each.precision > max(FORMATS[dtype].precision, 11)]
    formats = [each for each in (dtype, *reversed(wider)) if parabola.kept_by(FORMATS[each])]
    if not formats:
        raise PrecisionError(
            output.name,
            None,
            f"its {len(classes)} values are too close together for a logit each",
            'Use logits="raw", which gives the number itself',
        )
    columns, offsets = parabola.slopes[None, :], parabola.offsets
    if output.nullable:
        columns = np.vstack([np.append(columns[0], 0), np.append(np.zeros(columns.shape[1]), -2 * parabola.ceiling)])
        offsets = np.append(offsets, parabola.ceiling)
    return ClassReadout(matrix @ columns, offsets, classes, pad_id, formats[0])


@dataclass(frozen=True, eq=False)
class _Parabola:
    """Logits ``slopes·x + offsets``, one for each value; ``lead`` is how far the right one leads at the worst x.

    ``largest`` bounds the terms of any logit; ``ceiling`` is what ``None`` needs to be above all of them.
    """

    slopes: Float[np.ndarray, " value"]
    offsets: Float[np.ndarray, " value"]
    lead: float
    largest: float
    ceiling: float

    def kept_by(self, dtype: NumberFormat) -> bool:
        """Whether rounding, of slopes and offsets, products and sums of two logits, leaves half of the lead."""
        return 6 * unit_roundoff(dtype) * self.largest <= self.lead / 2


def _parabola(numbers: Float[np.ndarray, " value"], margin: float) -> _Parabola:
    """The logits of numbers in ascending order; ``None`` leaves any number between them, or 0, in its dimension."""
    if len(numbers) == 1:
        return _Parabola(np.zeros(1), np.zeros(1), 2 * margin, 0.0, 2 * margin)
    gap = float(np.diff(numbers).min())
    centre = (numbers[0] + numbers[-1]) / 2
    # at an error of e, neighbours at a distance of d differ by (d² − 2ed) / gap², at least 1 − 2e/gap
    share = 1 - 2 * _NUMBER_ERROR
    scale = _power_of_two(2 * margin / share)
    slopes = 2 * scale * ((numbers - centre) / gap) / gap
    offsets = -scale * ((numbers - centre) / gap) * ((numbers + centre) / gap)
    ideal = np.append(numbers, 0.0)
    reach = np.concatenate([ideal - _NUMBER_ERROR * gap, ideal + _NUMBER_ERROR * gap])
    top = float((slopes[:, None] * reach + offsets[:, None]).max())
    largest = float(np.abs(slopes).max() * np.abs(reach).max() + np.abs(offsets).max())
    ceiling = (top + 2 * margin) / (1 - 2 * _PRESENCE_ERROR)
    return _Parabola(slopes, offsets, scale * share, largest + ceiling, ceiling)


def _power_of_two(least: float) -> float:
    """The smallest power of two that is not less: multiplying by it is exact."""
    return 2.0 ** math.ceil(math.log2(least))


def _answered(
    logits: Float[np.ndarray, "batch position output"], ids: Int[np.ndarray, "batch position"], pad_id: int
) -> list[Float[np.ndarray, "token output"]]:
    """The logits of each sequence at its tokens."""
    return [row[1:][own[1:] != pad_id] for row, own in zip(logits, ids, strict=True)]
