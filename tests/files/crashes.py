"""Processes that end at each moment of what they do: nothing tidies up after them."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

_ENDED = 9
_IMPORTED = ["pytest", "safetensors.numpy", "tracrlab.compress.compressed_model"]  # once for all of the processes


def crashes(work: Callable[[], object], step: int = 1) -> Iterator[int]:
    """Do the work again and again in processes of their own, which end before the first thing that they do to files,
    then before the first but ``step``, and so on, until one does it all; after each, the number of things that it did.

    What Python does to files (open, rename, remove, make a folder, …) it announces to audit hooks. The work is pickled:
    the processes stem from one without the threads of other libraries, which do not survive a fork.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    for number in itertools.count(0, step):
        process = context.Process(target=_work_until, args=(number, work))
        process.start()
        process.join()
        assert process.exitcode in (0, _ENDED), "the work failed"
        yield number
        if process.exitcode == 0:
            return


def _work_until(number: int, work: Callable[[], object]) -> None:
    """Do the work and leave, or leave after as many things."""
    done = 0

    def count(event: str, _: tuple[Any, ...]) -> None:
        nonlocal done
        if event.startswith(("open", "os.", "shutil.")):
            if done == number:
                os._exit(_ENDED)
            done += 1

    sys.addaudithook(count)
    work()
    os._exit(0)
