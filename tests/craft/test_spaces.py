"""Variables encode every value and decode it again, and their dimensions are labelled as in the Tracr paper."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracrlab.craft.precision import Noise
from tracrlab.craft.spaces import Dimension, Mark, OneOf, Variable, nearest, one_hot_variable, scalar_variable
from tracrlab.rasp import Ratio

finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.booleans() | st.integers(-(2**53), 2**53) | finite
anything = st.recursive(
    st.text(max_size=3) | numbers | st.floats(), lambda items: st.tuples(items, items), max_leaves=4
)


def identity(value: Any) -> tuple[Any, ...]:
    """Equal for values that are the same in type and content, ``nan`` and signed zeros included."""
    if isinstance(value, tuple):
        return tuple, *map(identity, value)
    return type(value), repr(value)


def names(variable: Variable) -> list[str]:
    return list(map(str, variable.dimensions))


# Labels --------------------------------------------------------------------------------------------------------------


def test_dimensions_are_labelled_as_in_the_paper() -> None:
    assert names(one_hot_variable("tokens", "xyz", nullable=False)) == ["tokens:x", "tokens:y", "tokens:z"]
    assert names(one_hot_variable("is_x", [False, True], nullable=False)) == ["is_x:False", "is_x:True"]
    assert names(scalar_variable("is_x", [False, True], nullable=False)) == ["is_x"]
    assert names(scalar_variable("previous", [0, 1], nullable=True)) == ["previous", "previous:present"]
    assert names(one_hot_variable("mean", [Ratio(Fraction(1, 2)), "number"], nullable=False)) == [
        "mean:0.5",
        "mean:number",
    ]


def test_a_label_knows_its_variable_and_value() -> None:
    variable = one_hot_variable("is_x", [False, True], nullable=True)
    assert [(label.variable, label.value) for label in variable.dimensions] == [("is_x", False), ("is_x", True)]
    assert scalar_variable("n", [1], nullable=True).dimensions == (Dimension("n"), Dimension("n", Mark.PRESENT))
    assert Dimension("n").value is Mark.NUMBER


# Encoding and decoding -----------------------------------------------------------------------------------------------


@given(st.lists(anything, max_size=8, unique_by=identity), st.booleans())
@example([1, 1.0, True, 0.0, -0.0, math.nan, math.inf, "", ("", 1), ("", True)], True)
def test_one_hot_variables_tell_all_values_apart(values: list[Any], nullable: bool) -> None:
    variable = one_hot_variable("x", values, nullable=nullable)
    assert variable.width == len(values)
    asked = [*values, None] if nullable or not values else values
    encoded = [variable.vector(value) for value in asked]
    for value, vector in zip(asked, encoded, strict=True):
        assert vector.tolist() == [float(identity(value) == identity(other)) for other in values]
    decoded = variable.decode(np.array(encoded).reshape(len(asked), len(values)))
    assert list(map(identity, decoded)) == list(map(identity, asked))
    assert variable.table.tolist() == np.eye(len(values)).tolist()


@given(st.lists(numbers, max_size=8), st.booleans())
@example([1e308, 1.7e308, -1.7e308, 0.0], False)
@example([5e-324, 0.0, 1e-323], False)
def test_scalars_hold_every_number(values: list[Any], nullable: bool) -> None:
    variable = scalar_variable("x", values, nullable=nullable)
    assert variable.width == 1 + nullable
    asked = [*values, None] if nullable or not values else values
    encoded = np.array([variable.vector(value) for value in asked])
    for value, vector in zip(asked, encoded.tolist(), strict=True):
        assert vector == ([0.0] * variable.width if value is None else [float(value), 1.0][: variable.width])
    assert variable.decode(encoded) == asked
    assert variable.table.tolist() == [[float(value), 1.0][: variable.width] for value in variable.values]


@given(st.lists(numbers, max_size=8))
def test_equal_numbers_share_a_place_in_ascending_order_and_the_first_stands_for_them(values: list[Any]) -> None:
    variable = scalar_variable("x", values, nullable=False)
    assert list(variable.values) == sorted(set(map(float, values)))
    for kept in variable.values:
        first = next(value for value in values if value == kept)
        assert identity(kept) == identity(first)
    assert variable.numbers.tolist() == [float(value) for value in variable.values]


def test_scalars_leave_out_what_is_no_finite_number() -> None:
    variable = scalar_variable("x", [2, "a", math.inf, math.nan, 1, 10**400], nullable=True)
    assert variable.values == (1, 2)


@given(st.lists(numbers, min_size=1, max_size=8), st.lists(st.floats(-0.49, 0.49), min_size=1, max_size=8))
def test_scalars_decode_to_the_nearest_value(values: list[Any], offsets: list[float]) -> None:
    integers = sorted({float(round(value) % 1000) for value in values})
    variable = scalar_variable("x", integers, nullable=False)
    stored = [value + offset for value in integers for offset in offsets]
    expected = [value for value in integers for _ in offsets]
    assert variable.decode(np.array(stored)[:, None]) == expected
    assert variable.decode(np.array([[-1e9], [1e9]])) == [integers[0], integers[-1]]


@given(st.lists(finite, min_size=1, max_size=8, unique=True), st.lists(finite, max_size=8))
@example([1e308, 1.5e308], [1e308, 1.5e308])
@example([-1.7e308, 1.7e308], [-1e308, 1e308])
@example([1 + 2**-52, 1 + 2**-51], [1 + 2**-52, 1 + 2**-51])
def test_nearest_is_no_farther_than_any_other(values: list[float], asked: list[float]) -> None:
    ascending = sorted(values)
    for number, place in zip(asked, nearest(np.array(ascending), np.array(asked, float)).tolist(), strict=True):
        away = [abs(Fraction(value) - Fraction(number)) for value in ascending]
        rounding = (abs(Fraction(number)) + Fraction(max(map(abs, ascending)))) / 2**52 + Fraction(5e-324)
        assert away[place] <= min(away) + (rounding if min(away) else 0)


@pytest.mark.parametrize(("presence", "decoded"), [(0.9, 3), (0.6, 3), (0.4, None), (0.0, None)])
def test_presence_is_read_at_one_half(presence: float, decoded: int | None) -> None:
    scalar = scalar_variable("x", [3, 4], nullable=True)
    assert scalar.decode(np.array([[3.0, presence]])) == [decoded]
    one_hot = one_hot_variable("x", [3, 4], nullable=True)
    assert one_hot.decode(np.array([[presence, 0.0]])) == [decoded]


def test_a_variable_that_cannot_be_none_always_decodes_to_a_value() -> None:
    assert one_hot_variable("x", "ab", nullable=False).decode(np.array([[0.1, 0.2]])) == ["b"]
    assert scalar_variable("x", [1, 5], nullable=False).decode(np.array([[4.0]])) == [5]


def test_a_variable_without_values_is_none() -> None:
    assert one_hot_variable("x", [], nullable=True).decode(np.zeros((2, 0))) == [None, None]
    assert scalar_variable("x", [], nullable=True).decode(np.zeros((2, 2))) == [None, None]


def test_a_value_can_stand_at_bos() -> None:
    assert one_hot_variable("x", "ab", nullable=False).at_bos.tolist() == [0, 0]
    assert one_hot_variable("x", "ab", nullable=False, at_bos="b").at_bos.tolist() == [0, 1]
    assert scalar_variable("x", [2, 7], nullable=True, at_bos=7).at_bos.tolist() == [7, 1]
    assert scalar_variable("x", [2, 7], nullable=True).at_bos.tolist() == [0, 0]


def test_variables_keep_their_noise() -> None:
    noise = Noise(0.25)
    assert one_hot_variable("x", "ab", nullable=False, noise=noise).noise is noise
    assert scalar_variable("x", [1], nullable=False, noise=noise).noise is noise
    assert one_hot_variable("x", "ab", nullable=False).noise.is_exact


def test_values_that_a_code_does_not_tell_apart_are_listed_shortly() -> None:
    assert repr(OneOf(("a", 1, None))) == "'a'|1|None"
    assert repr(OneOf(tuple(range(20)))) == "0|1|2|3|4|5|6|7|… (20)"
