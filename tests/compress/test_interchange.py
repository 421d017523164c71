"""Interchange interventions and the verdict: counterfactuals are the program's, and right answers are not enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.compress.compressions import every_sequence, frac_prevs, permutations, sort_unique
from tracrlab import CompiledModel
from tracrlab.compress import Sharing
from tracrlab.compress.compressed_model import compressed_model
from tracrlab.compress.faithfulness import verdict
from tracrlab.compress.features import value_line
from tracrlab.compress.forward import frozen_model
from tracrlab.compress.interchange import swapped_target
from tracrlab.compress.target import compiled_target
from tracrlab.errors import CompressionError
from tracrlab.learn.losses.interchange import same_length_sources
from tracrlab.model.readout import decode_output

pytestmark = pytest.mark.frameworks


def answers_after_exchange(
    model: CompiledModel, variable: str, bases: Sequence[Sequence[object]], sources: Sequence[Sequence[object]]
) -> list[list[object]]:
    """What the compiled model answers on each base where the variable has its value on the source."""
    ids = torch.as_tensor(model.encode([*bases, *sources]))
    frozen = frozen_model(model)
    order = torch.tensor([*range(len(bases), 2 * len(bases)), *range(len(bases))])
    swap = swapped_target(frozen, compiled_target(frozen, ids), model.labels.variable(variable), order, compiled=False)
    logits = swap.logits[: len(bases)].numpy()
    return [decode_output(model.output, row[1 : len(base) + 1]) for row, base in zip(logits, bases, strict=True)]


def test_exchanging_is_x_gives_the_fractions_of_the_source() -> None:
    model = frac_prevs()
    sources = [each for each in every_sequence(model) if len(each) == 3]
    bases = list(reversed(sources))
    found = answers_after_exchange(model, "is_x", bases, sources)
    wanted = [[sum(token == "x" for token in each[: n + 1]) / (n + 1) for n in range(3)] for each in sources]
    np.testing.assert_allclose(np.array(found, float), wanted)


def test_exchanging_target_pos_moves_the_tokens_of_the_base_to_the_places_of_the_source() -> None:
    model = sort_unique()
    sources = [each for each in permutations(model) if len(each) == 3]
    bases = sources[1:] + sources[:1]
    found = answers_after_exchange(model, "target_pos", bases, sources)
    for base, source, answer in zip(bases, sources, found, strict=True):
        places = [sum(str(other) < str(token) for other in source) for token in source]
        assert answer == [base[places.index(position)] for position in range(3)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.integers(0, 9))
def test_sources_have_the_same_length_and_differ_where_they_can(lengths: list[int], seed: int) -> None:
    sources = same_length_sources(torch.tensor(lengths), torch.Generator().manual_seed(seed)).tolist()
    assert sorted(sources) == list(range(len(lengths)))
    for number, source in enumerate(sources):
        assert lengths[source] == lengths[number]
        assert source != number or lengths.count(lengths[number]) == 1


def test_the_compiled_model_is_faithful_in_any_rotation() -> None:
    variables_of = {"frac_prevs": ["is_x"], "sort_unique": ["target_pos.attn", "target_pos"]}
    for model, inputs in ((frac_prevs(), None), (sort_unique(), permutations(sort_unique()))):
        D = model.config.d_model
        rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
        judged = verdict(compressed_model(model, Sharing.ALL, {"matrices": rotation[None]}), inputs=inputs)
        assert judged.faithful, judged
        assert judged.accuracy == 1
        assert [each.variable for each in judged.variables] == variables_of[model.output_name]
        assert all(each.n_changed > 0 for each in judged.variables)


def test_a_model_without_a_variable_is_not_faithful() -> None:
    model = frac_prevs()
    matrix = np.eye(model.config.d_model)
    matrix[model.labels.variable("is_x").start] = 0
    judged = verdict(compressed_model(model, Sharing.ALL, {"matrices": matrix[None]}))
    assert not judged.faithful
    assert judged.accuracy < 0.9
    assert judged.variables[0].own < 0.5


def test_right_answers_by_another_encoding_are_not_faithful() -> None:
    """The values of target_pos are written in the places of one another, and read there."""
    model = sort_unique()
    block = model.labels.variable("target_pos").dimensions
    order = np.arange(model.config.d_model)
    order[block] = np.roll(order[block], 1)
    layer = {"W_out": model.weights.W_out[..., order]}
    readers = {name: getattr(model.weights, name)[:, :, order] for name in ("W_Q", "W_K", "W_V")}
    W_in = model.weights.W_in[:, order]
    arrays = {"matrices": np.eye(len(order))[None], **layer, **readers, "W_in": W_in}
    changed = compressed_model(model, Sharing.ALL, arrays)
    inputs = permutations(model)
    judged = verdict(changed, inputs=inputs)
    assert changed.run_batch(inputs) == model.run_batch(inputs)
    assert judged.accuracy == 1
    assert not judged.faithful
    assert judged.worst is not None
    assert judged.worst.variable == "target_pos"
    assert judged.worst.own == 1
    assert judged.worst.compiled < 0.5
    assert judged.worst.written < 0.5
    assert str(judged).startswith("not faithful")


def test_a_number_in_disguise_is_found() -> None:
    model = sort_unique()
    block = model.labels.variable("target_pos").dimensions
    inputs = permutations(model)
    whole = np.eye(model.config.d_model)
    line = value_line(compressed_model(model, Sharing.ALL, {"matrices": whole[None]}), "target_pos", inputs)
    np.testing.assert_allclose(line.share, 1 / 2, atol=1e-4)  # three values, at the corners of a triangle
    number = whole.copy()
    number[block] = 0
    number[block, block.start] = range(block.stop - block.start)
    line = value_line(compressed_model(model, Sharing.ALL, {"matrices": number[None]}), "target_pos", inputs)
    np.testing.assert_allclose([line.share, line.correlation], 1, atol=1e-4)
    with pytest.raises(CompressionError, match="no sublayer writes tokens"):
        value_line(compressed_model(model, Sharing.ALL, {"matrices": number[None]}), "tokens", inputs)


def test_the_threshold_decides() -> None:
    model = frac_prevs()
    judged = verdict(compressed_model(model, Sharing.ALL, {"matrices": np.eye(model.config.d_model)[None]}))
    worse = replace(judged.variables[0], compiled=0.8)
    assert not replace(judged, variables=(worse,)).faithful
    assert replace(judged, variables=(replace(worse, of_program=False),)).faithful
    assert replace(judged, variables=(worse,), threshold=0.8).faithful
