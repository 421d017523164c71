"""Number formats: what their rounding does, and which sums they compute without any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracrlab.shapes import Float, Int

_DOUBLE = 2.0**-53  # the checks themselves compute in float64
COARSEST = 2**20  # the grain of zero, which is a multiple of everything


@dataclass(frozen=True)
class NumberFormat:
    """A binary floating-point format, and how far an architecture that computes in it is from ReLU.

    Attributes: ``name``; ``precision`` the bits of its significands, the leading one included; ``smallest`` and
    ``largest`` its positive normal numbers' range; ``gap`` how far the activation is from ReLU at most.
    """

    name: str
    precision: int
    smallest: float
    largest: float
    gap: float = 0.0

    @property
    def roundoff(self) -> float:
        """A bound on the relative error of an operation, that of checking it in float64 included."""
        return 2.0**-self.precision + _DOUBLE

    def rounded(self, numbers: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The nearest numbers of the format, ties to even, as float64."""
        if self.precision == 53:
            return numbers.astype(float)
        with np.errstate(over="ignore"):
            if self.name != "bfloat16":
                return numbers.astype(self.name).astype(float)
            mantissas, exponents = np.frexp(numbers.astype(float))
            whole = np.round(np.ldexp(mantissas, self.precision))
            rounded: np.ndarray = np.ldexp(whole, exponents - self.precision)
            return rounded

    def product(
        self, left: Float[np.ndarray, "row inner"], right: Float[np.ndarray, "inner column"]
    ) -> Float[np.ndarray, "row column"]:
        """A matrix product as the format computes it: every product and every sum is rounded."""
        if self.name in _MULTIPLIED:
            native: np.ndarray = left.astype(self.name) @ right.astype(self.name)
            return native.astype(float)
        total = np.zeros((len(left), right.shape[1]))
        for column, row in zip(left.T, right, strict=True):
            if row.any():
                total = self.rounded(total + self.rounded(column[:, None] * row))
        return total


_MULTIPLIED = ("float32", "float64")  # formats in which NumPy multiplies matrices

FORMATS = {
    "float64": NumberFormat("float64", 53, 2.0**-1022, float(np.finfo(np.float64).max)),
    "float32": NumberFormat("float32", 24, 2.0**-126, float(np.finfo(np.float32).max)),
    "float16": NumberFormat("float16", 11, 2.0**-14, 65504.0),
    "bfloat16": NumberFormat("bfloat16", 8, 2.0**-126, 2.0**127 * (2 - 2.0**-7)),
}


def grain(numbers: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The largest e for which each number is a multiple of ``2**e``.

    Sums of multiples of ``2**e`` that stay within ``2**(e + precision)`` are exact in any order.
    """
    mantissas, exponents = np.frexp(numbers)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(float))[1] - 1
    return np.where(whole == 0, COARSEST, exponents.astype(np.int64) - 53 + lowest)


def is_power_of_two(numbers: Float[np.ndarray, "..."]) -> np.ndarray:
    """Which numbers are powers of two, or their negatives: products with them are exact."""
    power: np.ndarray = np.abs(np.frexp(numbers)[0]) == 0.5
    return power
