"""Weights for an architecture with RMS norm, which is made to do nothing.

RMSNorm(x) = g·x / √(mean(x²) + ε). Dimensions that nothing writes are *pinned*: the embedding puts a power of two P
into them at every token. P² is so far above the squares of everything else together, and above ε, that they are lost in
it when they are added, in whatever order. The size of the stream is a power of two; with one pinned dimension where it
is an even one, and two where it is an odd one, the mean is a power of four, its root a power of two, and g the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tracrlab.errors import PrecisionError
from tracrlab.model.labels import Labels

_LOST = 2.0**-26  # of P², what is half of what float32 would notice
_LARGEST = 2.0**60  # of P, whose square float32 must hold


@dataclass(frozen=True)
class Pins:
    """The pinned dimensions of a stream of size ``width``: their ``places``, their ``value``, and the norm's gain."""

    width: int
    places: tuple[int, ...]
    value: float

    @property
    def gain(self) -> float:
        """The root of the mean square, and the weight of the norm that makes up for it."""
        return self.value * math.sqrt(len(self.places) / self.width)


def pins_for(labels: Labels, d_model: int, n_heads: int) -> Pins:
    """The pinned dimensions after ``d_model`` others, sized by what the variables can hold.

    The stream is a multiple of ``n_heads``, a power of two.

    Raises:
        PrecisionError: a variable has values so large that no pinned dimension is large enough.
    """
    exponent = max(math.ceil(math.log2(d_model + 1)), int(math.log2(n_heads)))
    if exponent % 2 and 2**exponent < d_model + 2:
        exponent += 1
    places = tuple(range(d_model, d_model + 1 + exponent % 2))
    squares = {each.name: float((each.variable.table**2).sum(axis=1).max(initial=0)) for each in labels.variables}
    at_bos = sum(float((each.variable.at_bos**2).sum()) for each in labels.variables)
    total = max(sum(squares.values()), at_bos, 1.0)
    value = 2.0 ** math.ceil(math.log2(total / _LOST) / 2)
    if not value <= _LARGEST:
        worst = max(squares, key=squares.__getitem__)
        raise PrecisionError(
            worst,
            None,
            "its values are too large for an RMS norm that does nothing",
            "Use to_huggingface, which has no norm",
        )
    return Pins(2**exponent, places, value)
