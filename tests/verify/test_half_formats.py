"""Models for half formats: certified, and right when they are run, in NumPy as in PyTorch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracrlab
from benchmarks.mutations import small_model, tally_of
from tracrlab import CompiledModel, rasp
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.errors import PrecisionError
from tracrlab.rasp.library import PROGRAMS

LENGTH = 16
MODES: tuple[Literal["faithful", "compact"], ...] = ("faithful", "compact")


def balances(tokens: Sequence[str], opening: str, closing: str) -> list[Fraction]:
    """The share of opening minus closing tokens up to each position."""
    signs = [(token == opening) - (token == closing) for token in tokens]
    return [Fraction(sum(signs[:n]), n) for n in range(1, len(signs) + 1)]


def shuffled(tokens: Sequence[str]) -> list[bool]:
    both = [balances(tokens, *pair) for pair in ("()", "{}")]
    return [all(min(each) >= 0 and each[-1] == 0 for each in both)] * len(tokens)


def by_frequency(tokens: Sequence[str]) -> list[str]:
    counts = Counter(tokens)
    return sorted(tokens, key=lambda token: -counts[token])


# what each program computes, in plain Python
ORACLES: dict[str, Callable[[Sequence[str]], list[Any]]] = {
    "length": lambda tokens: [len(tokens)] * len(tokens),
    "reverse": lambda tokens: list(tokens)[::-1],
    "hist": lambda tokens: [list(tokens).count(token) for token in tokens],
    "frac_prevs": lambda tokens: [Fraction(list(tokens[:n]).count("x"), n) for n in range(1, len(tokens) + 1)],
    "sort": sorted,
    "pair_balance": lambda tokens: balances(tokens, "(", ")"),
    "shuffle_dyck": shuffled,
    "sort_freq": by_frequency,
}


Case = tuple[str, Literal["faithful", "compact"], Dtype]
CASES: list[Case] = [
    *((name, "faithful", "bfloat16") for name in ORACLES),
    *((name, "compact", "bfloat16") for name in ("length", "hist", "frac_prevs")),
    *((name, "faithful", "float16") for name in ("hist", "reverse", "pair_balance")),
    ("length", "compact", "float16"),
]
OTHERS: list[Case] = [("sort_unique", "faithful", "bfloat16"), ("most_freq", "faithful", "bfloat16")]


@cache
def model_of(name: str, mode: Literal["faithful", "compact"], dtype: Dtype) -> CompiledModel:
    program = PROGRAMS[name]
    return tracrlab.compile(program.build(), program.vocabulary(4), LENGTH, mode=mode, dtype=dtype)


def agree(answers: list[list[Any]], wanted: list[list[Any]]) -> bool:
    return [[number(each) for each in row] for row in answers] == [[number(each) for each in row] for row in wanted]


def number(value: Any) -> Any:
    """Fractions as the float nearest to them, as answers have them."""
    return float(value) if isinstance(value, Fraction) else value


@pytest.mark.parametrize(("name", "mode", "dtype"), [*CASES, *OTHERS])
def test_the_papers_programs_are_certified(name: str, mode: Literal["faithful", "compact"], dtype: Dtype) -> None:
    model = model_of(name, mode, dtype)
    certificate = model.verify()
    assert certificate.holds, certificate
    assert certificate.dtype == model.config.dtype == dtype
    for array in model.weights.as_dict().values():
        assert np.array_equal(FORMATS[dtype].rounded(array), array)


@pytest.mark.parametrize(("name", "mode", "dtype"), CASES)
def test_what_is_certified_is_right_on_inputs_of_every_length(
    name: str, mode: Literal["faithful", "compact"], dtype: Dtype
) -> None:
    torch = pytest.importorskip("torch")
    model, rng = model_of(name, mode, dtype), random.Random(f"{name} {mode}")
    inputs = [rng.choices(model.config.vocab, k=length) for length in range(1, LENGTH + 1) for _ in range(3)]
    wanted = [ORACLES[name](tokens) for tokens in inputs]
    assert agree(model.run_batch(inputs), wanted)
    narrow = model.to_torch(logits="raw", dtype=getattr(torch, dtype))
    ids = narrow.encode(inputs)
    for fused in (True, False):
        for block in narrow.blocks:
            block.attn.fused = fused
        with torch.no_grad():
            assert agree(narrow.decode(narrow(ids), ids), wanted)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(CASES))
def test_any_input_is_answered_rightly(data: st.DataObject, case: Case) -> None:
    name, mode, dtype = case
    model = model_of(name, mode, dtype)
    tokens = data.draw(st.lists(st.sampled_from(model.config.vocab), min_size=1, max_size=LENGTH))
    assert agree([model(tokens)], [ORACLES[name](tokens)])


def test_means_are_told_apart_by_their_denominators() -> None:
    model = model_of("frac_prevs", "faithful", "bfloat16")
    assert "frac_prevs.width.exact" in {entry.name for entry in model.labels.variables}
    assert model.output_name == "frac_prevs"


def test_what_a_format_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(PrecisionError, match=r'hist.*bfloat16 weights cannot.*Compile with dtype="float32"'):
        tracrlab.compile(PROGRAMS["hist"].build(), "abc", 200, dtype="bfloat16")
    huge = rasp.numerical(rasp.elementwise_map(lambda i: i * 30000, rasp.indices)).named("huge")
    with pytest.raises(PrecisionError, match=r"huge.*float16"):
        tracrlab.compile(huge, "ab", 5, dtype="float16")


@pytest.mark.parametrize("mode", MODES)
def test_harmful_changes_are_noticed_in_bfloat16(mode: Literal["faithful", "compact"]) -> None:
    for name in ("hist", "frac_prevs"):
        tally = tally_of(small_model(name, mode, "bfloat16"), 12, seed=3)
        assert not tally.missed
        assert tally.harmful


def test_models_for_half_formats_are_kept_in_files(tmp_path: Any) -> None:
    model = model_of("hist", "faithful", "bfloat16")
    model.save_pretrained(tmp_path / "hist")
    loaded = tracrlab.load(tmp_path / "hist")
    assert loaded.config == model.config
    tokens = model.config.vocab * 2
    assert loaded(tokens) == model(tokens) == ORACLES["hist"](tokens)
    assert loaded.verify().holds
