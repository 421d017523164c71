"""Examples of terms add up to the numbers asked for, and are made of what each term can be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracrlab.verify.terms import Term, example_terms


@st.composite
def sums(draw: st.DrawFn) -> list[Term]:
    """Up to four terms of one to three dimensions each, of whole numbers and factors."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4))
    return [
        Term(rng.integers(-4, 5, shape).astype(float), rng.integers(-2, 3, shape[1]).astype(float)) for shape in shapes
    ]


@st.composite
def ranges(draw: st.DrawFn) -> list[Term]:
    """Terms that can be any whole number of a range, in any order."""
    bounds = draw(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 40)), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    signs = draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=len(bounds), max_size=len(bounds)))
    return [
        Term(rng.permutation(np.arange(low, low + size + 1.0))[:, None], np.array([sign]))
        for (low, size), sign in zip(bounds, signs, strict=True)
    ]


def reachable(terms: Sequence[Term]) -> list[float]:
    """Every number that the terms can add up to."""
    contents = product(*([list(row) for row in term.table] for term in terms))
    return sorted(
        {
            sum(
                value * factor
                for row, term in zip(rows, terms, strict=True)
                for value, factor in zip(row, term.factors, strict=True)
            )
            for rows in contents
        }
    )


def check(terms: Sequence[Term], numbers: np.ndarray, places: Sequence[np.ndarray]) -> None:
    assert len(places) == len(terms)
    for term, place in zip(terms, places, strict=True):
        assert place.shape == numbers.shape
        assert ((place >= 0) & (place < len(term.table))).all()
    for number, chosen in zip(numbers, zip(*places, strict=True), strict=True):
        total = sum(float(term.table[place] @ term.factors) for term, place in zip(terms, chosen, strict=True))
        assert total == number


@given(sums(), st.data())
@settings(max_examples=50)
def test_examples_add_up_to_their_numbers(terms: list[Term], data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.sampled_from(reachable(terms)), max_size=8))
    places = example_terms(terms, np.array(drawn, float))
    if places is not None:  # they are drawn, and few tries may miss a sum that few terms add up to
        check(terms, np.array(drawn, float), places)


@given(ranges(), st.data())
def test_every_sum_of_whole_numbers_of_ranges_has_an_example(terms: list[Term], data: st.DataObject) -> None:
    added = [term.table[:, 0] * term.factors[0] for term in terms]
    least, most = (int(sum(bound(each) for each in added)) for bound in (np.min, np.max))
    numbers = np.array(data.draw(st.lists(st.integers(least, most), min_size=1, max_size=8)), float)
    places = example_terms(terms, numbers)
    assert places is not None
    check(terms, numbers, places)


@given(sums(), st.floats(-40, 40), st.data())
@settings(max_examples=50)
def test_a_number_that_no_terms_add_up_to_has_no_example(terms: list[Term], odd: float, data: st.DataObject) -> None:
    can_be = reachable(terms)
    others = data.draw(st.lists(st.sampled_from(can_be), max_size=4))
    if min(abs(odd - number) for number in can_be) > 1e-6:
        assert example_terms(terms, np.array([*others, odd], float)) is None
