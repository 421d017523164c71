"""A folder that programs of other houses read, replaced by a new one at a stroke."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from tracrlab.files.scratch import checked_path, refuse_read_only, scratch_folder, sync_folder

_LINUX_WORKING_FOLDER, _LINUX_EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of renameat2(2)
_MACOS_SWAP = 2  # RENAME_SWAP of renamex_np(2)


@contextmanager
def replaced_folder(path: str | PathLike[str], last: str) -> Iterator[Path]:
    """A new, empty folder to write into, whose files take the places of those in the folder ``path`` at the end.

    A new folder appears at a stroke. An existing one is exchanged for one that holds its other files, too, so that it
    is the old or the new one whenever the process is killed. Where the system cannot do that (on Windows, on some
    network file systems, where the folder is a mount point) or should not (it is the working folder, or holds it), the
    files are replaced one by one, ``last`` at last.

    Raises:
        OSError: it cannot be written. Nothing has changed, unless files were being replaced one by one.
    """
    folder = Path(os.path.realpath(checked_path(path)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent, folder.name) as scratch:
        new = scratch / "new"
        new.mkdir()
        yield new
        written = sorted(new.iterdir(), key=lambda file: file.name == last)
        for file in written:
            _sync(file)
            refuse_read_only(folder / file.name)
        if not folder.exists():
            sync_folder(new)
            os.rename(new, folder)
        elif _holds_working_folder(folder) or not _exchanged(new, folder, scratch / "whole"):
            for file in written:
                os.replace(file, folder / file.name)
            sync_folder(folder)
        sync_folder(folder.parent)


def _exchanged(new: Path, folder: Path, whole: Path) -> bool:
    """Whether the folder could be exchanged for ``whole``, in which the new files are put over the folder's own."""
    for source in (folder, new):
        shutil.copytree(source, whole, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    shutil.copystat(folder, whole)
    sync_folder(whole)
    if not _exchange(whole, folder):
        return False
    for entry in whole.iterdir():  # of what was there, all that another process has put there meanwhile
        if not os.path.lexists(folder / entry.name):
            os.rename(entry, folder / entry.name)
    return True


def _link(source: str, goal: str) -> None:
    """The same file at another place, over what is there; or a copy, where there are no hard links."""
    if os.path.lexists(goal):
        os.unlink(goal)
    try:
        os.link(source, goal, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, goal)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders at a stroke; False if this system cannot."""
    system: Any = ctypes.CDLL(None) if os.name == "posix" else None
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux" and hasattr(system, "renameat2"):
        here = _LINUX_WORKING_FOLDER
        return bool(system.renameat2(here, first, here, second, _LINUX_EXCHANGE) == 0)
    if sys.platform == "darwin" and hasattr(system, "renamex_np"):
        return bool(system.renamex_np(first, second, _MACOS_SWAP) == 0)
    return False


def _holds_working_folder(folder: Path) -> bool:
    working = Path.cwd()
    return folder == working or folder in working.parents


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
