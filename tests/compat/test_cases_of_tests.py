"""The programs that users' tests take from ``tracr.compiler.test_cases`` have the answers that stand beside them."""

from __future__ import annotations

from typing import Any

import pytest
from tracr.compiler import compiling, test_cases, validating
from tracr.rasp import causal_eval, rasp

CASES = [(case, False) for case in test_cases.TEST_CASES] + [(case, True) for case in test_cases.CAUSAL_TEST_CASES]


def near(found: list[Any], expected: list[Any]) -> bool:
    """Whether numbers are nearly equal, and everything else is equal."""
    return len(found) == len(expected) and all(
        abs(one - other) < 1e-6 if isinstance(other, float) else one == other
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(("case", "causal"), CASES, ids=[f"{case['testcase_name']}-{causal}" for case, causal in CASES])
def test_interpreter_and_model_give_the_expected_answer(case: dict[str, Any], causal: bool) -> None:
    evaluate = causal_eval.evaluate if causal else rasp.evaluate
    given, expected = case["test_input"], case["expected_output"]
    assert near(evaluate(case["program"], given), expected)
    model = compiling.compile_rasp_to_model(case["program"], case["vocab"], case["max_seq_len"], causal=causal)
    assert near(model.apply(["compiler_bos", *given]).decoded[1:], expected)
    assert not validating.validate(case["program"], given)


@pytest.mark.parametrize("case", test_cases.UNSUPPORTED_TEST_CASES, ids=lambda case: str(case["testcase_name"]))
def test_what_tracr_refuses_is_reported(case: dict[str, Any]) -> None:
    assert validating.validate(case["program"], sorted(case["vocab"]))
