"""The one promise: a compiled model computes what the interpreter computes, on every input."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.fuzz import Mode, examine
from tests.oracles import SMALL_VOCABS, every_input, random_input
from tracrlab import rasp
from tracrlab.errors import CausalError, MixedAggregateError, PrecisionError
from tracrlab.rasp import Comparison, SOp, categorical, indices, numerical, tokens
from tracrlab.rasp.library import PROGRAMS

FUZZ_SEEDS = range(600)
MODES: tuple[Mode, ...] = ("faithful", "compact")


def assert_equal(program: SOp, vocab: str, length: int, inputs: list[list[str]], *, causal: bool = False) -> None:
    expected = rasp.evaluate_batch(program, inputs, causal=causal)
    for mode in MODES:
        model = tracrlab.compile(program, vocab, length, causal=causal, mode=mode, prove=False)
        for sequence, value, answer in zip(inputs, expected, model.run_batch(inputs), strict=True):
            assert answer == value, f"{mode}, on {sequence}: expected {value}, not {answer}"


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_library_programs_on_every_small_input(name: str) -> None:
    vocab = SMALL_VOCABS[name]
    length = 5 if len(vocab) < 4 else 4
    assert_equal(PROGRAMS[name].build(), vocab, length, list(every_input(vocab, length)))


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_library_programs_compiled_causally(name: str) -> None:
    vocab = SMALL_VOCABS[name]
    try:
        assert_equal(PROGRAMS[name].build(), vocab, 4, list(every_input(vocab, 4)), causal=True)
    except (CausalError, MixedAggregateError):  # sorting needs later tokens, and mixes values without them
        assert not PROGRAMS[name].causal_safe


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_library_programs_on_long_inputs(name: str) -> None:
    rng = random.Random(name)
    vocab = PROGRAMS[name].vocabulary(30)
    inputs = [random_input(name, vocab, rng.randint(1, 40), rng) for _ in range(20)]
    assert_equal(PROGRAMS[name].build(), "".join(vocab), 40, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block", [FUZZ_SEEDS[start : start + 50] for start in range(0, len(FUZZ_SEEDS), 50)])
def test_random_programs(block: range, mode: Mode) -> None:
    outcomes = [examine(seed, mode) for seed in block]
    assert [outcome for outcome in outcomes if outcome.disagreement] == []
    assert sum(outcome.refusal is not None for outcome in outcomes) <= len(block) // 10


@pytest.mark.slow
@pytest.mark.parametrize("length", [60, 150, 400])
def test_widths_and_copies_at_lengths_where_a_fixed_slope_fails(length: int) -> None:
    rng = random.Random(length)
    vocab = "abcdefgh"
    inputs = [rng.choices(vocab, weights=range(1, 9), k=k) for k in (1, length // 2, length)]
    same = rasp.select(tokens, tokens, Comparison.EQ)
    assert_equal(rasp.selector_width(same), vocab, length, inputs)
    assert_equal(PROGRAMS["reverse"].build(), vocab, length, inputs)


@pytest.mark.slow
def test_widths_are_exact_at_length_1000_in_float32() -> None:
    prevs = rasp.select(tokens, "x", Comparison.EQ) & rasp.select(indices, indices, Comparison.LEQ)
    model = tracrlab.compile(rasp.selector_width(prevs), "ax", 1000, prove=False)
    assert model.config.dtype == "float32"
    assert model(["x"] * 1000) == list(range(1, 1001))
    assert model(["a"] * 1000) == [0] * 1000


@pytest.mark.parametrize("length", [100, 150])
def test_every_fraction_is_told_apart(length: int) -> None:
    fraction = rasp.aggregate(rasp.select(indices, indices, Comparison.LEQ), numerical(tokens == "x"), 0)
    rng = random.Random(length)
    inputs = [rng.choices("ax", weights=(k, 10 - k), k=length) for k in range(11)]
    assert_equal(fraction, "ax", length, inputs)
    ninths = rasp.Map(lambda x: int(9 * x), fraction)
    assert_equal(ninths, "ax", length, inputs)


def test_float64_tells_finer_fractions_apart() -> None:
    fraction = rasp.aggregate(rasp.select(indices, indices, Comparison.LEQ), numerical(tokens == "x"), 0)
    rng = random.Random(0)
    sequence = rng.choices("ax", k=400)
    model = tracrlab.compile(fraction, "ax", 400, dtype="float64", prove=False)
    assert model.weights.W_E.dtype == "float64"
    assert model(sequence) == fraction(sequence)


@pytest.mark.slow
def test_many_elementwise_operations_in_a_row() -> None:
    x = indices
    for step in range(400):
        x = (x + step) % 5
    assert_equal(x, "ab", 4, [list("abab")])


@pytest.mark.slow
def test_noise_does_not_grow_with_depth() -> None:
    x = rasp.selector_width(rasp.select(tokens, tokens, Comparison.EQ))
    for _ in range(40):
        x = rasp.selector_width(rasp.select(x, x, Comparison.LEQ))
    assert_equal(x, "abc", 7, [list("abcabca"), list("aab")])


magnitudes = (
    st.integers(-12, 60).map(lambda power: 2.0**power)
    | st.integers(0, 10**17)
    | st.sampled_from((5e-324, 1e-50, 2e-50, 1e-39, 2e-39, 1e-30, 1e30, 3e38, 1e39, 1.7e39, 1e300))
)
numbers = st.builds(lambda size, sign: sign * size, magnitudes, st.sampled_from((-1, 1)))


@pytest.mark.slow
@settings(max_examples=60)
@given(st.sets(numbers, min_size=2, max_size=4), st.sampled_from(("float32", "float64")), st.data())
def test_numbers_of_any_size_are_right_or_refused(vocab: set[float], dtype: str, data: st.DataObject) -> None:
    everything = rasp.select(indices, indices, Comparison.TRUE)
    programs = (
        numerical(tokens),
        numerical(tokens * 1),
        numerical(tokens) + numerical(tokens),
        categorical(numerical(tokens) + 0),
        numerical(tokens) == data.draw(numbers),
        rasp.aggregate(everything, tokens),
        rasp.aggregate(everything, numerical(tokens)) > data.draw(numbers),
    )
    for program in programs:
        try:
            model = tracrlab.compile(program, vocab, 3, dtype=dtype, prove=False)  # type: ignore[arg-type]
        except PrecisionError:
            continue
        inputs = list(product(vocab, repeat=3))
        assert model.run_batch(inputs) == rasp.evaluate_batch(program, inputs)


@pytest.mark.parametrize("default", [None, 0, 2])
def test_differences_of_means_that_take_a_table(default: float | None) -> None:
    """Where a result may be None, or is wanted one-hot, an affine function of means is tabulated after all."""
    before = rasp.select(indices, indices, Comparison.LT)
    means = [rasp.aggregate(before, numerical(tokens == token), default) for token in "ab"]
    difference = means[0] - means[1]
    for found in (difference, rasp.categorical(difference), 2 * means[0] + 1):
        for program in (
            found,
            found > 0,
            found * found,
            rasp.selector_width(rasp.select(found, found, Comparison.LEQ)),
        ):
            assert_equal(program, "abc", 4, list(every_input("abc", 4)))
