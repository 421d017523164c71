"""Compact mode: the same function, whatever passes are on, in models as small and shallow as they can be."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from tests.oracles import SMALL_VOCABS, every_input
from tracrlab import rasp
from tracrlab.compiler.compact.affine import affine_basis, affine_read, stored_columns
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.rewrites.digits import digits, staircase
from tracrlab.compiler.ir.rewrites.ridges import ridges
from tracrlab.errors import CompileError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, length, select, tokens
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program

NAMES = list(Passes.descriptions())


def compact(program: SOp, vocab: object, n: int, **options: object) -> tracrlab.CompiledModel:
    return tracrlab.compile(program, vocab, n, mode="compact", **options, prove=False)  # type: ignore[arg-type]


def words(count: int) -> list[str]:
    return [f"w{number:03d}" for number in range(count)]


def assert_right(model: tracrlab.CompiledModel, program: SOp, count: int = 10) -> None:
    rng = random.Random(0)
    vocab, longest = model.config.vocab, model.config.max_seq_len
    inputs = [[rng.choice(vocab) for _ in range(rng.choice((1, longest // 2 + 1, longest)))] for _ in range(count)]
    assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)


# Any passes, the same function ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", [range(start, start + 40) for start in range(0, 240, 40)])
def test_random_programs_with_random_passes(block: range) -> None:
    for seed in block:
        case, rng = random_program(seed), random.Random(seed)
        passes = [name for name in NAMES if rng.random() < 0.5]
        try:
            model = compact(
                case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal, passes=passes
            )
        except CompileError:
            continue
        inputs = [[rng.choice(case.vocabulary) for _ in range(rng.randint(1, case.max_length))] for _ in range(30)]
        expected = rasp.evaluate_batch(case.program, inputs, causal=case.causal)
        assert model.run_batch(inputs) == expected, (seed, passes)


@pytest.mark.parametrize("name", NAMES)
def test_each_pass_can_be_switched_off(name: str) -> None:
    for program in ("sort", "hist2", "shuffle_dyck"):
        vocab = SMALL_VOCABS[program]
        model = compact(PROGRAMS[program].build(), vocab, 4, passes=[f"-{name}"])
        inputs = list(every_input(vocab, 4))
        assert model.run_batch(inputs) == rasp.evaluate_batch(PROGRAMS[program].build(), inputs)


def test_no_pass_at_all_gives_the_same_function() -> None:
    program = PROGRAMS["sort_freq"].build()
    assert_right(compact(program, "abcd", 6, passes=[]), program)


def test_float64_works_as_well() -> None:
    program = PROGRAMS["most_freq"].build()
    assert_right(compact(program, "abcd", 6, dtype="float64"), program)


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "vocab", "n", "layers", "parameters"),
    [
        ("reverse", words(50), 50, 2, 10_000),
        ("sort", words(20), 20, 2, 25_000),
        ("sort_freq", words(20), 20, 3, 50_000),
        ("hist", words(200), 200, 1, 15_000),
        ("length", words(4), 400, 1, 20_000),
        ("shuffle_dyck", "(){}", 40, 2, 25_000),
    ],
)
def test_models_are_small(name: str, vocab: object, n: int, layers: int, parameters: int) -> None:
    program = PROGRAMS[name].build()
    model = compact(program, vocab, n)
    assert model.config.n_layers <= layers
    assert model.config.n_parameters <= parameters
    assert_right(model, program, 5)


def test_a_product_needs_no_table() -> None:
    program = (tokens * indices).named("product")
    model = compact(program, range(100), 100)
    assert model.config.n_layers == 1
    assert model.config.n_parameters <= 200_000
    assert_right(model, program)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("hist", 1),
        ("reverse", 2),
        ("sort", 2),
        ("sort_unique", 2),
        ("most_freq", 3),
        ("sort_freq", 3),
        ("hist2", 2),
        ("shuffle_dyck", 2),
    ],
)
def test_models_are_as_shallow_as_the_program_allows(name: str, layers: int) -> None:
    vocab = list(PROGRAMS[name].example_vocab)
    assert compact(PROGRAMS[name].build(), vocab, 8).config.n_layers == layers


@pytest.mark.slow
def test_compact_models_are_smaller_than_faithful_ones() -> None:
    for name, entry in PROGRAMS.items():
        vocab = list(entry.example_vocab)
        small, large = compact(entry.build(), vocab, 6), tracrlab.compile(entry.build(), vocab, 6, prove=False)
        assert small.config.n_parameters <= large.config.n_parameters, name
        assert small.config.n_layers <= large.config.n_layers, name


def test_long_inputs() -> None:
    hist = PROGRAMS["hist"].build()
    model = compact(hist, words(300), 2000)
    assert model.config.n_parameters < 20_000
    assert_right(model, hist, 2)


# Meaning -------------------------------------------------------------------------------------------------------------


def test_functions_with_equal_tables_are_one() -> None:
    double = rasp.elementwise_map(lambda x: 2 * x, indices)
    twice = rasp.elementwise_map(lambda x: x + x, indices)
    same = rasp.selector_width(select(double, indices, Comparison.EQ)) + rasp.selector_width(
        select(twice, indices, Comparison.EQ)
    )
    model = compact(same, "ab", 6)
    assert sum(map(len, model.labels.heads)) == 1
    assert_right(model, same)


def test_what_nothing_reads_is_not_there() -> None:
    unused = rasp.selector_width(select(tokens, tokens, Comparison.EQ)) * 0 + length
    assert_right(compact(unused, "ab", 5), unused)
    model = compact(rasp.elementwise_map(lambda t: t.upper(), tokens), "abc", 4)
    assert model.config.n_layers == 1
    assert not any(model.labels.heads) and not any(model.labels.neurons)


def test_long_chains_do_not_recurse() -> None:
    chain = indices
    for step in range(400):
        chain = (chain + step) % 5 if step % 2 else chain * 1 + step % 3
    pair = length - indices
    for _ in range(150):
        pair = pair + 1
    for program in (chain, pair, aggregate(select(indices, pair - 151, Comparison.EQ), tokens)):
        assert_right(compact(program, "ab", 4), program)


def test_unknown_passes_are_refused() -> None:
    with pytest.raises(ValueError, match="no pass 'speed'"):
        compact(tokens, "ab", 3, passes=["speed"])
    with pytest.raises(ValueError, match="either name"):
        compact(tokens, "ab", 3, passes=["codes", "-bends"])
    with pytest.raises(ValueError, match="compact mode only"):
        tracrlab.compile(tokens, "ab", 3, passes=["codes"], prove=False)


# The parts -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_basis_spans_what_it_is_the_basis_of(seed: int, n_values: int, n_features: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    features = (rng.integers(-3, 4, (n_values, rank)) @ rng.integers(-2, 3, (rank, n_features))).astype(float)
    basis = affine_basis(features)
    extended = np.concatenate([features - features[:1], np.ones((n_values, 0))], axis=1)
    assert basis.shape[1] == np.linalg.matrix_rank(extended)
    read = affine_read(basis, features)
    assert read is not None
    matrix, offset = read
    np.testing.assert_allclose(basis @ matrix + offset, features, atol=1e-8)


@given(st.integers(18, 40), st.integers(-1, 1), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_digits_beside_those_of_another_base_are_stored_themselves(base: int, off: int, shift: int) -> None:
    numbers = np.arange(base * base)
    marks = (np.stack([numbers // base, numbers % base])[:, :, None] == np.arange(base)).astype(float)
    other = divmod(numbers + shift, base + off)
    features = np.concatenate([*marks, np.stack(other, axis=1), np.stack(other, axis=1) ** 2], axis=1)
    table = stored_columns(features)
    assert table.shape[1] <= affine_basis(features).shape[1] + 2
    read = affine_read(table, features)
    assert read is not None
    matrix, offset = read
    np.testing.assert_allclose(table @ matrix + offset, features, atol=1e-8)
    fractional = (matrix * 4 != np.round(matrix * 4)).any(axis=0)
    assert (np.count_nonzero(matrix[:, fractional], axis=0) <= 16).all()


def test_what_is_not_in_the_span_is_not_read() -> None:
    assert affine_read(np.arange(4.0)[:, None], np.arange(4.0)[:, None] ** 2) is None


@pytest.mark.parametrize("compare", [np.less, np.less_equal, np.greater, np.greater_equal])
@pytest.mark.parametrize("n", [12, 30, 64, 101])
def test_order_comparisons_are_sums_of_two_digit_comparisons(compare: Callable[..., np.ndarray], n: int) -> None:
    matrix = compare(np.arange(n)[None, :], np.arange(n)[:, None])
    stairs = staircase(matrix)
    assert stairs is not None
    parts = digits(stairs)
    first = parts.leading_less[np.ix_(parts.query_digits[0], parts.key_digits[0])]
    second = parts.leading_equal[np.ix_(parts.query_digits[0], parts.key_digits[0])]
    second = second & parts.last_at_most[np.ix_(parts.query_digits[1], parts.key_digits[1])]
    assert not (first & second).any()
    assert ((first | second) == matrix).all()


def test_equality_is_no_staircase() -> None:
    assert staircase(np.eye(30, dtype=bool)) is None


def test_products_are_ridges_and_other_functions_are_not() -> None:
    x = np.arange(40.0)
    found = ridges(x, x, np.multiply.outer(x, x))
    assert found is not None
    total = found.of_sum[np.searchsorted(found.sums, np.add.outer(x, x))]
    total = total + found.of_difference[np.searchsorted(found.differences, np.subtract.outer(x, x))]
    assert (total == np.multiply.outer(x, x)).all()
    assert ridges(x, x, np.random.default_rng(0).integers(0, 9, (40, 40)).astype(float)) is None
