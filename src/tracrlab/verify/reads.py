"""Reads, linear functions of the residual stream, as sums of parts: one for each quantity that the contents depend on.

What a part is, and how far off, differs from value to value of its quantity. What rounding does depends on how large
sums can be, whatever the values; that is found once for all of them, and parts are made for some values at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracrlab.craft.formats import COARSEST, NumberFormat, grain, is_power_of_two
from tracrlab.shapes import Bool, Float, Int
from tracrlab.verify.residual import Contents, Violated

UNKNOWN = -COARSEST  # the grain of what may be anything
_MOST_GRAINS = 2**24  # entries of what is added up, for each of which a grain is found
_CHUNK = 2**16  # entries of an intermediate array: few enough to stay in a cache


@dataclass(frozen=True, eq=False)
class Part:
    """What a quantity adds to a read: ideal ``values``, a bound on their ``error``, and on the ``size`` of the terms.

    ``rounding`` bounds what adding up in the number format adds to the error, ``storing`` what rounding the sum does in
    a half format. ``grain``: what is added is a multiple of two to this power; ``UNKNOWN`` where it may be anything; a
    single row if it is the same for all values.
    """

    values: Float[np.ndarray, "value feature"]
    error: Float[np.ndarray, "value feature"]
    size: Float[np.ndarray, "value feature"]
    rounding: Float[np.ndarray, "value feature"]
    storing: Float[np.ndarray, "value feature"]
    grain: Int[np.ndarray, "row feature"]

    @property
    def slack(self) -> Float[np.ndarray, "value feature"]:
        """The bound on all errors."""
        slack: np.ndarray = self.error + self.rounding + self.storing
        return slack

    @property
    def used(self) -> Bool[np.ndarray, " feature"]:
        """The features to which anything is added."""
        used: np.ndarray = np.any(self.values, axis=0) | np.any(self.slack, axis=0)
        return used

    def of(self, features: Bool[np.ndarray, " feature"] | Int[np.ndarray, " _"]) -> Part:
        """The part for some of the features."""
        return Part(
            self.values[:, features],
            self.error[:, features],
            self.size[:, features],
            self.rounding[:, features],
            self.storing[:, features],
            self.grain[:, features],
        )

    def at(self, values: slice | Int[np.ndarray, " row"]) -> Part:
        """The part for some of the values."""
        return Part(
            self.values[values],
            self.error[values],
            self.size[values],
            self.rounding[values],
            self.storing[values],
            self.grain if len(self.grain) == 1 else self.grain[values],
        )


@dataclass(frozen=True, eq=False)
class Read:
    """A quantity's part of a read before it is computed: contents, weights on them, and what rounding depends on.

    Attributes: ``factors`` is the share of the size of their terms that sums round; ``fits`` where they round nothing
    if what all quantities add is known to be a multiple of a power of two, ``stored`` where they then are numbers of
    the format, and ``elsewhere`` where that is not known of what others add; ``alone`` where there is one term, which
    nothing rounds. ``finest`` is the power for all values, ``None`` if it is to be found for each.
    """

    contents: Contents
    weights: Float[np.ndarray, "dimension feature"]
    number_format: NumberFormat
    factors: Float[np.ndarray, " feature"]
    fits: Bool[np.ndarray, " feature"]
    stored: Bool[np.ndarray, " feature"]
    elsewhere: Bool[np.ndarray, " feature"]
    alone: Bool[np.ndarray, " feature"]
    finest: Int[np.ndarray, " feature"] | None

    def of(self, features: Int[np.ndarray, " _"]) -> Read:
        """The part for some of the features."""
        return replace(
            self,
            weights=self.weights[:, features],
            factors=self.factors[features],
            fits=self.fits[features],
            stored=self.stored[features],
            elsewhere=self.elsewhere[features],
            alone=self.alone[features],
            finest=None if self.finest is None else self.finest[features],
        )

    @property
    def n_values(self) -> int:
        """How many values the quantity has."""
        return len(self.contents.ideal)

    def at(self, values: slice | Int[np.ndarray, " row"]) -> Part:
        """The part for some of the values."""
        own, fmt = _some(self.contents, values), self.number_format
        ideal, error, sizes, terms = _sums(own, self.weights)
        stored, known = _stored_grains(own, fmt)
        unknown = _meets(~known, self.weights)
        exact = (self.fits & ~unknown & ~self.elsewhere) | self.alone
        rounding = np.where(exact, 0.0, self.factors) * sizes + np.where(exact, 0.0, fmt.wide.smallest) * terms
        storing = np.broadcast_to(0.0, ideal.shape)
        if fmt.is_half:
            kept = (exact & self.stored) | self.alone
            storing = np.where(kept, 0.0, fmt.roundoff * (np.abs(ideal) + error + rounding))
            storing += np.where(kept | (terms == 0), 0.0, fmt.smallest)
        grains = _grains(stored, self.weights) if self.finest is None else self.finest
        grains = np.where(unknown, UNKNOWN, grains)
        if own.added_up is not None and fmt.is_half:
            # what rounding such a sum to a half format does is found when all is added up
            storing = np.broadcast_to(np.inf, ideal.shape)
        return Part(ideal, error, sizes, rounding, storing, grains)


def linear_parts(
    contents: Sequence[Contents], matrix: Float[np.ndarray, "d_model feature"], number_format: NumberFormat
) -> tuple[Part, ...]:
    """The parts of :func:`linear_reads` for all values."""
    return tuple(read.at(slice(None)) for read in linear_reads(contents, matrix, number_format))


def linear_reads(
    contents: Sequence[Contents], matrix: Float[np.ndarray, "d_model feature"], number_format: NumberFormat
) -> tuple[Read, ...]:
    """The parts of ``stream @ matrix``, whatever the order in which the format's sums are computed.

    Sums of exact multiples of a power of two that the format holds are exact, and so are products with powers of two.
    What is stored is a number of the format, so a multiple of the spacing of its numbers at the least size that it can
    have, whatever its error. Otherwise k terms are off by at most k - 1 roundings of their total size, and one more if
    products round; a half format rounds the sum once more, and its products do not.

    Raises:
        Violated: they overflow the format.
    """
    weights = [matrix[each.dimensions] for each in contents]
    largest = [_largest(each, own) for each, own in zip(contents, weights, strict=True)]
    count, size, above, below = (sum(each[kind] for each in largest) for kind in range(4))
    # any partial sum lies between the sum of the negative terms and that of the positive ones
    partial = np.log2(np.maximum(np.maximum(above, below), 1e-300))
    if not np.max(size, initial=0.0) < number_format.largest / 4:
        raise Violated(f"what it computes overflows {number_format.name}")
    single = np.full(matrix.shape[1], True)
    unknown, finest = [], []
    for each, own in zip(contents, weights, strict=True):
        stored, known = _stored_grains(each, number_format)
        finest.append(_grains(stored.min(axis=0, initial=COARSEST)[None, :], own)[0])
        uncertain = np.any(~known, axis=0, keepdims=True)
        unknown.append(_meets(uncertain, own)[0])
        powers = ((is_power_of_two(each.ideal) | (each.ideal == 0)) & (each.error == 0)).all(axis=0)
        if each.added_up is not None:
            powers = powers & False
            single &= each.added_up.powers | (own == 0).all(axis=0)
        single &= (is_power_of_two(own) | (own == 0) | powers[:, None]).all(axis=0)
    least = np.min(finest, axis=0, initial=2 * COARSEST)
    wide, alone = number_format.wide, single & (count <= 1)
    factors = np.maximum(count - (single | number_format.is_half), 0) * wide.roundoff
    fits, stored = (partial <= least + precision for precision in (wide.precision, number_format.precision))
    n_unknown = np.sum(unknown, axis=0)
    return tuple(
        Read(
            each,
            own,
            number_format,
            factors,
            fits,
            stored,
            n_unknown - of_own > 0,
            alone,
            finer if each.ideal.size * matrix.shape[1] > _MOST_GRAINS else None,
        )
        for each, own, of_own, finer in zip(contents, weights, unknown, finest, strict=True)
    )


def _some(contents: Contents, values: slice | Int[np.ndarray, " row"]) -> Contents:
    sums = None if contents.added_up is None else replace(contents.added_up, sizes=contents.added_up.sizes[values])
    return Contents(contents.dimensions, contents.ideal[values], contents.error[values], sums)


def _sums(contents: Contents, weights: Float[np.ndarray, "dimension feature"]) -> tuple[np.ndarray, ...]:
    """Values, errors, sizes of the terms and how many there are."""
    absolute, sums = np.abs(weights), contents.added_up
    reach = np.abs(contents.ideal) + contents.error if sums is None else sums.sizes
    terms = (reach > 0).astype(float) @ (weights != 0).astype(float) * (1 if sums is None else sums.count)
    return contents.ideal @ weights, contents.error @ absolute, reach @ absolute, terms


def _largest(contents: Contents, weights: Float[np.ndarray, "dimension feature"]) -> tuple[np.ndarray, ...]:
    """How many terms there can be, their total size, and that of the positive and of the negative ones."""
    found = np.zeros((4, weights.shape[1]))
    step = max(1, _CHUNK // max(1, weights.shape[1]))
    for start in range(0, len(contents.ideal), step):
        values, _, sizes, terms = _sums(_some(contents, slice(start, start + step)), weights)
        chunk = (terms, sizes, (sizes + values) / 2, (sizes - values) / 2)
        found = np.maximum(found, [each.max(axis=0, initial=0) for each in chunk])
    return tuple(found)


def _meets(
    dimensions: Bool[np.ndarray, "value dimension"], weights: Float[np.ndarray, "dimension feature"]
) -> Bool[np.ndarray, "row feature"]:
    """Which features read some of these dimensions; a single row if they are the same for all values."""
    if (dimensions == dimensions[:1]).all():
        dimensions = dimensions[:1]
    meets: np.ndarray = dimensions.astype(float) @ (weights != 0).astype(float) > 0
    return meets


def _grains(
    stored: Int[np.ndarray, "value dimension"], weights: Float[np.ndarray, "dimension feature"]
) -> Int[np.ndarray, "value feature"]:
    """The grain of what each value adds to each feature."""
    grains = np.full((len(stored), weights.shape[1]), 2 * COARSEST)
    for own, row in zip(stored.T, grain(weights), strict=True):
        grains = np.minimum(grains, own[:, None] + row)
    return grains


def _stored_grains(
    contents: Contents, number_format: NumberFormat
) -> tuple[Int[np.ndarray, "value dimension"], Bool[np.ndarray, "value dimension"]]:
    """The grain of what can be stored in each dimension for each value, and where it is known at all."""
    if contents.added_up is not None:
        grains = np.full(contents.ideal.shape, contents.added_up.grain)
        return grains, grains > UNKNOWN
    least = np.abs(contents.ideal) - contents.error
    exact, apart = contents.error == 0, least > 0
    spacing = np.frexp(np.where(apart, least, 1.0))[1].astype(np.int64) - number_format.precision
    grains = np.where(exact, grain(contents.ideal), np.where(apart, spacing, COARSEST))
    return grains, exact | apart
