"""Dimensions that hold constants so large that an RMS norm does nothing while a program runs.

RMSNorm(x) = g·x / √(mean(x²) + ε). *Pins* hold whole numbers aᵢ times P = 2⁴⁰ with Σaᵢ² = D, the width of the stream.
Then the sum of all squares is D·P², whatever else there is that is lost in P², the mean is P², its root P, and with
g = P the norm is the identity, to the last bit. Every whole number is a sum of four squares (Lagrange), so four pins
are enough for any width, and one is for a square. Once they are cleared, norms see the rest alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

PIN = 2.0**40  # P: P² is 2^80, and what a stream holds beside it may be up to 2^27 in size and still be lost
LOST = 2.0**-25  # of P²: half of what float32 notices when it is added to P² or to more
MOST_WIDTH = 2**24  # whole numbers below are sums that float32 adds up exactly


@dataclass(frozen=True)
class Pins:
    """The last dimensions of a stream of size ``width``, which hold ``factors`` times P."""

    width: int
    factors: tuple[int, ...]

    @property
    def places(self) -> range:
        """Their dimensions."""
        return range(self.width - len(self.factors), self.width)

    @property
    def values(self) -> list[float]:
        """What they hold while they are raised."""
        return [factor * PIN for factor in self.factors]


def pins_for(dimensions: int, multiple: int) -> Pins:
    """The pins of the narrowest stream that has room for ``dimensions`` others; a ``multiple`` wide.

    >>> pins_for(618, 9)
    Pins(width=621, factors=(24, 6, 3))
    """
    width = -(-(dimensions + 1) // multiple) * multiple
    while len(factors := squares(width)) > width - dimensions:
        width += multiple
    return Pins(width, factors)


def squares(number: int, most: int = 4) -> tuple[int, ...]:
    """The fewest whole numbers above zero whose squares add up to ``number``, in descending order.

    >>> squares(625), squares(621), squares(7)
    ((25,), (24, 6, 3), (2, 1, 1, 1))
    """
    for count in range(1, most + 1):
        if found := _squares(number, count, isqrt(number)):
            return found
    raise ValueError(f"{number} is no sum of squares of {most} whole numbers above zero")


def _squares(number: int, count: int, largest: int) -> tuple[int, ...]:
    """``count`` of them, none above ``largest``; the largest possible first. Empty if there are none."""
    if count == 1:
        root = isqrt(number)
        return (root,) if 0 < root <= largest and root * root == number else ()
    for first in range(min(largest, isqrt(number)), 0, -1):
        if first * first * count < number:
            return ()
        if first * first < number and (rest := _squares(number - first * first, count - 1, first)):
            return (first, *rest)
    return ()
