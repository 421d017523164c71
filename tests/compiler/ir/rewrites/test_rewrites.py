"""Each rewrite, before and after as text; and before and after mean the same on all short inputs."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from benchmarks.fuzz import inputs_of
from tests.compiler.ir.representations import assert_rewritten, assert_same_meaning, unrewritten
from tracrlab import rasp
from tracrlab.compiler.compact.layers import Layers
from tracrlab.compiler.compact.passes import Passes
from tracrlab.compiler.ir.evaluate import evaluate
from tracrlab.compiler.ir.nodes import IR, Affine, Cleaned, Copied, Elementwise, IRNode, Mean, Source, Total
from tracrlab.compiler.ir.pool import Pool, in_turn, rewritten
from tracrlab.compiler.ir.rewrites.carries import by_carries
from tracrlab.compiler.ir.rewrites.cases import by_cases, without_first
from tracrlab.compiler.ir.rewrites.cleaning import with_clean_counts
from tracrlab.compiler.ir.rewrites.digits import by_digits
from tracrlab.compiler.ir.rewrites.ridges import by_ridges
from tracrlab.compiler.ir.rewrites.shares import by_shares
from tracrlab.compiler.ir.rewrites.signs import signs_by_sums
from tracrlab.errors import CompileError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, length, select, selector_width, tokens, where
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program

BEFORE = select(indices, indices, Comparison.LEQ)


def test_counts_of_many_positions_are_shares_of_attention() -> None:
    seen = selector_width(BEFORE).named("seen")
    before = unrewritten(seen, "a", 4)
    expected = """
        %0 "tokens" @0: tokens -> "a"
        %1 "indices" @1: positions -> 0..3
        &0: %1 ~ %1 [1000/1100/1110/1111], counts, always, most 4
        %2 "seen" @3: share &0 -> 1..4
        answer %2, 4 tokens at most
    """
    assert_rewritten(before, by_shares(before, 3), expected, longest=4)
    assert by_shares(before, 4) is before


def split_by_cases(ir: IR) -> IR:
    return rewritten(ir, by_cases(Layers(2**15, Passes()), ir.longest))


def split_by_digits(ir: IR) -> IR:
    return rewritten(ir, by_digits(ir.longest))


def test_the_sign_of_a_mean_is_that_of_a_sum() -> None:
    balance = aggregate(BEFORE, (tokens == "a") - (tokens == "b"), 0)
    before = unrewritten((balance > 0).named("ahead"), "ab", 3)
    expected = """
        %0 "tokens" @0: tokens -> "a", "b"
        %1 "indices" @1: positions -> 0..2
        %2 "map_1" @3: map %0 [1 0] -> false, true
        %3 "map_2" @4: map %0 [0 1] -> false, true
        %4 "sequence_map_1" @5: sum 0 + 1 %2 + -1 %3 -> -1..1
        &0: %1 ~ %1 [100/110/111], counts, most 3
        %5 "aggregate_1.sum" @6: total &0 %4 -> -3..3
        %6 "aggregate_1" @6: map %5 [0 0 0 4 5 5 5] -> -1, ratio -2/3, ratio -1/2, ratio -1/3, 0, ratio 1/3, ratio 1/2, ratio 2/3, 1
        %7 "ahead" @7: map %6 [0 0 0 0 0 1 1 1 1] -> false, true
        answer %7, 3 tokens at most
    """  # noqa: E501
    assert_rewritten(before, signs_by_sums(before), expected, longest=3)


@pytest.mark.parametrize(
    "read",
    [
        lambda balance: balance > 0.5,  # tells 1/3 from 1
        lambda balance: balance + indices,
        lambda balance: selector_width(select(balance, 0, Comparison.EQ)),
        lambda balance: balance,
    ],
)
def test_a_mean_of_which_more_is_read_than_the_sign_stays(read: object) -> None:
    balance = aggregate(BEFORE, (tokens == "a") - (tokens == "b"), 0)
    before = unrewritten(read(balance), "ab", 3)  # type: ignore[operator]
    assert signs_by_sums(before) is before


@pytest.mark.parametrize("default", [1, -1, None, "none"])
def test_a_mean_with_another_default_than_0_stays_where_nothing_may_be_selected(default: object) -> None:
    earlier = select(indices, indices, Comparison.LT)
    balance = aggregate(earlier, (tokens == "a") - (tokens == "b"), default)
    before = unrewritten(rasp.Map(lambda value: value != "none" and value > 0, balance), "ab", 3)
    assert signs_by_sums(before) is before


def test_sums_of_far_apart_numbers_are_those_that_occur() -> None:
    before = unrewritten(aggregate(BEFORE, 10**9 * tokens, 0) > 0, (-1, 0, 3), 3)
    after = signs_by_sums(before)
    total = next(node for node in after.nodes if isinstance(node, Total))
    assert total.values == tuple(10**9 * each for each in (-3, -2, -1, 0, 1, 2, 3, 5, 6, 9))
    assert_same_meaning(before, after, longest=3)
    odd = unrewritten(aggregate(BEFORE, tokens, 0) > 0, (-5, 0, 7, 2**53), 3)
    assert signs_by_sums(odd) is odd  # floats do not hold all its sums


def test_an_order_comparison_is_made_of_digits() -> None:
    before = unrewritten(selector_width(BEFORE).named("seen"), "a", 12)
    expected = """
        %0 "tokens" @0: tokens -> "a"
        %1 "indices" @1: positions -> 0..11
        %2 "indices.digit1" @3: map %1 [0 0 0 0 1 1 1 1 2 2 2 2] -> 0..2
        %3 "indices.digit2" @3: map %1 [0 1 2 3 0 1 2 3 0 1 2 3] -> 0..3
        &0: %2 ~ %2 [000/100/110], counts, most 8
        %4 "seen.1" @3: total &0 -> 0..8
        &1: %2 ~ %2 [100/010/001] & %3 ~ %3 [1000/1100/1110/1111], counts, most 4
        %5 "seen.2" @3: total &1 -> 0..4
        %6 "seen" @3: sum 0 + 1 %4 + 1 %5 -> 1..12
        answer %6, 12 tokens at most
    """
    assert_rewritten(before, split_by_digits(before), expected, longest=12)


def test_a_function_of_two_things_has_cases() -> None:
    first = where(indices == 0, "a", tokens)
    before = unrewritten(selector_width(select(first, first, Comparison.EQ)).named("n"), "ab", 3)
    expected = """
        %0 "tokens" @0: tokens -> "a", "b"
        %1 "indices" @1: positions -> 0..2
        &0: %1 ~ %1 [100/000/000], counts, most 1
        %2 "n.1" @5: total &0 -> 0, 1
        &1: %1 ~ %1 [011/000/000] & %0 ~ %0 [10/10], counts, most 2
        %3 "n.2" @5: total &1 -> 0..2
        &2: %1 ~ %1 [000/100/100] & %0 ~ %0 [11/00], counts, most 1
        %4 "n.3" @5: total &2 -> 0, 1
        &3: %0 ~ %0 [10/01] & %1 ~ %1 [000/011/011], counts, most 2
        %5 "n.4" @5: total &3 -> 0..2
        %6 "n" @5: sum 0 + 1 %2 + 1 %3 + 1 %4 + 1 %5 -> 1..3
        answer %6, 3 tokens at most
    """
    after = split_by_cases(before)
    assert_rewritten(before, after, expected, longest=3)
    without = without_first(after)
    first_count = next(node for node in without.nodes if node.name == "n.1")
    assert isinstance(first_count, Elementwise)
    assert first_count.places.tolist() == [1, 0, 0]
    assert_same_meaning(before, without, longest=3)


def test_a_product_is_a_function_of_the_sum_and_one_of_the_difference() -> None:
    before = unrewritten((tokens * indices).named("product"), range(40), 40)
    after = by_ridges(before)
    assert isinstance(after.output, Affine)
    assert [node.name for node in after.output.operands] == ["product.of_sum", "product.of_difference"]
    assert max(len(node.values) for node in after.nodes if node is not after.output) <= 79
    rng = random.Random(0)
    for _ in range(20):
        values = rng.choices(range(40), k=40)
        assert evaluate(after, values) == [value * place for place, value in enumerate(values)]


def test_what_is_no_sum_of_two_functions_stays_a_table() -> None:
    odd = rasp.SequenceMap(lambda token, place: token * token * place % 7, tokens, indices)
    before = unrewritten(odd, range(40), 40)
    assert by_ridges(before) is before


def test_many_positions_are_found_by_their_digits() -> None:
    opposite = length - 1 - indices
    before = unrewritten(aggregate(select(indices, opposite, Comparison.EQ), tokens), "ab", 200)
    after = by_carries(before)
    reader = after.output
    assert isinstance(reader, Copied)
    assert [match.keys.name for match in reader.pattern.matches] == ["indices.high", "indices.low"]
    assert all(len(match.keys.values) <= 15 for match in reader.pattern.matches)
    rng = random.Random(1)
    for n in (1, 14, 15, 16, 199, 200):
        values = rng.choices("ab", k=n)
        assert evaluate(after, values) == evaluate(before, values) == values[::-1]


@pytest.mark.parametrize(("n", "causal"), [(100, False), (200, True)])
def test_few_positions_and_causal_programs_are_left_alone(n: int, causal: bool) -> None:
    named = indices if causal else length - 1 - indices
    before = unrewritten(aggregate(select(indices, named, Comparison.EQ), tokens), "ab", n, causal=causal)
    assert by_carries(before) is before


# Any program ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_random_programs_mean_the_same_after_each_rewrite() -> None:
    changed = set()
    for seed in range(300):
        case = random_program(seed)
        try:
            before = unrewritten(case.program, case.vocabulary, case.max_length, causal=case.causal)
        except CompileError:
            continue
        counts = {node.name for node in before.nodes if isinstance(node, Total)}
        for name, after in {
            "signs": signs_by_sums(before),
            "cases": split_by_cases(before),
            "first": without_first(split_by_cases(before)),
            "clean": with_clean_counts(before, counts),
        }.items():
            if after is not before:
                changed.add(name)
                for values in inputs_of(case, seed)[:6]:
                    assert evaluate(after, values) == evaluate(before, values), (seed, name, values)
    assert changed == {"signs", "cases", "first", "clean"}


# Pools ----------------------------------------------------------------------------------------------------------------


def test_what_means_the_same_is_one_node_and_sums_of_sums_are_one_sum() -> None:
    pool = Pool()
    place = pool.add(Source(1, "indices", (0, 1), False))
    assert pool.add(Source(7, "again", (0, 1), False)) is place
    assert pool.add(Source(1, "indices", (0, 1.0), False)) is not place  # other values
    step = pool.add(Elementwise(2, "flip", (0, 1), (place,), np.array([1, 0])))
    inner = pool.add(Affine(3, "inner", (1,), (place, step), (Fraction(1), Fraction(1)), Fraction(0)))
    outer = pool.add(Affine(4, "outer", (4, 5), (inner, place), (Fraction(2), Fraction(1)), Fraction(2)))
    assert isinstance(outer, Affine)
    assert dict(zip(outer.operands, outer.factors, strict=True)) == {place: 3, step: 2}


def test_a_rewrite_that_changes_nothing_returns_the_same_program() -> None:
    program = PROGRAMS["sort"].build()
    before = unrewritten(program, "abc", 4)
    assert rewritten(before, lambda pool, node, renewed: renewed) is before


def test_rewrites_in_turn_see_what_the_first_one_adds() -> None:
    earlier = select(indices, indices, Comparison.LT)
    before = unrewritten(selector_width(select(tokens, tokens, Comparison.EQ) & earlier), "ab", 14)
    seen: list[str] = []

    def watch(pool: Pool, node: IRNode, renewed: IRNode) -> IRNode:
        seen.append(renewed.name)
        return renewed

    rewritten(before, in_turn(by_digits(14), watch))
    assert {"selector_width_1.1", "selector_width_1.2", "indices.digit1", "selector_width_1"} <= set(seen)


def test_nothing_that_is_not_read_stays() -> None:
    unread: SOp = where(tokens == "a", 1, 2)
    ir = unrewritten(selector_width(select(unread, unread, Comparison.EQ) & BEFORE), "ab", 4)
    read = {each for node in ir.nodes for each in node.inputs}
    assert all(node in read or node is ir.output or isinstance(node, Source) for node in ir.nodes)
    assert not any(isinstance(node, Cleaned | Mean) for node in ir.nodes)
