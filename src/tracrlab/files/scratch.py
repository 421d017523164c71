"""Folders in which files are written before they take their places, and what is left of those of killed processes.

A scratch folder is locked as long as its process lives; the system frees the lock of a process that is gone. So one
that can be locked belongs to nobody and is cleared by the next that writes to the same place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

PREFIX = ".tracrlab-"


def checked_path(path: str | PathLike[str]) -> Path:
    """A path that names something.

    Raises:
        OSError: it is empty, which would mean the working folder, or holds a NUL, which no system takes.
    """
    text = os.fspath(path)
    if not text:
        raise FileNotFoundError(errno.ENOENT, "the path is empty")
    if "\0" in text:
        raise OSError(errno.EINVAL, "the path holds a NUL character")
    return Path(text)


def is_scratch(entry: Path) -> bool:
    """Whether an entry of a folder is scratch, maybe of a killed process."""
    return entry.name.startswith(PREFIX)


@contextmanager
def scratch_folder(inside: Path, goal: str) -> Iterator[Path]:
    """A new folder ``inside`` another one for what is to become its entry ``goal``, removed at the end.

    Raises:
        OSError: it cannot be made.
    """
    prefix = PREFIX + hashlib.sha256(os.fsencode(goal)).hexdigest()[:8] + "-"  # a name as long as can be has room for
    for entry in inside.glob(f"{prefix}*"):
        _clear_unless_in_use(entry)
    scratch, lock = _new(inside, prefix)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While no other process that asks for it writes into the folder; where a system has no such locks, nothing."""
    descriptor = None
    with suppress(OSError, ImportError):
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def write_durably(file: Path, content: bytes) -> None:
    """Write a new file, with the permissions of new files, down to the disk.

    Raises:
        OSError: it cannot be written, or is there.
    """
    with file.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """See to it that what was renamed in a folder stays renamed, on systems that can be asked to."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def refuse_read_only(file: Path) -> None:
    """Raise unless the file may be written: renaming over it would not ask; nor does a superuser's permission count.

    Raises:
        OSError: it is there, and nobody or not this user may write it.
    """
    with suppress(FileNotFoundError):
        if not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")


def _new(inside: Path, prefix: str) -> tuple[Path, int | None]:
    """A scratch folder and its lock. Another process may take it for an abandoned one before the lock is there."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=inside))
        with suppress(FileNotFoundError):
            lock = _lock(scratch)
            scratch.stat()
            return scratch, lock


def _lock(scratch: Path) -> int | None:
    """A lock on a folder that ends with the descriptor that is returned; None if it cannot be had.

    Raises:
        OSError: the folder cannot be opened.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _clear_unless_in_use(scratch: Path) -> None:
    with suppress(OSError):  # another process may clear it at the same time
        if (lock := _lock(scratch)) is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(lock)
