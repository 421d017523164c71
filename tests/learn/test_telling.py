"""Values that parts ought to tell: which there are, and the loss of a linear map that reads them."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch

import tracrlab
from tracrlab.learn.losses.interchange import Alignment, circuit_alignment
from tracrlab.learn.losses.telling import linear_maps, telling_loss, told_values
from tracrlab.learn.patching import seen
from tracrlab.model.circuit import Node
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

HEAD, MLP = Node("attn", 0, 0), Node("mlp", 0)


@cache
def hist() -> tuple[Alignment, torch.Tensor]:
    model = tracrlab.compile(PROGRAMS["hist"].build(), "ab", 3)
    reference = model.to_torch()
    ids = reference.encode([each for n in (1, 2, 3) for each in itertools.product("ab", repeat=n)])
    return circuit_alignment(model.circuit(), reference, 1, 1), ids


def test_values_are_the_counts_wherever_an_input_has_a_token() -> None:
    alignment, ids = hist()
    values = told_values(alignment, ids)
    assert set(values.counts) == {HEAD, MLP}
    for place in (HEAD, MLP):  # the head writes one number a count, the MLP one direction a count
        assert values.counts[place] == 3
        number_of: dict[int, set[int]] = {}
        for row, numbers in zip(ids.tolist(), values.numbers[place].tolist(), strict=True):
            tokens = [token for token in row[1:] if token < 2]
            for token, number in zip(tokens, numbers[1:], strict=False):
                number_of.setdefault(tokens.count(token), set()).add(number)
        assert sorted(map(len, number_of.values())) == [1, 1, 1]
        assert len(set.union(*number_of.values())) == 3


def test_places_with_too_many_values_are_left_out() -> None:
    alignment, ids = hist()
    assert not told_values(alignment, ids, most=2).counts


def test_values_that_are_rounded_apart_are_one() -> None:
    from tracrlab.learn.losses.telling import _numbered

    rng = np.random.default_rng(0)
    exact = rng.integers(4, size=(500, 2)).astype(float) * [1.0, 1e9] + [0.5, 0.0]
    numbers, count = _numbered(exact * (1 + 1e-7 * rng.uniform(-1, 1, size=exact.shape)))
    assert count == len(np.unique(exact, axis=0))
    assert len({(*row, number) for row, number in zip(exact.tolist(), numbers.tolist(), strict=True)}) == count


def test_the_loss_is_the_cross_entropy_of_a_linear_map() -> None:
    alignment, ids = hist()
    values = told_values(alignment, ids)
    maps = linear_maps(values, 4, torch.Generator().manual_seed(0))
    rows, rng = torch.tensor([5, 13]), np.random.default_rng(1)
    written = {place: torch.as_tensor(rng.normal(size=(2, 4, 4)), dtype=torch.float32) for place in values.counts}
    counted = torch.tensor([[False, True, True, False], [False, True, True, True]])
    total = 0.0
    for place, numbers in values.numbers.items():
        logits = written[place].numpy() @ maps[f"values of {place}"].detach().numpy()
        each = [
            math.log(sum(math.exp(other) for other in logits[b, p])) - logits[b, p, numbers[rows[b], p]]
            for b, p in zip(*np.nonzero(counted.numpy()), strict=True)
        ]
        total += sum(each) / len(each)
    assert telling_loss(written, values, rows, maps, counted).item() == pytest.approx(total, rel=1e-5)


def test_what_is_seen_is_of_the_last_run() -> None:
    alignment, ids = hist()
    module = alignment.reference
    with seen(module, [HEAD, "m0"]) as found, torch.no_grad():
        module(ids[:2])
        module(ids[2:5])
    assert found[HEAD].shape == found["m0"].shape == (3, ids.shape[1], module.config.d_model)
    with torch.no_grad():
        module(ids)
    assert len(found[HEAD]) == 3  # nothing is seen after the block
