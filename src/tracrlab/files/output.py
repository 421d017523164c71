"""A single file, written to wherever its path leads."""

from __future__ import annotations

import errno
import os
import stat
from os import PathLike
from pathlib import Path

from tracrlab.files.scratch import checked_path, refuse_read_only, scratch_folder, sync_folder, write_durably

_MOST_LINKS = 40  # as many as Linux follows, before it speaks of a loop


def write_output(path: str | PathLike[str], content: bytes) -> None:
    """Write a file, which appears as a whole or not at all, with the permissions of the one it replaces.

    Symbolic links are followed. Pipes, devices and what is open already, as ``/dev/stdout``, are written into.

    Raises:
        OSError: it cannot be written, or is there and read-only.
    """
    goal = _destination(checked_path(path))
    if goal is None:
        with open(path, "ab") as stream:  # behind what was written to an open file
            stream.write(content)
        return
    check_output(goal)
    with scratch_folder(goal.parent, goal.name) as scratch:
        file = scratch / "content"
        write_durably(file, content)
        if goal.exists():
            file.chmod(stat.S_IMODE(goal.stat().st_mode))
        os.replace(file, goal)
        sync_folder(goal.parent)


def check_output(path: str | PathLike[str]) -> None:
    """Raise, before long work, if its result can be seen not to go where it should.

    Raises:
        OSError: there is no such folder, or a folder or a read-only file in the place of the file.
    """
    goal = _destination(checked_path(path))
    if goal is None:
        return
    if goal.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not goal.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {goal.parent}; create it")
    refuse_read_only(goal)


def complaint(path: str | PathLike[str], error: OSError) -> str:
    """Why a file could not be written, in one line."""
    return f"cannot write {os.fspath(path) or 'a file'}: {error.strerror or error}"


def is_stream(path: str | PathLike[str]) -> bool:
    """Whether a path leads to a pipe, a device or an open file rather than to the place of a file.

    Raises:
        OSError: the path names nothing, or its links go round in circles.
    """
    return _destination(checked_path(path)) is None


def _destination(path: Path) -> Path | None:
    """The place of the file that a path leads to; None if that is a stream.

    Links below ``/proc`` are the open files of processes: what they name is not a place where one could put another.
    """
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            kind = path.stat().st_mode if path.exists() else stat.S_IFREG
            return path if stat.S_ISREG(kind) or stat.S_ISDIR(kind) else None
        if os.path.realpath(path.parent).startswith("/proc/"):
            return None
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
