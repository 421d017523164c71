"""Pins, packing, tokens, the guard and the formats of hosts, each by itself."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inject.tiny_hosts import tiny_tokenizer
from tracrlab.errors import InjectionError
from tracrlab.inject.guard import Guard, guarded
from tracrlab.inject.hosts import host_folder, llama2c_model, llama2c_tokenizer, prepare
from tracrlab.inject.maps import read_map
from tracrlab.inject.packing import packed
from tracrlab.inject.parts import Head, Neurons, Stage, joined
from tracrlab.inject.pins import pins_for, squares
from tracrlab.inject.tokens import token_map

pytestmark = pytest.mark.frameworks


def test_every_number_is_a_sum_of_four_squares_and_none_is_spent_in_vain() -> None:
    for number in range(1, 700):
        found = squares(number)
        assert sum(each**2 for each in found) == number and min(found) > 0
        fewer = product(range(1, 27), repeat=len(found) - 1) if 1 < len(found) < 4 else ()
        assert not any(sum(each**2 for each in row) == number for row in fewer)


@pytest.mark.parametrize(("dimensions", "multiple"), [(618, 9), (32, 4), (324, 6), (1, 1)])
def test_pins_have_room_and_the_stream_is_narrow(dimensions: int, multiple: int) -> None:
    pins = pins_for(dimensions, multiple)
    assert pins.width % multiple == 0
    assert dimensions <= pins.places.start
    assert pins.width <= dimensions + 4 + multiple


def stage(heads: int, neurons: int) -> Stage:
    nothing = np.zeros((3, 1))
    own = Neurons(np.zeros((3, neurons)), np.zeros((3, neurons)), np.arange(3.0 * neurons).reshape(neurons, 3))
    return Stage(tuple(Head(nothing, nothing, nothing + number, nothing.T) for number in range(heads)), own)


@pytest.mark.parametrize(("heads", "neurons"), [(0, 0), (1, 1), (3, 4), (4, 9), (7, 0), (0, 13)])
def test_packing_keeps_the_order_and_the_sizes(heads: int, neurons: int) -> None:
    stages = [stage(heads, neurons), stage(2, 2)]
    layers = packed(stages, groups=3, most_neurons=4)
    assert all(len(each.heads) <= 3 and each.neurons.count <= 4 for each in layers)
    for number, own in enumerate(stages):
        mine = [each for each in layers if each.stage == number]
        assert [head for each in mine for head in each.heads] == list(own.heads)
        assert np.array_equal(np.concatenate([each.neurons.down for each in mine]), own.neurons.down)
        last_heads = max((place for place, each in enumerate(mine) if each.heads), default=0)
        first_neurons = min((place for place, each in enumerate(mine) if each.neurons.count), default=last_heads)
        assert last_heads <= first_neurons  # heads first


def relu_run(stages: list[Stage], rows: np.ndarray) -> np.ndarray:
    """A plain causal transformer over a lane, with what silu is far from 0."""
    stream = rows.copy()
    for each in stages:
        read = stream.copy()
        for head in each.heads:
            scores = (read @ head.queries) @ (read @ head.keys).T
            scores[np.triu_indices(len(rows), 1)] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            stream += (weights / weights.sum(axis=1, keepdims=True)) @ read @ head.values @ head.output
        own = each.neurons
        stream += (np.maximum(stream @ own.gate, 0) * (stream @ own.up)) @ own.down
    return stream


def test_the_guard_is_dead_exactly_where_the_input_is_not_proper() -> None:
    length, guard = 4, Guard(one=0, bos=1, start=2, width=6, max_seq_len=4)
    stages = guarded([stage_of(guard.width)], guard, joined([], guard.width), 2)
    for size in range(1, 8):
        for kinds in product((0, 1), repeat=size):
            rows = np.zeros((size, guard.width))
            rows[:, guard.one], rows[:, guard.bos] = 1, kinds
            dead = relu_run(stages, rows)[:, guard.dead]
            for place in range(size):
                head, tail = kinds[0], kinds[1 : place + 1]
                proper = head == 1 and not any(tail) and place <= length
                only_bos = all(kinds[: place + 1])  # cannot be told from one BOS, and is silent as BOS is
                assert (dead[place] > 0) == (not proper and not only_bos), (kinds, place)
                assert dead[place] == 0 or dead[place] > 1 / 13


def stage_of(width: int) -> Stage:
    return Stage((), joined([], width))


def test_a_map_says_what_is_what_and_what_cannot_be() -> None:
    tokenizer = tiny_tokenizer()
    found = token_map(tokenizer, 18, ["(", ")", "_"], None, "_")
    assert found.mapped == {5: "(", 6: ")"} and found.bos == 0
    assert "'(' is '(' (5)" in str(found) and "15 others" in str(found)
    with pytest.raises(InjectionError, match="no token for '%'"):
        token_map(tokenizer, 18, ["%", "_"], None, "_")
    with pytest.raises(InjectionError, match="begins every text"):
        token_map(tokenizer, 18, ["(", "_"], {"<s>": "("}, "_")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "has to have filler"),
        ('{"filler": "_"}', "has to have filler"),
        ('{"filler": "_", "answers": []}', "have to be objects"),
        ('{"filler": [], "answers": {}}', "have to be numbers"),
        ('{"filler": "_", "answers": {"a": 1, "b": 1}}', "said by two texts"),
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(InjectionError, match=reason):
        read_map(tmp_path / "map.json")


def test_models_of_llama2c_are_read_with_their_rotary_pairs() -> None:
    d, hidden, layers, heads, vocab, length = 8, 12, 2, 2, 11, 16
    generator = np.random.default_rng(0)
    size = d // heads
    shapes = [(vocab, d), (layers, d), *[(layers, d, d)] * 4, (layers, d), (layers, hidden, d), (layers, d, hidden),
              (layers, hidden, d), (d,), (length, size // 2), (length, size // 2)]  # fmt: skip
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    header = struct.pack("7i", d, hidden, layers, heads, heads, vocab, length)
    content = header + b"".join(array.tobytes() for array in arrays)
    model, ids = llama2c_model(content), [1, 5, 3, 7, 2]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
    assert np.allclose(logits, plain_llama2c(arrays, ids, heads), atol=1e-4)
    with pytest.raises(ValueError, match="fewer"):
        llama2c_model(content[:400])


def plain_llama2c(arrays: list[np.ndarray], ids: list[int], heads: int) -> np.ndarray:
    """A Llama by its definition, with rotary pairs that are neighbours."""
    embedding, att, wq, wk, wv, wo, ffn, w1, w2, w3, final, *_ = (array.astype(float) for array in arrays)
    x = embedding[ids]
    n, size = len(ids), embedding.shape[1] // heads

    def norm(rows: np.ndarray, gain: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = gain * rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + 1e-5)
        return scaled

    def turned(rows: np.ndarray) -> np.ndarray:
        pairs = rows.reshape(n, heads, size // 2, 2)
        angles = np.arange(n)[:, None] / 10000 ** (np.arange(0, size, 2) / size)
        complex_rows = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angles)[:, None]
        return np.stack([complex_rows.real, complex_rows.imag], axis=-1).reshape(n, heads, size)

    for layer in range(len(wq)):
        read = norm(x, att[layer])
        q, k = turned(read @ wq[layer].T), turned(read @ wk[layer].T)
        v = (read @ wv[layer].T).reshape(n, heads, size)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + np.triu(np.full((n, n), -np.inf), 1)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", weights, v).reshape(n, -1) @ wo[layer].T
        read = norm(x, ffn[layer])
        gate = read @ w1[layer].T
        x = x + (gate / (1 + np.exp(-gate)) * (read @ w3[layer].T)) @ w2[layer].T
    logits: np.ndarray = norm(x, final) @ embedding.T
    return logits


def test_tokenizers_of_llama2c_merge_by_score() -> None:
    pieces = [
        b"<unk>",
        b"<s>",
        b"</s>",
        *(bytes([byte]) for byte in range(256)),
        b" ",
        b"a",
        b"b",
        b" a",
        b"ab",
        b" ab",
    ]
    scores = [0.0] * 259 + [-9.0, -9.0, -9.0, -3.0, -2.0, -1.0]
    records = b"".join(struct.pack("fi", score, len(text)) + text for text, score in zip(pieces, scores, strict=True))
    tokenizer = llama2c_tokenizer(struct.pack("i", 3) + records)
    assert tokenizer("ab b").input_ids == [1, 264, 259, 261]  # "ab" first, then " ab"
    assert tokenizer("é").input_ids == [1, 259, 3 + 0xC3, 3 + 0xA9]  # a byte each
    assert tokenizer.decode(tokenizer("ab b").input_ids[1:]) == "ab b"


def test_hosts_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACRLAB_HOSTS", str(tmp_path))
    with pytest.raises(InjectionError, match="tracrlab hosts stories15M"):
        host_folder("stories15M")
    with pytest.raises(InjectionError, match="there are stories15M"):
        prepare("gpt5")
    (tmp_path / "package.tgz").write_bytes(b"nothing")
    with pytest.raises(InjectionError, match="does not hold stories15M"):
        prepare("stories15M", tmp_path / "package.tgz")
