"""Number formats: what their rounding does, and which sums they compute without any.

In ``float32`` and ``float64`` every product and every sum is rounded. In the half formats, ``bfloat16`` and
``float16``, products are exact, sums are accumulated in ``float32``, and the result is rounded once: what matrix
multiplication does on CPUs and GPUs. Softmax is computed in ``float32`` as well, and then rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tracrlab.shapes import Float, Int

_DOUBLE = 2.0**-53  # the checks themselves compute in float64
COARSEST = 2**20  # the grain of zero, which is a multiple of everything


@dataclass(frozen=True)
class NumberFormat:
    """A binary floating-point format, and how far an architecture that computes in it is from ReLU.

    Attributes: ``name``; ``precision`` the bits of its significands, the leading one included; ``smallest`` and
    ``largest`` its positive normal numbers' range; ``accumulator`` the name of the format in which it adds up; ``gap``
    how far the activation is from ReLU at most.
    """

    name: str
    precision: int
    smallest: float
    largest: float
    accumulator: str
    gap: float = 0.0

    def __str__(self) -> str:
        return self.name

    @property
    def roundoff(self) -> float:
        """A bound on the relative error of an operation, that of checking it in float64 included."""
        return 2.0**-self.precision + _DOUBLE

    @property
    def is_half(self) -> bool:
        """Whether it is stored in 16 bits, and adds up in more."""
        return self.accumulator != self.name

    @property
    def wide(self) -> NumberFormat:
        """The format in which sums are accumulated, and attention weights computed."""
        return FORMATS[self.accumulator]

    def rounded(self, numbers: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The nearest numbers of the format, ties to even, as float64."""
        with np.errstate(over="ignore"):
            if self.name != "bfloat16":
                return numbers.astype(self.name).astype(float)
            rounded = bfloat16_rounded(numbers.astype(float))
            return np.where(np.abs(rounded) > self.largest, np.copysign(np.inf, rounded), rounded)

    def rounded_down(self, numbers: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The largest numbers of the format that are not greater."""
        finest = self.smallest * 2.0 ** (1 - self.precision)  # between numbers below the normal ones
        spacing = np.maximum(np.ldexp(1.0, np.frexp(numbers)[1] - self.precision), finest)
        below: np.ndarray = np.floor(numbers / spacing) * spacing
        return below

    def stored(self, numbers: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """What is left of results in the accumulator's format when they are stored, in the same array type."""
        if not self.is_half:
            return numbers
        if self.name != "bfloat16" or numbers.dtype != np.float32:
            return self.rounded(numbers).astype(numbers.dtype)
        bits = np.ascontiguousarray(numbers).view(np.uint32)  # the upper half of a float32 is a bfloat16
        upper: np.ndarray = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
        return upper.astype(np.uint32).view(np.float32)

    def product(
        self, left: Float[np.ndarray, "row inner"], right: Float[np.ndarray, "inner column"]
    ) -> Float[np.ndarray, "row column"]:
        """A matrix product as the format computes it."""
        with np.errstate(over="ignore"):
            native: np.ndarray = left.astype(self.accumulator) @ right.astype(self.accumulator)
        return self.rounded(native)


def bfloat16_rounded(numbers: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The nearest numbers with 8 bits of significand, ties to even, in the format they come in."""
    mantissas, exponents = np.frexp(numbers)
    rounded: np.ndarray = np.ldexp(np.round(np.ldexp(mantissas, 8)), exponents - 8)
    return rounded


_SINGLE = float(np.finfo(np.float32).max)
Dtype = Literal["float32", "float64", "bfloat16", "float16"]
FORMATS: dict[str, NumberFormat] = {
    "float64": NumberFormat("float64", 53, 2.0**-1022, float(np.finfo(np.float64).max), "float64"),
    "float32": NumberFormat("float32", 24, 2.0**-126, _SINGLE, "float32"),
    "float16": NumberFormat("float16", 11, 2.0**-14, 65504.0, "float32"),
    "bfloat16": NumberFormat("bfloat16", 8, 2.0**-126, 2.0**127 * (2 - 2.0**-7), "float32"),
}


def grain(numbers: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The largest e for which each number is a multiple of ``2**e``.

    Sums of multiples of ``2**e`` that stay within ``2**(e + precision)`` are exact in any order.
    """
    mantissas, exponents = np.frexp(numbers)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(float))[1] - 1
    return np.where(whole == 0, COARSEST, exponents.astype(np.int64) - 53 + lowest)


def content_grain(contents: Float[np.ndarray, " value"], error: float, number_format: NumberFormat) -> int | None:
    """The grain of whatever a dimension can hold that should hold one of these numbers, up to an error.

    What is stored is a number of the format, so if it cannot be 0 it is a multiple of the spacing of the format's
    numbers at the least size that it can have. ``None`` if it can be anything.
    """
    if not error:
        return int(grain(contents).min(initial=COARSEST))
    least = float(np.abs(contents).min(initial=np.inf)) - error
    if not 0 < least < np.inf:
        return None
    return int(np.frexp(least)[1]) - number_format.precision


def is_power_of_two(numbers: Float[np.ndarray, "..."]) -> np.ndarray:
    """Which numbers are powers of two, or their negatives: products with them are exact."""
    power: np.ndarray = np.abs(np.frexp(numbers)[0]) == 0.5
    return power
