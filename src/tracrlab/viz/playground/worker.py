"""Answers from a process of their own, which can be ended, with limited memory and no files to write."""

from __future__ import annotations

import json
import multiprocessing
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from tracrlab.viz.playground.requests import Request

_BUSY_PATIENCE = 20.0  # seconds that a request waits for others


@dataclass(frozen=True)
class Limits:
    """What one request may take: seconds, and bytes of memory beyond those the process starts with."""

    seconds: float = 10.0
    memory: int = 2**30


class Workers:
    """Runs requests, a few at a time, each in a fresh process forked from one in which the package is loaded."""

    def __init__(self, limits: Limits | None = None, at_once: int = 2) -> None:
        self.limits = limits or Limits()
        self._free = BoundedSemaphore(at_once)
        method = "spawn" if sys.platform == "win32" else "forkserver"
        self._context: Any = multiprocessing.get_context(method)
        self._context.set_forkserver_preload(["tracrlab.viz.playground.answers"])

    def answer(self, request: Request) -> bytes:
        """The answer to a request as JSON: its own, or a problem that says which limit it met."""
        if not self._free.acquire(timeout=_BUSY_PATIENCE):
            return _problem("the playground is busy; try again")
        try:
            return self._answer(request)
        finally:
            self._free.release()

    def _answer(self, request: Request) -> bytes:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(theirs, request, self.limits), daemon=True)
        try:
            process.start()
            theirs.close()
            if not ours.poll(self.limits.seconds):
                return _problem(
                    f"this takes longer than {self.limits.seconds:g} seconds; try a smaller program or length"
                )
            answer: bytes = ours.recv_bytes()
            return answer
        except EOFError:  # it ended without an answer
            return _problem("this needs more memory or deeper nesting than the playground allows")
        finally:
            process.kill()
            process.join()
            ours.close()


def _work(connection: Connection, request: Request, limits: Limits) -> None:
    _limit_resources(limits)
    from tracrlab.viz.playground.answers import answer

    try:
        text = answer(request)
    except (MemoryError, RecursionError):
        sys.exit(1)  # without an answer
    except Exception as error:  # a bug: said on the page, not in this process's traceback
        text = json.dumps(
            {"problem": {"message": f"internal error: {type(error).__name__}: {error}; please report it"}}
        )
    connection.send_bytes(text.encode())


def _limit_resources(limits: Limits) -> None:
    """Limit memory and processor time, and forbid writing to files, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        most = int(sizes.read_text().split()[0]) * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _problem(message: str) -> bytes:
    return json.dumps({"problem": {"message": message}}).encode()
