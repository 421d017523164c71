"""Models of a given shape: the components are placed so that they fit, or the reason why they do not is said."""

from __future__ import annotations

from typing import Literal

import pytest

import tracrlab
from tracrlab import Architecture, rasp
from tracrlab.errors import ArchitectureError, CompileError, DomainTooLargeError
from tracrlab.rasp import Comparison, SOp, aggregate, indices, select, selector_width, tokens
from tracrlab.rasp.library import PROGRAMS
from tracrlab.rasp.random_programs import random_program

pytest.importorskip("ortools", reason="the solver is an extra")


def parallel_heads(count: int) -> SOp:
    """The sum of some independent counts, each of which is a head."""
    counts = [selector_width(select(indices, indices - number, Comparison.EQ)) for number in range(1, count + 1)]
    return sum(counts[1:], counts[0])


def test_what_is_left_of_the_architecture_is_zero() -> None:
    wanted = Architecture(n_layers=5, d_model=40, n_heads=3, d_head=16, d_mlp=50)
    program = PROGRAMS["reverse"].build()
    model = tracrlab.compile(program, "abc", 6, mode="compact", fit=wanted)
    c = model.config
    assert (c.n_layers, c.d_model, c.n_heads, c.d_head, c.d_mlp) == (5, 40, 3, 16, 50)
    assert model("abcca") == program("abcca")
    assert model.weights.n_nonzero == tracrlab.compile(program, "abc", 6, mode="compact").weights.n_nonzero


def test_heads_are_spread_over_the_layers_there_are() -> None:
    program = parallel_heads(6)
    assert tracrlab.compile(program, "ab", 9).config.n_heads == 6
    for n_heads, n_layers in ((1, 7), (2, 4), (3, 3)):
        model = tracrlab.compile(program, "ab", 9, fit=Architecture(n_heads=n_heads, n_layers=n_layers + 5))
        assert model.config.n_heads == n_heads
        assert model("abbababaa") == program("abbababaa")


def test_a_saved_model_of_a_given_shape_is_the_same(tmp_path: object) -> None:
    model = tracrlab.compile(PROGRAMS["hist"].build(), "ab", 4, fit=Architecture(d_model=30))
    model.save_pretrained(f"{tmp_path}/model")
    assert tracrlab.load(f"{tmp_path}/model")("abba") == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (Architecture(n_layers=1), "layers are needed for length"),
        (Architecture(d_model=5), "the variables take"),
        (Architecture(d_head=2), "a head takes"),
        (Architecture(d_mlp=2), "an MLP has"),
    ],
)
def test_impossible_architectures_are_refused_with_the_reason(architecture: Architecture, reason: str) -> None:
    with pytest.raises(ArchitectureError, match=reason):
        tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 5, fit=architecture)


def test_too_few_heads_and_neurons_are_counted() -> None:
    with pytest.raises(ArchitectureError, match="it has 6 heads, for 3 layers"):
        tracrlab.compile(parallel_heads(6), "ab", 9, mode="compact", fit=Architecture(n_layers=3, n_heads=1))


def test_the_solver_proves_that_there_is_no_order() -> None:
    previous = aggregate(select(indices, indices - 1, Comparison.EQ), tokens)
    middle = [aggregate(select(indices, indices - n, Comparison.EQ), previous) for n in (1, 2, 3)]
    joined = rasp.elementwise_map(lambda x, y, z: (x, y, z), *middle)
    program = aggregate(select(indices, indices - 1, Comparison.EQ), joined)
    wide, narrow = Architecture(n_layers=3, n_heads=3), Architecture(n_layers=3, n_heads=2)
    assert tracrlab.compile(program, "ab", 5, mode="compact", fit=wide)("abbab") == program("abbab")
    with pytest.raises(ArchitectureError, match="it is proved that no order"):
        tracrlab.compile(program, "ab", 5, mode="compact", fit=narrow)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_fit_with_one_head_a_layer(seed: int) -> None:
    case = random_program(seed)
    try:
        free = tracrlab.compile(
            case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal
        )
    except CompileError:
        return
    wanted = Architecture(n_heads=1, n_layers=3 * free.config.n_layers + 12)
    model = tracrlab.compile(
        case.program, case.vocabulary, case.max_length, **case.special_tokens, causal=case.causal, fit=wanted
    )
    inputs = [case.vocabulary[:1] * case.max_length, list(case.vocabulary)[: case.max_length]]
    assert model.config.n_heads == 1
    assert model.run_batch(inputs) == rasp.evaluate_batch(case.program, inputs, causal=case.causal)


def test_sizes_are_positive_integers_and_layers_are_few_enough_to_lay_out() -> None:
    with pytest.raises(ValueError, match="n_heads must be a positive integer"):
        Architecture(n_heads=0)
    with pytest.raises(ValueError, match=r"n_layers must be at most 65,536, not 1,000,000,000"):
        Architecture(n_layers=10**9)


@pytest.mark.parametrize("architecture", [Architecture(n_layers=1), Architecture(d_head=1), Architecture(d_model=3)])
def test_compact_mode_is_a_remedy_where_it_is_not_asked_for_already(architecture: Architecture) -> None:
    def remedy(mode: Literal["faithful", "compact"]) -> str:
        with pytest.raises(ArchitectureError) as refusal:
            tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 5, mode=mode, fit=architecture)
        return refusal.value.remedy

    assert remedy("faithful").endswith(", leave the size open, or use mode='compact'")
    assert remedy("compact").endswith(", or leave the size open")


@pytest.mark.parametrize("size", ["d_model", "n_heads", "d_head", "d_mlp"])
def test_a_shape_with_too_many_parameters_is_refused_before_it_is_laid_out(size: str) -> None:
    with pytest.raises(DomainTooLargeError, match="a smaller shape"):
        tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 5, fit=Architecture(**{size: 10**12}))
