"""Vectors over labelled directions, blocks built by hand, and transformers assembled from them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from tracr.compiler import assemble
from tracr.craft import bases, tests_common, transformers, vectorspace_fns
from tracr.craft.bases import BasisDirection, VectorInBasis, VectorSpaceWithBasis
from tracr.craft.chamber import categorical_attn, categorical_mlp, numerical_mlp, selector_width

ONE, BOS = VectorSpaceWithBasis.from_names(["one"]), VectorSpaceWithBasis.from_values("tokens", ["bos"])
LETTERS = VectorSpaceWithBasis.from_values("tokens", "abc")


def test_directions_sort_by_name_then_number_then_text() -> None:
    directions = [
        BasisDirection("x"),
        BasisDirection("x", -1),
        BasisDirection("x", 0.5),
        BasisDirection("x", 2),
        BasisDirection("x", "10"),
        BasisDirection("x", "a"),
        BasisDirection("y", 0),
    ]
    shuffled = [directions[place] for place in (3, 6, 0, 5, 2, 4, 1)]
    assert sorted(shuffled) == directions
    assert [str(direction) for direction in directions] == ["x", "x:-1", "x:0.5", "x:2", "x:10", "x:a", "y:0"]


def test_directions_of_different_types_differ() -> None:
    assert len({BasisDirection("x", value) for value in (1, 1.0, True, "1", 1)}) == 4


def test_vectors_are_kept_in_the_order_of_their_directions() -> None:
    b, a = BasisDirection("b"), BasisDirection("a")
    vector = VectorInBasis([b, a], np.array([[1.0, 2.0]]))
    assert vector.basis_directions == [a, b] and vector.magnitudes.tolist() == [[2.0, 1.0]]
    assert vector == VectorInBasis([a, b], np.array([[2.0, 1.0]]))
    assert (vector + vector - 3 * vector / 3 == vector) and (-vector).magnitudes.tolist() == [[-2.0, -1.0]]
    assert vector.project([BasisDirection("c"), b]).magnitudes.tolist() == [[1.0, 0.0]]
    assert vector.add_directions(VectorInBasis([b], np.array([[5.0]]))).magnitudes.tolist() == [[2.0, 6.0]]
    assert VectorInBasis.stack([vector, vector]).magnitudes.shape == (2, 1, 2)
    with pytest.raises(TypeError, match="Adding incompatible bases"):
        vector + VectorInBasis([b], np.array([[5.0]]))
    with pytest.raises(TypeError, match="Adding incompatible bases"):
        vector.add_directions(VectorInBasis([BasisDirection("c")], np.array([[5.0]])))


def test_spaces() -> None:
    space = bases.direct_sum(ONE, LETTERS)
    assert space.num_dims == 4 and LETTERS.issubspace(space) and not space.issubspace(LETTERS)
    assert bases.join_vector_spaces(space, LETTERS) == space
    assert [vector.magnitudes.tolist() for vector in LETTERS.basis_vectors()] == np.eye(3).tolist()
    assert BasisDirection("tokens", "a") in LETTERS and LETTERS.null_vector() in LETTERS
    with pytest.raises(ValueError, match="Overlapping bases"):
        bases.direct_sum(space, LETTERS)
    with pytest.raises(ValueError, match="my space must have num_dims=2"):
        bases.ensure_dims(space, 2, "my space")


def test_linear_functions_and_forms() -> None:
    numbers = VectorSpaceWithBasis.from_names(["n"])
    place = {"a": 0.0, "b": 1.0, "c": 2.0}
    count = vectorspace_fns.Linear.from_action(
        LETTERS, numbers, lambda direction: numbers.make_vector(np.array([place[direction.value]]))
    )
    assert count(LETTERS.make_vector(np.array([1, 1, 1]))).magnitudes.tolist() == [3.0]
    both = vectorspace_fns.Linear.combine_in_parallel([count, vectorspace_fns.project(ONE, ONE)])
    assert both.input_space == bases.direct_sum(LETTERS, ONE) and both.matrix.sum() == 4
    same = vectorspace_fns.ScalarBilinear.from_action(LETTERS, LETTERS, lambda x, y: float(x == y))
    assert same(*[LETTERS.basis_vectors()[1]] * 2) == 1
    with pytest.raises(TypeError, match=r"not in self\.input_space"):
        count(ONE.null_vector())


def test_projection_finds_directions_parsed_from_labels() -> None:
    parsed = VectorSpaceWithBasis([BasisDirection("x", 1), BasisDirection("x", 10)])
    meant = VectorSpaceWithBasis([BasisDirection("x", "10"), BasisDirection("x", "1")])
    assert vectorspace_fns.project(parsed, meant).matrix.tolist() == [[1, 0], [0, 1]]
    mixed = VectorSpaceWithBasis([BasisDirection("x", 1), BasisDirection("x", "1")])
    assert vectorspace_fns.project(mixed, mixed).matrix.tolist() == np.eye(2).tolist()


def embedded(tokens: str, space: VectorSpaceWithBasis) -> VectorInBasis:
    """BOS and the letters, with ``one``, in a space that has these directions."""
    rows = np.zeros((len(tokens) + 1, space.num_dims))
    rows[:, space.index_by_direction[ONE.basis[0]]] = 1
    for position, token in enumerate(["bos", *tokens]):
        rows[position, space.index_by_direction[BasisDirection("tokens", token)]] = 1
    return space.make_vector(rows)


def test_blocks_side_by_side_are_their_sum() -> None:
    upper = VectorSpaceWithBasis.from_values("upper", "ABC")
    code = VectorSpaceWithBasis.from_names(["code"])
    first = categorical_mlp.map_categorical_mlp(LETTERS, upper, lambda d: BasisDirection("upper", d.value.upper()))
    second = categorical_mlp.map_categorical_to_numerical_mlp(LETTERS, code, lambda value: "bac".index(value) - 1)
    joint = transformers.MLP.combine_in_parallel([first, second])
    vectors = LETTERS.make_vector(np.eye(3)).project(joint.residual_space)
    separate = [mlp.apply(vectors).project(joint.residual_space) for mlp in (first, second)]
    assert joint.apply(vectors) == VectorInBasis.sum(separate)
    assert joint.apply(vectors).project(code).magnitudes[:, 0].tolist() == [0, -1, 1]


def head(selects: Any, *, causal: bool = False) -> transformers.AttentionHead:
    return categorical_attn.categorical_attn(
        LETTERS, LETTERS, LETTERS, VectorSpaceWithBasis.from_values("out", "abc"), BOS, ONE, selects, causal=causal
    )


def test_heads_select_and_give_the_default_where_nothing_is_selected() -> None:
    greater = head(lambda query, key: key.value > query.value)
    both = transformers.MultiAttentionHead([greater, transformers.MultiAttentionHead([greater])])
    assert (both.num_heads, len(list(both.heads())), greater.as_multi().num_heads) == (2, 2, 1)
    vectors = embedded("ac", greater.residual_space)
    written = tests_common.strip_bos_token(greater.apply(vectors).project(greater.w_ov.output_space))
    np.testing.assert_allclose(written.magnitudes, [[0, 0, 1], [0, 0, 0]], atol=1e-6)
    tests_common.VectorFnTestCase().assertVectorAllClose(both.apply(vectors), 2 * greater.apply(vectors))
    masked = head(lambda query, key: key.value > query.value, causal=True).apply(vectors)
    np.testing.assert_allclose(masked.project(greater.w_ov.output_space).magnitudes[1:], 0, atol=1e-6)


@pytest.mark.parametrize("categorical", [True, False])
def test_selector_width_counts(categorical: bool) -> None:
    widths = range(4)
    output = (
        VectorSpaceWithBasis.from_values("width", widths) if categorical else VectorSpaceWithBasis.from_names(["width"])
    )
    block = selector_width.selector_width(
        LETTERS, LETTERS, output, BOS, ONE, lambda query, key: query == key, widths, categorical, label="mine"
    )
    after = block.apply(embedded("aba", block.residual_space)).project(output).magnitudes[1:]
    np.testing.assert_allclose(np.argmax(after, axis=1) if categorical else after[:, 0], [2, 1, 2], atol=1e-4)


def test_functions_of_two_values_and_of_numbers() -> None:
    digits, others = (VectorSpaceWithBasis.from_values(name, range(3)) for name in ("x", "y"))
    sums = VectorSpaceWithBasis.from_values("sum", range(5))
    add = categorical_mlp.sequence_map_categorical_mlp(
        digits, others, sums, lambda x, y: BasisDirection("sum", x.value + y.value)
    )
    for x, y in product(range(3), repeat=2):
        vector = np.zeros(add.residual_space.num_dims)
        for direction in (BasisDirection("x", x), BasisDirection("y", y), ONE.basis[0]):
            vector[add.residual_space.index_by_direction[direction]] = 1
        written = add.apply(add.residual_space.make_vector(vector)).project(sums)
        assert written.magnitudes.tolist() == np.eye(5)[x + y].tolist()
    with pytest.raises(ValueError, match="Input spaces to a SequenceMap must be disjoint"):
        categorical_mlp.sequence_map_categorical_mlp(digits, digits, sums, lambda x, y: x)


def test_functions_of_numbers() -> None:
    number, result = (VectorSpaceWithBasis.from_names([name]) for name in ("n", "result"))
    values = [-1.5, 0, 1, 4]
    inverse = numerical_mlp.map_numerical_mlp(lambda x: 1 / x, number, result, values, ONE)
    named = VectorSpaceWithBasis.from_values("named", ["low", "high"])
    to_name = numerical_mlp.map_numerical_to_categorical_mlp(
        lambda x: "low" if x < 1 else "high",  # type: ignore[arg-type, return-value]
        number,
        named,
        values,
        ONE,
    )
    for value in values:
        vector = {BasisDirection("n"): value, ONE.basis[0]: 1}
        for mlp, expected in ((inverse, [1 / value if value else 0]), (to_name, [value >= 1, value < 1])):
            space = mlp.residual_space
            x = space.make_vector(np.array([vector.get(direction, 0) for direction in space.basis]))
            np.testing.assert_allclose(mlp.apply(x).project(mlp.snd.output_space).magnitudes, expected, atol=1e-9)
    combine = numerical_mlp.linear_sequence_map_numerical_mlp(*map(BasisDirection, ("n", "m", "result")), 2, -3)
    x = combine.residual_space.make_vector(np.array([-1.0, 5.0, 0.0]))  # m, n, result
    assert combine.apply(x).project(result).magnitudes.tolist() == [13.0]


def test_blocks_built_by_hand_become_a_transformer() -> None:
    """The letter before, in capitals: a head, then an MLP."""
    places = VectorSpaceWithBasis.from_values("indices", range(4))
    before, upper = (VectorSpaceWithBasis.from_values(name, text) for name, text in (("before", "abc"), ("up", "ABC")))
    previous = categorical_attn.categorical_attn(
        places, places, LETTERS, before, BOS, ONE, lambda query, key: key.value == query.value - 1
    )
    capitals = categorical_mlp.map_categorical_mlp(before, upper, lambda d: BasisDirection("up", d.value.upper()))
    series = transformers.SeriesWithResiduals([previous, capitals])
    tokens = bases.direct_sum(LETTERS, BOS)
    model = assemble.assemble_craft_model(series, tokens, places, upper, categorical_output=True)
    assert [str(direction) for direction in tokens.basis] == ["tokens:a", "tokens:b", "tokens:bos", "tokens:c"]
    ids = [2, 0, 1, 3]  # bos a b c
    assert model.apply(ids).unembedded[0, 2:].tolist() == [0, 1]
    final = model.apply(ids).transformer_output[0]
    np.testing.assert_allclose(
        final[1, [model.residual_labels.index(f"up:{letter}") for letter in "ABC"]], 0, atol=1e-6
    )
    assert (model.model_config.num_layers, model.model_config.num_heads) == (1, 1)
    assert model.params["transformer/layer_0/mlp/linear_1"]["w"].shape == (len(model.residual_labels), 3)


# Spaces that hold more than what is asked about -----------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("holds", [True, False])
def test_widths_in_spaces_that_hold_bos_and_one(holds: bool, causal: bool) -> None:
    """What is selected among BOS and ``one`` is nothing, whatever the predicate says of them."""
    everything = bases.direct_sum(LETTERS, BOS, ONE)
    widths = VectorSpaceWithBasis.from_values("width", range(5))
    block = selector_width.selector_width(
        everything, everything, widths, BOS, ONE, lambda query, key: holds, range(5), True, causal, label="all"
    )
    space = bases.direct_sum(everything, widths)
    one, bos = (space.vector_from_basis_direction(each.basis[0]) for each in (ONE, BOS))
    tokens = [space.vector_from_basis_direction(BasisDirection("tokens", token)) + one for token in "abca"]
    counted = block.apply(VectorInBasis.stack([bos + one, *tokens])).project(widths).magnitudes[1:]
    expected = [(place + 1 if causal else len(tokens)) * holds for place in range(len(tokens))]
    np.testing.assert_allclose(counted, np.eye(5)[expected], atol=1e-6)


def test_attention_to_values_beside_bos() -> None:
    """BOS is no value, unless it is asked for."""
    number = VectorSpaceWithBasis.from_names(["number"])
    both, out = bases.direct_sum(number, BOS), VectorSpaceWithBasis.from_names(["out"])
    head = categorical_attn.categorical_attn(LETTERS, LETTERS, both, out, BOS, ONE, lambda query, key: False)
    assert head.w_ov.matrix.tolist() == [[1.0], [0.0]]
    two = VectorSpaceWithBasis.from_names(["out 1", "out 2"])
    settings = {"always_attend_to_bos": True, "use_bos_for_default_output": False}
    head = categorical_attn.categorical_attn(LETTERS, LETTERS, both, two, BOS, ONE, lambda query, key: True, **settings)
    assert head.w_ov.matrix.tolist() == np.eye(2).tolist()


def test_vectors_are_compared_in_parameterized_tests() -> None:
    parameterized = pytest.importorskip("absl.testing.parameterized")
    assert issubclass(tests_common.VectorFnTestCase, parameterized.TestCase)


def test_equal_values_find_the_only_direction_there_is() -> None:
    space = VectorSpaceWithBasis.from_values("x", [1.0, 2, "a"])
    assert BasisDirection("x", 1) in space and BasisDirection("x", np.int64(2)) in space
    assert space.vector_from_basis_direction(BasisDirection("x", True)).magnitudes.tolist() == [1, 0, 0]
    several = VectorSpaceWithBasis.from_values("x", [1.0, True])
    assert several.index_by_direction[BasisDirection("x", True)] != several.index_by_direction[BasisDirection("x", 1.0)]
    with pytest.raises(KeyError):
        several.index_by_direction[BasisDirection("x", 1)]
