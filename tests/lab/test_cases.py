"""Cases are right answers, pairs and a metric, the same for the same seed; what cannot be a case says why."""

from __future__ import annotations

import pytest
import torch

from tests.lab.cases import small_case
from tracrlab import lab, rasp
from tracrlab.errors import LabError
from tracrlab.lab.pairs import Pairs
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks


def words(case: lab.Case, ids: torch.Tensor) -> list[list[object]]:
    vocab = case.model.config.vocab
    return [[vocab[each] for each in row if each < len(vocab)] for row in ids.tolist()]


def assert_same(one: Pairs, other: Pairs) -> None:
    for name in ("ids", "corrupt_ids", "answers", "corrupt_answers", "scored", "taken"):
        assert torch.equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("name", ["reverse", "sort", "frac_prevs"])
def test_pairs_have_the_programs_answers_and_half_of_them_change(name: str) -> None:
    case, program = small_case(name), PROGRAMS[name].build()
    classes = case.module.readout.classes
    for split in ("train", "test"):
        pairs = case.pairs(split, 64)
        assert len(pairs) == 64 and 2 * int(pairs.changed.any(dim=1).sum()) >= 64
        clean, corrupt = words(case, pairs.ids), words(case, pairs.corrupt_ids)
        for number, (one, other) in enumerate(zip(clean, corrupt, strict=True)):
            right, others = program(one), program(other)
            for token, answer in enumerate(right):
                assert classes[pairs.answers[number, token + 1]] == answer
                assert classes[pairs.corrupt_answers[number, token + 1]] == others[pairs.taken[number, token + 1] - 1]
            assert pairs.scored[number].tolist() == [0 < place <= len(one) for place in range(pairs.ids.shape[1])]
        assert len({len(word) for word in clean}) > 1
    trained, tested = ({tuple(word) for word in words(case, case.pairs(split).ids)} for split in ("train", "test"))
    assert trained.isdisjoint(tested)


def test_the_same_seed_gives_the_same_case() -> None:
    one, other = (lab.case("hist", "abc", 3, seed=seed) for seed in (0, 0))
    assert_same(one.pairs(), other.pairs())
    assert one.truth.edges == other.truth.edges
    different = lab.case("hist", "abc", 3, seed=1).pairs()
    assert not torch.equal(different.ids, one.pairs().ids)


def test_the_metric_is_higher_on_clean_inputs() -> None:
    case = small_case("sort")
    pairs = case.pairs("test")
    with torch.no_grad():
        clean, corrupt = case.module(pairs.ids), pairs.moved(case.module(pairs.corrupt_ids))
    for name in ("logit_diff", "cross_entropy", "kl"):
        from tracrlab.lab.metrics import metrics

        metric = metrics(case.module)[name]
        changed = pairs.changed.any(dim=1)
        assert (metric(clean, pairs)[changed] > metric(corrupt, pairs)[changed]).all(), name
    assert torch.equal(metrics(case.module)["kl"](clean, pairs), torch.zeros(len(pairs)))
    assert torch.allclose(case.metric(corrupt, pairs), -_swapped(case, corrupt, pairs), atol=1e-5)


def _swapped(case: lab.Case, logits: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    other = Pairs(pairs.ids, pairs.corrupt_ids, pairs.corrupt_answers, pairs.answers, pairs.scored, pairs.taken)
    return case.metric(logits, other)


def test_values_are_those_of_the_programs_variables() -> None:
    case = lab.case("frac_prevs", "wx", 3)
    ids = case.inputs.tensor
    found = case.values("is_x", ids)
    values = case.model.labels.variable("is_x").variable.values
    for row, word in enumerate(words(case, ids)):
        assert [values[number] for number in found[row, 1 : len(word) + 1]] == [token == "x" for token in word]
        assert (found[row, len(word) + 1 :] == -1).all() and found[row, 0] == -1


def test_exchanged_answers_are_those_of_a_changed_input() -> None:
    """Swapping the tokens that a program reads is running it on other tokens, where it reads nothing else."""
    case = lab.case("hist", "ab", 3)
    rows = torch.tensor([row for row in range(len(case.inputs)) if case.inputs.lengths[row] == 3])
    ids, sources = case.inputs.tensor[rows], case.inputs.tensor[rows.flip(0)]
    assert torch.equal(case.exchanged("tokens", ids, sources)[:, 1:], case.right_answers(sources)[:, 1:])


def test_variables_are_held_and_used_where_the_program_says() -> None:
    truths = small_case("frac_prevs").truth.variables
    first, last = "blocks.0.hook_resid_pre", "blocks.3.hook_resid_post"
    assert truths["tokens", first].held and truths["tokens", first].used
    assert truths["tokens", last].held and not truths["tokens", last].used
    assert not truths["is_x", first].held and truths["is_x", "blocks.0.hook_resid_post"].used
    assert not any(truth.used and not truth.held for truth in truths.values())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("no_such",), {}, "there is no program 'no_such' in the library; there are length, "),
        ((rasp.tokens,), {}, "needs a vocab and a max_seq_len"),
        (("hist",), {"subject": "marble"}, "there is no subject 'marble'; there are plain, soft"),
    ],
)
def test_what_is_no_case(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(LabError, match=message):
        lab.case(*arguments, **options)


def test_too_few_inputs_or_changes() -> None:
    with pytest.raises(LabError, match="the split train has 3 inputs, too few"):
        lab.case("hist", "ab", 2).pairs()
    constant = rasp.numerical(rasp.tokens == "z")
    with pytest.raises(LabError, match="only 0 change an answer"):
        lab.case(constant, "ab", 4).pairs()
