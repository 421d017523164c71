"""Vocabularies and inputs are checked, and become the same token ids however they are given."""

from __future__ import annotations

import itertools
import math
import os
import random
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tracrlab
from tests.model.cases import identity, model_of
from tracrlab import rasp
from tracrlab.errors import InputError, VocabularyError
from tracrlab.model.tokenizer import checked_vocabulary, encode_batch

tokens = st.recursive(
    st.text("abc", max_size=2)
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, 0.0, -0.0, math.inf, math.nan])
    | st.booleans(),
    lambda items: st.tuples(items, items),
    max_leaves=3,
)


def vocabulary(vocab: Any) -> tuple[Any, ...]:
    return checked_vocabulary(vocab, "bos", "pad")


# Vocabularies --------------------------------------------------------------------------------------------------------


@given(st.lists(tokens, min_size=1, max_size=8), st.randoms())
@example([2, math.nan, 1, -0.0, 0.0], random.Random(1))
def test_the_order_of_a_vocabulary_does_not_depend_on_how_it_is_given(vocab: list[Any], rng: random.Random) -> None:
    shuffled = [*vocab, rng.choice(vocab)]
    rng.shuffle(shuffled)
    assert list(map(identity, vocabulary(shuffled))) == list(map(identity, vocabulary(vocab)))


@given(st.lists(tokens, min_size=1, max_size=8))
def test_a_vocabulary_holds_each_distinguishable_token_once(vocab: list[Any]) -> None:
    found = [identity(token) for token in vocabulary(vocab)]
    assert len(found) == len(vocabulary(found_unique(vocab)))
    assert sorted(map(repr, found)) == sorted({repr(identity(token)) for token in vocab})


def found_unique(vocab: list[Any]) -> list[Any]:
    return list({repr(identity(token)): token for token in vocab}.values())


@given(st.lists(st.text(max_size=3).filter(lambda token: token not in ("bos", "pad")), min_size=1))
def test_strings_are_sorted(vocab: list[str]) -> None:
    assert vocabulary(vocab) == tuple(sorted(set(vocab)))


@given(st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_sorted(vocab: list[Any]) -> None:
    found = vocabulary(vocab)
    assert list(found) == sorted(found)
    assert set(found) == set(vocab)


def test_sets_have_the_same_order_in_every_process() -> None:
    code = "import tracrlab; from tracrlab import rasp;"
    code += "print(tracrlab.compile(rasp.tokens, {'b', 'a', 'dd', 1, 2.5, True, ('x', 1), ('y',)}, 1).config.vocab)"
    shown = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code]
        shown.add(
            subprocess.run(
                command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed}
            ).stdout
        )
    assert len(shown) == 1
    assert "dd" in shown.pop()


def test_a_string_is_its_characters() -> None:
    assert vocabulary("banana") == ("a", "b", "n")


def test_equal_numbers_of_different_types_are_different_tokens() -> None:
    assert sorted(map(repr, vocabulary([1, 1.0, True, 1, True]))) == ["1", "1.0", "True"]


def test_signed_zeros_are_different_tokens_in_a_fixed_order() -> None:
    assert str(vocabulary([0.0, -0.0])) == str(vocabulary([-0.0, 0.0])) == "(-0.0, 0.0)"


def test_numpy_scalars_are_python_values() -> None:
    found = vocabulary([*np.array([2, 1]), np.float64(0.5), np.str_("a"), np.bool_(True)])
    assert [type(token) for token in found] == [float, bool, int, int, str]
    assert found == (0.5, True, 1, 2, "a")


@pytest.mark.parametrize("vocab", ["", [], set(), iter(())])
def test_an_empty_vocabulary_is_refused(vocab: Any) -> None:
    with pytest.raises(VocabularyError, match="empty"):
        vocabulary(vocab)


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        (["a", None], "None cannot be a token"),
        (["a", ["b"]], r"hashable.*\['b'\]"),
        ([("a", ["b"])], "hashable"),
        (["a", "bos"], "'bos', the BOS token; choose another"),
        (["pad"], "'pad', the PAD token; choose another"),
        ([np.str_("bos")], "BOS"),
    ],
)
def test_unusable_tokens_are_refused(vocab: list[Any], message: str) -> None:
    with pytest.raises(VocabularyError, match=message) as refusal:
        vocabulary(vocab)
    assert "\n" not in str(refusal.value)


def test_special_tokens_can_be_chosen_but_must_differ() -> None:
    assert checked_vocabulary(["bos", "pad"], "<s>", "<pad>") == ("bos", "pad")
    with pytest.raises(VocabularyError, match="'<s>', the BOS token"):
        checked_vocabulary(["<s>"], "<s>", "<pad>")
    with pytest.raises(VocabularyError, match="differ"):
        checked_vocabulary("ab", "x", "x")


@pytest.mark.parametrize("options", [{"vocab": []}, {"bos": "a"}, {"pad": "b"}, {"bos": "pad"}, {"max_seq_len": 0}])
def test_the_compiler_checks_the_vocabulary(options: dict[str, Any]) -> None:
    with pytest.raises(VocabularyError):
        tracrlab.compile(rasp.tokens, **({"vocab": "ab", "max_seq_len": 3} | options))


# Inputs --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=4))
def test_sequences_become_bos_ids_and_padding(sequences: list[list[str]]) -> None:
    config = model_of("hist").config
    ids = encode_batch(config, sequences)
    longest = max(map(len, sequences), default=0)
    assert ids.shape == (len(sequences), longest + 1)
    for row, sequence in zip(ids.tolist(), sequences, strict=True):
        padding = [4] * (longest - len(sequence))
        assert row == [3, *map("abc".index, sequence), *padding]
    assert (config.bos_id, config.pad_id, config.d_vocab) == (3, 4, 5)


def test_numpy_inputs_are_python_values() -> None:
    model = model_of("sort")
    assert model(list(np.array([3, 1, 3]))) == [1, 3, 3]
    assert model([np.float64(2.5), np.int8(1)]) == [1, 2.5]


@pytest.mark.parametrize("tokens", [["z"], ["a", None], ["bos"], ["pad"], [1], [("a",)], ["ab"], "aZb"])
def test_unknown_tokens_are_named(tokens: Any) -> None:
    model = model_of("hist")
    odd = next(token for token in tokens if token not in list("abc"))
    for run in (model, model.trace, lambda sequence: model.run_batch(["a", sequence])):
        with pytest.raises(InputError) as refusal:
            run(tokens)
        assert repr(odd) in str(refusal.value)
        assert "'a', 'b', 'c'" in str(refusal.value)


@pytest.mark.parametrize("token", [1.0, True, 2, "1", Fraction(5, 2)])
def test_tokens_differ_by_type(token: Any) -> None:
    with pytest.raises(InputError):
        model_of("sort")([token])


def test_long_sequences_are_refused() -> None:
    model = model_of("hist")
    assert len(model("a" * 6)) == 6
    for run in (model, model.trace, lambda sequence: model.run_batch(["a", sequence])):
        with pytest.raises(InputError, match=r"7 tokens.*at most 6"):
            run("a" * 7)


def test_a_long_vocabulary_is_abridged_in_messages() -> None:
    model = tracrlab.compile(rasp.tokens, itertools.chain(range(100)), 2)
    with pytest.raises(InputError, match=r"0, 1, 2.*…") as refusal:
        model([100])
    assert len(str(refusal.value)) < 200
