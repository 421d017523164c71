"""Programs of the library with inputs and answers, as parameters of tests: ``parameterized.named_parameters(*CASES)``.

``UNIVERSAL_TEST_CASES`` hold with causal attention and without, ``TEST_CASES`` without, ``CAUSAL_TEST_CASES`` with it.
``UNSUPPORTED_TEST_CASES`` are programs that Tracr refuses; most of them compile here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracrlab.compat.tracr.compiler import lib
from tracrlab.compat.tracr.rasp import rasp

Case = dict[str, Any]


def _case(name: str, program: rasp.SOp, vocab: Sequence[Any], given: Sequence[Any], expected: Sequence[Any]) -> Case:
    return {
        "testcase_name": name,
        "program": program,
        "vocab": set(vocab),
        "test_input": list(given),
        "expected_output": list(expected),
        "max_seq_len": len(given) + 1,
    }


def _unsupported(name: str, program: rasp.SOp) -> Case:
    return {"testcase_name": name, "program": program, "vocab": {1, 2, 3}, "max_seq_len": 5}


def _all_of(sop: rasp.SOp, **settings: Any) -> rasp.SOp:
    return rasp.Aggregate(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE), sop, **settings)


_number = rasp.numerical(rasp.Map(lambda x: x, rasp.tokens))

UNIVERSAL_TEST_CASES: list[Case] = [
    _case("share_of_x", lib.make_frac_prevs(rasp.tokens == "x"), "xyz", "yxxz", [0, 1 / 2, 2 / 3, 1 / 2]),
    _case("shift_by_one", lib.shift_by(1, rasp.tokens), "xyz", "zyx", [None, "z", "y"]),
    _case("shift_by_two", lib.shift_by(2, rasp.tokens), "xyz", "zyxx", [None, None, "z", "y"]),
    _case("detect_letter", lib.detect_pattern(rasp.tokens, "x"), "xyz", "yxz", [False, True, False]),
    _case("detect_word", lib.detect_pattern(rasp.tokens, "xy"), "xyz", "xyxx", [None, True, False, False]),
]

TEST_CASES: list[Case] = [
    *UNIVERSAL_TEST_CASES,
    _case("length", lib.make_length(), "xyz", "zxx", [3, 3, 3]),
    _case("length_as_number", rasp.numerical(lib.make_length()), "xyz", "zx", [2, 2]),
    _case("reverse", lib.make_reverse(rasp.tokens), "xyz", "xyyz", "zyyx"),
    _case("pair_balance", lib.make_pair_balance(rasp.tokens, "<", ">"), "<>x", "<x>>", [1, 1 / 2, 0, -1 / 4]),
    _case("shuffle_dyck", lib.make_shuffle_dyck(["<>", "[]"]), "<>[]", "<[>]", [1, 1, 1, 1]),
    _case("no_shuffle_dyck", lib.make_shuffle_dyck(["<>", "[]"]), "<>[]", "<[>>", [0, 0, 0, 0]),
    _case("hist", lib.make_hist(), "xyz", "xyxx", [3, 1, 3, 3]),
    _case("sort_unique", lib.make_sort_unique(rasp.tokens, rasp.tokens), (1, 2, 3, 4), (3, 1, 4), (1, 3, 4)),
    _case(
        "sort",
        lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=5, min_key=1),
        (1, 2, 3, 4),
        (3, 1, 3, 2),
        (1, 2, 3, 3),
    ),
    _case("sort_freq", lib.make_sort_freq(max_seq_len=5), (1, 2, 3), (1, 2, 3, 2), (2, 2, 1, 3)),
    _case("count_less_freq", lib.make_count_less_freq(1), "xyz", "xxyz", [2, 2, 2, 2]),
    _case("count", lib.make_count(rasp.tokens, "x"), "xyz", "xyxz", [2, 2, 2, 2]),
    _case(
        "nary_sequencemap",
        lib.make_nary_sequencemap(lambda x, y, z: (x, y, z), rasp.tokens, rasp.indices, rasp.tokens),
        "xy",
        "yx",
        [("y", 0, "y"), ("x", 1, "x")],
    ),
]

CAUSAL_TEST_CASES: list[Case] = [
    *UNIVERSAL_TEST_CASES,
    _case(
        "length_so_far",
        rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)),
        "xyz",
        "zzx",
        [1, 2, 3],
    ),
]

UNSUPPORTED_TEST_CASES: list[Case] = [
    _unsupported("numerical_tokens", rasp.numerical(rasp.tokens)),
    _unsupported("numerical_indices", rasp.numerical(rasp.indices)),
    _unsupported("number_aggregated_as_category", _all_of(_number)),
    _unsupported("category_aggregated_as_number", rasp.numerical(_all_of(rasp.tokens))),
    _unsupported("mean_of_numbers", rasp.numerical(_all_of(_number, default=0))),
    _unsupported("default_that_is_a_value", _all_of(rasp.tokens, default=1)),
    _unsupported("numerical_selector", rasp.SelectorWidth(rasp.Select(_number, _number, rasp.Comparison.LT))),
    _unsupported("sum_of_numbers", rasp.numerical(rasp.SequenceMap(lambda x, y: x + y, _number, _number * 2))),
    _unsupported("linear_map_of_categories", rasp.LinearSequenceMap(rasp.tokens, rasp.indices, 1, 1)),
]
