"""A graft answers what its program does on every input, and the host speaks as before everywhere else."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import tracrlab
from tests.inject.tiny_hosts import (
    ANSWERS,
    BOS,
    PAD,
    WORDS,
    balanced,
    tiny_host,
    tiny_model,
    tiny_tokenizer,
)
from tracrlab import rasp
from tracrlab.errors import InjectionError
from tracrlab.inject.grafted import Grafted
from tracrlab.inject.grafting import Insert, graft, graft_all

pytestmark = pytest.mark.frameworks

ANSWER, OPEN, CLOSE, ASK = WORDS.index("yes"), *(WORDS.index(text) for text in "():")
SEEN = {OPEN: "(", CLOSE: ")", ASK: ":"}
UNCHANGED = 1e-4  # of log-probabilities in float32: gains and queries of the host are rounded once more


@cache
def grafted(at: int = 0, *, tied: bool = True, biased: bool = False) -> tuple[Grafted, Any]:
    host = tiny_host(tied=tied, attention_bias=biased)
    return graft(tiny_model(), host, answers=ANSWERS, filler="_", at=at, tokenizer=tiny_tokenizer()), host


def log_probabilities(model: Any, ids: torch.Tensor, **more: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(ids, **more).logits
    return logits.log_softmax(-1)


def with_bos(rows: list[tuple[int, ...]]) -> torch.Tensor:
    return torch.tensor([(BOS, *row) for row in rows])


@pytest.mark.parametrize(
    ("at", "tied", "biased"), [(0, True, False), (0, False, True), (2, True, False), (3, False, True)]
)
def test_it_answers_exactly_and_changes_nothing_else(at: int, tied: bool, biased: bool) -> None:
    graft_, host = grafted(at, tied=tied, biased=biased)
    assert type(graft_.model) is LlamaForCausalLM
    n_answers = 0
    for length in range(1, 6):
        ids = with_bos(list(product((2, OPEN, CLOSE, ASK, ANSWER), repeat=length)))
        ours, theirs = log_probabilities(graft_.model, ids), log_probabilities(host, ids)
        codes = [[0, *balanced()([SEEN.get(token, "_") for token in row[1:]], causal=True)] for row in ids.tolist()]
        expected = torch.tensor(codes)
        said = torch.tensor([0, *(WORDS.index(text) for text in ANSWERS.values())])[expected]
        answered = expected > 0
        assert (ours.argmax(-1) == said)[answered].all()
        assert (ours.gather(-1, said[..., None])[..., 0] > -1e-6)[answered].all()  # for certain
        assert (ours - theirs)[~answered].abs().max() < UNCHANGED
        n_answers += int(answered.sum())
    assert n_answers > 3000


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize(
    "row",
    [
        (BOS, *[2] * 5, OPEN, ASK, *[ASK] * 8),  # beyond the length
        (BOS, OPEN, BOS, ASK, CLOSE, ASK),  # a second BOS
        (BOS, BOS, OPEN, ASK, OPEN, ASK),
        (2, OPEN, ASK, BOS, ASK, CLOSE, ASK),  # BOS is late
        (OPEN, ASK, OPEN, CLOSE, ASK),  # or never comes
        (BOS, BOS, BOS, BOS, BOS, BOS, BOS, ASK),
    ],
    ids=["long", "second", "double", "late", "none", "many"],
)
def test_it_is_silent_where_the_program_has_no_meaning(at: int, row: tuple[int, ...]) -> None:
    graft_, host = grafted(at)
    ids = torch.tensor([row])
    change = (log_probabilities(graft_.model, ids) - log_probabilities(host, ids)).abs().amax(-1)[0]
    proper = 6 if row[:2] == (BOS, 2) else 2 if row[:2] == (BOS, OPEN) else 1
    assert (change[proper:] < UNCHANGED).all()


def test_it_is_silent_on_random_text_beyond_its_length() -> None:
    graft_, host = grafted()
    ids = torch.randint(0, len(WORDS), (64, 60), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = BOS
    change = (log_probabilities(graft_.model, ids) - log_probabilities(host, ids)).abs().amax(-1)
    assert change[:, 6:].max() < UNCHANGED


def test_left_padded_batches_and_the_cache(tmp_path: Path) -> None:
    graft_, _ = grafted()
    rows = [(BOS, OPEN, CLOSE, ASK), (BOS, OPEN, ASK), (BOS, ASK)]
    ids = torch.tensor([[PAD] * (4 - len(row)) + list(row) for row in rows])
    mask = (ids != PAD).long()
    out = graft_.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=1, do_sample=False)
    assert [WORDS[number] for number in out[:, -1].tolist()] == ["yes", "no", "yes"]
    whole = log_probabilities(graft_.model, ids[:1])
    past, steps = None, []
    for token in ids[0]:
        with torch.no_grad():
            output = graft_.model(token.view(1, 1), past_key_values=past, use_cache=True)
        past = output.past_key_values
        steps.append(output.logits.log_softmax(-1)[0, 0])
    assert (torch.stack(steps).argmax(-1) == whole[0].argmax(-1)).all()
    assert (torch.stack(steps) - whole[0]).abs()[:3].max() < UNCHANGED


@pytest.mark.parametrize("at", [0, 2])
def test_saved_and_loaded_it_is_the_same(at: int, tmp_path: Path) -> None:
    graft_, _ = grafted(at)
    graft_.save_pretrained(tmp_path / "graft")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "graft")
    assert type(loaded) is LlamaForCausalLM
    for name, value in graft_.model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    ids = torch.randint(0, len(WORDS), (8, 9))
    with torch.no_grad():
        assert torch.equal(graft_.model(ids).logits, loaded(ids).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "graft")
    assert tokenizer("( ) :").input_ids == [BOS, OPEN, CLOSE, ASK]
    assert "pins" in (tmp_path / "graft" / "README.md").read_text(encoding="utf-8")


def test_it_generates_a_number_of_answer_tokens() -> None:
    model = tiny_model("opened")
    answers = {count + 1: str(count) for count in range(6)}
    graft_ = graft(model, tiny_host(), answers=answers, filler="_", tokenizer=tiny_tokenizer())
    for row in product((2, OPEN), repeat=4):
        ids = torch.tensor([[BOS, *row, ASK]])
        with torch.no_grad():
            said = int(graft_.model(ids).logits[0, -1].argmax())
        assert WORDS[said] == str(row.count(OPEN))


def test_several_programs_go_in_side_by_side() -> None:
    host = tiny_host()
    other = rasp.numerical(rasp.where(rasp.tokens == "b", 1, 0)).named("said_b")
    inserts = [
        Insert(tiny_model(), ANSWERS, "_"),
        Insert(tracrlab.compile(other, "b_", 7, causal=True, mode="compact"), {1: "e"}, "_"),
    ]
    graft_ = graft_all(inserts, host, tokenizer=tiny_tokenizer())
    ids = torch.tensor([[BOS, OPEN, 3, CLOSE, ASK, 2, 3]])  # the last of them is beyond the length of the first
    ours, theirs = log_probabilities(graft_.model, ids)[0], log_probabilities(host, ids)[0]
    assert [WORDS[number] for number in ours.argmax(-1)[[2, 4, 6]].tolist()] == ["e", "yes", "e"]
    assert (ours - theirs)[[0, 1, 3, 5]].abs().max() < UNCHANGED


def test_a_faithful_model_with_one_hot_answers() -> None:
    program = rasp.where(rasp.tokens == ":", rasp.where(rasp.indices == 2, "two", "other"), None)
    program = rasp.categorical(program).named("place")
    model = tracrlab.compile(program, ":_", 4, causal=True)
    graft_ = graft(model, tiny_host(), answers={"two": "yes", "other": "no"}, filler="_", tokenizer=tiny_tokenizer())
    for row in product((2, ASK), repeat=4):
        ids = torch.tensor([[BOS, *row]])
        said = log_probabilities(graft_.model, ids)[0].argmax(-1)[1:].tolist()
        for place, token in enumerate(row):
            if token == ASK:
                assert WORDS[said[place]] == ("yes" if place == 2 else "no")


def test_what_cannot_be_exact_is_refused_with_the_reason() -> None:
    host, tokenizer, model = tiny_host(), tiny_tokenizer(), tiny_model()

    def refusal(**changes: Any) -> str:
        arguments: dict[str, Any] = {"answers": ANSWERS, "filler": "_", "tokenizer": tokenizer} | changes
        own = arguments.pop("model", model)
        with pytest.raises(InjectionError) as caught:
            graft(own, arguments.pop("host", host), **arguments)
        return str(caught.value)

    assert "causal" in refusal(model=tracrlab.compile(balanced(), "():_", 3))
    assert "no value of balanced" in refusal(answers={7: "yes"})
    assert "'maybe'" in refusal(answers={1: "maybe", 2: "no"})
    assert "no single token" in refusal(tokens={"((": "("})
    assert "is no token of the program" in refusal(filler="?")
    assert "consecutive" in refusal(answers={0: "yes", 2: "no"})
    assert "at=9" in refusal(at=9)
    assert "needs its tokenizer" in refusal(tokenizer=None)
    assert "layer norm" in refusal(host=GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9)))
    scaled = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=24, num_hidden_layers=1, num_attention_heads=4,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4},
    )  # fmt: skip
    assert "'linear'" in refusal(host=LlamaForCausalLM(scaled))
    assert "config.json" in refusal(host="/nowhere")
