"""The three tasks of Vergara-Browne and Soto (2025), as programs with prompts, and sets in and out of distribution."""

from tracrlab.errors import InjectionError
from tracrlab.inject.tasks.addition import Addition
from tracrlab.inject.tasks.count import Count
from tracrlab.inject.tasks.shuffle_dyck import ShuffleDyck
from tracrlab.inject.tasks.task import Example, Task

TASKS: dict[str, Task] = {task.name: task for task in (ShuffleDyck(), Count(), Addition())}
"""Every task by name."""


def task_named(name: str) -> Task:
    """The task of this name.

    Raises:
        InjectionError: there is none.
    """
    if name not in TASKS:
        raise InjectionError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[name]


__all__ = ["TASKS", "Addition", "Count", "Example", "ShuffleDyck", "Task", "task_named"]
