"""Random programs of a few lines differ in meaning, and are the same for the same seed."""

from __future__ import annotations

from itertools import islice, product

import tracrlab
from tracrlab import rasp
from tracrlab.rasp.batches import Batch, every_input
from tracrlab.rasp.typed_programs import LENGTH, VOCABULARY, Rejection, TypedPrograms, meaning
from tracrlab.rasp.values import value_key


def small(seed: int, known: set[bytes] | None = None) -> TypedPrograms:
    """Programs over fewer inputs."""
    return TypedPrograms(seed, vocabulary=(0, 1, 2), length=3, known=known or set())


def test_programs_differ_in_meaning() -> None:
    inputs = [each for n in (1, 2, 3) for each in product((0, 1, 2), repeat=n)]
    seen = set()
    for each in islice(small(1), 60):
        values = [list(map(value_key, row)) for row in rasp.evaluate_batch(each.program, inputs)]
        assert str(values) not in seen
        seen.add(str(values))
        assert len({key for row in values for key in row}) > 1


def test_another_set_can_be_kept_apart() -> None:
    first = small(2)
    taken = {each.meaning for each in islice(first, 40)}
    second = small(3, set(first.known))
    assert not taken & {each.meaning for each in islice(second, 40)}
    assert second.rejections[Rejection.DUPLICATE]


def test_the_same_seed_gives_the_same_programs() -> None:
    runs = [[each.meaning for each in islice(small(4), 20)] for _ in range(2)]
    assert runs[0] == runs[1]


def test_they_have_the_lines_that_are_asked_for_and_compile() -> None:
    made = TypedPrograms(5, min_lines=3, max_lines=4)
    for each in islice(made, 5):
        assert 3 <= each.n_lines <= 4
        tracrlab.compile(each.program, VOCABULARY, LENGTH, prove=False)
    assert made.rejections


def test_types_are_part_of_a_meaning() -> None:
    batch = Batch((0, 1), every_input(2, 2))
    assert meaning(rasp.tokens == 1, batch) != meaning(rasp.tokens, batch)
    assert meaning(rasp.tokens + 1, batch) == meaning(1 + rasp.tokens, batch)
