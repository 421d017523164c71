"""The programs of the tasks give the answers that plain Python works out, on every set, and compile small."""

from __future__ import annotations

import re

import pytest

from tracrlab.errors import InjectionError
from tracrlab.inject.tasks import TASKS, Task, task_named
from tracrlab.inject.tasks.shuffle_dyck import PAIRS
from tracrlab.rasp.values import Value

N_EXAMPLES = 15
LARGEST = {"shuffle-dyck": (4, 13_000), "count": (4, 30_000), "addition": (8, 110_000)}  # layers, parameters
SETS = [(name, each) for name, task in TASKS.items() for each in task.sets]


def seen(task: Task, text: str) -> list[str]:
    """A prompt as the program sees it, where every word, digit and symbol is one token."""
    pieces = re.findall(r" ?[A-Za-z]+| ?[^\w\s]|\s|\w", text)
    return [task.tokens.get(piece, task.tokens.get(piece.strip(), task.filler)) for piece in pieces]


def said(task: Task, prompt: str, answer: str) -> str:
    """What the program says from the end of a prompt on, when each answer is read before the next is given."""
    codes = task.program()(seen(task, prompt + answer), causal=True)
    start = len(seen(task, prompt)) - 1
    return "".join(task.answers.get(code, "") for code in codes[start:])


@pytest.mark.parametrize(("name", "each"), SETS)
def test_programs_say_the_answer_and_then_nothing(name: str, each: str) -> None:
    task = TASKS[name]
    for example in task.examples(each, N_EXAMPLES):
        assert said(task, example.prompt, example.answer) == example.answer


@pytest.mark.parametrize(("name", "each"), SETS)
def test_sets_are_drawn_again_from_a_seed_and_have_no_repeats(name: str, each: str) -> None:
    examples = TASKS[name].examples(each, 200, seed=1)
    assert examples == TASKS[name].examples(each, 200, seed=1) != TASKS[name].examples(each, 200, seed=2)
    assert len({example.prompt for example in examples}) == len(examples) >= 100


def brackets(prompt: str) -> str:
    return "".join(each for each in prompt if each in "".join(PAIRS))


def test_brackets_are_balanced_where_the_answer_is_yes() -> None:
    def removed(text: str, left: str, right: str) -> bool:
        """Balanced, by taking pairs away."""
        text = "".join(each for each in text if each in left + right)
        while left + right in text:
            text = text.replace(left + right, "")
        return not text

    task = TASKS["shuffle-dyck"]
    for each in task.sets:
        for example in task.examples(each, 200):
            balanced = all(removed(brackets(example.prompt), *pair) for pair in PAIRS)
            assert example.answer == (" yes" if balanced else " no")


def test_near_misses_have_even_lengths_and_equal_numbers() -> None:
    for example in TASKS["shuffle-dyck"].examples("two swapped", 200):
        own = brackets(example.prompt)
        assert all(own.count(left) == own.count(right) for left, right in map(tuple, PAIRS))


def test_cascades_carry_into_the_third_column() -> None:
    for example in TASKS["addition"].examples("cascades", 200):
        first, second = map(int, re.findall(r"\d+", example.prompt))
        assert first % 10 + second % 10 >= 10
        assert first // 10 % 10 + second // 10 % 10 == 9


def test_counts_are_uniform_where_they_should_be() -> None:
    answers = [int(each.answer) for each in TASKS["count"].examples("uniform counts", 1000)]
    assert set(answers) == set(range(51))
    assert max(answers.count(each) for each in range(51)) < 50


@pytest.mark.parametrize("name", TASKS)
def test_they_are_silent_without_a_question(name: str) -> None:
    task = TASKS[name]
    silent: list[Value] = task.program()(seen(task, "x x ( ] : 1 2 3 = 4 Answer no"), causal=True)
    assert not any(silent)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_they_compile_small(name: str) -> None:
    model = TASKS[name].compiled()
    layers, parameters = LARGEST[name]
    assert model.certificate is not None and model.certificate.holds
    assert model.config.n_layers <= layers and model.config.n_params <= parameters
    task = TASKS[name]
    examples = task.examples(next(iter(task.sets)), N_EXAMPLES)
    inputs = [seen(task, each.prompt + each.answer)[-task.max_seq_len :] for each in examples]
    assert model.run_batch(inputs) == [task.program()(each, causal=True) for each in inputs]


def test_other_tasks_are_refused() -> None:
    with pytest.raises(InjectionError, match="shuffle-dyck, count, addition"):
        task_named("sorting")
